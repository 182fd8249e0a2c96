"""A Messages stream becomes one Chat stream, however its bytes arrive and wherever it is cut."""

from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.translate import translator
from gateway.translate.base import Memo
from tests.golden.stream_rules import check_chat_stream
from tests.unit.translate.kit import DictMemory, Seen, context, cut_into, events_of, fields, named_event, watch

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
arguments = st.dictionaries(words, st.one_of(words, st.integers()), max_size=3)
blocks = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.lists(words, max_size=3)),
        st.tuples(st.just("thinking"), st.lists(words, max_size=2)),
        st.tuples(st.just("tool_use"), arguments),
    ),
    max_size=5,
)


class Answer(NamedTuple):
    text: str
    thinking: str
    calls: list[dict[str, Any]]
    stream: bytes
    written: list[dict[str, Any]]
    """The blocks, whole."""


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Blocks of every kind in any order, each in as many deltas as it likes."""
    chosen = draw(blocks)
    calls = [value for kind, value in chosen if kind == "tool_use"]
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    frames = [named_event("message_start", message=message)]
    for index, (kind, value) in enumerate(chosen):
        frames += _block(draw, index, kind, value)
    delta = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    frames.append(named_event("message_delta", delta=delta, usage={"output_tokens": 40}))
    frames.append(named_event("message_stop"))
    text = "".join(piece for kind, pieces in chosen if kind == "text" for piece in pieces)
    thinking = "".join(piece for kind, pieces in chosen if kind == "thinking" for piece in pieces)
    written = [_written(index, kind, value) for index, (kind, value) in enumerate(chosen)]
    return Answer(text, thinking, calls, b"".join(frames), written)


def _written(index: int, kind: str, value: Any) -> dict[str, Any]:
    if kind == "tool_use":
        return {"type": kind, "id": f"toolu_{index}", "name": "tool", "input": value}
    signature = {"signature": f"sig{index}"} if kind == "thinking" else {}
    return {"type": kind, kind: "".join(value), **signature}


def _block(draw: st.DrawFn, index: int, kind: str, value: Any) -> list[bytes]:
    if kind == "tool_use":
        whole = msgspec.json.encode(value).decode()
        cut = draw(st.integers(0, len(whole)))
        start = {"type": kind, "id": f"toolu_{index}", "name": "tool", "input": {}}
        pieces = [{"type": "input_json_delta", "partial_json": part} for part in ("", whole[:cut], whole[cut:])]
    elif kind == "thinking":
        start = {"type": kind, "thinking": "", "signature": ""}
        pieces = [{"type": "thinking_delta", "thinking": part} for part in value]
        pieces.append({"type": "signature_delta", "signature": f"sig{index}"})
    else:
        start = {"type": kind, "text": ""}
        pieces = [{"type": "text_delta", "text": part} for part in value]
    return [
        named_event("content_block_start", index=index, content_block=start),
        *[named_event("content_block_delta", index=index, delta=piece) for piece in pieces],
        named_event("content_block_stop", index=index),
    ]


def translated(stream: bytes, cuts: set[int], memory: DictMemory | None = None) -> Seen:
    given_to = context(options={"reasoning_field": "reasoning_content"}, memory=memory or DictMemory())
    memo = Memo(given_to, stream=True, include_usage=True)
    return watch(translator("chat", "messages").reader(memo), cut_into(stream, cuts))


def message_of(seen: Seen) -> dict[str, Any]:
    """The message, put together as a client does it."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "calls": {}, "finish": None, "usage": None}
    for event in events_of(seen.frames):
        if event["data"] == "[DONE]":
            continue
        message["usage"] = event["data"]["usage"]
        for choice in event["data"]["choices"]:
            message["finish"] = choice["finish_reason"] or message["finish"]
            for name in ("content", "reasoning_content"):
                message[name] += choice["delta"].get(name) or ""
            for call in choice["delta"].get("tool_calls", ()):
                held = message["calls"].setdefault(call["index"], "")
                message["calls"][call["index"]] = held + call["function"]["arguments"]
    return message


@settings(max_examples=200, deadline=None)
@given(answers(), st.sets(st.integers(1, 4000), max_size=20))
def test_the_answer_survives_and_its_order_is_legal(answer: Answer, cuts: set[int]):
    seen = translated(answer.stream, cuts)
    check_chat_stream(events_of(seen.frames), "stream", failing=False)
    message = message_of(seen)
    assert message["content"] == answer.text
    assert message["reasoning_content"] == answer.thinking
    assert [msgspec.json.decode(call) for call in message["calls"].values()] == answer.calls
    assert message["finish"] == ("tool_calls" if answer.calls else "stop")
    assert message["usage"] == {
        "prompt_tokens": 18,
        "completion_tokens": 40,
        "total_tokens": 58,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


@settings(max_examples=100, deadline=None)
@given(answers(), st.sets(st.integers(1, 4000), max_size=20))
def test_any_split_is_translated_the_same(answer: Answer, cuts: set[int]):
    assert translated(answer.stream, cuts) == translated(answer.stream, set())


@settings(max_examples=200, deadline=None)
@given(answers(), st.data())
def test_a_cut_stream_has_no_clean_end(answer: Answer, data: st.DataObject):
    place = data.draw(st.integers(0, len(answer.stream) - 1))
    seen = translated(answer.stream[:place], set())
    assert bool(seen.terminal) == (place >= len(answer.stream) - len(b"\n\n"))
    if not seen.terminal:
        assert b"[DONE]" not in seen.frames
        assert b'"finish_reason":"' not in seen.frames


@settings(max_examples=200, deadline=None)
@given(answers().filter(lambda answer: answer.written and answer.written[-1]["type"] == "tool_use"))
def test_thinking_comes_back_where_it_stood(answer: Answer):
    """What a Chat client replays becomes the very turn Claude wrote, if any of it was thinking."""
    memory = DictMemory()
    message = message_of(translated(answer.stream, set(), memory))
    if not any(block["type"] == "thinking" for block in answer.written):
        assert memory.held == {}
        return
    ids = [block["id"] for block in answer.written if block["type"] == "tool_use"]
    called = zip(ids, message["calls"].values(), strict=True)
    calls = [{"id": i, "type": "function", "function": {"name": "tool", "arguments": call}} for i, call in called]
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": message["content"], "tool_calls": calls},
        *[{"role": "tool", "tool_call_id": call_id, "content": "done"} for call_id in ids],
    ]
    sent = translator("chat", "messages").translate_request(
        fields(model="asked", messages=messages, tools=[{"type": "function", "function": {"name": "tool"}}]),
        context(memory=memory),
    )
    replayed = msgspec.json.decode(sent.body)["messages"][1]["content"]
    assert joined(replayed) == joined(answer.written)


def joined(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks without empty texts, texts beside each other as one."""
    found: list[dict[str, Any]] = []
    for block in content:
        if block["type"] == "text" and found and found[-1]["type"] == "text":
            found[-1] = {**block, "text": found[-1]["text"] + block["text"]}
        elif block["type"] != "text" or block["text"]:
            found.append(block)
    return found
