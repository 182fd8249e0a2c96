"""hypercorn's names that the edge builds on and that are not its public API: a move is to fail here, and first."""

import inspect
from typing import Any

import pytest
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.utils import LifespanFailureError, LifespanTimeoutError

from gateway.edge.connection import Connection


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (TCPServer, ["app", "config", "context", "state", "stream"]),
        (TCPServer.run, ["self"]),
        (Lifespan, ["app", "config", "state"]),
        (Lifespan.handle_lifespan, ["self", "task_status"]),
        (Lifespan.wait_for_startup, ["self"]),
        (Lifespan.wait_for_shutdown, ["self"]),
        (Lifespan.asgi_send, ["self", "message"]),
        (WorkerContext, ["max_requests"]),
        (ASGIWrapper, ["app"]),
        (Config.create_ssl_context, ["self"]),
        (LifespanFailureError, ["stage", "message"]),
        (LifespanTimeoutError, ["stage"]),
    ],
)
def test_parameters(function: Any, names: list[str]) -> None:
    assert parameters(function) == names


@pytest.mark.parametrize(
    "name",
    ["accesslog", "alpn_protocols", "backlog", "certfile", "errorlog", "keyfile", "shutdown_timeout"],
)
def test_settings(name: str) -> None:
    assert hasattr(Config, name)


async def test_a_connection_has_what_its_base_class_gives_it() -> None:
    left, right = trio.socket.socketpair()
    stream = trio.SocketStream(left)
    server = TCPServer(ASGIWrapper(lambda: None), Config(), WorkerContext(None), {}, stream)

    assert issubclass(Connection, TCPServer)
    assert (server.stream, server.state) == (stream, {})
    assert isinstance(server.context, WorkerContext)
    await server.context.terminated.set()
    await stream.aclose()
    right.close()
