"""What a call needs before anything is sent."""

import msgspec
import pytest
import trio

from gateway.errors import BadRequest, Forbidden, OutOfCredit, RateLimited, Unavailable, UnknownModel, WrongEndpoint
from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import reply, stream
from tests.relay.world import FakeClient, open_world


async def test_an_unknown_model(autojump_clock):
    async with open_world(FakeUpstream()) as world:
        with pytest.raises(UnknownModel, match="gemini"):
            await world.call(model="gemini-9")


async def test_a_model_outside_the_tier_says_what_is_allowed(autojump_clock):
    async with open_world(FakeUpstream()) as world:
        world.change_tier(models=("gpt-*",))
        with pytest.raises(Forbidden, match=r"gpt-\*"):
            await world.call()


async def test_a_model_outside_the_key_is_refused_after_its_alias_is_resolved(autojump_clock):
    async with open_world(FakeUpstream()) as world:
        world.change_caller(models=("claude-haiku-*",))
        with pytest.raises(Forbidden, match="claude-opus"):
            await world.call(model="opus")


async def test_a_tier_without_the_dialect_names_the_right_endpoints(autojump_clock):
    async with open_world(FakeUpstream()) as world:
        world.change_tier(dialects=("chat", "responses"))
        with pytest.raises(WrongEndpoint, match="POST /v1/chat/completions and POST /v1/responses"):
            await world.call()


async def test_an_account_that_does_not_speak_the_dialect_is_asked_in_its_own(autojump_clock):
    fake = FakeUpstream(reply("hi"))
    async with open_world(fake, account={"dialects": ("chat",)}) as world:
        client = await world.call(stream=False)
        assert fake.requests[0].dialect == "chat"
        assert msgspec.json.decode(client.body)["content"] == [{"type": "text", "text": "hi"}]


async def test_an_empty_wallet_is_402_before_any_upstream_byte(autojump_clock):
    fake = FakeUpstream()
    async with open_world(fake, balance_micro=3) as world:
        with pytest.raises(OutOfCredit, match="left"):
            await world.call()
        assert fake.requests == []
        world.check_settled()


async def test_a_small_balance_lowers_the_output_limit_and_says_so(autojump_clock):
    fake = FakeUpstream(reply("hi"))
    async with open_world(fake, balance_micro=15_000) as world:
        client = await world.call(stream=False, max_tokens=8000)
        sent = msgspec.json.decode(fake.requests[0].body)["max_tokens"]
        assert 900 <= sent <= 1000
        assert client.headers["x-gateway-warnings"] == "clamped:max_tokens"


async def test_an_unlimited_customer_is_metered_and_never_refused(autojump_clock):
    fake = FakeUpstream(reply("hi", tokens=Tokens(input=1000, output=100)))
    async with open_world(fake, balance_micro=0) as world:
        world.change_caller(customer={"unlimited": True})
        client = await world.call(stream=False)
        assert client.status == 200
        assert world.books.last.charge_micro == 4500
        assert "x-gateway-balance-micro" not in client.headers


async def test_requests_per_minute(autojump_clock):
    fake = FakeUpstream(always=reply("hi"))
    async with open_world(fake) as world:
        world.change_caller(rpm=2)
        first = await world.call(stream=False)
        await world.call(stream=False)
        assert first.headers["anthropic-ratelimit-requests-remaining"] == "1"
        with pytest.raises(RateLimited, match="requests per minute") as refused:
            await world.call(stream=False)
        assert refused.value.retry_after_s == pytest.approx(30, abs=1)


async def test_concurrency_waits_in_a_bounded_queue(autojump_clock):
    fake = FakeUpstream(always=reply("hi", after=60))
    async with open_world(fake) as world, trio.open_nursery() as nursery:
        world.change_caller(concurrency=1)
        nursery.start_soon(lambda: world.call(stream=False))
        await trio.sleep(1)
        with pytest.raises(RateLimited):
            await world.call(stream=False)
        nursery.cancel_scope.cancel()


async def test_a_spend_limit_names_its_reset(autojump_clock):
    fake = FakeUpstream(reply("hi", tokens=Tokens(input=1000, output=100)))
    async with open_world(fake) as world:
        world.change_caller(day_limit_micro=4_510)
        await world.call(stream=False, max_tokens=100)
        with pytest.raises(OutOfCredit, match=r"resets at \d{4}-\d\d-\d\dT00:00:00Z"):
            await world.call(stream=False, max_tokens=100)


async def test_a_draining_gateway_takes_nothing_new(autojump_clock):
    async with open_world(FakeUpstream()) as world:
        world.services.condition.draining = True
        with pytest.raises(Unavailable):
            await world.call()


async def test_a_response_is_continued_at_the_account_that_made_it(autojump_clock):
    first, second = FakeUpstream(reply("hi")), FakeUpstream()
    async with open_world(first, second) as world:
        client = await world.call("responses", stream=False)
        response_id = msgspec.json.decode(client.body)["id"]
        first.script(reply("again"))
        await world.call("responses", stream=False, previous_response_id=response_id)
        assert len(first.requests) == 2


async def test_somebody_elses_response_is_not_found(autojump_clock):
    fake = FakeUpstream(reply("hi"))
    async with open_world(fake) as world:
        client = await world.call("responses", stream=False)
        response_id = msgspec.json.decode(client.body)["id"]
        world.change_caller(customer={"id": 2, "unlimited": True})
        with pytest.raises(BadRequest, match="not found") as refused:
            await world.call("responses", stream=False, previous_response_id=response_id)
        assert refused.value.field == "previous_response_id"


async def test_a_revoked_key_loses_its_open_calls(autojump_clock):
    fake = FakeUpstream(stream(*("word " for _ in range(60)), gap=1))
    async with open_world(fake) as world, trio.open_nursery() as nursery:
        client = FakeClient()
        nursery.start_soon(lambda: world.call(client=client))
        await trio.sleep(5.5)
        for call in world.services.open_calls:
            call.cut(Forbidden("This key has been revoked."))
        await trio.sleep(0.1)
        assert b"revoked" in client.pieces[-1][1]
        assert world.books.last.call.outcome == "partial"
        world.check_settled()
