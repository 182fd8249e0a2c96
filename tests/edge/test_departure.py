"""A client that goes away is noticed at once, whatever it did before, and costs nobody else anything."""

import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
import trio

from tests.edge.loopback import GET, Client, Server, application, read_body, respond, serving

# The server needs a turn of the loop; the rest is for a busy machine.
NOTICED_S = 0.2


class Watched:
    """An application that waits in a watched scope, and what became of it."""

    def __init__(self, *, streams: bool = False) -> None:
        self.streams = streams
        self.running = trio.Event()
        self.cancelled = trio.Event()
        self.messages: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        if self.streams:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        with trio.CancelScope() as cancel_scope:
            scope["extensions"]["trigate.client"].watch(cancel_scope)
            self.running.set()
            await trio.sleep_forever()
        self.cancelled.set()


async def fin(client: Client) -> None:
    await client.stream.aclose()


async def half_close(client: Client) -> None:
    await client.stream.send_eof()


async def rst(client: Client) -> None:
    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.stream.socket.close()


@pytest.mark.parametrize("leave", [fin, half_close, rst])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "stray", [b"", b"\r\n", GET, 150_000 * b"x"], ids=["nothing", "a line end", "a request", "more than is read ahead"]
)
async def test_leaving_cancels_the_watched_scope(leave: Any, streams: bool, stray: bytes) -> None:
    app = Watched(streams=streams)
    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await app.running.wait()
        if stray:
            await client.send(stray)
            await trio.testing.wait_all_tasks_blocked(0.005)
        await leave(client)

        with trio.fail_after(NOTICED_S):
            await app.cancelled.wait()
        await server.until_closed()


async def test_leaving_while_the_body_is_not_read_is_noticed() -> None:
    app = Watched()
    async with serving(app) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + 1000 * b"x")
        await app.running.wait()
        with trio.move_on_after(0.05):
            await client.send(9_000_000 * b"x")
        await rst(client)

        with trio.fail_after(NOTICED_S):
            await app.cancelled.wait()


async def test_watching_after_departure_cancels_at_once() -> None:
    cancelled = trio.Event()
    left = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        assert await receive() == {"type": "http.disconnect"}
        left.set()
        with trio.CancelScope() as cancel_scope:
            scope["extensions"]["trigate.client"].watch(cancel_scope)
            await trio.sleep_forever()
        cancelled.set()

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await client.stream.send_eof()
        await left.wait()
        await cancelled.wait()


async def test_nothing_is_cancelled_once_it_is_no_longer_watched() -> None:
    left = trio.Event()
    finished = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        with trio.CancelScope() as cancel_scope:
            scope["extensions"]["trigate.client"].watch(cancel_scope)
            scope["extensions"]["trigate.client"].watch(None)
            await receive()
            left.set()
            await trio.lowlevel.checkpoint()
            finished.set()

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await client.stream.send_eof()
        await left.wait()
        await finished.wait()


async def test_leaving_after_the_whole_answer_cancels_nothing() -> None:
    left = trio.Event()
    finished = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with trio.CancelScope() as cancel_scope:
            scope["extensions"]["trigate.client"].watch(cancel_scope)
            await respond(send)
            await left.wait()
            await trio.lowlevel.checkpoint()
            finished.set()

    async with serving(app) as server:
        async with server.connect() as client:
            await client.send(GET)
            await client.answer()
        await trio.testing.wait_all_tasks_blocked(0.005)
        left.set()
        await finished.wait()


async def test_sending_after_departure_raises_client_gone() -> None:
    raised: list[BaseException] = []
    done = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        await receive()
        try:
            await respond(send)
        except OSError as error:
            raised.append(error)
        done.set()

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await client.stream.send_eof()
        await done.wait()

    assert [type(error).__name__ for error in raised] == ["ClientGone"]


async def test_an_application_that_lets_client_gone_out_is_not_an_error() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        await receive()
        async with trio.open_nursery():
            await respond(send)

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as server, server.connect() as client:
            await client.send(GET)
            await client.stream.send_eof()
            assert await client.closed()

    assert logs == []


async def test_an_idle_connection_closes_with_its_client() -> None:
    async with serving(Watched()) as server:
        async with server.connect() as client:
            await client.stream.send_eof()
            assert await client.closed()
        await server.until_closed()


@contextlib.asynccontextmanager
async def one_stream_going_on() -> AsyncIterator[tuple[Server, Client, trio.Event]]:
    """A server with one stream open, which sends a part each time the event is set."""
    fails: dict[str, Any] = {}
    go_on = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/stream":
            raise fails[scope["path"]]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"unharmed"})

    fails["/error"] = RuntimeError("boom")
    fails["/group"] = BaseExceptionGroup("", [RuntimeError("boom"), ValueError("bang")])
    async with serving(app) as server, server.connect() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.stream.receive_some()
        yield server, client, go_on


@pytest.mark.parametrize("path", [b"/error", b"/group"])
async def test_a_failing_request_leaves_the_other_connections_alone(path: bytes) -> None:
    with structlog.testing.capture_logs():
        async with one_stream_going_on() as (server, client, go_on):
            assert (await server.ask(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")).status == 500
            go_on.set()
            assert b"unharmed" in await client.stream.receive_some()


async def test_a_bug_in_the_server_costs_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with structlog.testing.capture_logs() as logs:
        async with one_stream_going_on() as (server, client, go_on):

            def broken(*_args: Any) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr("gateway.edge.request_parser.RequestParser.feed", broken)
            async with server.connect() as unlucky:
                await unlucky.send(GET)
                assert await unlucky.closed()
            go_on.set()
            assert b"unharmed" in await client.stream.receive_some()

    assert [entry["event"] for entry in logs] == ["connection failed"]
