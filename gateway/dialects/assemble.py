"""Making one whole answer of a streamed one: the body the same upstream would have given without `stream`.

The dialect's own reader judges every frame: what is content, what is an error, what is the end. A draft collects what
is in them. What has no known place in a whole answer ends the attempt: an answer that lacks something is none.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from gateway.dialects.base import Batch, StreamReader, UpstreamError
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.peek import DECODE_ERRORS, read_fields
from gateway.dialects.sse import EventStreamError, Frames, FrameSplitter, read_frame
from gateway.dialects.usage import add
from gateway.errors import CallError
from gateway.records import Usage

CANNOT_ASSEMBLE = "cannot_assemble"
"""`UpstreamError.code` of a sound stream that is not understood. The upstream is not to blame for it."""


class CannotAssemble(Exception):
    """The stream carries something whose place in a whole answer is not known."""


class Draft:
    """A whole answer under way. Both methods may raise CannotAssemble, and what decoding raises.

    `kept_bytes` is about what it holds so far.
    """

    def __init__(self) -> None:
        self.kept_bytes = 0

    def take(self, event: str, data: bytes) -> None:
        """One event of the stream. The last that is given is the one that ends the answer."""
        raise NotImplementedError

    def body(self) -> bytes:
        """The answer, once its last event was taken."""
        raise NotImplementedError


class Said:
    """Text in pieces, anywhere in a draft. Adding to a string would copy all of it for every piece."""

    __slots__ = ("_pieces",)

    def __init__(self, *pieces: str) -> None:
        self._pieces = list(pieces)

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    def text(self) -> str:
        return "".join(self._pieces)


def write(draft: Any) -> bytes:
    """JSON of a draft's values, with every `Said` as its text."""
    return msgspec.json.encode(draft, enc_hook=_text_of)


def _text_of(value: Any) -> str:
    if isinstance(value, Said):
        return value.text()
    raise NotImplementedError(f"{type(value).__name__} has no place in an answer.")


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a raw member says nothing."""
    return bytes(raw) == b"null"


def streamed(body: bytes, **changes: Any) -> bytes:
    """A request's body with its stream switched on and these members exchanged; every other byte as it came."""
    return msgspec.json.encode({**read_fields(body), "stream": True, **changes})


class Assembly(Protocol):
    """How one dialect's streams become answers. Implemented by the modules `assemble_…`."""

    def can_assemble(self, fields: Mapping[str, msgspec.Raw], headers: Mapping[str, str]) -> bool:
        """Whether the answer to this request, asked for as a stream, can be made the same as without.

        `fields` are the members of the request's body, `headers` the caller's with lower-case names. Raises what
        decoding does where a member cannot be read.
        """
        ...

    def streaming_body(self, body: bytes) -> bytes:
        """The upstream's body with its stream, and the report of its usage, switched on."""
        ...

    def begin(self) -> tuple[StreamReader, Draft]:
        """Who judges one stream, and who collects it."""
        ...


class Assembler:
    """A `StreamReader` that forwards nothing and whose terminal is the whole answer, as the upstream would write it.

    `paused` is given every complete answer: the body that makes the upstream go on where it only paused, or None. That
    body is then `resume`, and what is fed after it is the answer to it: as in `translate.base.TranslatingReader`. A
    paused answer is not part of the next one; whoever made the body remembers it. Usage and ids are those of them all.
    """

    def __init__(
        self, assembly: Assembly, limit_bytes: int, paused: Callable[[bytes], bytes | None] = lambda body: None
    ) -> None:
        self.response_id = ""
        self.object_ids: list[tuple[str, str]] = []
        self.resume: bytes | None = None
        self.pauses = 0
        self._assembly = assembly
        self._limit_bytes = limit_bytes
        self._paused = paused
        self._earlier_usage: Usage | None = None
        self._earlier_tokens = 0
        self._semantic = False
        self._done = False
        self._begin()

    def feed(self, data: bytes) -> Batch:
        if self._done:
            return Batch(semantic=self._semantic)
        if self.resume is not None:
            self._go_on()
        try:
            frames = self._splitter.split(data)[1]
        except EventStreamError as error:
            return self._fail(UpstreamError(status=502, code="invalid_stream", message=str(error)))
        return self._judge(frames)

    def end(self) -> Batch:
        if self._done or self.resume is not None:
            return Batch(semantic=self._semantic)
        last = self._judge(self._splitter.finish()[1])
        if self._done or self.resume is not None:
            return last
        ending = self._reader.end()
        return self._complete() if ending.error is None else self._fail(ending.error)

    def usage(self) -> Usage | None:
        reported, earlier = self._reader.usage(), self._earlier_usage
        if reported is None or earlier is None:
            return earlier if reported is None else reported
        return add(earlier, reported)

    def delivered_tokens(self) -> int:
        """Output tokens that have arrived, estimated from their bytes (never below what was reported)."""
        return self._earlier_tokens + self._reader.delivered_tokens()

    def keepalive(self) -> bytes:
        return b""

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return self._reader.error_frame(error, request_id)

    def _begin(self) -> None:
        self._splitter = FrameSplitter()
        self._reader, self._draft = self._assembly.begin()
        self._reader.object_ids += self.object_ids
        self.object_ids = self._reader.object_ids

    def _go_on(self) -> None:
        self._earlier_tokens = self.delivered_tokens()
        self._earlier_usage = self.usage()
        self.resume = None
        self._begin()

    def _judge(self, frames: Frames) -> Batch:
        body = b""
        try:
            for body in frames.bodies:
                batch = self._reader.feed(body + b"\n\n")
                if batch.error is not None:
                    return self._fail(batch.error)
                self._semantic = self._semantic or batch.semantic
                self._collect(body)
                if batch.terminal:
                    return self._complete()
        except CannotAssemble as error:
            return self._fail(_not_understood(error))
        except (EventStreamError, *DECODE_ERRORS):
            return self._fail(wrong_answer(body, "The upstream's answer is not a readable event stream."))
        return Batch(semantic=self._semantic)

    def _collect(self, frame: bytes) -> None:
        self.response_id = self._reader.response_id
        event, data = read_frame(frame)
        if data is not None:
            self._draft.take(event.decode(), data)
        if self._draft.kept_bytes > self._limit_bytes:
            raise EventStreamError(f"The answer is larger than {self._limit_bytes} bytes.")

    def _complete(self) -> Batch:
        try:
            body = self._draft.body()
        except CannotAssemble as error:
            return self._fail(_not_understood(error))
        except DECODE_ERRORS:
            return self._fail(wrong_answer(b"", "The upstream's answer cannot be put together."))
        self._semantic = True
        self.resume = self._paused(body)
        if self.resume is not None:
            self.pauses += 1
            return Batch(semantic=True)
        self._done = True
        return Batch(semantic=True, terminal=body)

    def _fail(self, error: UpstreamError) -> Batch:
        self._done = True
        return Batch(semantic=self._semantic, error=error)


def _not_understood(error: CannotAssemble) -> UpstreamError:
    return UpstreamError(status=502, code=CANNOT_ASSEMBLE, message=str(error))
