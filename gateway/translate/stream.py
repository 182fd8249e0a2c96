"""Reading one upstream stream and writing another: what every pair's reader has in common."""

from gateway.dialects.base import Batch, UpstreamError
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.peek import DECODE_ERRORS
from gateway.dialects.sse import EventStreamError, Frames, FrameSplitter, read_frame
from gateway.dialects.stream import CUT, text_bytes
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Memo


class Broken(Exception):
    """The upstream's stream ends here, as an error."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(error.message)
        self.error = error


class Outlet:
    """Where a frame writer puts the client's frames, and where it counts what the client reads of them.

    `frames` are complete SSE frames not yet handed on. `delivered_bytes` are bytes of text, arguments and reasoning.
    `semantic` is true once anything was written that wins a race.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.delivered_bytes = 0
        self.semantic = False

    def put(self, frame: bytes) -> None:
        self.frames.append(frame)

    def deliver(self, frame: bytes, text: str) -> None:
        """A frame with something in it that the client reads."""
        self.frames.append(frame)
        self.delivered_bytes += text_bytes(text)
        self.semantic = True

    def take(self) -> bytes:
        taken = b"".join(self.frames)
        self.frames.clear()
        return taken


class StreamTranslator:
    """A `TranslatingReader` without its pair.

    Subclasses write through `self.out` while they judge events in `_take`, call `_finish` with the frames that are the
    client's success, raise `Broken` for a failure, and say in `_at_end` what a connection that just closes means. Any
    exception of decoding becomes an error of the upstream's. After the end nothing is read.
    """

    def __init__(self, memo: Memo) -> None:
        self.memo = memo
        self.out = Outlet()
        self.response_id = ""
        self.object_ids: list[tuple[str, str]] = []
        self.resume: bytes | None = None
        self._splitter = FrameSplitter()
        self._terminal: bytes | None = None
        self._done = False

    def feed(self, data: bytes) -> Batch:
        if self._done:
            return Batch(semantic=self.out.semantic)
        if self.resume is not None:
            self.resume = None
            self._splitter = FrameSplitter()
        try:
            frames = self._splitter.split(data)[1]
        except EventStreamError as error:
            return self._fail(UpstreamError(status=502, code="invalid_stream", message=str(error)))
        return self._judge(frames)

    def end(self) -> Batch:
        """The end of the upstream's bytes. A last event without its empty line counts if it can be read."""
        if self._done or self.resume is not None:
            return Batch(semantic=self.out.semantic)
        last = self._judge(self._splitter.finish()[1])
        if self._done or self.resume is not None:
            return last
        try:
            self._at_end()
        except Broken as broken:
            failed = self._fail(broken.error)
            failed.forward = last.forward + failed.forward
            return failed
        ended = self._batch()
        ended.forward = last.forward + ended.forward
        return ended

    def usage(self) -> Usage | None:
        raise NotImplementedError

    def delivered_tokens(self) -> int:
        """3.5 bytes of text a token, and never less than was reported."""
        estimated = -(-self.out.delivered_bytes * 2 // 7)
        reported = self.usage()
        return max(estimated, reported.output_tokens if reported else 0)

    def keepalive(self) -> bytes:
        raise NotImplementedError

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        raise NotImplementedError

    def _take(self, event: bytes, data: bytes) -> None:
        """Judge one event of the upstream."""
        raise NotImplementedError

    def _at_end(self) -> None:
        """The upstream closed without its terminal: finish if the dialect allows that, otherwise raise Broken."""
        raise Broken(CUT)

    def _finish(self, terminal: bytes) -> None:
        """The answer is complete; these frames say so to the client."""
        self._terminal = terminal
        self._done = self.out.semantic = True

    def _pause(self, body: bytes) -> None:
        """The upstream wants to be asked again. What else it sends on this connection is nothing."""
        self.resume = body

    def _judge(self, frames: Frames) -> Batch:
        body = b""
        try:
            for body in frames.bodies:
                event, data = read_frame(body)
                if data is not None:
                    self._take(event, data)
                if self._done or self.resume is not None:
                    break
        except Broken as broken:
            return self._fail(broken.error)
        except (EventStreamError, *DECODE_ERRORS):
            return self._fail(wrong_answer(body, "The upstream's answer is not a readable event stream."))
        return self._batch()

    def _batch(self) -> Batch:
        return Batch(forward=self.out.take(), semantic=self.out.semantic, terminal=self._terminal or b"")

    def _fail(self, error: UpstreamError) -> Batch:
        self._done = True
        return Batch(forward=self.out.take(), semantic=self.out.semantic, error=error)
