"""One call that is not streamed."""

import msgspec
import pytest
import trio

from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import error_in_200, garbage, reply, status
from tests.relay.world import FakeClient, open_world

DIALECTS = ("messages", "chat", "responses")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_answer_names_the_model_as_the_client_did(dialect, autojump_clock):
    fake = FakeUpstream(reply("hi").but(model="claude-sonnet-4-6-20990101"))
    asked = {"messages": "claude-sonnet-4.6", "chat": "gpt-5-5", "responses": "gpt-5.5"}[dialect]
    async with open_world(fake) as world:
        client = await world.call(dialect, stream=False, model=asked)
        assert msgspec.json.decode(client.body)["model"] == asked


async def test_cost_and_balance_are_in_the_headers(autojump_clock):
    fake = FakeUpstream(reply("hi", tokens=Tokens(input=1000, output=100)))
    async with open_world(fake, balance_micro=1_000_000) as world:
        client = await world.call(stream=False)
        # claude-sonnet-4-6: $3 and $15 per million tokens.
        assert client.headers["x-gateway-cost-micro"] == "4500"
        assert client.headers["x-gateway-balance-micro"] == "995500"
        world.check_settled()


async def test_a_call_that_is_not_streamed_holds_its_whole_output(autojump_clock):
    fake = FakeUpstream(reply("hi", after=5))
    async with open_world(fake) as world, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: world.call(stream=False, max_tokens=2000))
        await trio.sleep(1)
        assert world.wallet.held_micro >= 2000 * 15


@pytest.mark.parametrize("act", [garbage(), error_in_200(), status(500), status(529)], ids=str)
async def test_what_is_not_an_answer_goes_to_the_next_account(act, autojump_clock):
    first, second = FakeUpstream(act), FakeUpstream(reply("hi"))
    async with open_world(first, second) as world:
        client = await world.call(stream=False)
        assert client.status == 200
        assert [attempt.account_id for attempt in world.books.last.attempts] == [1, 2]


@pytest.mark.parametrize(
    ("act", "expected"),
    [(status(500), 502), (garbage(), 502), (status(529), 529), (status(401), 503), (status(429, retry_after=7), 429)],
    ids=str,
)
async def test_nobody_left(act, expected, autojump_clock):
    fake = FakeUpstream(act)
    async with open_world(fake) as world:
        client = await world.call(stream=False)
        assert client.status == expected
        assert int(client.headers["retry-after"]) >= 1
        receipt = world.books.last
        assert (receipt.call.outcome, receipt.charge_micro) == ("failed", None)
        world.check_settled()


async def test_an_upstream_that_does_not_answer_in_time_is_504(autojump_clock):
    fake = FakeUpstream(reply("late", after=60))
    async with open_world(fake, first_byte_timeout_s=20, chunk_timeout_s=20) as world:
        client = await world.call(stream=False)
        assert client.status == 504


async def test_the_callers_own_mistake_is_told_and_tried_once(autojump_clock):
    first = FakeUpstream(status(400, message="messages: roles must alternate"))
    second = FakeUpstream()
    async with open_world(first, second) as world:
        client = await world.call(stream=False)
        assert client.status == 400
        assert b"roles must alternate" in client.body
        assert client.headers["x-should-retry"] == "false"
        assert second.requests == []


async def test_an_account_rests_after_a_429_and_is_not_asked_again(autojump_clock):
    first = FakeUpstream(status(429, retry_after=30))
    second = FakeUpstream(always=reply("hi"))
    async with open_world(first, second) as world:
        await world.call(stream=False)
        await world.call(stream=False)
        assert len(first.requests) == 1
        assert world.services.pool.cooling() == 1


async def test_every_account_resting_is_429_with_the_earliest_reset(autojump_clock):
    first, second = FakeUpstream(status(429, retry_after=30)), FakeUpstream(status(429, retry_after=90))
    async with open_world(first, second) as world:
        await world.call(stream=False)
        client = await world.call(stream=False)
        assert client.status == 429
        assert 25 <= int(client.headers["retry-after"]) <= 30


async def test_a_full_account_is_waited_for(autojump_clock):
    fake = FakeUpstream(always=reply("hi", after=3))
    async with open_world(fake, account={"max_concurrency": 1}) as world:
        first, second = FakeClient(), FakeClient()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: world.call(client=first, stream=False))
            nursery.start_soon(lambda: world.call(client=second, stream=False))
        assert (first.status, second.status) == (200, 200)
        assert fake.most_open_exchanges == 1


async def test_a_client_that_leaves_while_waiting_pays_nothing(autojump_clock):
    fake = FakeUpstream(reply("hi", after=60))
    async with open_world(fake) as world, trio.open_nursery() as nursery:
        client = FakeClient()
        nursery.start_soon(lambda: world.call(client=client, stream=False))
        await trio.sleep(1)
        client.leave()
        await trio.sleep(1)
        assert world.books.last.call.outcome == "cancelled"
        assert world.books.last.charge_micro is None
        world.check_settled()
