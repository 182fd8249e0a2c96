"""Reading streams of Messages: what ends them and how, what the meter reads, what keeps a client waiting."""

import pytest

from gateway.records import Usage
from tests.unit.dialect_streams import (
    MESSAGE_START,
    MESSAGE_STOP,
    block_delta,
    block_start,
    block_stop,
    event,
    read,
    reader_of,
)


def test_an_edited_frame_keeps_its_name_and_its_line_ends():
    frame = MESSAGE_START.replace(b"\n", b"\r\n")
    forward = read("messages", frame, echo="asked").forward
    assert forward.startswith(b"event: message_start\n")
    assert forward.endswith(b"\r\n\r\n")


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


def test_a_container_is_remembered_from_the_last_delta():
    reader = reader_of("messages")
    delta = {"stop_reason": "end_turn", "container": {"id": "container_1", "expires_at": "2027-01-01T00:00:00Z"}}
    reader.feed(MESSAGE_START + event("message_delta", delta=delta, usage={"output_tokens": 1}))
    assert reader.object_ids == [("container", "container_1")]


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
