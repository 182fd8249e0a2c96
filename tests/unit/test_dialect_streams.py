"""Reading streams: what passes untouched, what is edited, what wins a race, what ends it and how."""

import msgspec
import pytest

from gateway.dialects.base import Batch
from gateway.errors import ContextTooLong, InternalError, OutOfCredit, Overloaded, RateLimited
from gateway.records import DialectName, Usage
from tests.unit.dialect_streams import (
    BODIES,
    CHAT_BODY_WITHOUT_USAGE,
    CHAT_STREAM,
    CHAT_USAGE,
    DONE,
    MESSAGE_START,
    MESSAGE_STOP,
    MESSAGES_STREAM,
    RESPONSES_COMPLETED,
    RESPONSES_STREAM,
    UPSTREAM_MODEL,
    WHOLE,
    block_delta,
    block_start,
    block_stop,
    choice,
    chunk,
    event,
    reader_of,
    response_object,
)

DIALECTS: list[DialectName] = ["messages", "chat", "responses"]


def read(name: DialectName, *frames: bytes, echo: str = UPSTREAM_MODEL, body: bytes | None = None) -> Batch:
    return reader_of(name, echo=echo, body=body).feed(b"".join(frames))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_stream_passes_untouched_and_its_terminal_waits(name: DialectName):
    forward, terminal = WHOLE[name]
    assert read(name, forward, terminal) == Batch(forward=forward, semantic=True, terminal=terminal)


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_after_the_terminal_is_forwarded(name: DialectName):
    forward, terminal = WHOLE[name]
    reader = reader_of(name)
    assert reader.feed(forward + terminal + forward).terminal == terminal
    assert reader.feed(forward + terminal) == Batch(semantic=True)
    assert reader.end() == Batch(semantic=True)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_end_without_a_terminal_is_an_error(name: DialectName):
    forward, _ = WHOLE[name]
    if name == "chat":
        forward = b"".join(CHAT_STREAM[:-1])
    reader = reader_of(name)
    reader.feed(forward)
    ending = reader.end()
    assert ending.error is not None
    assert ending.error.code == "stream_cut"
    assert ending.terminal == b""


@pytest.mark.parametrize("name", DIALECTS)
def test_the_end_in_the_middle_of_a_frame_is_an_error(name: DialectName):
    forward, terminal = WHOLE[name]
    reader = reader_of(name)
    reader.feed(b"".join(CHAT_STREAM[:-1]) + DONE[:-4] if name == "chat" else forward + terminal[:-20])
    assert reader.end().error is not None


@pytest.mark.parametrize("name", DIALECTS)
def test_a_terminal_without_its_empty_line_counts(name: DialectName):
    forward, terminal = WHOLE[name]
    reader = reader_of(name)
    reader.feed(forward + terminal.rstrip(b"\n"))
    assert reader.end() == Batch(semantic=True, terminal=terminal)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>\n<head></head>\n\n<body>Bad Gateway</body></html>",
        b'{"error": {"message": "no", "type": "api_error"}}\n\n',
        b"data: {not json\n\n",
        b"\x00\xff\xfe\n\n",
    ],
)
def test_garbage_is_an_error_and_never_forwarded(name: DialectName, garbage: bytes):
    reader = reader_of(name)
    batch = reader.feed(garbage)
    assert batch.error is not None
    assert (batch.forward, batch.terminal, batch.semantic) == (b"", b"", False)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_json_error_under_a_streams_status_keeps_its_words(name: DialectName):
    reader = reader_of(name)
    reader.feed(b'{"error": {"message": "come back later", "type": "rate_limit_error"}}')
    error = reader.end().error
    assert error is not None
    assert (error.status, error.code, error.message) == (429, "rate_limit_error", "come back later")


@pytest.mark.parametrize("name", DIALECTS)
def test_an_empty_stream_is_an_error(name: DialectName):
    assert reader_of(name).end().error is not None


# What wins a race

WINNERS: list[tuple[DialectName, bytes]] = [
    ("messages", block_start(0, type="text", text="")),
    ("chat", chunk(choices=[choice(content="x")])),
    ("chat", chunk(choices=[choice(reasoning_content="x")])),
    ("chat", chunk(choices=[choice(tool_calls=[{"index": 0, "function": {"name": "look"}}])])),
    ("chat", chunk(choices=[choice(content=[{"type": "text", "text": "odd"}])])),
    ("responses", event("response.output_item.added", sequence_number=2, output_index=0, item={})),
]
LOSERS: list[tuple[DialectName, bytes]] = [
    ("messages", MESSAGE_START),
    ("messages", event("ping")),
    ("messages", b": comment\n\n"),
    ("messages", block_delta(0, "text_delta", text="")),
    ("messages", event("error", error={"type": "api_error", "message": "no"})),
    ("chat", CHAT_STREAM[0]),
    ("chat", chunk(choices=[], prompt_filter_results=[])),
    ("chat", b": PROCESSING\n\n"),
    ("chat", chunk(choices=[choice("stop")])),
    ("responses", RESPONSES_STREAM[0]),
    ("responses", RESPONSES_STREAM[1]),
    ("responses", event("response.output_text.delta", sequence_number=4, delta="", item_id="x")),
]


