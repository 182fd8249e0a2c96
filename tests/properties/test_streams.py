"""However a stream is cut into reads, the client, the meter and the race see the same."""

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.records import DialectName, Usage
from tests.unit.dialect_streams import CHAT_BODY_WITHOUT_USAGE, UPSTREAM_MODEL, WHOLE, reader_of

DIALECTS: list[DialectName] = ["messages", "chat", "responses"]


class Seen(NamedTuple):
    forward: bytes
    terminal: bytes
    error: str
    usage: Usage | None
    delivered_tokens: int
    object_ids: list[tuple[str, str]]
    before_semantic: bytes


def watch(name: DialectName, pieces: list[bytes], *, echo: str, body: bytes | None = None) -> Seen:
    """Feed the pieces, then the end. Asserts what must hold at every step."""
    reader = reader_of(name, echo=echo, body=body)
    forward = terminal = b""
    error = ""
    semantic = False
    quiet = b""
    batches = [*[reader.feed(piece) for piece in pieces], reader.end()]
    for batch in batches:
        assert not (terminal and (batch.forward or batch.terminal or batch.error)), "something follows the terminal"
        assert not (error and (batch.forward or batch.terminal or batch.error)), "something follows the error"
        assert batch.semantic or not semantic, "what has won has not won"
        forward += batch.forward
        terminal += batch.terminal
        error = error or (batch.error.code if batch.error else "")
        semantic = batch.semantic
        quiet = quiet if semantic else forward
    return Seen(forward, terminal, error, reader.usage(), reader.delivered_tokens(), reader.object_ids, quiet)


def spelled(stream: bytes, line_end: bytes, *, spaced: bool, bom: bool) -> bytes:
    """The same events in another legal spelling."""
    if not spaced:
        stream = stream.replace(b"\ndata: ", b"\ndata:").replace(b"event: ", b"event:")
    return (b"\xef\xbb\xbf" if bom else b"") + stream.replace(b"\n", line_end)


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[DialectName, bytes, list[bytes]]:
    """A stream, perhaps broken off, perhaps with a tail after its end, and the reads it arrives in."""
    name = draw(st.sampled_from(DIALECTS))
    stream = b"".join(WHOLE[name]) + draw(st.sampled_from([b"", b"data: [DONE]\n\n", b"\n", b"garbage"]))
    line_end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    stream = spelled(stream, line_end, spaced=draw(st.booleans()), bom=draw(st.booleans()))
    stream = stream[: draw(st.one_of(st.just(len(stream)), st.integers(0, len(stream))))]
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=24)))
    edges = [0, *cuts, len(stream)]
    return name, stream, [stream[start:end] for start, end in pairwise(edges)]


@settings(max_examples=300, deadline=None)
@given(cut_streams(), st.sampled_from([UPSTREAM_MODEL, "asked"]))
def test_any_cut_is_seen_the_same(case: tuple[DialectName, bytes, list[bytes]], echo: str):
    name, stream, pieces = case
    whole = watch(name, [stream], echo=echo)
    cut = watch(name, pieces, echo=echo)
    assert cut[:-1] == whole[:-1]


@settings(max_examples=60, deadline=None)
@given(cut_streams())
def test_any_cut_removes_the_usage_chunk_alike(case: tuple[DialectName, bytes, list[bytes]]):
    _, _, pieces = case
    stream = b"".join(WHOLE["chat"])
    sizes = [len(piece) for piece in pieces]
    parts = []
    for size in sizes:
        parts.append(stream[:size])
        stream = stream[size:]
    cut = watch("chat", [*parts, stream], echo="asked", body=CHAT_BODY_WITHOUT_USAGE)
    assert cut[:-1] == watch("chat", [b"".join(WHOLE["chat"])], echo="asked", body=CHAT_BODY_WITHOUT_USAGE)[:-1]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize("size", [1, 2, 7, 1024])
def test_what_needs_no_edit_comes_out_as_it_went_in(name: DialectName, line_end: bytes, spaced: bool, size: int):
    stream = spelled(b"".join(WHOLE[name]), line_end, spaced=spaced, bom=False)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    seen = watch(name, pieces, echo=UPSTREAM_MODEL)
    assert seen.forward + seen.terminal == stream
    assert seen.error == ""


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_race_is_won_at_the_same_frame_whatever_the_reads(name: DialectName, line_end: bytes):
    stream = spelled(b"".join(WHOLE[name]), line_end, spaced=True, bom=False)
    frame_end = line_end * 2
    frames = [frame + frame_end for frame in stream.split(frame_end)[:-1]]
    by_frames = watch(name, frames, echo=UPSTREAM_MODEL).before_semantic
    by_bytes = watch(name, [stream[at : at + 1] for at in range(len(stream))], echo=UPSTREAM_MODEL).before_semantic
    assert by_bytes == by_frames


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DIALECTS), st.binary(max_size=400), st.integers(0, 2000))
def test_no_bytes_whatever_break_a_reader(name: DialectName, noise: bytes, place: int):
    stream = b"".join(WHOLE[name])
    watch(name, [stream[:place] + noise + stream[place:]], echo="asked")
