"""One HTTP/1.1 request and its answer, as ASGI 3 sees them.

`receive` and `send` wait only where they must: the body that came with the head is handed over at once, and a whole
answer is one write.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import trio

from gateway.edge.request_parser import Refused, Request
from gateway.edge.response_head import Framing, response_head
from gateway.edge.streams import ClientGone, ClientStream

__all__ = ["ClientGone", "Exchange"]

# Above this a body is sent after its head rather than copied behind it.
_JOIN_BYTES = 256 * 1024

_ASGI = {"version": "3.0", "spec_version": "2.4"}


class Addresses(NamedTuple):
    """Both ends of a connection; on a Unix socket there is no client address, and the server's is its path."""

    client: tuple[str, int] | None
    server: tuple[str, int | None]


class Exchange:
    """Serves as `scope["extensions"]["trigate.client"]` too: see `watch`.

    `on_body` is called with True when the application begins to wait for the body, with False when it has taken what
    there was or waits no more. After departure `receive` says `http.disconnect` and `send` raises ClientGone; a
    departure after the whole answer is not told.
    """

    __slots__ = (
        "_body_read",
        "_framing",
        "_head",
        "_left",
        "_on_body",
        "_stream",
        "_waiter",
        "_watched",
        "complete",
        "gone",
        "keep_alive",
        "refused",
        "request",
        "started",
    )

    def __init__(
        self, request: Request, stream: ClientStream, on_body: Callable[[bool], None], *, keep_alive: bool
    ) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.started = False  # bytes of the answer were sent
        self.complete = False
        self.gone = False
        self.refused: Refused | None = None
        self._stream = stream
        self._on_body = on_body
        self._head: Mapping[str, Any] | None = None
        self._framing = Framing.NONE
        self._left = 0
        self._body_read = False
        self._watched: trio.CancelScope | None = None
        self._waiter: trio.lowlevel.Task | None = None

    def scope(self, addresses: Addresses, state: dict[str, Any]) -> dict[str, Any]:
        request = self.request
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": request.http_version,
            "method": request.method,
            "scheme": self._stream.scheme,
            "path": request.path,
            "raw_path": request.raw_path,
            "query_string": request.query_string,
            "root_path": "",
            "headers": request.headers,
            "client": addresses.client,
            "server": addresses.server,
            "state": state,
            "extensions": {"trigate.client": self},
        }

    # Departure

    def watch(self, cancel_scope: trio.CancelScope | None) -> None:
        """Cancel `cancel_scope` the moment the client goes before the answer is complete; None watches no more."""
        self._watched = cancel_scope
        if cancel_scope is not None and self.gone:
            cancel_scope.cancel()

    def depart(self, refused: Refused | None = None) -> None:
        """The client has gone; or what it sends has become useless, `refused` saying how it will be told."""
        if self.gone or self.complete:
            return
        self.gone = True
        self.refused = refused
        if self._watched is not None:
            self._watched.cancel()
        self.wake()

    def wake(self) -> None:
        """Have a waiting `receive` look again."""
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            trio.lowlevel.reschedule(waiter)

    # ASGI

    async def receive(self) -> dict[str, Any]:
        """The body as far as it has arrived, then `http.disconnect` once the client has gone."""
        request = self.request
        while not self.gone and not self.complete:
            if not self._body_read:
                if request.unread_bytes or request.complete:
                    body = request.take_body()
                    self._body_read = request.complete
                    self._on_body(False)
                    return {"type": "http.request", "body": body, "more_body": not request.complete}
                if request.expects_continue and not self.started:
                    await self._say_continue()
                    continue
                self._on_body(True)
            await self._sleep()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        """`http.response.start`, `http.response.body`, or `trigate.abort`: close without a clean end of the body."""
        kind = message["type"]
        if kind == "trigate.abort":
            self.abort()
        elif self.gone:
            raise ClientGone("the client has gone")
        elif kind == "http.response.start":
            if self._head is not None:
                raise RuntimeError("an answer starts once")
            self._head = message
        elif kind != "http.response.body" or self._head is None or self.complete:
            raise RuntimeError(f"{kind} does not fit here")
        else:
            # Before anything is taken note of: a send that is cancelled here has not happened.
            await self._stream.turn()
            await self._send_body(message.get("body", b""), message.get("more_body", False))

    def abort(self) -> None:
        """Close at once; with RST where a plain close would look like the end of the body."""
        if not self.complete:
            self._watched = None
            self.depart()
            if self._framing is Framing.UNTIL_CLOSE:
                self._stream.reset()
            else:
                self._stream.close()

    async def _send_body(self, body: bytes, more: bool) -> None:
        data = b""
        if not self.started:
            data = self._begin(None if more else len(body))
        if self._framing is Framing.NONE:
            body = b""
        elif self._framing is Framing.CHUNKED:
            body = _chunk(body, last=not more)
        elif self._framing is Framing.LENGTH:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                self.abort()
                raise RuntimeError("the body is not as long as the answer's content-length says")
        try:
            if len(body) > _JOIN_BYTES and data:
                await self._stream.send(data)
                data = b""
            if data or body:
                await self._stream.send(data + body if data else body)
        except ClientGone:
            self.depart()
            raise
        if not more:
            self.complete = True

    def _begin(self, body_bytes: int | None) -> bytes:
        request, start = self.request, self._head or {}
        headers: Iterable[tuple[bytes, bytes]] = start.get("headers", ())
        head = response_head(
            start["status"],
            headers,
            method=request.method,
            http_version=request.http_version,
            # What is left of a body would have to be read before the next request could be.
            keep_alive=self.keep_alive and request.keep_alive and request.complete,
            body_bytes=body_bytes,
        )
        self.started = True
        self.keep_alive = head.keep_alive
        self._framing = head.framing
        self._left = head.length
        return head.data

    async def _say_continue(self) -> None:
        self.request.expects_continue = False
        try:
            await self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        except ClientGone:
            self.depart()

    async def _sleep(self) -> None:
        if self._waiter is not None:
            raise trio.BusyResourceError("two tasks are receiving one request")
        self._waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_sleeping)

    def _stop_sleeping(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._waiter = None
        self._on_body(False)
        return trio.lowlevel.Abort.SUCCEEDED


def _chunk(body: bytes, *, last: bool) -> bytes:
    if not body:
        return b"0\r\n\r\n" if last else b""
    return b"%x\r\n%b\r\n%b" % (len(body), body, b"0\r\n\r\n" if last else b"")
