"""httpx transport on trio and llhttp: one per account, connections kept alive in a stack.

The connection used last is taken first, so the rest grow old and are dropped; taking one costs one poll however many
are idle. `response.stream` yields whole reads, not lines or chunks. A response that is not read to its end closes its
socket when it is closed; nothing here waits for that.
"""

import math
import ssl
from collections import deque

import httpx
import trio

from gateway.upstream.connection import Connection
from gateway.upstream.link import Link, open_tcp, open_tls, open_unix

IDLE_LIMIT_S = 55.0
"""Load balancers commonly drop idle connections after 60 s."""

MAX_IDLE = 1024

Origin = tuple[bytes, bytes, int]


class TrioTransport(httpx.AsyncBaseTransport):
    """Sends requests with bodies in memory over HTTP/1.1.

    Deadlines come from `request.extensions["timeout"]`: `connect` (TLS included), `write` (each 64 KiB of a request
    that does not go out at once), `first_byte` (the head of the answer; `read` if absent) and `read` (each read of
    the body); None or absent means none. Raises httpx.ConnectTimeout, ConnectError, WriteTimeout, WriteError,
    ReadTimeout, ReadError, RemoteProtocolError, LocalProtocolError.

    A request on a reused connection is sent once more, on a fresh one, only where nothing of an answer came and the
    upstream cannot have read it: the send was refused, or the connection ended with no byte of it acknowledged.

    `ssl_context` is used for https (made at the first connection if None). With `unix_socket` every connection goes
    to that path instead of the URL's host. `max_idle` bounds the idle connections.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        unix_socket: str | None = None,
        max_idle: int = MAX_IDLE,
        idle_limit_s: float = IDLE_LIMIT_S,
    ) -> None:
        self._ssl_context = ssl_context
        self._unix_socket = unix_socket
        self._max_idle = max_idle
        self._idle_limit_s = idle_limit_s
        self._idle: dict[Origin, deque[Connection]] = {}
        self._idle_count = 0
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeout = request.extensions.get("timeout", {})
        url = request.url
        origin = (url.raw_scheme, url.raw_host, url.port or (443 if url.raw_scheme == b"https" else 80))
        data = _wire_bytes(request, await _body(request))
        connection = self._take_idle(origin)
        if connection is not None:
            response = await self._answer(connection, request, data, origin, timeout, reused=True)
            if response is not None:
                return response
        connection = await self._connect(origin, _seconds(timeout, "connect"))
        response = await self._answer(connection, request, data, origin, timeout, reused=False)
        assert response is not None
        return response

    async def _answer(
        self,
        connection: Connection,
        request: httpx.Request,
        data: bytes,
        origin: Origin,
        timeout: dict[str, float | None],
        *,
        reused: bool,
    ) -> httpx.Response | None:
        """The answer; None if the connection turned out to have been closed before the request was written."""
        read_s = _seconds(timeout, "read")
        first_byte_s = _seconds(timeout, "first_byte") if "first_byte" in timeout else read_s
        try:
            await connection.exchange_head(
                data, reused=reused, write_s=_seconds(timeout, "write"), first_byte_s=first_byte_s
            )
            if request.method == "HEAD":
                connection.without_body()
            _refuse_encoding(connection)
        except (httpx.WriteError, httpx.RemoteProtocolError):
            connection.close()
            if reused and connection.undelivered:
                return None
            raise
        except BaseException:
            connection.close()
            raise
        stream = AnswerStream(self, origin, connection, read_s)
        return httpx.Response(connection.status, headers=connection.headers, stream=stream, request=request)

    async def _connect(self, origin: Origin, connect_s: float) -> Connection:
        try:
            with trio.fail_after(connect_s):
                return Connection(await self._open(origin))
        except trio.TooSlowError as error:
            raise httpx.ConnectTimeout("The upstream could not be reached in time.") from error
        except (OSError, trio.BrokenResourceError) as error:
            raise httpx.ConnectError(f"The upstream could not be reached: {_reason(error)}.") from error

    async def _open(self, origin: Origin) -> Link:
        scheme, raw_host, port = origin
        host = raw_host.decode("ascii").strip("[]")
        if self._unix_socket is not None:
            return await open_unix(self._unix_socket)
        if scheme == b"http":
            return await open_tcp(host, port)
        if scheme != b"https":
            raise httpx.UnsupportedProtocol("The upstream's URL must begin with http:// or https://.")
        if self._ssl_context is None:
            self._ssl_context = default_ssl_context()
        return await open_tls(host, port, self._ssl_context)

    # The stacks of idle connections: the newest on the right, the oldest on the left.

    def _take_idle(self, origin: Origin) -> Connection | None:
        stack = self._idle.get(origin)
        now = trio.current_time()
        while stack:
            connection = stack.pop()
            self._idle_count -= 1
            if not self._expired(connection, now) and connection.quiet():
                return connection
            connection.close()
        return None

    def _give_back(self, origin: Origin, connection: Connection) -> None:
        if self._closed or not connection.reusable:
            connection.close()
            return
        now = connection.idle_since = trio.current_time()
        stack = self._idle.get(origin)
        if stack is None:
            stack = self._idle[origin] = deque()
        stack.append(connection)
        self._idle_count += 1
        while self._expired(stack[0], now) or self._idle_count > self._max_idle:
            self._drop_oldest(stack)
            if not stack:
                del self._idle[origin]
                return

    def _drop_oldest(self, stack: deque[Connection]) -> None:
        stack.popleft().close()
        self._idle_count -= 1

    def _expired(self, connection: Connection, now: float) -> bool:
        return now - connection.idle_since >= min(self._idle_limit_s, connection.idle_limit_s)

    def prune(self) -> None:
        """Close idle connections that are too old or that the upstream has closed. For a service task, now and then."""
        now = trio.current_time()
        for origin, stack in list(self._idle.items()):
            kept = deque[Connection]()
            for connection in stack:
                if self._expired(connection, now) or not connection.quiet():
                    connection.close()
                else:
                    kept.append(connection)
            self._idle_count -= len(stack) - len(kept)
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]

    @property
    def idle_connections(self) -> int:
        return self._idle_count

    async def aclose(self) -> None:
        """Close what is idle. Answers under way go on, and close their connections when they end."""
        self._closed = True
        while self._idle:
            _, stack = self._idle.popitem()
            while stack:
                self._drop_oldest(stack)

    def __repr__(self) -> str:
        return f"TrioTransport(idle={self._idle_count}, closed={self._closed})"


class AnswerStream(httpx.AsyncByteStream):
    """The body of one answer, a read at a time. Gives its connection back as soon as the last byte has arrived."""

    __slots__ = ("_connection", "_origin", "_rest", "_timeout_s", "_transport")

    def __init__(self, transport: TrioTransport, origin: Origin, connection: Connection, timeout_s: float) -> None:
        self._transport = transport
        self._origin = origin
        self._timeout_s = timeout_s
        self._rest = b""
        self._connection: Connection | None = connection
        if connection.complete:
            self._rest = connection.take_body()
            self._finish(connection)

    def __aiter__(self) -> "AnswerStream":
        return self

    async def __anext__(self) -> bytes:
        connection = self._connection
        if connection is None:
            rest, self._rest = self._rest, b""
            if rest:
                return rest
            raise StopAsyncIteration
        try:
            data = await connection.read_body(self._timeout_s)
        except BaseException:
            self._abandon()
            raise
        if connection.complete:
            self._finish(connection)
        if data:
            return data
        raise StopAsyncIteration

    def _finish(self, connection: Connection) -> None:
        self._connection = None
        self._transport._give_back(self._origin, connection)

    def _abandon(self) -> None:
        connection, self._connection = self._connection, None
        self._rest = b""
        if connection is not None:
            connection.close()

    async def aclose(self) -> None:
        """Close the socket at once unless the answer was received whole."""
        self._abandon()


def default_ssl_context(*, verify: bool = True, ca_file: str | None = None) -> ssl.SSLContext:
    """A client context for HTTP/1.1. Costs about 15 ms: made once, not per connection. Raises OSError."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _body(request: httpx.Request) -> bytes:
    try:
        return request.content
    except httpx.RequestNotRead:
        return await request.aread()


def _wire_bytes(request: httpx.Request, body: bytes) -> bytes:
    """Request line, headers and body in one piece. Raises httpx.LocalProtocolError for a header that would be two."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    raw = request.headers.raw
    lines += [b"%b: %b" % pair for pair in raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(raw) or head.count(b"\r") != len(raw) or b"\0" in head:
        raise httpx.LocalProtocolError("A header of the request contains a line break.")
    return b"%b\r\n\r\n%b" % (head, body)


def _refuse_encoding(connection: Connection) -> None:
    """Answers are handed on as they are, so a compressed one would reach a client that did not ask for it."""
    if connection.status < 300:
        for name, value in connection.headers:
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise httpx.RemoteProtocolError("The upstream compressed its answer without being asked to.")


def _seconds(timeout: dict[str, float | None], name: str) -> float:
    seconds = timeout.get(name)
    return math.inf if seconds is None else seconds


def _reason(error: BaseException) -> str:
    """The deepest of the errors: trio wraps those of several addresses in a group under one sentence."""
    inner = error.__cause__
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return str(inner or error) or type(error).__name__
