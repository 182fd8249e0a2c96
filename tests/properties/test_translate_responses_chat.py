"""Any Chat stream, cut anywhere, for a Responses client: nothing lost, nothing doubled, no end that was not one."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.translate import chat_responses, responses_chat
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.unit.translate.kit import context, fields
from tests.unit.translate.upstream_events import DONE, USAGE, Played, chunk, fragment, usage_chunk

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
CUTS = st.lists(st.integers(0, 10**6), max_size=12)


class Said:
    """What a stream is made of, and what a client has to read of it."""

    def __init__(self) -> None:
        self.stream: list[bytes] = []
        self.text = ""
        self.thought = ""
        self.calls: list[str] = []


@st.composite
def answers(draw: st.DrawFn) -> Said:
    """Text, reasoning and up to three calls, whose pieces come in any order."""
    said = Said()
    said.stream.append(chunk(role="assistant", content=""))
    arguments: list[list[str]] = []
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "call", "piece"]), max_size=10)):
        if kind == "text":
            piece = draw(WORDS)
            said.text += piece
            said.stream.append(chunk(content=piece))
        elif kind == "thought":
            piece = draw(WORDS)
            said.thought += piece
            said.stream.append(chunk(reasoning_content=piece))
        elif kind == "call" and len(arguments) < 3:
            text = msgspec.json.encode({"a": draw(WORDS)}).decode()
            said.calls.append(text)
            said.stream.append(fragment(len(arguments), id=f"call_{len(arguments)}", name="f"))
            arguments.append([text[start : start + 4] for start in range(0, len(text), 4)])
        elif kind == "piece" and any(arguments):
            index = draw(st.sampled_from([number for number, pieces in enumerate(arguments) if pieces]))
            said.stream.append(fragment(index, arguments[index].pop(0)))
    for index, pieces in enumerate(arguments):
        said.stream += [fragment(index, piece) for piece in pieces]
    return said


def play(stream: bytes, cuts: list[int] | None = None) -> Played:
    return Played(responses_chat.reader(Memo(context(), stream=True)), stream, cuts)


def read(output: list[dict[str, Any]]) -> tuple[str, str, list[str]]:
    """Text, reasoning and arguments of finished items."""
    text = "".join(part["text"] for item in output if item["type"] == "message" for part in item["content"])
    thought = "".join(part["text"] for item in output if item["type"] == "reasoning" for part in item["summary"])
    return text, thought, [item["arguments"] for item in output if item["type"] == "function_call"]


@settings(deadline=None)
@given(answers(), CUTS)
def test_everything_arrives_once(said: Said, cuts: list[int]) -> None:
    """Text, arguments, usage and the end survive any order of chunks and any cut of their bytes."""
    end = chunk("tool_calls" if said.calls else "stop")
    played = play(b"".join([*said.stream, end, usage_chunk(), DONE]), cuts)
    assert played.error is None
    final = check_stream("responses", played.events, {}, "client_stream", failing=False, upstream=False)
    response = played.events[-1]["data"]["response"]
    assert read(response["output"]) == (said.text, said.thought, said.calls)
    assert final["status"] == "completed"
    assert response["usage"] == USAGE


@settings(deadline=None)
@given(answers(), CUTS)
def test_no_item_is_opened_twice(said: Said, cuts: list[int]) -> None:
    """Every item has one beginning and one end, and its pieces come in between."""
    events = play(b"".join([*said.stream, chunk("stop"), DONE]), cuts).events
    state: dict[int, str] = {}
    for event in events:
        index = event["data"].get("output_index")
        kind = event["event"].removeprefix("response.")
        if kind == "output_item.added":
            assert index not in state
            state[index] = "open"
        elif index is not None:
            assert state[index] == "open"
            state[index] = "done" if kind == "output_item.done" else "open"
    assert set(state.values()) <= {"done"}


@settings(deadline=None)
@given(answers(), CUTS, st.integers(0, 10**6))
def test_a_cut_stream_has_no_end(said: Said, cuts: list[int], length: int) -> None:
    """What was said before the cut is a beginning of what would have been said, and nobody calls it finished."""
    whole = b"".join(said.stream)
    played = play(whole[: length % (len(whole) + 1)], cuts)
    assert played.error is not None
    assert played.terminal == b""
    kinds = [event["event"] for event in played.events]
    assert not {"response.completed", "response.incomplete"} & set(kinds)
    text = "".join(event["data"]["delta"] for event in played.events if event["event"].endswith("output_text.delta"))
    assert said.text.startswith(text)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Chat messages of whole turns: text, calls, their results."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": draw(WORDS)}]
    for turn in range(draw(st.integers(1, 4))):
        messages.append({"role": "user", "content": [{"type": "text", "text": draw(WORDS)}]})
        names = [f"call_{turn}_{number}" for number in range(draw(st.integers(0, 3)))]
        function = {"name": "f", "arguments": '{"a":1}'}
        calls = [{"id": name, "type": "function", "function": function} for name in names]
        answer = {"role": "assistant", "content": draw(WORDS)}
        messages.append({**answer, "tool_calls": calls} if calls else answer)
        messages += [{"role": "tool", "tool_call_id": name, "content": draw(WORDS)} for name in names]
    return [*messages, {"role": "user", "content": [{"type": "text", "text": "?"}]}]


@settings(deadline=None)
@given(conversations())
def test_there_and_back_keeps_the_conversation(messages: list[dict[str, Any]]) -> None:
    """A conversation as items, and those as messages again, is the conversation."""
    given_context = context()
    items = chat_responses.translate_request(fields(model="m", messages=messages), given_context).body
    asked = fields(model="m", input=msgspec.json.decode(items)["input"])
    back = msgspec.json.decode(responses_chat.translate_request(asked, given_context).body)["messages"]
    head, rest = back[0], back[1:]
    assert head == {"role": "system", "content": [{"type": "text", "text": messages[0]["content"]}]}
    assert rest == messages[1:]
