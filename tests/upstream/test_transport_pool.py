"""Which connection a request goes out on, and what happens to connections afterwards."""

import errno
import random
import socket

import httpx
import pytest
import trio

from gateway.upstream.transport import TrioTransport
from tests.upstream.raw_server import OK, answering, exchange, post, raw_server, rest_of


async def test_a_finished_answer_leaves_its_connection_for_the_next_request(client) -> None:
    async with raw_server(answering(OK)) as server:
        transport = client()
        for _ in range(3):
            assert await exchange(transport, post(server.url)) == (200, b"ok")
        assert server.connections == 1


async def test_the_connection_used_last_is_taken_first(client) -> None:
    async def act(peer) -> None:
        name = b"%d" % server.connections
        while await peer.request():
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + name)

    async with raw_server(act) as server:
        transport = client()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(exchange, transport, post(server.url))
        _, newest = await exchange(transport, post(server.url))
        assert [(await exchange(transport, post(server.url)))[1] for _ in range(5)] == [newest] * 5


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", id="connection: close"),
        pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", id="HTTP/1.0"),
        pytest.param(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", id="a second answer nobody asked for"),
        pytest.param(OK + b"trailing", id="trailing bytes"),
        pytest.param(b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok", id="too short to use"),
    ],
)
async def test_a_connection_that_should_not_be_used_again_is_closed(client, answer: bytes) -> None:
    async with raw_server(answering(answer)) as server:
        transport = client()
        assert await exchange(transport, post(server.url)) == (200, b"ok")
        assert transport.idle_connections == 0
        await server.settled()


