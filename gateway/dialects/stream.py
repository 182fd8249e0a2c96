"""What reading a stream has in common in all three dialects: frames in, frames out, one end."""

from typing import Any

import msgspec
from msgspec import Struct

from gateway.dialects.base import Batch, UpstreamError
from gateway.dialects.echo import ModelEcho
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.peek import DECODE_ERRORS
from gateway.dialects.sse import EventStreamError, Frames, FrameSplitter
from gateway.records import Usage

NULL = msgspec.Raw(b"null")
"""What a raw member is where it is missing."""


class Terminal(Struct, frozen=True):
    """The frame that ends the answer, as the client is to see it."""

    body: bytes


Verdict = bytes | Terminal | UpstreamError | None
"""What becomes of a frame: None it passes as it came, b"" leaves it out, bytes take its place, or it is the end."""


class EventReader:
    """A `StreamReader` without its dialect: subclasses judge frames in `_take` and name their end in `_at_end`.

    Where no frame of a read needs a change, the bytes received are forwarded as one slice.
    """

    def __init__(self, echo_model: str) -> None:
        self.response_id = ""
        self.object_ids: list[tuple[str, str]] = []
        self._echo = ModelEcho(echo_model)
        self._splitter = FrameSplitter()
        self._semantic = False
        self._done = False
        self._delivered_bytes = 0

    def feed(self, data: bytes) -> Batch:
        if self._done:
            return Batch(semantic=self._semantic)
        try:
            whole, frames = self._splitter.split(data)
        except EventStreamError as error:
            return self._fail(b"", UpstreamError(status=502, code="invalid_stream", message=str(error)))
        return self._judge(whole, frames)

    def _judge(self, whole: bytes, frames: Frames) -> Batch:
        out: list[bytes | None] = []
        changed = False
        body = b""
        try:
            for body in frames.bodies:
                verdict = self._take(body)
                if verdict is None:
                    out.append(body)
                elif isinstance(verdict, bytes):
                    out.append(verdict or None)
                    changed = True
                elif isinstance(verdict, Terminal):
                    return self._finish(frames, out, verdict)
                else:
                    return self._fail(frames.join(out), verdict)
        except (EventStreamError, *DECODE_ERRORS):
            return self._fail(frames.join(out), _unreadable(body))
        return Batch(forward=frames.join(out) if changed else whole, semantic=self._semantic)

    def end(self) -> Batch:
        """The end of the upstream's bytes. A last event without its empty line counts if it can be read."""
        if self._done:
            return Batch(semantic=self._semantic)
        last = self._judge(*self._splitter.finish())
        if self._done:
            return last
        self._done = True
        ending = self._at_end()
        if isinstance(ending, UpstreamError):
            last.error = ending
        else:
            self._semantic = last.semantic = True
            last.terminal = ending.body + b"\n\n"
        return last

    def usage(self) -> Usage | None:
        raise NotImplementedError

    def delivered_tokens(self) -> int:
        """3.5 bytes of JSON text a token."""
        estimated = -(-self._delivered_bytes * 2 // 7)
        reported = self.usage()
        return max(estimated, reported.output_tokens if reported else 0)

    def _take(self, body: bytes) -> Verdict:
        """Judge one frame. What cannot be decoded may raise: the stream ends there as an error."""
        raise NotImplementedError

    def _at_end(self) -> Terminal | UpstreamError:
        return CUT

    def _deliver(self, text_bytes: int) -> None:
        if text_bytes > 0:
            self._delivered_bytes += text_bytes
            self._semantic = True

    def _remember_object(self, kind: str, object_id: object) -> None:
        if isinstance(object_id, str) and object_id and (kind, object_id) not in self.object_ids:
            self.object_ids.append((kind, object_id))

    def _finish(self, frames: Frames, out: list[bytes | None], terminal: Terminal) -> Batch:
        self._done = self._semantic = True
        forward = frames.join(out)
        last = frames.join([*out, terminal.body])[len(forward) :]
        return Batch(forward=forward, semantic=True, terminal=last)

    def _fail(self, forward: bytes, error: UpstreamError) -> Batch:
        self._done = True
        return Batch(forward=forward, semantic=self._semantic, error=error)


CUT = UpstreamError(status=502, code="stream_cut", message="The stream ended before the answer was complete.")


def read_usage(raw: msgspec.Raw | None) -> dict[str, Any] | None:
    """A `usage` member as an object; None where it is missing, null or something else."""
    found = msgspec.json.decode(raw) if raw is not None else None
    return found if isinstance(found, dict) else None


def text_bytes(text: object) -> int:
    """How many bytes a piece of text is in UTF-8; nothing for anything else."""
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _unreadable(body: bytes) -> UpstreamError:
    """An error for a frame that is none. A JSON body under a stream's status usually says what is wrong."""
    return wrong_answer(body, "The upstream's answer is not a readable event stream.")
