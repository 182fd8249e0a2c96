"""One HTTP/1.1 connection to an upstream: requests out, and llhttp reading what comes back.

A connection is used by one request at a time. Closing never waits, so that a cancelled task leaves nothing behind.
"""

import math

import httptools
import httpx
import trio

from gateway.upstream.link import RECEIVE_BYTES, Link

MAX_HEAD_BYTES = 65_536
"""Of an answer's head, interim answers included; also of what a body may bring without any content (trailers)."""

SEND_UNWATCHED_BYTES = 65_536
"""A remainder up to this size is sent without reading meanwhile; a larger one may be answered before it is through."""

EARLY_ANSWER_S = 1.0
"""How long the reason is waited for after the upstream stopped taking the request."""

_CLOSED_EARLY = "The upstream closed the connection before its answer was complete."


class Connection:
    """Sends requests, one after the other, and reads their answers.

    `undelivered` tells after a failure that the upstream cannot have read the request. `reusable` tells after the
    answer that another request may follow. `idle_limit_s` is the upstream's own `Keep-Alive: timeout`, less a second.
    """

    __slots__ = (
        "_acknowledged",
        "_body",
        "_delimited",
        "_fault",
        "_head_bytes",
        "_heard",
        "_keep_alive",
        "_link",
        "_parser",
        "_sent_whole",
        "_silent_bytes",
        "complete",
        "head_done",
        "headers",
        "idle_limit_s",
        "idle_since",
        "status",
        "undelivered",
    )

    def __init__(self, link: Link) -> None:
        self._link = link
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.idle_since = 0.0
        self.idle_limit_s = math.inf
        self._begin(reused=False)

    def _begin(self, *, reused: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_done = False
        self.complete = False
        self.undelivered = False
        self._body: list[bytes] = []
        self._delimited = False
        self._keep_alive = False
        self._sent_whole = True
        self._heard = False
        self._fault: httpx.TransportError | None = None
        self._head_bytes = 0
        self._silent_bytes = 0
        self._acknowledged = self._link.acknowledged_bytes() if reused else None

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("bytes after the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:
            return
        name = name.lower()
        self.headers.append((name, value))
        if name == b"content-length":
            self._delimited = True
        elif name == b"transfer-encoding":
            self._delimited = True
            if value.strip().lower() != b"chunked":
                raise ValueError("a transfer-encoding that was not asked for")
        elif name == b"keep-alive":
            self.idle_limit_s = _keep_alive_limit_s(value)

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status == 101:
            raise ValueError("a change of protocol that was not asked for")
        if status < 200:
            self.headers = []
            self._delimited = False
        else:
            self.status = status
            self.head_done = True

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self.head_done:
            assert self._parser is not None
            self.complete = True
            self._keep_alive = self._parser.should_keep_alive()

    # Sending.

    async def exchange_head(self, request: bytes, *, reused: bool, write_s: float, first_byte_s: float) -> None:
        """Send one request and read up to and with the head of its answer.

        Raises httpx.WriteError, WriteTimeout, ReadError, ReadTimeout or RemoteProtocolError.
        """
        self._begin(reused=reused)
        try:
            sent = self._link.send_now(request)
        except OSError as error:
            self.undelivered = reused
            raise httpx.WriteError("The upstream closed the connection before the request was sent.") from error
        if sent < len(request):
            await self._send_rest(memoryview(request)[sent:], write_s)
        await self._read_head(first_byte_s)

    async def _send_rest(self, rest: memoryview, write_s: float) -> None:
        if len(rest) <= SEND_UNWATCHED_BYTES:
            failure = await self._send_pieces(rest, write_s)
        else:
            failure = await self._send_watched(rest, write_s)
        if failure is None:
            return
        if not self.head_done and self._fault is None and isinstance(failure, httpx.WriteError):
            await self._read_reason()
        if not self.head_done:
            self.undelivered = not self._heard and self._nothing_acknowledged()
            raise failure

    async def _send_pieces(self, rest: memoryview, write_s: float) -> httpx.TransportError | None:
        """Send all of it, each piece within `write_s`. The failure is returned: the answer may already be there."""
        self._sent_whole = False
        try:
            while rest:
                piece, rest = rest[:RECEIVE_BYTES], rest[RECEIVE_BYTES:]
                with trio.CancelScope(deadline=trio.current_time() + write_s) as scope:
                    await self._link.send_all(piece)
                if scope.cancelled_caught:
                    return httpx.WriteTimeout("The upstream did not take the request in time.")
        except (OSError, trio.BrokenResourceError):
            return httpx.WriteError("The upstream closed the connection while the request was being sent.")
        self._sent_whole = True
        return None

    async def _send_watched(self, rest: memoryview, write_s: float) -> httpx.TransportError | None:
        """Send while reading: an upstream that refuses a request need not take all of it first."""
        failure: httpx.TransportError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_head, nursery.cancel_scope)
            failure = await self._send_pieces(rest, write_s)
            nursery.cancel_scope.cancel()
        return failure

    async def _watch_for_head(self, sending: trio.CancelScope) -> None:
        try:
            while not self.head_done:
                await self._receive()
        except httpx.TransportError as error:
            self._fault = error
        sending.cancel()

    async def _read_reason(self) -> None:
        """After a failed send: the answer that explains it, if it comes soon."""
        with trio.move_on_after(EARLY_ANSWER_S):
            try:
                while not self.head_done:
                    await self._receive()
            except httpx.TransportError:
                return

    # Receiving.

    async def _read_head(self, first_byte_s: float) -> None:
        if self.head_done:
            return
        if self._fault is not None:
            raise self._fault
        with trio.CancelScope(deadline=trio.current_time() + first_byte_s) as scope:
            while not self.head_done:
                await self._receive()
        if scope.cancelled_caught:
            raise httpx.ReadTimeout("The upstream did not begin its answer in time.")

    async def read_body(self, read_s: float) -> bytes:
        """Everything the next read brought; b"" at the end of the answer.

        Raises httpx.ReadTimeout, ReadError, or RemoteProtocolError if the connection ends before the answer does.
        """
        while True:
            if self._body:
                return self.take_body()
            if self._fault is not None:
                raise self._fault
            if self.complete:
                return b""
            with trio.CancelScope(deadline=trio.current_time() + read_s) as scope:
                await self._receive()
            if scope.cancelled_caught:
                raise httpx.ReadTimeout("The upstream's answer stopped.")

    def take_body(self) -> bytes:
        """What has been received of the body and not been taken yet."""
        body = self._body
        self._body = []
        return body[0] if len(body) == 1 else b"".join(body)

    async def _receive(self) -> None:
        try:
            data = await self._link.receive()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpx.ReadError("The connection to the upstream broke.") from error
        if data:
            self._heard = True
            self._feed(data)
        else:
            self._end()

    def _feed(self, data: bytes) -> None:
        assert self._parser is not None
        body_before = len(self._body)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self.complete:
                self._keep_alive = False
            else:
                self._fail(httpx.RemoteProtocolError("The upstream's answer is not HTTP/1.1."))
        self._bound(len(data), len(self._body) > body_before)

    def _bound(self, received: int, brought_body: bool) -> None:
        if not self.head_done:
            self._head_bytes += received
            if self._head_bytes > MAX_HEAD_BYTES:
                self._fail(httpx.RemoteProtocolError("The head of the upstream's answer is too large."))
        elif brought_body:
            self._silent_bytes = 0
        else:
            self._silent_bytes += received
            if self._silent_bytes > MAX_HEAD_BYTES and not self.complete:
                self._fail(httpx.RemoteProtocolError("The upstream's answer goes on without content."))

    def _fail(self, fault: httpx.TransportError) -> None:
        """Raise now, or after what this read has brought of the body was handed on."""
        if not self._body:
            raise fault
        self._fault = fault

    def _end(self) -> None:
        if self.head_done and not self._delimited:
            self.complete = True
            return
        self.undelivered = not self._heard and self._nothing_acknowledged()
        raise httpx.RemoteProtocolError(_CLOSED_EARLY)

    def _nothing_acknowledged(self) -> bool:
        """True if no byte of this request reached the peer's TCP: it had closed a reused connection before."""
        return self._acknowledged is not None and self._link.acknowledged_bytes() == self._acknowledged

    # The end of a request, and of the connection.

    def without_body(self) -> None:
        """The answer has no body whatever its head says (it answers a HEAD)."""
        self._body = []
        self._keep_alive = self._keep_alive and self.complete
        self.complete = True

    @property
    def reusable(self) -> bool:
        return self.complete and self._keep_alive and self._sent_whole and self._fault is None

    def quiet(self) -> bool:
        """One poll of the idle socket: False if it was closed or brought bytes nobody asked for."""
        return self._link.quiet()

    def close(self) -> None:
        self._parser = None  # It holds the callbacks and they hold the connection.
        self._link.close()


def _keep_alive_limit_s(value: bytes) -> float:
    """Seconds from `Keep-Alive: timeout=5, max=100` (RFC 2068 19.7.1.1), one less for the way there."""
    for part in value.split(b","):
        name, _, seconds = part.strip().partition(b"=")
        if name.lower() == b"timeout" and seconds.isdigit() and len(seconds) < 10:
            return max(0.0, int(seconds) - 1.0)
    return math.inf
