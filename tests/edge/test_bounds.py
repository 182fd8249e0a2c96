"""What one client can cost: deadlines, read-ahead, stalled readers, many connections."""

import gc
import os
from typing import Any

import pytest
import trio
import trio.testing

from gateway.edge.connection import MAX_UNREAD_BODY_BYTES, MAX_WAITING_BYTES
from tests.edge.loopback import GET, application, echo, read_body, respond, serving

SHORT_S = 0.05


def buffered_bytes(server: Any) -> int:
    """What the one open connection holds of what its client sent."""
    (connection,) = server.drain.connections
    exchange = connection._exchange
    return connection._parser.waiting_bytes + (exchange.request.unread_bytes if exchange else 0)


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with serving(echo, idle_timeout_s=SHORT_S) as server, server.connect() as client:
        assert await client.closed()


async def test_a_connection_idle_after_a_request_is_closed() -> None:
    async with serving(echo, idle_timeout_s=SHORT_S) as server, server.connect() as client:
        await client.send(GET)
        await client.answer()

        assert await client.closed()


async def test_line_ends_do_not_keep_an_idle_connection() -> None:
    async with (
        serving(echo, idle_timeout_s=SHORT_S) as server,
        server.connect() as client,
        trio.open_nursery() as nursery,
    ):

        async def drip() -> None:
            while True:
                await client.send(b"\r\n")
                await trio.sleep(0.01)

        nursery.start_soon(drip)
        assert await client.closed()
        nursery.cancel_scope.cancel()


async def test_a_head_that_drips_gets_408() -> None:
    async with serving(echo, header_timeout_s=SHORT_S) as server, server.connect() as client:
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                await client.send(b"GET / HTTP/1.1\r\n")
                for number in range(1000):
                    await client.send(b"A%d: b\r\n" % number)
                    await trio.sleep(0.01)

            nursery.start_soon(drip)
            assert (await client.answer()).status == 408
            nursery.cancel_scope.cancel()
        assert await client.closed()


async def test_the_head_of_a_second_request_has_a_deadline_too() -> None:
    async with serving(echo, header_timeout_s=SHORT_S) as server, server.connect() as client:
        await client.send(GET + b"GET /")

        assert [(await client.answer()).status for _ in range(2)] == [200, 408]


async def test_a_body_that_stops_gets_408() -> None:
    async with serving(echo, body_timeout_s=SHORT_S) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")

        assert (await client.answer()).status == 408
        assert await client.closed()


async def test_chunk_extensions_do_not_keep_a_body_alive() -> None:
    async with serving(echo, body_timeout_s=SHORT_S) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                while True:
                    await client.send(b"a")
                    await trio.sleep(0.01)

            nursery.start_soon(drip)
            assert (await client.answer()).status == 408
            nursery.cancel_scope.cancel()


async def test_a_slow_body_that_goes_on_is_read() -> None:
    async with serving(echo, body_timeout_s=0.3) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            await trio.sleep(0.05)
            await client.send(b"x")

        assert (await client.answer()).status == 200


async def test_no_deadline_runs_while_the_application_works() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trio.sleep(4 * SHORT_S)
        await respond(send, await read_body(receive))

    timeouts = {"idle_timeout_s": SHORT_S, "header_timeout_s": SHORT_S, "body_timeout_s": SHORT_S}
    async with serving(app, **timeouts) as server:
        assert (await server.ask(GET)).status == 200


async def test_no_deadline_runs_while_the_application_works_on_half_a_body() -> None:
    taken, worked = trio.Event(), trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        with trio.move_on_after(SHORT_S / 10):
            await receive()
        taken.set()
        await trio.sleep(4 * SHORT_S)
        worked.set()
        await respond(send, await read_body(receive))

    async with serving(app, body_timeout_s=SHORT_S) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        await taken.wait()
        await worked.wait()
        await client.send(b"def")

        assert (await client.answer()).body == b"def"


async def test_an_upload_nobody_reads_is_not_read() -> None:
    started = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        await trio.sleep_forever()

    async with serving(app) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        await started.wait()
        with trio.move_on_after(0.2) as sending:
            await client.send(50_000_000 * b"x")

        assert sending.cancelled_caught
        assert buffered_bytes(server) <= MAX_UNREAD_BODY_BYTES + 64 * 1024