@pytest.mark.parametrize(("name", "frame"), WINNERS)
def test_content_wins(name: DialectName, frame: bytes):
    assert read(name, frame).semantic


@pytest.mark.parametrize(("name", "frame"), LOSERS)
def test_what_is_no_content_does_not_win(name: DialectName, frame: bytes):
    assert not read(name, frame).semantic


# Edits


@pytest.mark.parametrize("name", DIALECTS)
def test_the_model_is_echoed_wherever_the_upstream_names_its_own(name: DialectName):
    forward, terminal = WHOLE[name]
    batch = read(name, forward, terminal, echo="asked")
    everything = batch.forward + batch.terminal
    before = forward + terminal
    assert everything == before.replace(UPSTREAM_MODEL.encode(), b"asked")


def test_a_chunk_is_edited_the_same_whatever_its_members_order():
    odd = b'data: {"choices":[{"index":0,"delta":{"content":"\\"model\\""}}],"model" : "up","z": 1.50}\n\n'
    edited = read("chat", odd, odd, echo="asked").forward
    assert [msgspec.json.decode(frame[6:])["model"] for frame in edited.split(b"\n\n") if frame] == ["asked", "asked"]
    assert edited.count(b"1.50") == 2


def test_a_model_inside_the_content_is_not_the_chunks_own():
    first = chunk(choices=[choice(content="a")])
    second = b'data: {"meta":{"model":"%s"},"model":"%s","choices":[]}\n\n' % ((UPSTREAM_MODEL.encode(),) * 2)
    assert read("chat", first, second, echo="asked").forward.endswith(
        b'{"meta":{"model":"%s"},"model":"asked","choices":[]}\n\n' % UPSTREAM_MODEL.encode()
    )


def test_a_model_written_twice_is_echoed_though_the_chunk_begins_like_the_last():
    first = chunk(choices=[])
    second = first.replace(b"}\n\n", b',"model":"another"}\n\n')
    last = read("chat", first, second, echo="asked").forward.split(b"\n\n")[1]
    assert msgspec.json.decode(last[6:])["model"] == "asked"


def test_an_edited_frame_keeps_its_name_and_its_line_ends():
    frame = MESSAGE_START.replace(b"\n", b"\r\n")
    forward = read("messages", frame, echo="asked").forward
    assert forward.startswith(b"event: message_start\n")
    assert forward.endswith(b"\r\n\r\n")


def test_the_usage_chunk_is_removed_for_a_client_that_did_not_ask():
    batch = read("chat", *CHAT_STREAM, CHAT_USAGE, DONE, body=CHAT_BODY_WITHOUT_USAGE)
    assert batch.forward == b"".join(CHAT_STREAM)
    assert batch.terminal == DONE


def test_usage_beside_choices_stays_where_it_is():
    frame = chunk(choices=[choice("stop")], usage={"prompt_tokens": 1, "completion_tokens": 2})
    assert read("chat", frame, body=CHAT_BODY_WITHOUT_USAGE).forward == frame


# Ends of Chat


def test_a_finished_chat_answer_without_done_gets_one():
    reader = reader_of("chat")
    reader.feed(b"".join(CHAT_STREAM))
    assert reader.end() == Batch(semantic=True, terminal=DONE)


def test_a_chat_answer_is_finished_when_every_choice_is():
    reader = reader_of("chat")
    reader.feed(
        chunk(choices=[choice(index=0, content="a"), choice(index=1, content="b")]) + chunk(choices=[choice("stop")])
    )
    assert reader.end().error is not None


def test_done_before_anything_was_said_is_an_error():
    assert read("chat", DONE).error is not None


def test_a_chunk_with_an_error_is_an_error_and_is_not_forwarded():
    failure = b'data: {"error":{"message":"overheated","code":"server_is_overloaded"}}\n\n'
    batch = read("chat", *CHAT_STREAM[:4], failure, DONE)
    assert batch.forward == b"".join(CHAT_STREAM[:4])
    assert batch.error is not None
    assert (batch.error.status, batch.error.message) == (503, "overheated")


