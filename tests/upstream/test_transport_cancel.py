"""A call may be cancelled anywhere: its socket is closed, its tasks are gone."""

import random
import ssl

import pytest
import trio
import trustme

from gateway.upstream.transport import TrioTransport
from tests.upstream.raw_server import (
    OK,
    Peer,
    RawServer,
    answering,
    exchange,
    open_descriptors,
    post,
    raw_server,
)

SLOW = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"3\r\none\r\n",
    b"3\r\ntwo\r\n",
    b"0\r\n\r\n",
)


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when its task has been scheduled `step` times."""

    def __init__(self, step: int) -> None:
        self.scope = trio.CancelScope()
        self.task: trio.lowlevel.Task | None = None
        self._left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self._left -= 1
            if self._left == 0:
                self.scope.cancel()


async def run_until_step(step: int, transport: TrioTransport, server: RawServer, body: bytes) -> bool:
    """One exchange, cancelled at its task's n-th step; False if it ended before that."""
    instrument = CancelAtStep(step)
    trio.lowlevel.add_instrument(instrument)
    try:
        with instrument.scope:
            instrument.task = trio.lowlevel.current_task()
            await exchange(transport, post(server.url, body))
    finally:
        instrument.task = None
        trio.lowlevel.remove_instrument(instrument)
    return instrument.scope.cancelled_caught


def living() -> tuple[int, int]:
    """Open descriptors of this process, client and server alike, and living tasks."""
    return open_descriptors(), trio.lowlevel.current_statistics().tasks_living


async def back_to(before: tuple[int, int]) -> None:
    """The server's end of a connection needs a moment to notice; the thread of a cancelled name look-up has files open
    meanwhile."""
    found = living()
    deadline = trio.current_time() + 5
    while found != before and trio.current_time() < deadline:
        await trio.sleep(0.001)
        found = living()
    assert found == before


async def slow_reader(peer: Peer) -> None:
    await peer.request()
    for piece in SLOW:
        await peer.send(piece)
        await trio.sleep(0.001)
    await peer.closed_by_client()


@pytest.mark.parametrize(("size", "tls"), [(10, False), (10, True), (5_000_000, False), (300_000, True)])
async def test_a_cancel_at_every_await_leaves_no_socket_and_no_task(client, size: int, tls: bool) -> None:
    server_context, client_context = contexts() if tls else (None, None)
    async with raw_server(slow_reader, context=server_context) as server:
        before = living()
        step = 1
        while True:
            transport = client(ssl_context=client_context)
            cancelled = await run_until_step(step, transport, server, b"x" * size)
            await transport.aclose()
            await back_to(before)
            if not cancelled:
                break
            step += 1
        assert step > 5


async def test_300_cancels_at_random_instants_leave_no_socket_and_no_task(client) -> None:
    dice = random.Random(20)
    async with raw_server(answering(*SLOW, gap=0.001)) as server:
        transport = client()
        before = living()

        async def one() -> None:
            with trio.move_on_after(dice.random() * 0.012):
                await exchange(transport, post(server.url))

        for _ in range(15):
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(one)
        await transport.aclose()
        await back_to(before)
        assert await exchange(transport, post(server.url)) == (200, b"onetwo")


async def test_a_cancel_closes_the_socket_at_once(client) -> None:
    async with raw_server(lambda peer: peer.closed_by_client()) as server:
        with trio.move_on_after(0.02):
            await exchange(client(), post(server.url))
        with trio.fail_after(0.2):
            await server.settled()


async def test_cancelled_requests_do_not_jam_the_transport(client) -> None:
    async with raw_server(answering(OK)) as server:
        transport = client()
        for _ in range(100):
            with trio.CancelScope() as scope:
                scope.cancel()
                await exchange(transport, post(server.url))
        assert await exchange(transport, post(server.url)) == (200, b"ok")


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client
