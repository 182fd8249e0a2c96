"""Reading streams, what the three dialects have in common: what passes untouched, what wins a race, what ends it."""

import pytest

from gateway.dialects.base import Batch
from gateway.records import DialectName, Usage
from tests.unit.dialect_streams import (
    BODIES,
    CHAT_STREAM,
    DONE,
    MESSAGE_START,
    MESSAGE_STOP,
    MESSAGES_STREAM,
    RESPONSES_STREAM,
    UPSTREAM_MODEL,
    WHOLE,
    block_delta,
    block_start,
    choice,
    chunk,
    event,
    read,
    reader_of,
)

DIALECTS: list[DialectName] = ["messages", "chat", "responses"]


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


@pytest.mark.parametrize("name", DIALECTS)
def test_the_model_is_echoed_wherever_the_upstream_names_its_own(name: DialectName):
    forward, terminal = WHOLE[name]
    batch = read(name, forward, terminal, echo="asked")
    everything = batch.forward + batch.terminal
    before = forward + terminal
    assert everything == before.replace(UPSTREAM_MODEL.encode(), b"asked")


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
