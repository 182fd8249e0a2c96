"""A whole answer fetched as a stream: what wins, what it costs, and what becomes of its connection."""

from contextlib import asynccontextmanager

import msgspec
import pytest
import trio

from gateway.dialects import dialect_named
from gateway.dialects.base import Answer, Dialect, StreamReader
from gateway.records import Account, DialectName
from gateway.upstream.assembling import OpenAnswer, assembler_for, open_answer
from gateway.upstream.attempt import AttemptFailed, Exchange
from gateway.upstream.cooldown import Cause
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.upstreams import Upstreams
from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import Act, cut_after, error_midway, garbage, hang_after, reply, slow_first, status, stream
from tests.unit.dialect_streams import MESSAGE_START, MESSAGE_STOP, block_delta, block_start, event

PATHS: dict[DialectName, str] = {"messages": "/messages", "chat": "/chat/completions", "responses": "/responses"}
BODIES: dict[DialectName, bytes] = {
    "messages": b'{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}',
    "chat": b'{"model":"m","messages":[{"role":"user","content":"hi"}]}',
    "responses": b'{"model":"m","input":"hi"}',
}
SSE = "text/event-stream"


class Whole:
    """A native passage of a call that is not streamed. `resumes` are the bodies that make paused answers go on."""

    warnings: tuple[str, ...] = ()

    def __init__(self, name: DialectName, body: bytes, resumes: list[bytes] | None = None) -> None:
        self.dialect: Dialect = dialect_named(name)
        self.path = PATHS[name]
        self.body = body
        self.paused: list[bytes] = []
        self._resumes = list(resumes or ())

    def reader(self) -> StreamReader:
        return self.dialect.reader(echo_model="asked", peek=self.dialect.peek(self.body))

    def read(self, body: bytes) -> Answer:
        return self.dialect.read_body(body, echo_model="asked")

    def resume(self, body: bytes) -> bytes | None:
        if not self._resumes:
            return None
        self.paused.append(body)
        return self._resumes.pop(0)


@asynccontextmanager
async def exchange_with(
    fake: FakeUpstream,
    name: DialectName = "messages",
    *,
    body: bytes | None = None,
    resumes: list[bytes] | None = None,
    **options: str | int | float | bool,
):
    account = Account(1, "one", "simulated", base_url="", options=options)
    async with Upstreams(lambda sealed: "", lambda each: fake) as upstreams:
        await upstreams.refresh([account])
        upstream = upstreams.get(1)
        assert upstream is not None
        passage = Whole(name, body or BODIES[name], resumes)
        yield Exchange(upstream, passage, UpstreamOperation(name, passage.path), {}, {"read": 30.0})


async def opened(exchange: Exchange) -> OpenAnswer:
    return await open_answer(exchange, assembler_for(exchange))


