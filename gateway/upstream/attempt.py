"""One try of a call at one account: send, look at what comes back, and hold on to it only if it is an answer.

Both functions return an answer or raise `AttemptFailed`; either way a failed attempt has closed its socket.
"""

from collections.abc import AsyncIterator

import httpx
import trio

from gateway.dialects.base import Answer, Batch, Dialect, StreamReader, UpstreamError
from gateway.upstream.cooldown import Failure
from gateway.upstream.failures import failure_of_exception
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


class OpenStream:
    """An upstream answer whose first semantic frame has arrived. `newest` is what was read last: at the beginning,
    everything up to and with that frame."""

    def __init__(self, response: httpx.Response, chunks: AsyncIterator[bytes], reader: StreamReader) -> None:
        self._response = response
        self._chunks = chunks
        self.reader = reader
        self.newest = Batch()

    @property
    def upstream_request_id(self) -> str:
        return _request_id(self._response)

    async def next(self) -> Batch:
        """What the next read brought; at the end of the connection, what that end means in this dialect."""
        try:
            data = await anext(self._chunks, None)
        except (httpx.HTTPError, OSError) as error:
            failure = failure_of_exception(error)
            self.newest = Batch(error=UpstreamError(failure.status, failure.cause.value, failure.public_message))
        else:
            self.newest = self.reader.end() if data is None else self.reader.feed(data)
        return self.newest

    async def aclose(self) -> None:
        """Close the connection, or give it back if the answer was read to its end. Never hangs."""
        await close_response(self._response)


async def open_stream(upstream: Upstream, request: httpx.Request, dialect: Dialect, reader: StreamReader) -> OpenStream:
    """Send a streamed call and read up to its first semantic frame."""
    response = await send(upstream, request, dialect)
    try:
        chunks = aiter(response.stream)  # type: ignore[arg-type]
        opened = OpenStream(response, chunks, reader)
        forward = b""
        while True:
            batch = await opened.next()
            if batch.error is not None:
                raise AttemptFailed(upstream.classify(batch.error.status, response.headers, batch.error))
            forward += batch.forward
            if batch.semantic or batch.terminal:
                opened.newest = Batch(forward, True, batch.terminal)
                return opened
    except BaseException:
        await close_response(response)
        raise


async def fetch(upstream: Upstream, request: httpx.Request, dialect: Dialect, echo_model: str) -> tuple[Answer, str]:
    """Send a call that is answered whole; the answer, and the upstream's id for it."""
    response = await send(upstream, request, dialect)
    try:
        body = await read_bounded(response, MAX_ANSWER_BYTES)
    except (httpx.HTTPError, OSError) as error:
        raise AttemptFailed(failure_of_exception(error)) from error
    finally:
        await close_response(response)
    answer = dialect.read_body(body, echo_model=echo_model)
    if answer.error is not None:
        raise AttemptFailed(upstream.classify(answer.error.status, response.headers, answer.error))
    return answer, _request_id(response)


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
