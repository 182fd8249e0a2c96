"""The same over TLS."""

import ssl

import httpx
import pytest

from gateway.upstream.transport import default_ssl_context
from tests.upstream.raw_server import OK, answering, exchange, post, raw_server
from tests.upstream.test_transport_cancel import contexts


async def test_requests_share_one_handshake(client) -> None:
    server_context, client_context = contexts()
    async with raw_server(answering(OK), context=server_context) as server:
        transport = client(ssl_context=client_context)
        for _ in range(3):
            assert await exchange(transport, post(server.url)) == (200, b"ok")
        assert server.connections == 1


async def test_an_unknown_authority_is_a_connect_error(client) -> None:
    server_context, _ = contexts()
    async with raw_server(answering(OK), context=server_context) as server:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await exchange(client(), post(server.url))
        await server.settled()


async def test_verification_can_be_switched_off(client) -> None:
    server_context, _ = contexts()
    async with raw_server(answering(OK), context=server_context) as server:
        transport = client(ssl_context=default_ssl_context(verify=False))
        assert await exchange(transport, post(server.url)) == (200, b"ok")


async def test_a_handshake_that_hangs_is_a_connect_timeout(client) -> None:
    async with raw_server(lambda peer: peer.closed_by_client()) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(httpx.ConnectTimeout):
            await exchange(client(), post(url, timeout={"connect": 0.1}))
        await server.settled()


async def test_a_close_that_crosses_the_request_is_replaced(client) -> None:
    server_context, client_context = contexts()
    async with raw_server(answering(OK, keep=False), context=server_context) as server:
        transport = client(ssl_context=client_context)
        for _ in range(3):
            assert await exchange(transport, post(server.url)) == (200, b"ok")
            await server.settled()


async def test_a_large_request_refused_early_gets_its_answer(client) -> None:
    async def act(peer) -> None:
        await peer.receive()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        await peer.closed_by_client()

    server_context, client_context = contexts()
    async with raw_server(act, context=server_context) as server:
        transport = client(ssl_context=client_context)
        assert await exchange(transport, post(server.url, b"x" * 8_000_000)) == (413, b"large")


def test_only_http_1_is_offered() -> None:
    context = default_ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
