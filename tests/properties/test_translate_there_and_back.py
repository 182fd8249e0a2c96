"""A conversation that goes to another dialect and back still says the same."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.peek import read_fields
from gateway.translate import translator
from tests.golden.request_rules import check_chat_request, check_messages_request
from tests.unit.translate.kit import context, fields

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
texts = words.map(lambda text: {"type": "text", "text": text})
arguments = st.dictionaries(
    words, st.one_of(words, st.integers(), st.booleans(), st.lists(words, max_size=2)), max_size=3
)
images = st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}})
TOOLS = [{"name": "f", "description": "F", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}]


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Turns of text, images, calls and their results, from the user's first to the user's last."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": draw(st.lists(st.one_of(texts, images), min_size=1))}]
    for turn in range(draw(st.integers(0, 3))):
        said = draw(st.lists(texts, max_size=1))
        calls = [
            {"type": "tool_use", "id": f"call_{turn}_{number}", "name": "f", "input": given_to}
            for number, given_to in enumerate(draw(st.lists(arguments, max_size=3)))
        ]
        if not said and not calls:
            continue
        messages.append({"role": "assistant", "content": [*said, *calls]})
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": draw(words)} for call in calls]
        more = draw(st.lists(texts, min_size=0 if results else 1, max_size=2))
        messages.append({"role": "user", "content": [*results, *more]})
    return messages


def meaning(messages: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Turns with their blocks, in one spelling."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], list(blocks)))
    return turns


@settings(max_examples=150, deadline=None)
@given(conversations(), words)
def test_messages_to_chat_and_back(messages: list[dict[str, Any]], system: str):
    asked = fields(model="m", max_tokens=99, system=[{"type": "text", "text": system}], messages=messages, tools=TOOLS)
    there = translator("messages", "chat").translate_request(asked, context())
    check_chat_request(msgspec.json.decode(there.body), "there")
    back = translator("chat", "messages").translate_request(read_fields(there.body), context())
    found = msgspec.json.decode(back.body)
    check_messages_request(found, "back")
    assert meaning(found["messages"]) == meaning(messages)
    assert found["system"] == [{"type": "text", "text": system}]
    assert found["tools"] == TOOLS
    assert found["max_tokens"] == 99
    assert (there.warnings, back.warnings) == ((), ())


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_the_same_conversation_is_the_same_bytes(messages: list[dict[str, Any]]):
    """And one turn more begins with the same messages: prompt caches are read from the front."""
    pair = translator("messages", "chat")
    bodies = [
        pair.translate_request(fields(model="m", max_tokens=99, messages=messages), context()).body for _ in range(2)
    ]
    assert bodies[0] == bodies[1]
    longer = [*messages, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
    more = pair.translate_request(fields(model="m", max_tokens=99, messages=longer), context()).body
    first, second = (msgspec.json.decode(body)["messages"] for body in (bodies[0], more))
    assert second[: len(first)] == first
