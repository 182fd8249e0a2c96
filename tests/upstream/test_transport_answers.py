"""How answers are read off the wire, the well-formed and the others."""

import httpx
import pytest
import trio

from gateway.upstream.transport import TrioTransport
from tests.upstream.raw_server import OK, answering, exchange, post, raw_server, rest_of

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


async def read(*pieces: bytes, gap: float = 0.01, keep: bool = False, **options) -> tuple[int, bytes]:
    async with raw_server(answering(*pieces, gap=gap, keep=keep)) as server, TrioTransport() as transport:
        return await exchange(transport, post(server.url, **options))


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([HEAD + b"content-length: 5\r\n\r\nhello"], b"hello"),
        ([HEAD + b"content-", b"length: 5\r\n", b"\r\nhe", b"llo"], b"hello"),
        ([CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"], b"hello"),
        ([CHUNKED, b"3;name=value\r\nhel\r", b"\n2\r\nlo\r\n0\r\nserver-timing: x\r\n\r\n"], b"hello"),
        ([HEAD + b"\r\nhel", b"lo"], b"hello"),
        ([b"HTTP/1.0 200 OK\r\n\r\nhello"], b"hello"),
        ([HEAD + b"content-length: 0\r\n\r\n"], b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK], b"ok"),
    ],
)
async def test_every_framing_of_a_body_is_read(pieces: list[bytes], body: bytes) -> None:
    assert await read(*pieces) == (200, body)


async def test_headers_of_interim_answers_do_not_reach_the_caller(client) -> None:
    async with raw_server(answering(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK)) as server:
        response = await client().handle_async_request(post(server.url))
        assert response.headers.raw == [(b"content-length", b"2")]
        await rest_of(response)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_ends_at_its_head(status: int) -> None:
    assert await read(b"HTTP/1.1 %d Nothing\r\n\r\n" % status, keep=True) == (status, b"")


async def test_the_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    assert await read(HEAD + b"content-length: 5\r\n\r\n", keep=True, method="HEAD") == (200, b"")


async def test_a_redirect_is_not_followed() -> None:
    status, _ = await read(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
    assert status == 302


async def test_what_one_read_brings_is_handed_on_in_one_piece(client) -> None:
    frames = b"".join(b"6\r\nframe%d\r\n" % n for n in range(9))
    async with raw_server(answering(CHUNKED, frames, b"0\r\n\r\n", gap=0.03)) as server:
        response = await client().handle_async_request(post(server.url))
        assert [chunk async for chunk in response.stream] == [b"".join(b"frame%d" % n for n in range(9))]


async def test_the_request_leaves_as_one_well_formed_message(client) -> None:
    seen: list[bytes] = []

    async def act(peer) -> None:
        seen.append(await peer.receive())
        await peer.send(OK)

    async with raw_server(act) as server:
        request = httpx.Request(
            "POST", f"{server.url}/v1/messages?beta=true", headers={"x-api-key": "k"}, content=b"{}"
        )
        await exchange(client(), request)
    host = server.url.removeprefix("http://").encode()
    assert seen == [
        b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: " + host + b"\r\nx-api-key: k\r\nContent-Length: 2\r\n\r\n{}"
    ]


async def test_a_header_with_a_line_break_is_never_sent(client) -> None:
    async with raw_server(answering(OK)) as server:
        request = httpx.Request("POST", server.url, headers=[(b"a", b"b\r\nx: y")], content=b"")
        with pytest.raises(httpx.LocalProtocolError):
            await client().handle_async_request(request)
        assert server.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>502 Bad Gateway</html>",
        b"HTTP/2 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff\xfe" * 100,
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        CHUNKED + b"zz\r\nhello\r\n",
        HEAD + b"content-le",
        b"",
    ],
)
async def test_garbage_is_a_protocol_error(answer: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await read(answer)


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param((HEAD, b"x-filler: " + b"a" * 1000 + b"\r\n"), id="many headers"),
        pytest.param((HEAD + b"x: ", b"a" * 1000), id="one endless header"),
        pytest.param((b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="interim answers without end"),
        pytest.param((CHUNKED + b"0\r\n", b"x-trailer: " + b"a" * 1000 + b"\r\n"), id="trailers without end"),
        pytest.param((CHUNKED + b"1;x=", b"a" * 1000), id="an endless chunk extension"),
    ],
)
async def test_an_endless_head_or_trailer_is_cut(client, flood: tuple[bytes, bytes]) -> None:
    async def act(peer) -> None:
        await peer.request()
        await peer.send(flood[0])
        while True:
            await peer.send(flood[1])

    async with raw_server(act) as server:
        with pytest.raises(httpx.RemoteProtocolError), trio.fail_after(5):
            await exchange(client(), post(server.url))
        await server.settled()