def test_a_null_error_is_none():
    assert read("chat", chunk(choices=[choice(content="a")], error=None)).error is None


# Ends of Messages


def test_an_error_event_ends_a_message():
    batch = read(
        "messages", MESSAGE_START, event("error", error={"type": "overloaded_error", "message": "busy"}), MESSAGE_STOP
    )
    assert batch.forward == MESSAGE_START
    assert batch.error is not None
    assert (batch.error.status, batch.error.code, batch.error.message) == (529, "overloaded_error", "busy")


def test_a_stop_without_a_start_is_no_message():
    assert read("messages", MESSAGE_STOP).error is not None


def test_an_openai_error_inside_a_message_is_an_error():
    assert read("messages", MESSAGE_START, b'data: {"error":{"message":"no"}}\n\n').error is not None


# Ends of Responses


@pytest.mark.parametrize(
    ("code", "status"),
    [("rate_limit_exceeded", 429), ("server_error", 500), ("context_length_exceeded", 400), ("x", 502)],
)
def test_a_failed_response_is_an_error(code: str, status: int):
    failed = response_object("failed", error={"code": code, "message": "no"})
    batch = read("responses", RESPONSES_STREAM[0], event("response.failed", sequence_number=2, response=failed))
    assert batch.forward == RESPONSES_STREAM[0]
    assert batch.error is not None
    assert (batch.error.status, batch.error.code, batch.error.message) == (status, code, "no")


@pytest.mark.parametrize(
    "error", [{"code": "server_error", "message": "no"}, {"error": {"code": "server_error", "message": "no"}}]
)
def test_an_error_event_is_an_error_flat_or_nested(error: dict[str, object]):
    found = read("responses", event("error", sequence_number=1, **error)).error
    assert found is not None
    assert (found.status, found.message) == (500, "no")


def test_an_incomplete_response_is_a_success():
    details = {"reason": "max_output_tokens"}
    frame = event(
        "response.incomplete", sequence_number=9, response=response_object("incomplete", incomplete_details=details)
    )
    assert read("responses", RESPONSES_STREAM[0], frame).terminal == frame


def test_done_before_completed_is_a_cut():
    error = read("responses", *RESPONSES_STREAM, DONE).error
    assert error is not None
    assert error.code == "stream_cut"


# What the meter reads

EXPECTED: dict[DialectName, Usage] = {
    "messages": Usage(
        input_tokens=25,
        cache_read_tokens=110,
        cache_write_5m_tokens=10,
        cache_write_1h_tokens=20,
        output_tokens=42,
        service_tier="standard",
    ),
    "chat": Usage(
        input_tokens=25,
        cache_read_tokens=80,
        cache_write_30m_tokens=15,
        output_tokens=30,
        reasoning_tokens=12,
        service_tier="default",
    ),
    "responses": Usage(
        input_tokens=25,
        cache_read_tokens=80,
        cache_write_30m_tokens=5,
        cache_write_12h_tokens=10,
        output_tokens=30,
        reasoning_tokens=12,
        service_tier="flex",
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_usage_is_what_the_stream_reported_last(name: DialectName):
    reader = reader_of(name)
    reader.feed(b"".join(WHOLE[name]))
    assert reader.usage() == EXPECTED[name]


@pytest.mark.parametrize("name", DIALECTS)
def test_usage_is_none_before_any_was_reported(name: DialectName):
    assert reader_of(name).usage() is None


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("messages", block_delta(0, "text_delta", text="a" * 350)),
        ("messages", block_delta(0, "thinking_delta", thinking="a" * 350)),
        ("messages", block_delta(0, "input_json_delta", partial_json="a" * 350)),
        ("messages", block_delta(0, "text_delta", text="a" * 350).replace(b'":', b'": ').replace(b',"', b', "')),
        ("messages", block_delta(0, "text_delta", text="a" * 350).replace(b"\n", b"\r\n")),
        ("chat", chunk(choices=[choice(content="a" * 350)])),
        ("responses", event("response.output_text.delta", item_id="x", delta="a" * 350, logprobs=[])),
        ("responses", event("response.reasoning_text.delta", item_id="x", delta="a" * 350)),
        ("responses", event("response.output_text.delta", delta="a" * 350).replace(b'":', b'": ')),
    ],
)
def test_delivered_tokens_are_three_and_a_half_bytes_each(name: DialectName, frame: bytes):
    reader = reader_of(name)
    reader.feed(frame)
    assert reader.delivered_tokens() == 100


def test_a_signature_is_not_delivered_text():
    reader = reader_of("messages")
    reader.feed(block_delta(0, "signature_delta", signature="a" * 350))
    assert reader.delivered_tokens() == 0


