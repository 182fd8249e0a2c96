"""The application's startup and shutdown around the serving."""

from typing import Any

import pytest
import structlog
import trio

from gateway.edge.server import Drain, ServerSettings, serve
from gateway.errors import ConfigurationError
from tests.edge.loopback import GET, serving

SETTINGS = ServerSettings(binds=("127.0.0.1:0",))


async def test_requests_come_between_startup_and_shutdown() -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            events.append(scope["state"]["greeting"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})
            return
        for event in ("startup", "shutdown"):
            assert await receive() == {"type": f"lifespan.{event}"}
            scope["state"]["greeting"] = "hello"
            events.append(event)
            await send({"type": f"lifespan.{event}.complete"})

    async with serving(app) as server:
        await server.ask(GET)

    assert events == ["startup", "hello", "shutdown"]


async def test_an_application_that_cannot_start_is_not_served() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        async with trio.open_nursery():
            await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(ConfigurationError, match="no database"):
        await serve(app, SETTINGS)


async def test_a_lifespan_that_dies_stops_the_server() -> None:
    die = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await die.wait()
        raise ValueError("a service task failed")

    with structlog.testing.capture_logs(), pytest.raises(BaseExceptionGroup) as raised:
        await serve(app, SETTINGS, on_ready=lambda _addresses: die.set(), stop=Drain())

    assert raised.group_contains(RuntimeError, match="lifespan ended")


async def test_an_application_without_lifespan_is_served() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        assert (await client.answer()).status == 204