@pytest.mark.parametrize("start", [HEAD + b"content-length: 9\r\n\r\nhel", CHUNKED + b"3\r\nhel\r\n"])
async def test_a_truncated_body_is_handed_on_and_then_an_error(client, start: bytes) -> None:
    async with raw_server(answering(start, keep=False)) as server:
        response = await client().handle_async_request(post(server.url))
        chunks = aiter(response.stream)
        assert await anext(chunks) == b"hel"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)


async def test_garbage_after_a_valid_chunk_does_not_swallow_the_chunk(client) -> None:
    async with raw_server(answering(CHUNKED + b"3\r\nhel\r\nzz\r\n")) as server:
        response = await client().handle_async_request(post(server.url))
        chunks = aiter(response.stream)
        assert await anext(chunks) == b"hel"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)


async def test_a_reset_within_the_body_is_a_read_error(client) -> None:
    async def act(peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\nhel\r\n")
        await trio.sleep(0.02)
        peer.reset()

    async with raw_server(act) as server:
        with pytest.raises(httpx.ReadError):
            await exchange(client(), post(server.url))


async def test_silence_before_the_head_is_a_read_timeout(client) -> None:
    async with raw_server(lambda peer: peer.closed_by_client()) as server:
        with pytest.raises(httpx.ReadTimeout):
            await exchange(client(), post(server.url, timeout={"read": 0.05}))
        await server.settled()


async def test_silence_within_the_body_is_a_read_timeout_and_closes_the_socket(client) -> None:
    async def act(peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\nhel\r\n")
        await peer.closed_by_client()

    async with raw_server(act) as server:
        with pytest.raises(httpx.ReadTimeout):
            await exchange(client(), post(server.url, timeout={"read": 0.05}))
        await server.settled()


async def test_the_read_deadline_is_armed_again_for_every_read() -> None:
    pieces = [CHUNKED, *[b"1\r\nx\r\n"] * 8, b"0\r\n\r\n"]
    assert await read(*pieces, gap=0.04, timeout={"read": 0.2}) == (200, b"x" * 8)


async def test_the_first_byte_may_have_a_longer_deadline_than_the_rest(client) -> None:
    async def act(peer) -> None:
        await peer.request()
        await trio.sleep(0.15)
        await peer.send(OK)

    async with raw_server(act) as server:
        assert await exchange(client(), post(server.url, timeout={"first_byte": 2, "read": 0.05})) == (
            200,
            b"ok",
        )


async def test_a_refused_connection_is_a_connect_error(client) -> None:
    async with raw_server(answering(OK)) as server:
        url = server.url
    with pytest.raises(httpx.ConnectError):
        await exchange(client(), post(url))


async def test_a_request_refused_while_it_is_sent_gets_its_answer(client) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge"

    async def act(peer) -> None:
        await peer.receive()
        await peer.send(refusal)
        await trio.sleep_forever()

    async with raw_server(act) as server:
        transport = client()
        with trio.fail_after(2):
            assert await exchange(transport, post(server.url, b"x" * 32_000_000)) == (413, b"large")
        assert transport.idle_connections == 0


async def test_a_request_refused_and_cut_while_it_is_sent_gets_its_answer(client) -> None:
    async def act(peer) -> None:
        await peer.receive()
        await peer.send(b"HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")

    async with raw_server(act) as server:
        assert await exchange(client(), post(server.url, b"x" * 32_000_000)) == (401, b"no")


async def test_a_large_request_arrives_whole(client) -> None:
    sizes: list[int] = []

    async def act(peer) -> None:
        sizes.append(len((await peer.request()).partition(b"\r\n\r\n")[2]))
        await peer.send(OK)

    async with raw_server(act) as server:
        assert await exchange(client(), post(server.url, b"x" * 20_000_000)) == (200, b"ok")
    assert sizes == [20_000_000]


async def test_an_upstream_that_stops_taking_the_request_is_a_write_timeout(client) -> None:
    async def act(_) -> None:
        await trio.sleep_forever()

    async with raw_server(act) as server:
        with pytest.raises(httpx.WriteTimeout):
            await exchange(client(), post(server.url, b"x" * 32_000_000, timeout={"write": 0.1}))