async def test_bytes_that_arrive_while_idle_are_never_taken_for_an_answer(client) -> None:
    async def act(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await trio.sleep(0.02)
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await peer.closed_by_client()

    async with raw_server(act) as server:
        transport = client()
        await exchange(transport, post(server.url))
        await trio.sleep(0.06)
        assert await exchange(transport, post(server.url)) == (200, b"ok")
        assert server.connections == 2


async def test_a_response_closed_before_its_end_closes_its_socket(client) -> None:
    async def act(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await peer.closed_by_client()

    async with raw_server(act) as server:
        transport = client()
        response = await transport.handle_async_request(post(server.url))
        await response.stream.aclose()
        await server.settled()
        assert transport.idle_connections == 0


class Instant:
    """A link in memory that answers at once."""

    def __init__(self) -> None:
        self.closed = False

    def send_now(self, data: bytes) -> int:
        return len(data)

    async def receive(self) -> bytes:
        return OK

    def quiet(self) -> bool:
        return True

    def acknowledged_bytes(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


class InMemory(TrioTransport):
    def __init__(self) -> None:
        super().__init__(idle_limit_s=55)
        self.links: list[Instant] = []

    async def _open(self, origin):
        self.links.append(Instant())
        return self.links[-1]


async def test_a_connection_idle_for_less_than_its_limit_is_used(autojump_clock) -> None:
    transport = InMemory()
    await exchange(transport, post("http://a"))
    await trio.sleep(54)
    await exchange(transport, post("http://a"))
    assert [link.closed for link in transport.links] == [False]


async def test_a_connection_idle_for_too_long_is_closed_and_replaced(autojump_clock) -> None:
    transport = InMemory()
    await exchange(transport, post("http://a"))
    await trio.sleep(56)
    await exchange(transport, post("http://a"))
    assert [link.closed for link in transport.links] == [True, False]


async def test_idle_connections_are_bounded(client) -> None:
    async with raw_server(answering(OK)) as server:
        transport = client(max_idle=3)
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(exchange, transport, post(server.url))
        assert transport.idle_connections == 3


async def test_pruning_closes_what_the_upstream_has_closed(client) -> None:
    async with raw_server(answering(OK, keep=False)) as server:
        transport = client()
        await exchange(transport, post(server.url))
        await server.settled()
        await trio.sleep(0.01)
        transport.prune()
        assert transport.idle_connections == 0


async def test_connections_of_one_origin_never_serve_another(client) -> None:
    async with raw_server(answering(OK)) as first, raw_server(answering(OK)) as second:
        transport = client()
        await exchange(transport, post(first.url))
        await exchange(transport, post(second.url))
        assert (first.connections, second.connections) == (1, 1)


async def test_closing_the_transport_lets_an_answer_under_way_finish(client) -> None:
    answer = (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha", b"lf")
    async with raw_server(answering(*answer, gap=0.03)) as server:
        transport = client()
        response = await transport.handle_async_request(post(server.url))
        await transport.aclose()
        assert await rest_of(response) == b"half"
        await server.settled()


async def test_a_reused_connection_found_closed_is_replaced_without_anyone_noticing(client) -> None:
    async with raw_server(answering(OK, keep=False)) as server:
        transport = client()
        for _ in range(5):
            assert await exchange(transport, post(server.url)) == (200, b"ok")
            await server.settled()


class Race(TrioTransport):
    """The poll of a reused connection sees nothing: the close arrives just after it."""

    def _take_idle(self, origin):
        stack = self._idle.get(origin)
        if not stack:
            return None
        self._idle_count -= 1
        return stack.pop()


async def test_a_close_that_crosses_the_request_is_retried_once_on_a_fresh_connection() -> None:
    async with raw_server(answering(OK, keep=False)) as server, Race() as transport:
        await exchange(transport, post(server.url))
        await server.settled()
        await trio.sleep(0.01)
        assert await exchange(transport, post(server.url)) == (200, b"ok")
        assert server.connections == 2


async def test_a_send_refused_on_a_reused_connection_is_retried(client) -> None:
    async with raw_server(answering(OK)) as server:
        transport = client()
        await exchange(transport, post(server.url))
        [[connection]] = transport._idle.values()

        def refuse(data: bytes) -> int:
            raise OSError(errno.EPIPE, "Broken pipe")

        connection._link.send_now = refuse
        assert await exchange(transport, post(server.url)) == (200, b"ok")
        assert server.connections == 2


async def test_a_request_the_upstream_has_read_is_never_sent_twice(client) -> None:
    requests: list[bytes] = []

    async def act(peer) -> None:
        requests.append(await peer.request())
        await peer.send(OK)
        requests.append(await peer.request())

    async with raw_server(act) as server:
        transport = client()
        await exchange(transport, post(server.url))
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, post(server.url))
        assert len(requests) == 2


async def test_a_request_whose_answer_has_begun_is_never_sent_twice(client) -> None:
    requests: list[bytes] = []

    async def act(peer) -> None:
        requests.append(await peer.request())
        await peer.send(OK)
        requests.append(await peer.request())
        await peer.send(b"HTTP/1.1 2")

    async with raw_server(act) as server:
        transport = client()
        await exchange(transport, post(server.url))
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, post(server.url))
        assert len(requests) == 2


async def test_a_fresh_connection_is_not_tried_twice(client) -> None:
    async def act(peer) -> None:
        await peer.receive()

    async with raw_server(act) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(client(), post(server.url))
        assert server.connections == 1


async def test_an_upstream_that_closes_at_random_reads_no_request_twice(client) -> None:
    """Each connection is closed after 5 to 9 ms. A request that crosses a close may be lost: it may have been read."""
    dice = random.Random(5)
    read: list[bytes] = []
    lost = 0

    async def act(peer) -> None:
        with trio.move_on_after(dice.uniform(0.005, 0.009)):
            while request := await peer.request():
                read.append(request.partition(b"\r\n\r\n")[2])
                await peer.send(OK)

    async with raw_server(act) as server:
        transport = client()
        for number in range(200):
            try:
                await exchange(transport, post(server.url, b"%d" % number))
            except httpx.TransportError:
                lost += 1
            await trio.sleep(dice.uniform(0, 0.006))
    assert len(read) == len(set(read))
    assert lost < 60


async def test_a_unix_socket_serves_in_place_of_the_host(client, tmp_path) -> None:
    path = tmp_path / "upstream.sock"
    listener = trio.socket.socket(socket.AF_UNIX)
    await listener.bind(str(path))
    listener.listen()

    async def serve() -> None:
        peer, _ = await listener.accept()
        await peer.recv(65536)
        await peer.send(OK)
        await peer.recv(1)
        peer.close()

    transport = client(unix_socket=str(path))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        assert await exchange(transport, post("http://localhost")) == (200, b"ok")
        await transport.aclose()
    listener.close()
