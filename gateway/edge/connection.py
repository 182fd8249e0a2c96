"""One client connection: a task that reads for as long as the client is there, and one that answers its requests.

The reader never stops watching, so departure is noticed at once, whatever the application does. Bytes that arrive
ahead of their turn are bounded: at the bound the socket is left alone, and only watched for the client hanging up.
"""

import contextlib
import contextvars
from math import inf
from typing import Any

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from gateway.edge.drain import Drain
from gateway.edge.http1 import Addresses, Exchange
from gateway.edge.request_parser import Refused, Request, RequestParser
from gateway.edge.response_head import refusal
from gateway.edge.server_settings import ServerSettings
from gateway.edge.streams import ClientGone, ClientStream, TlsClientStream

MAX_UNREAD_BODY_BYTES = 256 * 1024
MAX_WAITING_BYTES = 64 * 1024

log = structlog.get_logger("gateway.edge")


class Connection(TCPServer):
    """hypercorn's server of one connection, with our protocol in place of its own. Nothing it raises leaves `run`."""

    def __init__(
        self,
        app: ASGIFramework,
        config: Config,
        context: WorkerContext,
        state: dict[str, Any],
        stream: "trio.SSLStream[trio.SocketStream]",
        *,
        settings: ServerSettings,
        drain: Drain,
    ) -> None:
        super().__init__(ASGIWrapper(app), config, context, state, stream)
        self.deadline = inf
        self.served = 0
        self._application: Any = app
        self._settings = settings
        self._drain = drain
        self._parser = RequestParser(settings.max_header_bytes)
        self._client: ClientStream
        self._addresses: Addresses
        self._exchange: Exchange | None = None
        self._reading = trio.CancelScope()
        self._paused: trio.CancelScope | None = None
        self._answering: trio.lowlevel.Task | None = None  # where it waits for a request
        self._gone = False
        self._lingers = False

    async def run(self) -> None:
        self._drain.connections.add(self)
        try:
            if await self._open():
                await self._serve()
        except* Exception:
            log.exception("connection failed")
        finally:
            self._drain.connections.discard(self)

    async def _open(self) -> bool:
        """The TLS handshake and both addresses; false if the client left before."""
        timeout_s = self._settings.write_timeout_s
        if isinstance(self.stream, trio.SSLStream):
            try:
                with trio.fail_after(self._settings.header_timeout_s):
                    await self.stream.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                return False
            trio_socket = self.stream.transport_stream.socket
        else:
            trio_socket = self.stream.socket
        try:
            self._addresses = _addresses(trio_socket)
        except OSError:
            return False
        if isinstance(self.stream, trio.SSLStream):
            self._client = TlsClientStream(self.stream, timeout_s)
        else:
            self._client = ClientStream(trio_socket, timeout_s)
        return True

    async def _serve(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._answer_requests)
                await self._read_requests()
        finally:
            self._client.close()
            self._parser.close()
            self._drain.idle.pop(self, None)

    # What the drain asks

    def begin_drain(self) -> None:
        if self._exchange is not None:
            self._exchange.keep_alive = False
        elif self.served and self in self._drain.idle:
            self.close_idle()

    def close_idle(self) -> None:
        self._drain.idle.pop(self, None)
        self._reading.cancel()

    def check_deadline(self, now: float) -> None:
        if now < self.deadline:
            return
        self.deadline = inf
        if self._exchange is not None:
            self._exchange.depart(Refused(408, "The body of the request did not arrive in time."))
        elif self._parser.in_head:
            self._parser.refuse(Refused(408, "The head of the request did not arrive in time."))
            self._wake()
        else:
            self.close_idle()

    # The reader

    async def _read_requests(self) -> None:
        with self._reading:
            while True:
                if self._has_enough():
                    if await self._hung_up():
                        break
                    continue
                data = await self._client.receive()
                if not data:
                    break
                self._received(data)
        if self._lingers:
            await self._client.linger(self._settings.linger_s)
        self._client.close()
        self._gone = True
        if self._exchange is not None:
            self._exchange.depart()
        self._wake()

    def _received(self, data: bytes) -> None:
        parser, exchange = self._parser, self._exchange
        before = exchange is not None and exchange.request.received_bytes
        parser.feed(data)
        if exchange is None:
            if parser.ready:
                self._wake()
            elif parser.in_head and self in self._drain.idle:
                del self._drain.idle[self]
                self.deadline = trio.current_time() + self._settings.header_timeout_s
            return
        request = exchange.request
        if parser.failure is not None and not request.complete:
            exchange.depart(parser.failure)
        elif request.complete or request.received_bytes != before:
            exchange.wake()

    def _has_enough(self) -> bool:
        exchange = self._exchange
        if exchange is not None and not exchange.request.complete:
            return exchange.request.unread_bytes >= MAX_UNREAD_BODY_BYTES
        return self._parser.waiting_bytes >= MAX_WAITING_BYTES

    async def _hung_up(self) -> bool:
        """Leave the socket unread until there is room again (False) or the client hangs up (True)."""
        with trio.CancelScope() as self._paused:
            await self._client.wait_hangup()
        resumed = self._paused.cancelled_caught
        self._paused = None
        return not resumed

    def _read_on(self) -> None:
        if self._paused is not None and not self._has_enough():
            self._paused.cancel()

    def _on_body(self, waiting: bool) -> None:
        self.deadline = trio.current_time() + self._settings.body_timeout_s if waiting else inf
        self._read_on()

    # The answering task

    async def _answer_requests(self) -> None:
        """One task for all requests of a connection: a new one for each costs some 3 µs more, of 40."""
        task = trio.lowlevel.current_task()
        context = contextvars.copy_context()
        while not self._gone:
            request = self._parser.next_request()
            self._read_on()
            # Takes effect when the task next runs: no request sees what another has put into context variables.
            task.context = context.copy()
            if request is not None:
                if self.served:
                    await trio.lowlevel.checkpoint()
                if not await self._answer(request):
                    break
            elif self._parser.failure is not None:
                await self._refuse(self._parser.failure)
                break
            elif self._drain.listening.cancel_called:
                break  # accepted just before
            else:
                await self._wait_for_request()
        self._reading.cancel()

    async def _wait_for_request(self) -> None:
        settings = self._settings
        if self._parser.in_head:
            self.deadline = trio.current_time() + settings.header_timeout_s
        else:
            self._drain.idle[self] = None
            self.deadline = trio.current_time() + settings.idle_timeout_s
        self._answering = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._answering = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._answering is not None:
            task, self._answering = self._answering, None
            self._drain.idle.pop(self, None)
            self.deadline = inf
            trio.lowlevel.reschedule(task)

    async def _answer(self, request: Request) -> bool:
        """Run the application; true if the connection can be used again."""
        if self._parser.failure is not None and not request.complete:
            await self._refuse(self._parser.failure)
            return False
        exchange = Exchange(request, self._client, self._on_body, keep_alive=not self._drain.draining)
        self._exchange = exchange
        self._drain.request_started()
        try:
            await self._run_application(exchange)
            if not exchange.complete:
                await self._conclude(exchange)
        except BaseException:
            exchange.abort()
            raise
        finally:
            self._exchange = None
            self.served += 1
            self._drain.request_ended()
        self._lingers = self._lingers or not request.complete or self._parser.waiting_bytes > 0
        return exchange.complete and exchange.keep_alive

    async def _run_application(self, exchange: Exchange) -> None:
        scope = exchange.scope(self._addresses, self.state)
        try:
            await self._application(scope, exchange.receive, exchange.send)
        except* ClientGone:
            pass
        except* Exception:
            log.exception("request failed", method=exchange.request.method, path=exchange.request.path)

    async def _conclude(self, exchange: Exchange) -> None:
        """The application ended without a whole answer."""
        refused = exchange.refused
        if exchange.gone and refused is None:
            return
        if exchange.started:
            exchange.abort()
        else:
            await self._refuse(refused or Refused(500, "The server failed to answer."))

    async def _refuse(self, refused: Refused) -> None:
        self._lingers = True
        with contextlib.suppress(ClientGone):
            await self._client.send(refusal(refused.status, refused.message))


def _addresses(trio_socket: trio.socket.SocketType) -> Addresses:
    here = trio_socket.getsockname()
    if trio_socket.family == trio.socket.AF_UNIX:
        return Addresses(None, (here, None))
    there = trio_socket.getpeername()
    return Addresses((there[0], there[1]), (here[0], here[1]))
