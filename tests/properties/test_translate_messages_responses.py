"""A Responses stream becomes one Messages stream, whatever the server leaves out and however its bytes arrive."""

from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.translate import translator
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.golden.stream_rules import check_messages_stream
from tests.properties.broken import broken
from tests.unit.translate.kit import Seen, context, cut_into, events_of, named_event, watch

USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1050,
}

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
texts = st.lists(words, min_size=1, max_size=4)
arguments = st.dictionaries(words, st.one_of(words, st.integers(), st.lists(words, max_size=2)), max_size=3)
outputs = st.lists(
    st.one_of(
        st.tuples(st.just("message"), texts),
        st.tuples(st.just("reasoning"), texts),
        st.tuples(st.just("function_call"), arguments),
        st.tuples(st.just("custom_tool_call"), texts),
    ),
    max_size=5,
)
manners = st.fixed_dictionaries(
    {name: st.booleans() for name in ("added", "deltas", "value_done", "part_done", "item_done")}
)
"""Which of an item's events a server sends."""


class Answer(NamedTuple):
    """What the server means, in the order of its items, and the frames in which it says so."""

    blocks: list[tuple[str, Any]]
    frames: list[bytes]

    @property
    def stream(self) -> bytes:
        return b"".join(self.frames)


@st.composite
def answers(draw: st.DrawFn, *, interleaved: bool = False) -> Answer:
    """Items of every kind in any order. A server says each of them somewhere: in deltas, when they are done, or only
    in the whole response. Reasoning it says where it belongs."""
    chosen = draw(outputs)
    items = [_item(index, kind, value) for index, (kind, value) in enumerate(chosen)]
    queues = []
    for index, (kind, value) in enumerate(chosen):
        manner = draw(manners)
        if kind == "reasoning":
            manner["item_done"] = True
        queues.append(_events(index, items[index], kind, value, manner))
    frames = _mixed(draw, queues) if interleaved else [frame for queue in queues for frame in queue]
    head = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    opening = [named_event("response.created", response=head), named_event("response.in_progress", response=head)]
    whole = {**head, "status": "completed", "output": items, "usage": USAGE}
    ending = named_event("response.completed", response=whole)
    return Answer([_meant(item) for item in items], [*opening, *frames, ending])


def _item(index: int, kind: str, value: Any) -> dict[str, Any]:
    call = {"call_id": f"call_{index}", "name": f"tool_{index}", "status": "completed"}
    match kind:
        case "message":
            part = {"type": "output_text", "text": "".join(value), "annotations": [], "logprobs": []}
            return {"id": f"msg_{index}", "type": kind, "role": "assistant", "status": "completed", "content": [part]}
        case "reasoning":
            summary = [{"type": "summary_text", "text": "".join(value)}]
            return {"id": f"rs_{index}", "type": kind, "summary": summary, "encrypted_content": f"secret{index}"}
        case "function_call":
            return {"id": f"fc_{index}", "type": kind, **call, "arguments": msgspec.json.encode(value).decode()}
        case _:
            return {"id": f"ctc_{index}", "type": kind, **call, "input": "".join(value)}


def _meant(item: dict[str, Any]) -> tuple[str, Any]:
    match item["type"]:
        case "message":
            return "text", item["content"][0]["text"]
        case "reasoning":
            return "thinking", item["summary"][0]["text"]
        case "function_call":
            return "tool_use", (item["call_id"], item["name"], msgspec.json.decode(item["arguments"]))
        case _:
            return "tool_use", (item["call_id"], item["name"], {"input": item["input"]})


def _events(index: int, item: dict[str, Any], kind: str, value: Any, manner: dict[str, bool]) -> list[bytes]:
    names = {
        "message": ("output_text", "text", {"content_index": 0}),
        "reasoning": ("reasoning_summary_text", "text", {"summary_index": 0}),
        "function_call": ("function_call_arguments", "arguments", {}),
        "custom_tool_call": ("custom_tool_call_input", "input", {}),
    }
    name, member, numbered = names[kind]
    place = {"item_id": item["id"], "output_index": index, **numbered}
    whole = item["arguments"] if kind == "function_call" else "".join(value)
    pieces = [whole[:3], whole[3:7], whole[7:]] if kind == "function_call" else value
    frames = []
    if manner["added"]:
        begun = {"message": {"content": []}, "reasoning": {"summary": []}}.get(kind, {member: ""})
        frames.append(named_event("response.output_item.added", output_index=index, item={**item, **begun}))
    if manner["deltas"]:
        frames += [named_event(f"response.{name}.delta", **place, delta=piece) for piece in pieces]
    if manner["value_done"]:
        frames.append(named_event(f"response.{name}.done", **place, **{member: whole}))
    if manner["part_done"] and kind == "message":
        frames.append(named_event("response.content_part.done", **place, part=item["content"][0]))
    if manner["item_done"]:
        frames.append(named_event("response.output_item.done", output_index=index, item=item))
    return frames


