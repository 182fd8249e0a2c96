"""The fake provider in memory keeps its script's times and tells what became of every socket."""

import httpx
import pytest
import trio

from tests.fakes import (
    FakeUpstream,
    cut_after,
    garbage,
    hang,
    hang_after,
    refuse,
    reply,
    slow_first,
    status,
    stream,
)

STREAMED = {"model": "m", "stream": True, "messages": []}
WHOLE = {"model": "m", "messages": []}


def client_of(fake: FakeUpstream, read_s: float | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=fake, base_url="http://fake/v1", timeout=httpx.Timeout(5, read=read_s))


async def arrivals(client: httpx.AsyncClient) -> list[tuple[float, bytes]]:
    """When each chunk of a streamed call came, in seconds from the start."""
    start = trio.current_time()
    async with client.stream("POST", "/messages", json=STREAMED) as response:
        return [(trio.current_time() - start, chunk) async for chunk in response.aiter_raw()]


async def test_pieces_come_a_gap_apart(autojump_clock) -> None:
    fake = FakeUpstream(stream("a", "b", gap=0.5, first=3))
    times = [round(at, 3) for at, _ in await arrivals(client_of(fake))]

    assert times == [0, 3, 3.5]


async def test_what_no_time_separates_is_one_chunk(autojump_clock) -> None:
    assert len(await arrivals(client_of(FakeUpstream(stream("a", "b"))))) == 1


async def test_split_cuts_the_same_bytes_anywhere(autojump_clock) -> None:
    whole = b"".join(chunk for _, chunk in await arrivals(client_of(FakeUpstream(stream("a", "b")))))
    pieces = [chunk for _, chunk in await arrivals(client_of(FakeUpstream(stream("a", "b", split=7))))]

    assert b"".join(pieces) == whole
    assert max(map(len, pieces)) == 7


async def test_slow_first_sends_the_head_at_once(autojump_clock) -> None:
    fake = FakeUpstream(slow_first(30))
    await arrivals(client_of(fake))
    (exchange,) = fake.exchanges

    assert exchange.head_at == exchange.opened_at
    assert exchange.closed_at == pytest.approx(exchange.opened_at + 30)


async def test_leaving_a_stream_closes_it_at_that_instant(autojump_clock) -> None:
    fake = FakeUpstream(stream("a", "b", "c", gap=10))
    with trio.move_on_after(15):
        await arrivals(client_of(fake))
    (exchange,) = fake.exchanges

    assert exchange.closed_at == pytest.approx(exchange.opened_at + 15)
    assert not exchange.finished


async def test_response_never_closed_stays_open(autojump_clock) -> None:
    fake = FakeUpstream(stream("a"))
    client = client_of(fake)
    response = await client.send(client.build_request("POST", "/messages", json=STREAMED), stream=True)

    assert len(fake.open) == 1
    await response.aclose()
    assert fake.open == []


async def test_cut_raises_after_its_pieces(autojump_clock) -> None:
    fake = FakeUpstream(cut_after(2, gap=1))
    got: list[bytes] = []

    async def read() -> None:
        async with client_of(fake).stream("POST", "/messages", json=STREAMED) as response:
            async for chunk in response.aiter_raw():
                got.append(chunk)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert b"".join(got).count(b"text_delta") == 2
    assert b"message_stop" not in b"".join(got)


async def test_clean_cut_just_ends(autojump_clock) -> None:
    body = b"".join(chunk for _, chunk in await arrivals(client_of(FakeUpstream(cut_after(2, clean=True)))))

    assert body.count(b"text_delta") == 2
    assert b"message_stop" not in body


@pytest.mark.parametrize("act", [hang(), hang_after(1), slow_first(100)])
async def test_silence_is_a_read_timeout(act, autojump_clock) -> None:
    fake = FakeUpstream(act)
    start = trio.current_time()
    with pytest.raises(httpx.ReadTimeout):
        await arrivals(client_of(fake, read_s=20))

    assert trio.current_time() - start == pytest.approx(20)
    assert fake.open == []


async def test_refused_connection(autojump_clock) -> None:
    with pytest.raises(httpx.ConnectError):
        await client_of(FakeUpstream(refuse())).post("/messages", json=WHOLE)


async def test_status_carries_retry_after(autojump_clock) -> None:
    response = await client_of(FakeUpstream(status(429, retry_after=7))).post("/chat/completions", json=WHOLE)

    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


async def test_garbage_is_sent_as_it_is(autojump_clock) -> None:
    response = await client_of(FakeUpstream(garbage(b'{"id": "msg'))).post("/messages", json=WHOLE)

    assert (response.status_code, response.content) == (200, b'{"id": "msg')


async def test_unscripted_request_is_told_and_counted(autojump_clock) -> None:
    fake = FakeUpstream(reply("only one"))
    client = client_of(fake)
    answers = [await client.post("/messages", json=WHOLE) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 599]
    assert fake.unscripted == 1


async def test_function_of_the_request_picks_the_act(autojump_clock) -> None:
    fake = FakeUpstream(always=lambda asked: reply(asked.json["messages"][0]["content"]))
    body = WHOLE | {"messages": [{"role": "user", "content": "echo"}]}
    response = await client_of(fake).post("/messages", json=body)

    assert response.json()["content"][0]["text"] == "echo"


async def test_records_what_was_sent(autojump_clock) -> None:
    fake = FakeUpstream(reply("a"))
    await client_of(fake).post("/messages", json=WHOLE, headers={"X-Api-Key": "secret"})
    (asked,) = fake.requests

    assert (asked.method, asked.path, asked.headers["x-api-key"]) == ("POST", "/v1/messages", "secret")
    assert asked.json == WHOLE


async def test_listing_and_token_counts_need_no_script(autojump_clock) -> None:
    client = client_of(FakeUpstream(models=("llama",)))

    assert [model["id"] for model in (await client.get("/models")).json()["data"]] == ["llama"]
    assert (await client.post("/messages/count_tokens", json=WHOLE)).json()["input_tokens"] > 0
