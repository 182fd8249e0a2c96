"""Conversations keep what was said, and become requests the other vendor takes: Messages to Responses and back."""

from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.translate import translator
from tests.golden.request_rules import check_messages_request, check_responses_request
from tests.golden.sdk_types import check_request
from tests.properties.broken import broken
from tests.unit.translate.kit import context, fields

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(str.strip)
arguments = st.dictionaries(words, st.one_of(words, st.integers()), max_size=2)
CLAUDE_THINKING = 'gwr1:{"m":"some-model","s":"sig","t":"hm","v":"anthropic"}'
OPENAI_THINKING = 'gwr1:{"e":"secret","i":"rs_1","v":"openai"}'
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
MARKED = {"cache_control": {"type": "ephemeral"}}


@st.composite
def claude_conversations(draw: st.DrawFn) -> dict[str, Any]:
    """User and assistant in turns, the calls of an assistant answered in any order."""
    messages: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(0, 3))):
        messages.append({"role": "user", "content": [*_results(draw, messages), *draw(_user_blocks())]})
        messages.append({"role": "assistant", "content": _assistant_blocks(draw, turn)})
    messages.append({"role": "user", "content": [*_results(draw, messages), *draw(_user_blocks())]})
    return {"model": "m", "max_tokens": 100, "messages": messages, "system": draw(words)}


def _user_blocks() -> st.SearchStrategy[list[dict[str, Any]]]:
    text = st.builds(lambda word: {"type": "text", "text": word}, words)
    marked = st.builds(lambda word: {"type": "text", "text": word, **MARKED}, words)
    image = st.just({"type": "image", "source": PNG})
    return st.lists(st.one_of(text, marked, image), min_size=1, max_size=3)


def _assistant_blocks(draw: st.DrawFn, turn: int) -> list[dict[str, Any]]:
    signature = draw(st.sampled_from([OPENAI_THINKING, CLAUDE_THINKING, "native", None]))
    blocks = [] if signature is None else [{"type": "thinking", "thinking": "hm", "signature": signature}]
    blocks += [{"type": "text", "text": word} for word in draw(st.lists(words, max_size=2))]
    for number, named in enumerate(draw(st.lists(arguments, max_size=2))):
        blocks.append({"type": "tool_use", "id": f"toolu_{turn}_{number}", "name": "tool", "input": named})
    return blocks or [{"type": "text", "text": "ok"}]


def _results(draw: st.DrawFn, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = messages[-1]["content"] if messages else []
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": draw(words), "is_error": draw(st.booleans())}
        for block in last
        if block["type"] == "tool_use"
    ]
    return draw(st.permutations(results))


@st.composite
def responses_conversations(draw: st.DrawFn) -> dict[str, Any]:
    """Items of several answers: reasoning, text, calls, and the outputs of all of them before the next."""
    items: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(0, 3))):
        items += draw(st.lists(_said(), min_size=0 if items else 1, max_size=2))
        items += _answer(draw, turn)
    items.append({"role": "user", "content": draw(words)})
    return {"model": "m", "input": items}


def _said() -> st.SearchStrategy[dict[str, Any]]:
    user = st.builds(lambda word: {"role": "user", "content": word}, words)
    parts = st.builds(lambda word: {"role": "user", "content": [{"type": "input_text", "text": word}]}, words)
    developer = st.builds(lambda word: {"type": "message", "role": "developer", "content": word}, words)
    return st.one_of(user, parts, developer)