def test_a_null_in_the_last_delta_takes_no_count_back():
    reader = reader_of("messages")
    totals = {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 42}
    reader.feed(MESSAGE_START + event("message_delta", delta={}, usage=totals))
    assert reader.usage() == Usage(
        input_tokens=25,
        cache_read_tokens=100,
        cache_write_5m_tokens=10,
        cache_write_1h_tokens=20,
        output_tokens=42,
        service_tier="standard",
    )


def test_delivered_tokens_are_never_below_what_was_reported():
    reader = reader_of("messages")
    reader.feed(MESSAGE_START + event("message_delta", delta={}, usage={"output_tokens": 4000}))
    assert reader.delivered_tokens() == 4000


def test_a_stored_response_names_what_the_upstream_remembers():
    reader = reader_of("responses")
    reader.feed(b"".join(RESPONSES_STREAM) + RESPONSES_COMPLETED)
    assert reader.response_id == "resp_1"
    assert reader.object_ids == [("response", "resp_1"), ("item", "msg_1"), ("item", "fc_1")]


def test_a_response_that_is_not_stored_leaves_nothing_behind():
    reader = reader_of("responses")
    reader.feed(event("response.created", sequence_number=0, response=response_object("in_progress", store=False)))
    assert reader.object_ids == []


def test_a_container_is_remembered_from_the_last_delta():
    reader = reader_of("messages")
    delta = {"stop_reason": "end_turn", "container": {"id": "container_1", "expires_at": "2027-01-01T00:00:00Z"}}
    reader.feed(MESSAGE_START + event("message_delta", delta=delta, usage={"output_tokens": 1}))
    assert reader.object_ids == [("container", "container_1")]


# Keep-alives and our own errors


@pytest.mark.parametrize(
    ("block", "delta"),
    [
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": ""}),
        ({"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": ""}),
        ({"type": "tool_use", "id": "t", "name": "n", "input": {}}, {"type": "input_json_delta", "partial_json": ""}),
    ],
)
def test_a_silent_message_is_kept_alive_by_an_empty_delta_of_the_open_block(
    block: dict[str, object], delta: dict[str, object]
):
    reader = reader_of("messages")
    reader.feed(MESSAGE_START + block_start(3, **block))
    assert reader.keepalive() == event("content_block_delta", index=3, delta=delta)


@pytest.mark.parametrize(
    "frames", [[MESSAGE_START], [MESSAGE_START, block_start(0, type="text", text=""), block_stop(0)]]
)
def test_between_blocks_a_message_is_kept_alive_by_a_ping(frames: list[bytes]):
    reader = reader_of("messages")
    reader.feed(b"".join(frames))
    assert reader.keepalive() == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_a_response_is_kept_alive_by_an_event_that_repeats_the_last_number():
    reader = reader_of("responses")
    assert reader.keepalive() == b": keep-alive\n\n"
    reader.feed(b"".join(RESPONSES_STREAM[:5]))
    assert reader.keepalive() == event("keepalive", sequence_number=4)


def test_chat_is_kept_alive_by_a_comment():
    assert reader_of("chat").keepalive() == b": keep-alive\n\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutOfCredit("x"), "insufficient_quota"),
        (ContextTooLong("x"), "context_length_exceeded"),
        (Overloaded("x"), "server_is_overloaded"),
        (RateLimited("x"), "rate_limit_exceeded"),
        (InternalError("x"), "server_error"),
    ],
)
def test_a_response_fails_under_the_id_it_was_created_with(error: Exception, code: str):
    reader = reader_of("responses", echo="asked")
    reader.feed(b"".join(RESPONSES_STREAM[:5]))
    frame = reader.error_frame(error, "req_9")
    data = msgspec.json.decode(frame.partition(b"data: ")[2])
    assert frame.startswith(b"event: response.failed\n")
    assert (data["type"], data["sequence_number"]) == ("response.failed", 5)
    assert data["response"] == response_object("failed", error={"code": code, "message": "x"}, model="asked")


def test_bodies_of_the_recordings_are_requests():
    assert set(BODIES) == set(WHOLE)


def test_spaced_and_unnamed_events_are_read_like_the_vendors_own():
    unnamed = [
        frame.split(b"\n", 1)[1] if frame.startswith(b"event: ") else frame
        for frame in [*MESSAGES_STREAM, MESSAGE_STOP]
    ]
    reader = reader_of("messages")
    assert reader.feed(b"".join(unnamed)).terminal == unnamed[-1]
    assert reader.usage() == EXPECTED["messages"]
