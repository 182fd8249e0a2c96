"""A Chat stream becomes one Messages stream, whatever the server does and however its bytes arrive."""

from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.translate import translator
from gateway.translate.base import Memo
from tests.golden.stream_rules import check_messages_stream
from tests.unit.translate.kit import CHAT_DONE, Seen, chat_chunk, context, cut_into, events_of, fragment, watch

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
    "completion_tokens_details": {"reasoning_tokens": 20},
}

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
arguments = st.dictionaries(words, st.one_of(words, st.integers(), st.lists(words, max_size=2)), max_size=3)


class Answer(NamedTuple):
    """What the server means, and the frames in which it says so."""

    text: str
    reasoning: str
    calls: list[dict[str, Any]]
    finish: str
    frames: list[bytes]

    @property
    def stream(self) -> bytes:
        return b"".join(self.frames)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Reasoning, text and calls; the calls' fragments between each other and between the text."""
    calls = [msgspec.json.encode(call).decode() for call in draw(st.lists(arguments, max_size=3))]
    pieces = [(number, "", True) for number in range(len(calls))]
    for number, call in enumerate(calls):
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(call) - 1)), max_size=3)))
        edges = [0, *cuts, len(call)]
        pieces += [(number, call[start:end], False) for start, end in pairwise(edges)]
    order = draw(st.permutations(range(len(pieces))))
    interleaved = _in_order(pieces, order)
    texts, reasonings = draw(st.lists(words, max_size=4)), draw(st.lists(words, max_size=2))
    frames = [chat_chunk({"role": "assistant", "content": ""})]
    frames += [chat_chunk({"reasoning_content": piece}) for piece in reasonings]
    saying = [chat_chunk({"content": piece}) for piece in texts]
    calling = [_fragment(number, piece, first=first) for number, piece, first in interleaved]
    frames += _merged(draw, saying, calling)
    finish = draw(st.sampled_from(["stop", "tool_calls"]))
    on_finish = draw(st.booleans())
    frames.append(chat_chunk({}, finish, **({"usage": USAGE} if on_finish else {})))
    frames += [] if on_finish else [chat_chunk(usage=USAGE)]
    frames.append(CHAT_DONE)
    return Answer("".join(texts), "".join(reasonings), [msgspec.json.decode(call) for call in calls], finish, frames)


def _in_order(pieces: list[tuple[int, str, bool]], order: list[int]) -> list[tuple[int, str, bool]]:
    """The pieces mixed, but every call's own in their order and the calls begun in theirs."""
    queues = {number: [piece for piece in pieces if piece[0] == number] for number, _, _ in pieces}
    mixed: list[tuple[int, str, bool]] = []
    begun = -1
    for place in order:
        number = pieces[place][0]
        while begun < number:
            begun += 1
            mixed.append(queues[begun].pop(0))
        if queues[number] and queues[number][0] not in mixed[-1:]:
            mixed.append(queues[number].pop(0))
    return mixed + [piece for queue in queues.values() for piece in queue]


def _fragment(number: int, piece: str, *, first: bool) -> bytes:
    head = {"call_id": f"call_{number}", "name": f"tool_{number}"} if first else {}
    return chat_chunk(fragment(number, arguments=piece, **head))


def _merged(draw: st.DrawFn, one: list[bytes], other: list[bytes]) -> list[bytes]:
    places = sorted(draw(st.lists(st.integers(0, len(other)), min_size=len(one), max_size=len(one))))
    merged = list(other)
    for shift, (place, frame) in enumerate(zip(places, one, strict=True)):
        merged.insert(place + shift, frame)
    return merged


def translated(stream: bytes, cuts: set[int]) -> Seen:
    return watch(translator("messages", "chat").reader(Memo(context(), stream=True)), cut_into(stream, cuts))


def blocks_of(seen: Seen) -> list[dict[str, Any]]:
    """The blocks, put together as a client does it."""
    blocks: list[dict[str, Any]] = []
    for event in events_of(seen.frames):
        data = event["data"]
        if data["type"] == "content_block_start":
            blocks.append({**data["content_block"], "said": ""})
        elif data["type"] == "content_block_delta":
            delta = data["delta"]
            blocks[-1]["said"] += delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
    return blocks


def said(blocks: list[dict[str, Any]], kind: str) -> str:
    return "".join(block["said"] for block in blocks if block["type"] == kind)


def bare(text: str) -> str:
    """Without white space: that alone may be left out, where it stands in the middle of calls."""
    return "".join(text.split())


@settings(max_examples=200, deadline=None)
@given(answers(), st.sets(st.integers(1, 4000), max_size=20))
def test_the_answer_survives_and_its_order_is_legal(answer: Answer, cuts: set[int]):
    seen = translated(answer.stream, cuts)
    events = events_of(seen.frames)
    check_messages_stream(events, "stream", failing=False)
    blocks = blocks_of(seen)
    assert bare(said(blocks, "text")) == bare(answer.text)
    assert said(blocks, "thinking") == answer.reasoning
    calls = [block for block in blocks if block["type"] == "tool_use"]
    assert [msgspec.json.decode(call["said"] or "{}") for call in calls] == answer.calls
    assert [call["id"] for call in calls] == [f"call_{number}" for number in range(len(answer.calls))]
    ending = events[-2]["data"]
    assert ending["delta"]["stop_reason"] == ("tool_use" if answer.calls else "end_turn")
    assert ending["usage"] == {
        "input_tokens": 100,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 300,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
    }


@settings(max_examples=100, deadline=None)
@given(answers(), st.sets(st.integers(1, 4000), max_size=20))
def test_any_split_is_translated_the_same(answer: Answer, cuts: set[int]):
    assert translated(answer.stream, cuts) == translated(answer.stream, set())


@settings(max_examples=200, deadline=None)
@given(answers(), st.data())
def test_a_cut_stream_has_no_clean_end(answer: Answer, data: st.DataObject):
    """The finish reason is the first that says the answer is whole."""
    stream = answer.stream[: data.draw(st.integers(0, len(answer.stream)))]
    seen = translated(stream, set())
    if seen.terminal:
        assert b'"finish_reason":"' in stream
        check_messages_stream(events_of(seen.frames), "stream", failing=False)
    else:
        assert b"message_delta" not in seen.frames
        assert b"message_stop" not in seen.frames