def _answer(draw: st.DrawFn, turn: int) -> list[dict[str, Any]]:
    sealed = draw(st.sampled_from([CLAUDE_THINKING, OPENAI_THINKING, "gAAAA", None]))
    items = [] if sealed is None else [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}]
    text = draw(st.one_of(st.none(), words))
    if text is not None:
        part = {"type": "output_text", "text": text, "annotations": []}
        message = {"id": f"msg_{turn}", "type": "message", "role": "assistant", "status": "completed"}
        items.append({**message, "content": [part]})
    calls, outputs = [], []
    for number, named in enumerate(draw(st.lists(arguments, max_size=2))):
        call = {"call_id": f"call_{turn}_{number}", "name": "tool"}
        if draw(st.booleans()):
            calls.append({"type": "custom_tool_call", **call, "input": draw(words)})
            outputs.append({"type": "custom_tool_call_output", "call_id": call["call_id"], "output": draw(words)})
        else:
            calls.append({"type": "function_call", **call, "arguments": msgspec.json.encode(named).decode()})
            outputs.append({"type": "function_call_output", "call_id": call["call_id"], "output": draw(words)})
    return [*items, *calls, *draw(st.permutations(outputs))]


def as_responses(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given = context(can={"efforts": ("low",), "cache_breakpoints": True, "developer_role": True}, **changes)
    return msgspec.json.decode(translator("messages", "responses").translate_request(fields(**body), given).body)


def as_messages(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given = context(flavour="anthropic", **changes)
    return msgspec.json.decode(translator("responses", "messages").translate_request(fields(**body), given).body)


@settings(max_examples=200, deadline=None)
@given(claude_conversations())
def test_openai_takes_every_conversation_with_claude(body: dict[str, Any]):
    sent = as_responses(body)
    check_request("responses", sent, {}, "request")
    check_responses_request(sent, "request")
    assert _spoken(sent["input"]) == _spoken_to_claude(body["messages"])
    calls = [msgspec.json.decode(item["arguments"]) for item in sent["input"] if item["type"] == "function_call"]
    assert calls == [block["input"] for block in _blocks(body["messages"]) if block["type"] == "tool_use"]


@settings(max_examples=200, deadline=None)
@given(responses_conversations(), st.booleans())
def test_claude_takes_every_conversation_with_openai(body: dict[str, Any], mid_system: bool):
    sent = as_messages(body, can={"mid_system": mid_system})
    check_request("messages", sent, {}, "request")
    check_messages_request(sent, "request")
    calls = [item for item in body["input"] if item.get("type", "").endswith("_call")]
    uses = [block for block in _blocks(sent["messages"]) if block["type"] == "tool_use"]
    assert [block["id"] for block in uses] == [item["call_id"] for item in calls]
    thinking = [block for block in _blocks(sent["messages"]) if block["type"] == "thinking"]
    assert all(block == {"type": "thinking", "thinking": "hm", "signature": "sig"} for block in thinking)


@settings(max_examples=100, deadline=None)
@given(responses_conversations(), st.data())
def test_a_longer_conversation_begins_as_the_shorter_did(body: dict[str, Any], data: st.DataObject):
    """Claude's caches, and the thinking bound to what stood before it, live on bytes that stay."""
    more = [{"role": "assistant", "content": "Well."}, {"role": "user", "content": data.draw(words)}]
    shorter = as_messages(body)["messages"]
    longer = as_messages({**body, "input": [*body["input"], *more]})["messages"]
    assert longer[: len(shorter)] == shorter


@settings(max_examples=200, deadline=None)
@given(st.one_of(claude_conversations(), responses_conversations()), st.data())
def test_a_careless_client_is_served_or_refused(body: dict[str, Any], data: st.DataObject):
    translate = as_responses if "messages" in body else as_messages
    name = "messages" if "messages" in body else "input"
    with suppress(BadRequest):
        translate({**body, name: data.draw(broken(body[name]))})


def _blocks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [block for message in messages if isinstance(message["content"], list) for block in message["content"]]


def _spoken(items: list[dict[str, Any]]) -> str:
    """Every word of users and assistants, in order, without system prompt and tool results."""
    said = ""
    for item in items:
        if item["type"] == "message" and item["role"] in ("user", "assistant"):
            content = item["content"]
            parts = [{"text": content}] if isinstance(content, str) else content
            said += "".join(part.get("text", "") for part in parts)
    return said


def _spoken_to_claude(messages: list[dict[str, Any]]) -> str:
    return "".join(block["text"] for block in _blocks(messages) if block["type"] == "text")