async def test_an_upload_read_late_arrives_whole() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trio.sleep(0.05)
        await respond(send, b"%d" % len(await read_body(receive)))

    async with serving(app) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        await client.send(5_000_000 * b"x")

        assert (await client.answer()).body == b"5000000"


async def test_requests_pipelined_behind_a_slow_one_are_not_read_without_end() -> None:
    go_on = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await respond(send)

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        with trio.move_on_after(0.2) as sending:
            await client.send(1_000_000 * GET)
        assert sending.cancelled_caught
        assert buffered_bytes(server) <= MAX_WAITING_BYTES + 64 * 1024

        go_on.set()
        for _ in range(5000):
            assert (await client.answer()).status == 200


@pytest.mark.parametrize("part", [10_000, 50_000_000], ids=["many parts", "one part"])
async def test_a_reader_that_stalls_is_reset_at_the_write_deadline(part: int) -> None:
    failed = trio.Event()
    sent = 0

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with trio.CancelScope() as cancel_scope:
            scope["extensions"]["trigate.client"].watch(cancel_scope)
            try:
                while True:
                    await send({"type": "http.response.body", "body": part * b"x", "more_body": True})
                    sent += part
            except OSError:
                assert cancel_scope.cancel_called
                failed.set()

    async with serving(app, write_timeout_s=SHORT_S) as server, server.connect() as client:
        await client.send(GET)
        with trio.fail_after(2):
            await failed.wait()

        assert sent < 20_000_000
        await server.until_closed()
        assert await client.reset()


async def test_a_slow_reader_that_goes_on_gets_everything() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 8_000_000 * b"x")

    async with serving(app, write_timeout_s=0.3) as server, server.connect() as client:
        await client.send(GET)
        answer = await client.answer(to_head=True)
        received = len(client._data)
        while received < int(answer.headers["content-length"]):
            await trio.sleep(0.008)
            received += len(await client.stream.receive_some(100_000))

    assert received == 8_000_000


async def test_a_send_cancelled_half_way_ends_the_connection() -> None:
    cancelled = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with trio.move_on_after(SHORT_S):
            await respond(send, 50_000_000 * b"x")
        cancelled.set()

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        await cancelled.wait()
        await server.until_closed()
        assert await client.reset()


async def test_a_send_cancelled_before_it_began_has_not_happened() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with trio.CancelScope() as cancel_scope:
            cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b"lost", "more_body": True})
        await send({"type": "http.response.body", "body": b"kept"})

    async with serving(app) as server:
        assert (await server.ask(GET)).body == b"kept"


async def test_a_new_connection_takes_the_place_of_the_longest_idle() -> None:
    async with serving(echo, max_connections=2) as server, server.connect() as first, server.connect() as second:
        for client in (first, second):
            await client.send(GET)
            await client.answer()

        assert (await server.ask(GET)).status == 200
        assert await first.closed()
        await second.send(GET)
        assert (await second.answer()).status == 200


async def test_without_an_idle_connection_a_new_one_is_turned_away() -> None:
    running = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        await trio.sleep_forever()

    async with serving(app, max_connections=1) as server, server.connect() as busy:
        await busy.send(GET)
        await running.wait()
        answer = await server.ask(GET)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_two_hundred_connections_leave_nothing_behind() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        while message["type"] != "http.disconnect" and (scope["path"] == "/stay" or message["more_body"]):
            message = await receive()
        await respond(send)

    async def visit(number: int) -> None:
        async with server.connect() as client:
            match number % 5:
                case 0:
                    await client.send(GET)
                    await client.answer()
                case 1:
                    await client.send(b"GET /stay HTTP/1.1\r\nHost: x\r\n\r\n")
                case 2:
                    await client.send(b"nonsense\r\n\r\n")
                    await client.answer()
                case 3:
                    await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")

    async with serving(app) as server:
        await visit(0)
        await server.until_closed()
        files, tasks = open_files(), trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(visit, number)
        await server.until_closed()
        await trio.testing.wait_all_tasks_blocked()

        gc.collect()
        assert open_files() == files
        assert trio.lowlevel.current_statistics().tasks_living == tasks