def text_of(answer: Answer) -> str:
    body = msgspec.json.decode(answer.body)
    assert body["model"] == "asked"
    if "choices" in body:
        return body["choices"][0]["message"]["content"]
    return body["content"][0]["text"] if "content" in body else body["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("name", PATHS)
async def test_a_stream_becomes_the_whole_answer(name: DialectName, autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(stream("Hel", "lo", tokens=Tokens(input=20, output=9), split=7))
    async with exchange_with(fake, name) as exchange:
        answer = await opened(exchange)
        whole = await answer.rest()
        await answer.aclose()
    assert text_of(whole) == "Hello"
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (20, 9)


@pytest.mark.parametrize("name", PATHS)
async def test_the_upstream_is_asked_for_a_stream(name: DialectName, autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(stream("hello"))
    async with exchange_with(fake, name) as exchange:
        answer = await opened(exchange)
        await answer.aclose()
    assert fake.requests[0].streamed
    assert fake.requests[0].include_usage == (name == "chat")


@pytest.mark.parametrize("name", PATHS)
async def test_it_has_won_with_its_first_content(name: DialectName, autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(slow_first(20, "a", "b", gap=5))
    async with exchange_with(fake, name) as exchange:
        answer = await opened(exchange)
        won_at = trio.current_time()
        await answer.rest()
        ended_at = trio.current_time()
        await answer.aclose()
    assert (won_at, ended_at) == (20, 25)


async def test_an_answer_read_to_its_end_leaves_nothing_open(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(stream("a", "b"))
    async with exchange_with(fake) as exchange:
        answer = await opened(exchange)
        await answer.rest()
        await answer.aclose()
    assert fake.open == []


async def test_a_loser_is_closed_and_says_what_it_was_told(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(hang_after(1))
    async with exchange_with(fake) as exchange:
        reader = assembler_for(exchange)
        answer = await open_answer(exchange, reader)
        await answer.aclose()
    usage = reader.usage()
    assert fake.open == []
    assert usage is not None
    assert usage.input_tokens == 12
    assert reader.delivered_tokens() > 0


async def test_what_the_upstream_calls_it_is_kept(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(stream("a"))
    async with exchange_with(fake) as exchange:
        answer = await opened(exchange)
        await answer.aclose()
    assert answer.upstream_request_id == "req_fake1"


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (status(529), Cause.OVERLOADED),
        (garbage(), Cause.SERVER_ERROR),
        (error_midway(0, status=529), Cause.OVERLOADED),
        (cut_after(0), Cause.SERVER_ERROR),
    ],
    ids=["refused", "html", "error first", "cut first"],
)
async def test_an_attempt_that_never_answers_fails_before_it_wins(act, cause, autojump_clock):
    fake = FakeUpstream(act)
    async with exchange_with(fake) as exchange:
        with pytest.raises(AttemptFailed) as failed:
            await opened(exchange)
    assert failed.value.failure.cause is cause
    assert fake.open == []


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    "act",
    [error_midway(2, gap=1), cut_after(2, gap=1), cut_after(2, gap=1, clean=True), hang_after(2, gap=1)],
    ids=["error", "cut", "end", "hang"],
)
async def test_one_that_breaks_off_later_is_no_answer(name: DialectName, act, autojump_clock):
    fake = FakeUpstream(act)
    async with exchange_with(fake, name) as exchange:
        answer = await opened(exchange)
        with pytest.raises(AttemptFailed):
            await answer.rest()
        await answer.aclose()
    assert fake.open == []


def raw(*frames: bytes) -> Act:
    return garbage(b"".join(frames), SSE)


def paused(text: str, stop_reason: str) -> bytes:
    end = event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": 5}) + MESSAGE_STOP
    return MESSAGE_START + block_start(0, type="text", text="") + block_delta(0, "text_delta", text=text) + end


async def test_a_paused_answer_goes_on_at_the_same_account(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(raw(paused("one", "pause_turn")), raw(paused("two", "end_turn")))
    again = b'{"model":"m","max_tokens":64,"messages":[{"role":"assistant","content":"one"}]}'
    async with exchange_with(fake, resumes=[again]) as exchange:
        reader = assembler_for(exchange)
        answer = await open_answer(exchange, reader)
        whole = await answer.rest()
        await answer.aclose()
    usage = reader.usage()
    assert text_of(whole) == "two"
    assert fake.requests[1].json == msgspec.json.decode(again) | {"stream": True}
    assert usage is not None
    assert usage.output_tokens == 10


UNKNOWN = MESSAGE_START + block_start(0, type="text", text="") + block_delta(0, "novel_delta", novelty="x")


async def test_a_stream_that_is_not_understood_is_asked_for_whole(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(raw(UNKNOWN), reply("hello"))
    async with exchange_with(fake) as exchange:
        answer = await opened(exchange)
        whole = await answer.rest()
        await answer.aclose()
    assert text_of(whole) == "hello"
    assert [asked.streamed for asked in fake.requests] == [True, False]
    assert fake.open == []


async def test_what_the_stream_given_up_has_cost_is_told(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(raw(UNKNOWN), reply("hello"))
    async with exchange_with(fake) as exchange:
        answer = await opened(exchange)
        await answer.rest()
        await answer.aclose()
    assert answer.refetched is not None
    assert answer.refetched.input_tokens == 25


async def test_after_a_pause_nothing_is_asked_for_from_the_beginning(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(raw(paused("one", "pause_turn")), raw(UNKNOWN))
    async with exchange_with(fake, resumes=[BODIES["messages"]]) as exchange:
        answer = await opened(exchange)
        with pytest.raises(AttemptFailed):
            await answer.rest()
        await answer.aclose()
    assert len(fake.requests) == 2


async def test_a_cancelled_read_leaves_nothing_open(autojump_clock: trio.testing.MockClock):
    fake = FakeUpstream(hang_after(1))
    async with exchange_with(fake) as exchange:
        answer = await opened(exchange)
        with trio.move_on_after(3):
            try:
                await answer.rest()
            finally:
                await answer.aclose()
    assert fake.open == []