def _mixed(draw: st.DrawFn, queues: list[list[bytes]]) -> list[bytes]:
    """The items' events between each other, every item's own in their order."""
    left = [list(queue) for queue in queues if queue]
    mixed = []
    while left:
        queue = draw(st.sampled_from(left))
        mixed.append(queue.pop(0))
        left = [rest for rest in left if rest]
    return mixed


def translated(stream: bytes, cuts: set[int]) -> Seen:
    return watch(translator("messages", "responses").reader(Memo(context(), stream=True)), cut_into(stream, cuts))


def blocks_of(frames: bytes) -> list[tuple[str, Any]]:
    """The blocks as a client puts them together; neighbouring texts are one."""
    blocks: list[dict[str, Any]] = []
    for event in events_of(frames):
        data = event["data"]
        if data["type"] == "content_block_start":
            blocks.append({**data["content_block"], "said": ""})
        elif data["type"] == "content_block_delta":
            delta = data["delta"]
            blocks[-1]["said"] += delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
    return [_read(block) for block in blocks]


def _read(block: dict[str, Any]) -> tuple[str, Any]:
    if block["type"] == "tool_use":
        return "tool_use", (block["id"], block["name"], msgspec.json.decode(block["said"] or "{}"))
    return block["type"], block["said"]


def in_some_order(blocks: list[tuple[str, Any]]) -> list[bytes]:
    return sorted(msgspec.json.encode(block) for block in blocks)


@settings(max_examples=200, deadline=None)
@given(answers(interleaved=True), st.sets(st.integers(1, 4000), max_size=20))
def test_every_item_survives_and_the_order_of_events_is_legal(answer: Answer, cuts: set[int]):
    seen = translated(answer.stream, cuts)
    events = [event for event in events_of(seen.frames) if event["event"] != "ping"]
    check_messages_stream(events, "stream", failing=False)
    assert in_some_order(blocks_of(seen.frames)) == in_some_order(answer.blocks)
    ending = events[-2]["data"]
    called = any(kind == "tool_use" for kind, _ in answer.blocks)
    assert ending["delta"]["stop_reason"] == ("tool_use" if called else "end_turn")
    assert ending["usage"] == {
        "input_tokens": 100,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 300,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
    }


@settings(max_examples=100, deadline=None)
@given(answers())
def test_whole_and_streamed_answers_say_the_same(answer: Answer):
    """A response whole, and the same one from a server that sends it only at the end of its stream."""
    whole = msgspec.json.encode(events_of(answer.frames[-1])[0]["data"]["response"])
    message = msgspec.json.decode(translator("messages", "responses").translate_answer(whole, Memo(context())).body)
    stream = answer.frames[0] + answer.frames[-1]
    assert blocks_of(translated(stream, set()).frames) == answer.blocks
    values = {"text": "text", "thinking": "thinking"}
    found = [
        (block["type"], (block["id"], block["name"], block["input"]))
        if block["type"] == "tool_use"
        else (block["type"], block[values[block["type"]]])
        for block in message["content"]
    ]
    assert found == answer.blocks


@settings(max_examples=100, deadline=None)
@given(answers(interleaved=True), st.sets(st.integers(1, 4000), max_size=20))
def test_any_split_is_translated_the_same(answer: Answer, cuts: set[int]):
    assert translated(answer.stream, cuts) == translated(answer.stream, set())


@settings(max_examples=200, deadline=None)
@given(answers(interleaved=True), st.data())
def test_a_cut_stream_has_no_clean_end(answer: Answer, data: st.DataObject):
    """The last event without its empty line can still be read; before that nothing is an end."""
    stream = answer.stream[: data.draw(st.integers(0, len(answer.stream) - 3))]
    seen = translated(stream, set())
    assert seen.error
    assert b"message_delta" not in seen.frames
    assert b"message_stop" not in seen.frames


@settings(max_examples=25, deadline=None)
@given(answers(interleaved=True))
def test_the_sdk_accumulates_what_was_meant(answer: Answer):
    seen = translated(answer.stream, set())
    events = [event for event in events_of(seen.frames) if event["event"] != "ping"]
    final = check_stream("messages", events, {}, "stream", failing=False, upstream=False)
    calls = [(block["id"], block["name"], block["input"]) for block in final["content"] if block["type"] == "tool_use"]
    assert sorted(calls) == sorted(value for kind, value in answer.blocks if kind == "tool_use")


@settings(max_examples=200, deadline=None)
@given(answers(), st.data())
def test_a_broken_server_is_an_answer_or_an_error(answer: Answer, data: st.DataObject):
    events = [event["data"] for event in events_of(answer.stream)]
    place = data.draw(st.integers(0, len(events) - 1))
    events[place] = data.draw(broken(events[place]))
    stream = b"".join(b"data: %s\n\n" % msgspec.json.encode(event) for event in events)
    watch(translator("messages", "responses").reader(Memo(context(), stream=True)), [stream])
