"""Server-sent events as bytes: cutting a stream into frames, and reading one frame's `event` and `data`.

Follows the HTML standard, section 9.2.6: lines end with CR, LF or CRLF, an empty line ends an event, several `data`
lines join with a line feed, one space after the colon is dropped, a byte order mark may open the stream.
"""

import re
from typing import NamedTuple

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""A partial frame longer than this is refused. Generated images come as one frame of several megabytes."""

_BOM = b"\xef\xbb\xbf"
_EMPTY_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIELDS = frozenset((b"data", b"event", b"id", b"retry"))


class EventStreamError(Exception):
    """The bytes are not server-sent events, or one event is longer than `MAX_FRAME_BYTES`."""


class Frames(NamedTuple):
    """Complete frames, without the line ends that closed them, and those line ends (one for all where they agree)."""

    bodies: list[bytes]
    ends: list[bytes] | bytes

    def join(self, bodies: list[bytes | None]) -> bytes:
        """The first `len(bodies)` frames as a stream again; a None is a frame left out."""
        if isinstance(self.ends, bytes):
            end = self.ends
            return b"".join([body + end for body in bodies if body is not None])
        pairs = zip(bodies, self.ends, strict=False)
        return b"".join([body + end for body, end in pairs if body is not None])


class FrameSplitter:
    """Cuts whatever arrives into complete frames and keeps the rest.

    A frame that ends in CR waits for the next byte, which may be the LF that belongs to it: so the frames do not
    depend on how the stream was cut into reads.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held_bytes = 0

    def split(self, data: bytes) -> tuple[bytes, Frames]:
        """The bytes of all frames now complete, and the frames. Raises EventStreamError when one is too long."""
        if self._pieces:
            if b"\n" not in data and b"\r" not in data and self._pieces[-1][-1] != 13:
                # No line ends here, so no frame does: a long frame is joined once, not once per read.
                self._hold(data)
                return b"", Frames([], b"\n\n")
            self._pieces.append(data)
            data = b"".join(self._pieces)
            self._pieces = []
            self._held_bytes = 0
        if b"\r" in data:
            return self._split_any(data)
        bodies = data.split(b"\n\n")
        rest = bodies.pop()
        if rest:
            self._hold(rest)
            data = data[: -len(rest)]
        return data, Frames(bodies, b"\n\n")

    def finish(self) -> tuple[bytes, Frames]:
        """What the end of the bytes leaves: at most one frame, its empty line supplied where it has none."""
        rest = b"".join(self._pieces)
        self._pieces = []
        body = rest.rstrip(b"\r\n")
        if not body:
            return b"", Frames([], b"\n\n")
        closing = _EMPTY_LINE.match(rest, len(body))
        end = closing.group() if closing else b"\n\n"
        return body + end, Frames([body], end)

    def _split_any(self, data: bytes) -> tuple[bytes, Frames]:
        bodies: list[bytes] = []
        ends: list[bytes] = []
        start = 0
        for match in _EMPTY_LINE.finditer(data):
            if match.end() == len(data) and data[-1] == 13:
                break
            bodies.append(data[start : match.start()])
            ends.append(match.group())
            start = match.end()
        if start < len(data):
            self._hold(data[start:])
        return data[:start], Frames(bodies, ends)

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes > MAX_FRAME_BYTES:
            raise EventStreamError(f"An event is longer than {MAX_FRAME_BYTES} bytes.")


def read_frame(body: bytes) -> tuple[bytes, bytes | None]:
    """One frame's event name and data: `(b"", None)` for comments and empty frames.

    Raises EventStreamError where no line is a field of the standard: HTML, or a JSON body under a stream's status.
    """
    event = b""
    data: bytes | None = None
    known = False
    lines = [line for line in _LINE_END.split(body.removeprefix(_BOM)) if line]
    for line in lines:
        name, _, value = line.partition(b":")
        known = known or not name or name in _FIELDS
        if name == b"data":
            value = value.removeprefix(b" ")
            data = value if data is None else data + b"\n" + value
        elif name == b"event":
            event = value.removeprefix(b" ")
    if lines and not known:
        raise EventStreamError("The answer is not an event stream.")
    return event, data


def replace_data(body: bytes, data: bytes) -> bytes:
    """The frame with other data in the place of its own; `event`, `id`, comments stay as they are."""
    lines: list[bytes] = []
    placed = False
    for line in _LINE_END.split(body):
        if line.partition(b":")[0] != b"data":
            lines.append(line)
        elif not placed:
            lines.append(write_frame(b"", data))
            placed = True
    return b"\n".join(lines)


def write_frame(event: bytes, data: bytes) -> bytes:
    """A frame without its closing empty line. Data of several lines becomes several `data` lines."""
    text = b"data: " + data.replace(b"\n", b"\ndata: ")
    return b"event: " + event + b"\n" + text if event else text
