"""Any Responses stream, cut anywhere, for a Chat client: nothing lost, nothing doubled, no end that was not one."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.translate import chat_responses
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.unit.translate.kit import context
from tests.unit.translate.upstream_events import (
    CHAT_USAGE,
    Played,
    added,
    call,
    completed,
    created,
    delta,
    done,
    message,
    reasoning,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
PIECES = st.lists(WORDS, min_size=1, max_size=4)
CUTS = st.lists(st.integers(0, 10**6), max_size=12)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The items of an answer, and events that say them: some servers leave out beginnings, pieces, or ends."""
    output: list[dict[str, Any]] = []
    waiting: list[list[bytes]] = []
    for index, kind in enumerate(draw(st.lists(st.sampled_from(["message", "call", "reasoning"]), max_size=4))):
        pieces = draw(PIECES)
        if kind == "call":
            text = msgspec.json.encode({"a": "".join(pieces)}).decode()
            pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
            item, empty, name = call(f"call_{index}", text), call(f"call_{index}", ""), "function_call_arguments"
        elif kind == "message":
            item, name = message("".join(pieces), id=f"msg_{index}"), "output_text"
            empty = {**item, "content": []}
        else:
            item, name = reasoning("".join(pieces), id=f"rs_{index}"), "reasoning_summary_text"
            empty = {**item, "summary": []}
        says_pieces = draw(st.booleans())
        place = {"item_id": item["id"], "summary_index": 0}
        events = [added(index, empty)]
        events += [delta(name, index, piece, **place) for piece in pieces if says_pieces]
        if draw(st.booleans()):
            events.append(done(index, item))
        output.append(item)
        waiting.append(events)
    return output, _shuffled(draw, waiting)


def _shuffled(draw: st.DrawFn, waiting: list[list[bytes]]) -> list[bytes]:
    """Events of items that are open side by side; each item begins after the one before it."""
    stream: list[bytes] = []
    begun = 0
    while any(waiting):
        open_ones = [events for events in waiting[:begun] if events]
        fresh = waiting[begun:][:1]
        chosen = draw(st.sampled_from(open_ones + fresh))
        if fresh and chosen is fresh[0]:
            begun += 1
        stream.append(chosen.pop(0))
    return stream


def memo(include_usage: bool = True) -> Memo:
    return Memo(context(options={"reasoning_field": "reasoning_content"}), stream=True, include_usage=include_usage)


def said(events: list[dict[str, Any]]) -> tuple[str, str, dict[str, str]]:
    """Text, reasoning, and arguments by call id, of a Chat stream."""
    text = thought = ""
    calls: list[list[str]] = []
    for event in events:
        choices = event["data"]["choices"] if event["data"] != "[DONE]" else []
        for choice in choices:
            text += choice["delta"].get("content") or ""
            thought += choice["delta"].get("reasoning_content") or ""
            for piece in choice["delta"].get("tool_calls", ()):
                if piece["index"] == len(calls):
                    calls.append([piece["id"], ""])
                calls[piece["index"]][1] += piece["function"]["arguments"]
    return text, thought, dict(calls)


def texts_of(output: list[dict[str, Any]]) -> tuple[str, str, dict[str, str]]:
    messages = [item["content"][0]["text"] for item in output if item["type"] == "message"]
    thoughts = [item["summary"][0]["text"] for item in output if item["type"] == "reasoning"]
    calls = {item["call_id"]: item["arguments"] for item in output if item["type"] == "function_call"}
    return "\n\n".join(messages), "".join(thoughts), calls


@settings(deadline=None)
@given(answers(), CUTS)
def test_everything_arrives_once(answer: tuple[list[dict[str, Any]], list[bytes]], cuts: list[int]) -> None:
    """Text, arguments, usage and the end survive any order of events and any cut of their bytes."""
    output, stream = answer
    whole = b"".join([created(), *stream, completed(output)])
    played = Played(chat_responses.reader(memo()), whole, cuts)
    assert played.error is None
    text, thought, calls = said(played.events)
    expected = texts_of(output)
    assert (text, calls) == (expected[0], expected[2])
    assert sorted(thought) == sorted(expected[1])
    assert list(calls) == list(expected[2])
    case = {"extension_fields": ["reasoning_content"]}
    final = check_stream("chat", played.events, case, "client_stream", failing=False, upstream=False)
    assert final["usage"] == CHAT_USAGE
    assert final["choices"][0]["finish_reason"] == ("tool_calls" if calls else "stop")


@settings(deadline=None)
@given(answers(), CUTS, st.integers(0, 10**6))
def test_a_cut_stream_has_no_end(
    answer: tuple[list[dict[str, Any]], list[bytes]], cuts: list[int], length: int
) -> None:
    """What was said before the cut is a beginning of what would have been said, and nobody calls it finished."""
    output, stream = answer
    end = completed(output)
    whole = b"".join([created(), *stream])
    cut = whole + end[: len(end) - 3]
    played = Played(chat_responses.reader(memo()), cut[: length % len(cut)], cuts)
    assert played.error is not None
    assert played.terminal == b""
    assert all(choice["finish_reason"] is None for event in played.events for choice in event["data"]["choices"])
    text, _, calls = said(played.events)
    expected = texts_of(output)
    assert expected[0].startswith(text)
    assert all(expected[2][call_id].startswith(arguments) for call_id, arguments in calls.items())


@settings(deadline=None)
@given(answers())
def test_the_streamed_answer_is_the_whole_answer(answer: tuple[list[dict[str, Any]], list[bytes]]) -> None:
    """A client that does not stream reads the same words, the same calls, the same end."""
    output, stream = answer
    events = Played(chat_responses.reader(memo()), b"".join([created(), *stream, completed(output)])).events
    ended = msgspec.json.decode(completed(output).partition(b"data: ")[2])["response"]
    whole = msgspec.json.decode(chat_responses.translate_answer(msgspec.json.encode(ended), memo()).body)
    message = whole["choices"][0]["message"]
    text, _, calls = said(events)
    assert (message["content"] or "") == text
    made = {each["id"]: each["function"]["arguments"] for each in message.get("tool_calls", ())}
    assert made == calls
    assert whole["usage"] == CHAT_USAGE
