"""Cutting bytes into server-sent events, and reading one."""

import pytest

from gateway.dialects import sse
from gateway.dialects.sse import EventStreamError, FrameSplitter, read_frame, replace_data, write_frame


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n"])
def test_a_frame_ends_at_an_empty_line_however_it_is_spelled(end: bytes):
    whole, frames = FrameSplitter().split(b"data: 1" + end + b"data: 2")
    assert frames.bodies == [b"data: 1"]
    assert whole == b"data: 1" + end


def test_a_single_line_end_ends_no_frame():
    splitter = FrameSplitter()
    assert splitter.split(b"data: 1\r\ndata: 2\r\n")[1].bodies == []
    assert splitter.split(b"\r\n")[1].bodies == [b"data: 1\r\ndata: 2"]


def test_a_carriage_return_at_the_end_of_a_read_waits_for_its_line_feed():
    splitter = FrameSplitter()
    assert splitter.split(b"data: 1\r\n\r") == (b"", sse.Frames([], []))
    assert splitter.split(b"\ndata: 2")[0] == b"data: 1\r\n\r\n"
    assert splitter.finish()[1].bodies == [b"data: 2"]


def test_a_frame_of_many_reads_is_put_together():
    splitter = FrameSplitter()
    for piece in (b"data: ", b"12", b"34", b"\n"):
        assert splitter.split(piece)[1].bodies == []
    assert splitter.split(b"\n")[1].bodies == [b"data: 1234"]


def test_a_frame_without_an_end_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse, "MAX_FRAME_BYTES", 100)
    splitter = FrameSplitter()
    splitter.split(b"data: " + b"x" * 60)
    with pytest.raises(EventStreamError):
        splitter.split(b"x" * 60)


@pytest.mark.parametrize(
    ("frame", "event", "data"),
    [
        (b"event: ping\ndata: {}", b"ping", b"{}"),
        (b"event:ping\ndata:{}", b"ping", b"{}"),
        (b"event: ping\r\ndata: {}", b"ping", b"{}"),
        (b"event: ping\rdata: {}", b"ping", b"{}"),
        (b"data:  two", b"", b" two"),
        (b"data: {\ndata: }", b"", b"{\n}"),
        (b"data", b"", b""),
        (b"\xef\xbb\xbfdata: 1", b"", b"1"),
        (b"id: 7\nretry: 10\nunknown: x\ndata: 1", b"", b"1"),
        (b": comment", b"", None),
        (b"", b"", None),
        (b"\ndata: 1", b"", b"1"),
    ],
)
def test_fields_are_read_as_the_standard_says(frame: bytes, event: bytes, data: bytes | None):
    assert read_frame(frame) == (event, data)


@pytest.mark.parametrize("frame", [b"<html>\n<body>", b'{"error": {"message": "no"}}', b"Bad Gateway"])
def test_what_has_no_field_of_the_standard_is_no_event_stream(frame: bytes):
    with pytest.raises(EventStreamError):
        read_frame(frame)


def test_exchanged_data_leaves_the_other_lines():
    frame = b": note\nid: 7\nevent: e\ndata: {\ndata: }\nretry: 5"
    assert replace_data(frame, b"{}") == b": note\nid: 7\nevent: e\ndata: {}\nretry: 5"


def test_data_of_several_lines_becomes_several_data_lines():
    assert read_frame(write_frame(b"e", b"{\n}")) == (b"e", b"{\n}")


@pytest.mark.parametrize(
    ("rest", "whole"),
    [
        (b"data: 1", b"data: 1\n\n"),
        (b"data: 1\n", b"data: 1\n\n"),
        (b"data: 1\r\r", b"data: 1\r\r"),
        (b"data: 1\r\n\r", b"data: 1\r\n\r"),
        (b"\n", b""),
    ],
)
def test_the_end_of_the_bytes_closes_the_last_frame(rest: bytes, whole: bytes):
    splitter = FrameSplitter()
    splitter.split(rest)
    assert splitter.finish()[0] == whole
