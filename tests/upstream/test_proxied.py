"""Accounts behind a proxy."""

import gc
import ssl

import httpx
import pytest
import trio

from gateway.upstream.proxied import ProxiedTransport
from tests.upstream.raw_server import OK, Peer, answering, exchange, post, raw_server, rest_of

HALF = (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha", b"lf")


def proxied(url: str) -> ProxiedTransport:
    return ProxiedTransport(url, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


async def test_requests_go_through_the_proxy_and_reuse_its_connection() -> None:
    async with raw_server(answering(OK)) as proxy:
        transport = proxied(proxy.url)
        for _ in range(2):
            assert await exchange(transport, post("http://upstream.test")) == (200, b"ok")
        assert proxy.connections == 1
        await transport.aclose()


async def test_the_environments_proxy_is_not_honoured(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with raw_server(answering(OK)) as proxy:
        transport = proxied(proxy.url)
        assert await exchange(transport, post("http://upstream.test")) == (200, b"ok")
        await transport.aclose()


# httpcore leaves the socket of an unfinished SOCKS handshake to the collector, which closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_handshake_that_hangs_is_a_connect_timeout(scheme: str) -> None:
    async with raw_server(Peer.closed_by_client) as proxy:
        transport = proxied(proxy.url.replace("http", scheme, 1))
        url = "https://upstream.test"
        with pytest.raises(httpx.ConnectTimeout), trio.fail_after(2):
            await exchange(transport, post(url, timeout={"connect": 0.1, "write": 5, "read": 5}))
        await proxy.settled()
        await transport.aclose()
    gc.collect()


async def test_the_connect_deadline_does_not_cut_a_slow_answer() -> None:
    async def act(peer: Peer) -> None:
        await peer.request()
        await trio.sleep(0.2)
        await peer.send(OK)

    async with raw_server(act) as proxy:
        transport = proxied(proxy.url)
        timeout = {"connect": 0.1, "write": 1, "first_byte": 1, "read": 0.1}
        assert await exchange(transport, post("http://upstream.test", timeout=timeout)) == (200, b"ok")
        await transport.aclose()


async def test_silence_within_the_body_has_the_shorter_deadline() -> None:
    async def act(peer: Peer) -> None:
        await peer.request()
        await peer.send(HALF[0])
        await peer.closed_by_client()

    async with raw_server(act) as proxy:
        transport = proxied(proxy.url)
        timeout = {"connect": 1, "write": 1, "first_byte": 30, "read": 0.05}
        with pytest.raises(httpx.ReadTimeout), trio.fail_after(2):
            await exchange(transport, post("http://upstream.test", timeout=timeout))
        await transport.aclose()


async def test_closing_lets_an_answer_under_way_finish() -> None:
    async with raw_server(answering(*HALF, gap=0.03)) as proxy:
        transport = proxied(proxy.url)
        response = await transport.handle_async_request(post("http://upstream.test"))
        await transport.aclose()
        assert await rest_of(response) == b"half"
        await proxy.settled()


async def test_cancelled_requests_do_not_jam_it() -> None:
    async with raw_server(answering(OK, OK[:0], gap=0.004)) as proxy:
        transport = proxied(proxy.url)

        async def one(seconds: float) -> None:
            with trio.move_on_after(seconds):
                await exchange(transport, post("http://upstream.test"))

        async with trio.open_nursery() as nursery:
            for number in range(120):
                nursery.start_soon(one, number / 10_000)
        assert await exchange(transport, post("http://upstream.test")) == (200, b"ok")
        await transport.aclose()
        await proxy.settled()
