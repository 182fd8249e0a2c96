"""How the server stops: nobody is cut off who need not be."""

from typing import Any

import pytest
import trio
import trio.testing

from tests.edge.loopback import GET, application, echo, respond, serving


class Slow:
    """An application whose answers wait for `go_on`, streamed if asked for /stream."""

    def __init__(self) -> None:
        self.running = trio.Event()
        self.go_on = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
            self.running.set()
            await self.go_on.wait()
            await send({"type": "http.response.body", "body": b"ended"})
        else:
            self.running.set()
            await self.go_on.wait()
            await respond(send, b"answered")


async def test_a_request_running_when_the_drain_begins_is_answered_and_the_connection_closed() -> None:
    app = Slow()
    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await app.running.wait()
        server.drain.begin()
        app.go_on.set()
        answer = await client.answer()

        assert (answer.body, answer.headers["connection"]) == (b"answered", "close")
        assert await client.closed()


async def test_a_stream_running_when_the_drain_begins_ends_well() -> None:
    app = Slow()
    async with serving(app) as server, server.connect() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.running.wait()
        server.drain.stop_listening()
        app.go_on.set()
        answer = await client.answer()

        assert (answer.body, answer.whole) == (b"begun ended", True)
        assert await client.closed()


async def test_idle_connections_close_when_the_drain_begins() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(GET)
        await client.answer()
        server.drain.begin()

        assert await client.closed()


async def test_requests_are_still_served_until_listening_stops() -> None:
    async with serving(echo) as server, server.connect() as connected_before:
        server.drain.begin()

        assert (await server.ask(GET)).headers["connection"] == "close"
        await connected_before.send(GET)
        assert (await connected_before.answer()).headers["connection"] == "close"


async def test_nobody_can_connect_once_listening_has_stopped() -> None:
    app = Slow()
    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await app.running.wait()
        server.drain.stop_listening()
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", server.port)


async def test_serve_returns_when_the_last_connection_has_ended() -> None:
    app = Slow()
    async with serving(app) as server, server.connect() as client, server.connect():
        await client.send(GET)
        await app.running.wait()
        server.drain.stop_listening()
        await trio.testing.wait_all_tasks_blocked()
        assert not server.stopped.is_set()

        app.go_on.set()
        await client.answer()
        await server.stopped.wait()


async def test_wait_idle_waits_for_the_last_request() -> None:
    app = Slow()
    idle = trio.Event()
    async with serving(app) as server, server.connect() as client, trio.open_nursery() as nursery:

        async def wait() -> None:
            await server.drain.wait_idle()
            idle.set()

        await client.send(GET)
        await app.running.wait()
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not idle.is_set()

        app.go_on.set()
        await idle.wait()


async def test_cancel_ends_requests_and_visibly_cuts_their_answers() -> None:
    app = Slow()
    async with serving(app) as server, server.connect() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.running.wait()
        server.drain.cancel()

        assert not (await client.answer()).whole
        await server.stopped.wait()


async def test_a_cancelled_request_may_still_send_its_last_words() -> None:
    running = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        running.set()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                await send({"type": "http.response.body", "body": b"event: error"})

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await running.wait()
        server.drain.cancel()
        answer = await client.answer()

    assert (answer.body, answer.whole) == (b"event: error", True)


async def test_a_drain_that_ended_before_the_server_was_up_ends_it_at_once() -> None:
    async with serving(echo) as server:
        server.drain.cancel()
        server.drain.cancel()
        await server.stopped.wait()
