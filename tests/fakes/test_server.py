"""The fake provider on a socket plays the same scripts, and its counters tell of every connection."""

import subprocess
import sys

import httpx
import msgspec
import pytest
import trio

from tests.fakes import FakeUpstream, cut_after, hang, hang_after, refuse, reply, status, stream
from tests.fakes.server import serve_fake

STREAMED = {"model": "m", "stream": True, "messages": []}
WHOLE = {"model": "m", "messages": []}


async def test_bytes_are_those_of_the_transport() -> None:
    act = stream("a", "b", gap=0.01)
    async with httpx.AsyncClient(transport=FakeUpstream(act)) as client:
        expected = await client.post("http://fake/v1/messages", json=STREAMED)
    async with serve_fake(act) as fake, httpx.AsyncClient() as client:
        answer = await client.post(f"{fake.url}/messages", json=STREAMED)

    assert answer.content == expected.content
    assert answer.headers["content-type"] == expected.headers["content-type"]


async def test_one_connection_carries_many_answers() -> None:
    async with serve_fake(reply("a"), status(429), stream("b"), always=reply("c")) as fake:
        async with httpx.AsyncClient() as client:
            answers = [await client.post(f"{fake.url}/chat/completions", json=STREAMED) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [200, 429, 200, 200, 200]
        assert fake.connections_accepted == 1


async def test_hang_ends_when_the_client_leaves(nursery: trio.Nursery) -> None:
    async with serve_fake(hang()) as fake, httpx.AsyncClient() as client:
        leaving = trio.CancelScope()

        async def call() -> None:
            with leaving:
                await client.post(f"{fake.url}/messages", json=WHOLE)

        nursery.start_soon(call)
        (exchange,) = await fake.wait_requests(1)
        leaving.cancel()
        with trio.fail_after(5):
            await exchange.wait_closed()

    assert not exchange.finished


async def test_leaving_a_stream_closes_its_connection() -> None:
    body = msgspec.json.encode(STREAMED)
    async with serve_fake(hang_after(1)) as fake:
        client = await trio.open_tcp_stream("127.0.0.1", fake.port)
        await client.send_all(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert b"text_delta" in await client.receive_some()
        await client.aclose()
        with trio.fail_after(5):
            await fake.exchanges[0].wait_closed()
            while fake.connections_open:
                await trio.lowlevel.checkpoint()

    assert not fake.exchanges[0].finished


@pytest.mark.parametrize("asked", [STREAMED, WHOLE])
async def test_cut_is_an_incomplete_body(asked: dict[str, object]) -> None:
    async with serve_fake(cut_after(2)) as fake, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"{fake.url}/messages", json=asked)


async def test_refusal_sends_no_byte() -> None:
    async with serve_fake(refuse()) as fake, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"{fake.url}/messages", json=WHOLE)


async def test_large_body_arrives_whole() -> None:
    body = WHOLE | {"padding": "x" * 2_000_000}
    async with serve_fake(reply("a")) as fake, httpx.AsyncClient() as client:
        await client.post(f"{fake.url}/messages", json=body)

    assert fake.requests[0].json == body


async def test_process_takes_its_act_from_the_request() -> None:
    command = [sys.executable, "-m", "tests.fakes.server", "--mode", "reply size=5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220
    try:
        url = (await trio.to_thread.run_sync(process.stdout.readline)).decode().strip()
        async with httpx.AsyncClient(base_url=url) as client:
            plain = await client.post("/v1/messages", json=WHOLE)
            told = await client.post("/v1/chat/completions", json=WHOLE | {"user": "fake:status 429 retry_after=7"})
            counters = (await client.get("/_fake")).json()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

    assert plain.json()["content"][0]["text"] == "word "
    assert (told.status_code, told.headers["retry-after"]) == (429, "7")
    assert (counters["answers_started"], counters["connections_open"]) == (2, 1)


async def test_every_response_has_its_own_id() -> None:
    async with serve_fake(always=reply("a")) as fake, httpx.AsyncClient() as client:
        bodies = [(await client.post(f"{fake.url}/responses", json=WHOLE)).content for _ in range(2)]

    assert len({msgspec.json.decode(body)["id"] for body in bodies}) == 2
