"""A Messages stream becomes one Responses stream, however its bytes arrive and wherever it is cut."""

from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamFailed
from gateway.translate import translator
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.golden.stream_rules import check_responses_stream
from tests.properties.broken import broken
from tests.unit.translate.kit import Seen, context, cut_into, events_of, named_event, watch

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
arguments = st.dictionaries(words, st.one_of(words, st.integers()), max_size=3)
blocks = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.lists(words, min_size=1, max_size=3)),
        st.tuples(st.just("thinking"), st.lists(words, max_size=2)),
        st.tuples(st.just("tool"), arguments),
        st.tuples(st.just("freeform"), words),
    ),
    max_size=5,
)
ENDINGS = {
    "end_turn": ("completed", None),
    "tool_use": ("completed", None),
    "stop_sequence": ("completed", None),
    "max_tokens": ("incomplete", "max_output_tokens"),
    "model_context_window_exceeded": ("incomplete", "max_output_tokens"),
    "refusal": ("incomplete", "content_filter"),
}


class Answer(NamedTuple):
    meant: list[tuple[str, Any]]
    """The items in their order: neighbouring texts are one."""
    stop_reason: str
    stream: bytes
    message: dict[str, Any]


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Blocks of every kind in any order, each in as many deltas as it likes, and any end."""
    chosen = draw(blocks)
    stop_reason = draw(st.sampled_from(sorted(ENDINGS)))
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    frames = [named_event("message_start", message=message)]
    for index, (kind, value) in enumerate(chosen):
        frames += _block(draw, index, kind, value)
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    frames.append(named_event("message_delta", delta=delta, usage={"output_tokens": 40}))
    frames.append(named_event("message_stop"))
    whole = [_written(index, kind, value) for index, (kind, value) in enumerate(chosen)]
    final = {**message, "content": whole, **delta, "usage": {**usage, "output_tokens": 40}}
    return Answer(_meant(chosen), stop_reason, b"".join(frames), final)


def _meant(chosen: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    meant: list[tuple[str, Any]] = []
    for index, (kind, value) in enumerate(chosen):
        if kind == "text":
            before = meant.pop()[1] if meant and meant[-1][0] == "message" else ""
            meant.append(("message", before + "".join(value)))
        elif kind == "thinking":
            meant.append(("reasoning", "".join(value)))
        else:
            meant.append((f"toolu_{index}", value))
    return meant


def _written(index: int, kind: str, value: Any) -> dict[str, Any]:
    if kind in ("tool", "freeform"):
        given = {"input": value} if kind == "freeform" else value
        return {"type": "tool_use", "id": f"toolu_{index}", "name": kind, "input": given}
    signature = {"signature": f"sig{index}"} if kind == "thinking" else {}
    return {"type": kind, kind: "".join(value), **signature}


def _block(draw: st.DrawFn, index: int, kind: str, value: Any) -> list[bytes]:
    written = _written(index, kind, value)
    empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    start = {**written, **empty[written["type"]]}
    deltas: list[dict[str, Any]]
    if written["type"] == "tool_use":
        whole = msgspec.json.encode(written["input"]).decode() if written["input"] or draw(st.booleans()) else ""
        if draw(st.booleans()):
            # As other JSON writers spell it: every character outside ASCII as an escape, surrogate pairs included.
            whole = "".join(char if ord(char) < 128 else _escape(char) for char in whole)
        size = draw(st.integers(1, 8))
        pieces = [whole[place : place + size] for place in range(0, len(whole), size)]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces]]
    else:
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in value]
        if kind == "thinking":
            deltas.append({"type": "signature_delta", "signature": written["signature"]})
    frames = [named_event("content_block_start", index=index, content_block=start)]
    frames += [named_event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return [*frames, named_event("content_block_stop", index=index)]


def _escape(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def memo() -> Memo:
    return Memo(context(), stream=True, include_encrypted=True, custom_tools=frozenset(("freeform",)))


def translated(stream: bytes, cuts: set[int]) -> Seen:
    return watch(translator("responses", "messages").reader(memo()), cut_into(stream, cuts))


def read(item: dict[str, Any]) -> tuple[str, Any]:
    match item["type"]:
        case "message":
            return "message", "".join(part["text"] for part in item["content"])
        case "reasoning":
            return "reasoning", "".join(part["text"] for part in item["summary"])
        case "function_call":
            return item["call_id"], msgspec.json.decode(item["arguments"])
        case _:
            return item["call_id"], item["input"]


def _decoded(response: dict[str, Any]) -> dict[str, Any]:
    """A response whose arguments are values: in a stream they are spelled as the model spelled them."""
    calls = [{**item, "arguments": msgspec.json.decode(item.get("arguments") or "{}")} for item in response["output"]]
    return {**response, "output": calls}


@settings(max_examples=200, deadline=None)
@given(answers(), st.sets(st.integers(1, 4000), max_size=20))
def test_the_answer_survives_in_its_order(answer: Answer, cuts: set[int]):
    seen = translated(answer.stream, cuts)
    events = events_of(seen.frames)
    check_responses_stream(events, "stream", failing=False, upstream=False)
    assert [event["data"]["sequence_number"] for event in events] == list(range(len(events)))
    response = events[-1]["data"]["response"]
    status, reason = ENDINGS[answer.stop_reason]
    whole = response["output"] if status == "completed" else response["output"][:-1]
    assert [read(item) for item in whole] == answer.meant[: len(whole)]
    assert len(response["output"]) == len(answer.meant)
    assert response["status"] == status
    assert response["incomplete_details"] == (None if reason is None else {"reason": reason})
    assert response["usage"] == {
        "input_tokens": 18,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 58,
    }


@settings(max_examples=100, deadline=None)
@given(answers())
def test_whole_and_streamed_answers_are_the_same_response(answer: Answer):
    whole = translator("responses", "messages").translate_answer(msgspec.json.encode(answer.message), memo())
    streamed = events_of(translated(answer.stream, set()).terminal)[0]["data"]["response"]
    assert _decoded(streamed) == _decoded(msgspec.json.decode(whole.body))


@settings(max_examples=100, deadline=None)
@given(answers(), st.sets(st.integers(1, 4000), max_size=20))
def test_any_split_is_translated_the_same(answer: Answer, cuts: set[int]):
    assert translated(answer.stream, cuts) == translated(answer.stream, set())


@settings(max_examples=200, deadline=None)
@given(answers(), st.data())
def test_a_cut_stream_fails_as_a_whole_response(answer: Answer, data: st.DataObject):
    """However far it came, the failure is legal where it comes, and says what was finished."""
    stream = answer.stream[: data.draw(st.integers(0, len(answer.stream) - 3))]
    reader = translator("responses", "messages").reader(memo())
    seen = watch(reader, [stream])
    assert seen.error
    events = events_of(seen.frames + reader.error_frame(UpstreamFailed("cut"), "req_1"))
    check_responses_stream(events, "stream", failing=True, upstream=False)
    assert [event["data"]["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["event"] == "response.failed"
    assert events[-1]["data"]["response"]["error"]["message"] == "cut"


@settings(max_examples=25, deadline=None)
@given(answers())
def test_the_sdk_accumulates_what_was_meant(answer: Answer):
    events = events_of(translated(answer.stream, set()).frames)
    final = check_stream("responses", events, {}, "stream", failing=False, upstream=False)
    assert len(final["output"]) == len(answer.meant)
    assert final["status"] == ENDINGS[answer.stop_reason][0]


@settings(max_examples=200, deadline=None)
@given(answers(), st.data())
def test_a_broken_server_is_an_answer_or_an_error(answer: Answer, data: st.DataObject):
    events = [event["data"] for event in events_of(answer.stream)]
    place = data.draw(st.integers(0, len(events) - 1))
    events[place] = data.draw(broken(events[place]))
    stream = b"".join(b"data: %s\n\n" % msgspec.json.encode(event) for event in events)
    watch(translator("responses", "messages").reader(memo()), [stream])
