"""One try of a call at one account: send, look at what comes back, and hold on to it only if it is an answer.

Both functions return an answer or raise `AttemptFailed`; either way a failed attempt has closed its socket.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import httpx
import trio
from msgspec import Struct

from gateway.dialects.base import Answer, Batch, Dialect, StreamReader, UpstreamError
from gateway.upstream.cooldown import Failure
from gateway.upstream.failures import failure_of_exception
from gateway.upstream.providers.base import Timeouts, UpstreamOperation
from gateway.upstream.transport import AnswerStream
from gateway.upstream.upstreams import Upstream

MAX_ERROR_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
CLOSE_DEADLINE_S = 2.0


class AttemptFailed(Exception):
    """The account did not answer. `failure` says what that does to the account and what the caller may be told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.cause.value)
        self.failure = failure


class Passage(Protocol):
    """What is sent, and how its answer is read. One per attempt: `gateway.passages`.

    `dialect` and `path` are the upstream's; `warnings` say what the client's request lost on the way. `resume` gives
    the body that makes a paused whole answer go on, if it is one.
    """

    dialect: Dialect
    path: str
    body: bytes
    warnings: tuple[str, ...]

    def reader(self) -> StreamReader: ...

    def read(self, body: bytes) -> Answer: ...

    def resume(self, body: bytes) -> bytes | None: ...


class Exchange(Struct, frozen=True):
    """One attempt, ready to be made: at whom, what, and with which of the client's headers."""

    upstream: Upstream
    passage: Passage
    operation: UpstreamOperation
    headers: Mapping[str, str]
    timeouts: Timeouts

    async def send(self, body: bytes) -> httpx.Response:
        """Send a body; the response has status 200 and is not yet read. Raises AttemptFailed."""
        request = self.upstream.request(self.operation, body, self.headers, self.timeouts)
        return await send(self.upstream, request, self.passage.dialect)

    def failed(self, error: UpstreamError, response: httpx.Response) -> AttemptFailed:
        return AttemptFailed(self.upstream.classify(error.status, response.headers, error))


class OpenStream:
    """An upstream answer whose first semantic frame has arrived. `newest` is what was read last: at the beginning,
    everything up to and with that frame. `received_bytes` counts bodies as they came."""

    def __init__(self, exchange: Exchange, response: httpx.Response, reader: StreamReader) -> None:
        self._exchange = exchange
        self._response = response
        self._chunks: AsyncIterator[bytes] = aiter(response.stream)  # type: ignore[arg-type]
        self.reader = reader
        self.newest = Batch()
        self.received_bytes = 0

    @property
    def response(self) -> httpx.Response:
        return self._response

    @property
    def upstream_request_id(self) -> str:
        return _request_id(self._response)

    @property
    def paused(self) -> bool:
        """The upstream ended its turn before it was done, and waits to be asked to go on."""
        return getattr(self.reader, "resume", None) is not None

    async def next(self, *, go_on: bool = True) -> Batch:
        """What the next read brought; at the end of the connection, what that end means in this dialect. A paused turn
        is gone on with, unless told not to."""
        try:
            data = await anext(self._chunks, None)
        except (httpx.HTTPError, OSError) as error:
            self.newest = _broken(failure_of_exception(error))
            return self.newest
        if data is None:
            self.newest = self.reader.end()
        else:
            self.received_bytes += len(data)
            self.newest = self.reader.feed(data)
        resume = getattr(self.reader, "resume", None)
        if resume is not None and go_on:
            await self._go_on(resume)
        return self.newest

    async def _go_on(self, body: bytes) -> None:
        """The upstream paused its turn: ask the same account to continue, into the same reader."""
        await close_response(self._response)
        try:
            self._response = await self._exchange.send(body)
        except AttemptFailed as failed:
            self.newest = _broken(failed.failure, self.newest.forward)
        else:
            self._chunks = aiter(self._response.stream)  # type: ignore[arg-type]

    async def aclose(self) -> None:
        """Close the connection, or give it back if the answer was read to its end. Never hangs."""
        await close_response(self._response)


async def open_stream(exchange: Exchange, reader: StreamReader) -> OpenStream:
    """Send a streamed call and read up to its first semantic frame."""
    opened = OpenStream(exchange, await exchange.send(exchange.passage.body), reader)
    try:
        forward = b""
        while True:
            batch = await opened.next()
            if batch.error is not None:
                raise exchange.failed(batch.error, opened.response)
            forward += batch.forward
            if batch.semantic or batch.terminal:
                opened.newest = Batch(forward, True, batch.terminal)
                return opened
    except BaseException:
        await opened.aclose()
        raise


async def fetch(exchange: Exchange) -> tuple[Answer, str]:
    """Send a call that is answered whole; the answer, and the upstream's id for it."""
    passage = exchange.passage
    body: bytes | None = passage.body
    while True:
        assert body is not None
        response = await exchange.send(body)
        try:
            received = await read_bounded(response, MAX_ANSWER_BYTES)
        except (httpx.HTTPError, OSError) as error:
            raise AttemptFailed(failure_of_exception(error)) from error
        finally:
            await close_response(response)
        body = passage.resume(received)
        if body is None:
            break
    answer = passage.read(received)
    if answer.error is not None:
        raise exchange.failed(answer.error, response)
    return answer, _request_id(response)


def _broken(failure: Failure, forward: bytes = b"") -> Batch:
    error = UpstreamError(failure.status, failure.cause.value, failure.public_message)
    return Batch(forward, error=error)


async def send(upstream: Upstream, request: httpx.Request, dialect: Dialect) -> httpx.Response:
    """A response with status 200, its body not yet read. Anything else raises AttemptFailed."""
    try:
        response = await upstream.transport.handle_async_request(request)
    except (httpx.HTTPError, OSError) as error:
        raise AttemptFailed(failure_of_exception(error)) from error
    if response.status_code == 200:
        return response
    try:
        body = await read_bounded(response, MAX_ERROR_BYTES)
    except (httpx.HTTPError, OSError):
        body = b""
    finally:
        await close_response(response)
    refusal = dialect.read_error(response.status_code, body)
    raise AttemptFailed(upstream.classify(response.status_code, response.headers, refusal))


async def read_bounded(response: httpx.Response, limit: int) -> bytes:
    """The body, if it is not larger than `limit` bytes; otherwise httpx.RemoteProtocolError."""
    parts: list[bytes] = []
    size = 0
    async for part in response.stream:  # type: ignore[union-attr]
        size += len(part)
        if size > limit:
            raise httpx.RemoteProtocolError(f"The answer is larger than {limit} bytes.")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def close_response(response: httpx.Response) -> None:
    """Close under a bounded shield: a cancelled attempt must not leave its socket open."""
    if isinstance(response.stream, AnswerStream):
        await response.stream.aclose()  # never waits, so it needs no shield, which costs 5 us
        return
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_DEADLINE_S):
        await response.stream.aclose()  # type: ignore[union-attr]


def _request_id(response: httpx.Response) -> str:
    """A look through the raw headers: httpx's own look-up costs ten times as much."""
    for name, value in response.headers.raw:
        if name.lower() in (b"request-id", b"x-request-id") and value:
            return value.decode("latin-1")
    return ""
