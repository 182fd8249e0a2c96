"""The fake provider in memory: an httpx transport whose every answer is scripted, on trio's clock."""

import math
from collections.abc import Iterator

import httpx
import trio

from tests.fakes.play import Asked, Cut, Performance, Send, Step, Wait
from tests.fakes.stage import Exchange, Stage


class FakeUpstream(Stage, httpx.AsyncBaseTransport):
    """`Stage` behind `httpx.AsyncBaseTransport`.

    Errors are those of a real transport: ConnectError where the act refuses, ReadTimeout where a pause is longer
    than the request's `timeout` extension allows (`read`, per chunk), RemoteProtocolError where the body is cut.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = Asked(
            request.method,
            request.url.path,
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers.raw},
            await request.aread(),
        )
        read_timeout = request.extensions.get("timeout", {}).get("read") or math.inf
        exchange = self.begin(asked, str(request.url))
        try:
            performance = self.performance(asked)
            if performance.refused:
                raise httpx.ConnectError("All connection attempts failed", request=request)
            await _pause(performance.head_delay, read_timeout)
            exchange.head_at = trio.current_time()
        except BaseException:
            self.end(exchange)
            raise
        body = _Body(self, exchange, performance, read_timeout)
        return httpx.Response(performance.status, headers=performance.headers, stream=body, request=request)


class _Body(httpx.AsyncByteStream):
    """The steps of one performance as a response stream. A class: an iterator's clean-up must not wait for the GC."""

    def __init__(self, stage: Stage, exchange: Exchange, performance: Performance, read_timeout: float) -> None:
        self._stage = stage
        self._exchange = exchange
        self._steps: Iterator[Step] = iter(performance.steps)
        self._read_timeout = read_timeout

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        if not self._exchange.open:
            raise httpx.StreamClosed
        waited = 0.0
        for step in self._steps:
            if isinstance(step, Wait):
                await _pause(step.seconds, self._read_timeout - waited)
                waited += step.seconds
            elif isinstance(step, Send):
                await trio.lowlevel.checkpoint()
                self._exchange.sent_bytes += len(step.data)
                return step.data
            elif isinstance(step, Cut):
                self._stage.end(self._exchange)
                raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        await trio.lowlevel.checkpoint()
        self._exchange.finished = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._stage.end(self._exchange)


async def _pause(seconds: float, timeout: float) -> None:
    """Sleeps; raises ReadTimeout at `timeout` if that comes first."""
    if seconds > timeout:
        await trio.sleep(timeout)
        raise httpx.ReadTimeout("The read operation timed out")
    if seconds == math.inf:
        await trio.sleep_forever()
    await trio.sleep(seconds)
