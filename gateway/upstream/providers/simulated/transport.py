"""The simulated provider behind httpx: answers in the process, paced on trio's clock."""

import math
from collections.abc import AsyncIterator, Iterator
from functools import cache

import httpx
import trio

from gateway.catalog import Catalog
from gateway.catalog.load import shipped_catalog
from gateway.clock import now_ms
from gateway.records import Account
from gateway.upstream.providers.simulated.service import Outcome, Request, Service
from gateway.upstream.providers.simulated.wire import Frame

_LARGEST_CHUNK = 65_536


def simulated_transport(account: Account, catalog: Catalog | None = None) -> httpx.AsyncBaseTransport:
    """A transport that is this account's upstream. Raises ConfigurationError if the account's options are wrong.

    `catalog` says which models it lists and how large they are; the shipped one if None.
    """
    return SimulatedTransport(Service(account, catalog or _shipped_catalog()))


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Serves httpx requests from a `Service`. A request's `first_byte` timeout holds for the head,
    its `read` timeout for each chunk."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ReadTimeout and httpx.RemoteProtocolError as a connection would."""
        body = await request.aread()
        asked = Request(request.method, request.url.raw_path.decode("ascii"), _headers(request), body)
        outcome = self._service.answer(asked, now_s=trio.current_time(), now_ms=now_ms())
        timeouts = request.extensions.get("timeout", {})
        stream = SimulatedStream(outcome, _seconds(timeouts.get("read")))
        await trio.lowlevel.checkpoint()
        if not outcome.streamed:
            await stream.wait_for_first(_seconds(timeouts.get("first_byte", timeouts.get("read"))))
        return httpx.Response(outcome.status, headers=outcome.headers, stream=stream)


class SimulatedStream(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """The body of an answer. Frames that are due together arrive together, as they do from a socket."""

    def __init__(self, outcome: Outcome, timeout_s: float) -> None:
        self._frames: Iterator[Frame] = outcome.frames
        self._ending = outcome.ending
        self._timeout_s = timeout_s
        self._due = trio.current_time()
        self._next: tuple[float, bytes] | None = None

    async def wait_for_first(self, timeout_s: float) -> None:
        """Return when the first frame is due. Raises httpx.ReadTimeout."""
        self._pull()
        await self._wait(self._next[0] if self._next else None, timeout_s)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Raises httpx.ReadTimeout and httpx.RemoteProtocolError."""
        while True:
            self._pull()
            if self._next is None and self._ending == "whole":
                raise StopAsyncIteration
            await self._wait(self._next[0] if self._next else None, self._timeout_s)
            if chunk := self._take():
                return chunk

    async def aclose(self) -> None:
        """Stop answering: no frame is made after this."""
        self._frames, self._next, self._ending = iter(()), None, "whole"

    async def _wait(self, due: float | None, timeout_s: float) -> None:
        """Until `due`; None is after the last frame of an answer that breaks off or falls silent."""
        if due is None and self._ending == "reset":
            await trio.lowlevel.checkpoint()
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        with trio.move_on_after(timeout_s) as scope:
            await trio.sleep_until(math.inf if due is None else due)
        if scope.cancelled_caught:
            raise httpx.ReadTimeout("nothing arrived in time")

    def _take(self) -> bytes:
        """Everything due by now, up to a recv buffer's worth."""
        now = trio.current_time()
        chunk: list[bytes] = []
        size = 0
        while self._next is not None and self._next[0] <= now and size < _LARGEST_CHUNK:
            chunk.append(self._next[1])
            size += len(chunk[-1])
            self._next = None
            self._pull()
        return b"".join(chunk)

    def _pull(self) -> None:
        if self._next is None and (frame := next(self._frames, None)) is not None:
            self._due += frame[0]
            self._next = (self._due, frame[1])


@cache
def _shipped_catalog() -> Catalog:
    """Read once for all simulated accounts."""
    return shipped_catalog()


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout


def _headers(request: httpx.Request) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers.raw}
