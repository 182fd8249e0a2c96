"""The client side's server: hypercorn's Config, sockets, lifespan and worker context, served from our own nursery.

hypercorn's own `worker_serve` cancels every request at the end of its grace, so that no error event could go out, and
lets one connection's exception end the process.
"""

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework
from hypercorn.utils import LifespanFailureError, LifespanTimeoutError

from gateway.edge.connection import Connection
from gateway.edge.drain import Drain
from gateway.edge.listeners import BoundSockets, hypercorn_config
from gateway.edge.response_head import refusal
from gateway.edge.server_settings import ServerSettings
from gateway.edge.streams import ClientGone, ClientStream
from gateway.errors import ConfigurationError

__all__ = ["Drain", "ServerSettings", "serve"]

log = structlog.get_logger("gateway.edge")

_TURN_AWAY_S = 0.2


async def serve(
    app: ASGIFramework,
    settings: ServerSettings,
    *,
    on_ready: Callable[[list[str]], None] | None = None,
    stop: Drain | None = None,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on every bind until `stop` ends it: after `stop_listening` and the last connection, or at `cancel`.

    `on_ready` and `task_status` get the addresses once connections are accepted. ConfigurationError: a bind or a TLS
    file that cannot be used, an application that does not start. RuntimeError (in a group): the application's
    lifespan ended while it was being served.
    """
    config = hypercorn_config(settings)
    with BoundSockets(settings, config) as sockets:

        async def serve_application(state: dict[str, Any]) -> None:
            listeners = sockets.listeners()
            task_status.started(sockets.addresses)
            if on_ready is not None:
                on_ready(sockets.addresses)
            server = _Server(app, settings, config, state, stop or Drain())
            await server.serve(listeners)

        await _run_with_lifespan(app, config, serve_application)


class _Server:
    def __init__(
        self, app: ASGIFramework, settings: ServerSettings, config: Config, state: dict[str, Any], stop: Drain
    ) -> None:
        self._settings = settings
        self._stop = stop
        self._context = WorkerContext(None)
        self._connection = partial(Connection, app, config, self._context, state)

    async def serve(self, listeners: list[Any]) -> None:
        stop = self._stop
        async with trio.open_nursery() as watcher:
            watcher.start_soon(stop.watch_deadlines, self._settings.deadline_interval_s)
            with stop.serving:
                async with trio.open_nursery() as connections:
                    with stop.listening:
                        await trio.serve_listeners(self._accept, listeners, handler_nursery=connections)
            watcher.cancel_scope.cancel()
        await self._context.terminated.set()

    async def _accept(self, stream: Any) -> None:
        stop = self._stop
        if len(stop.connections) >= self._settings.max_connections and not stop.make_room():
            await _turn_away(stream)
        else:
            await self._connection(stream, settings=self._settings, drain=stop).run()


async def _turn_away(stream: "trio.SocketStream | trio.SSLStream[trio.SocketStream]") -> None:
    """Too many connections, all of them at work."""
    if isinstance(stream, trio.SocketStream):
        client = ClientStream(stream.socket, _TURN_AWAY_S)
        try:
            with contextlib.suppress(ClientGone):
                await client.send(refusal(503, "The server has too many connections.", retry_after_s=1))
                await client.linger(_TURN_AWAY_S)
        finally:
            client.close()


class _Lifespan(Lifespan):
    """hypercorn's, remembering what the application said about its startup."""

    started = False
    failure = ""

    async def asgi_send(self, message: Any) -> None:
        if message["type"] == "lifespan.startup.complete":
            self.started = True
        elif message["type"] == "lifespan.startup.failed":
            self.failure = message.get("message") or "it gave no reason"
        await super().asgi_send(message)


async def _run_with_lifespan(
    app: ASGIFramework, config: Config, serve_application: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Run `serve_application` between the application's startup and its shutdown.

    hypercorn logs a lifespan that fails and serves on without it. Here that is an error, unless it failed before
    startup was over without saying so, which is how an ASGI application tells that it has none.
    """
    state: dict[str, Any] = {}
    lifespan = _Lifespan(ASGIWrapper(app), config, state)
    serving = False

    async def run_lifespan() -> None:
        try:
            await lifespan.handle_lifespan()
        except* LifespanFailureError:
            pass  # the application said why: `failure`, or hypercorn's log at the end
        if serving:
            raise RuntimeError("the application's lifespan ended while it was being served")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_lifespan)
        try:
            await lifespan.wait_for_startup()
        except LifespanTimeoutError as error:
            lifespan.failure = str(error)
        if not lifespan.failure:
            serving = lifespan.started
            await serve_application(state)
            if serving:
                serving = False
                try:
                    await lifespan.wait_for_shutdown()
                except LifespanTimeoutError as error:
                    log.warning("the application did not shut down", reason=str(error))
        nursery.cancel_scope.cancel()
    if lifespan.failure:
        raise ConfigurationError(f"The application did not start: {lifespan.failure}")
