"""Accounts that go through a proxy: httpx's own transport, with what it lacks.

Its pool never queues here (a queue whose waiters are cancelled jams it for good) and keeps few idle connections (it
looks at each of them on every request); how many calls an account takes is the pool of accounts' business.
"""

import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import trio

MAX_IDLE = 20
IDLE_LIMIT_S = 55.0


class ProxiedTransport(httpx.AsyncBaseTransport):
    """HTTP and SOCKS proxies, with the deadlines of `TrioTransport`.

    `connect` covers everything before the request goes out: a SOCKS handshake has no deadline of its own. `aclose`
    lets answers under way finish. Raises what httpx raises.
    """

    def __init__(self, proxy: str, ssl_context: ssl.SSLContext) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=MAX_IDLE, keepalive_expiry=IDLE_LIMIT_S)
        self._inner = httpx.AsyncHTTPTransport(proxy=proxy, limits=limits, verify=ssl_context, trust_env=False)
        self._open = 0
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeout = dict(request.extensions.get("timeout", {}))
        body_read_s = timeout.get("read")
        timeout["read"] = timeout.pop("first_byte", body_read_s)
        connect_s = timeout.get("connect")
        with trio.CancelScope() as connecting:
            if connect_s is not None:
                connecting.deadline = trio.current_time() + connect_s
            request.extensions.update(timeout=timeout, trace=_until_sending(connecting))
            self._open += 1
            try:
                response = await self._inner.handle_async_request(request)
            except BaseException:
                await self._ended()
                raise
        if connecting.cancelled_caught:
            raise httpx.ConnectTimeout("The upstream could not be reached through the proxy in time.")
        timeout["read"] = body_read_s
        assert isinstance(response.stream, httpx.AsyncByteStream)
        stream = _CountedStream(self, response.stream)
        return httpx.Response(response.status_code, headers=response.headers.raw, stream=stream, request=request)

    async def _ended(self) -> None:
        self._open -= 1
        if self._closed and self._open == 0:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await self._inner.aclose()

    async def aclose(self) -> None:
        """Close what is idle now if nothing is under way, otherwise everything when the last answer ends."""
        if not self._closed:
            self._closed = True
            self._open += 1
            await self._ended()

    def __repr__(self) -> str:
        return f"ProxiedTransport(open={self._open}, closed={self._closed})"


def _until_sending(connecting: trio.CancelScope) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    """A trace for httpx's pool that lifts the deadline once the connection stands (CONNECT is a part of connecting)."""

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":
            connecting.deadline = math.inf

    return trace


class _CountedStream(httpx.AsyncByteStream):
    def __init__(self, transport: ProxiedTransport, inner: httpx.AsyncByteStream) -> None:
        self._transport = transport
        self._inner = inner
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        if not self._ended:
            self._ended = True
            try:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await self._inner.aclose()
            finally:
                await self._transport._ended()
