"""What attempts that nobody has an answer from cost the operator, and what of it the day's cap counts."""

import httpx
import pytest
import trio
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.relay import relay
from gateway.upstream.cooldown import Cooldown
from gateway.upstream.pool import KnownState
from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import hang, reply, slow_first, status, stream
from tests.relay.racing_world import attempts, check_money, open_race, outcomes
from tests.relay.world import FakeClient, World, open_world

EXPENSIVE_FAILURE = stream("a", tokens=Tokens(input=8_000)).but(break_after=0, break_by="cut")


async def leave_after(world: World, seconds: float, **fields) -> None:
    client = FakeClient()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: world.call(client=client, **fields))
        await trio.sleep(seconds)
        client.leave()


def denied(world: World, reason: str) -> float:
    return world.services.metrics.registry.get_sample_value("trigate_hedges_denied_total", {"reason": reason}) or 0


# Attempts of a call that was cancelled --------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["failover", "hedge"])
@pytest.mark.parametrize("streamed", [True, None], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("on_cancel", "basis", "output_tokens"),
    [("stops", "estimated", 0), ("unknown", "upper_bound", 700), ("continues", "upper_bound", 700)],
)
async def test_an_attempt_cancelled_before_it_answered_costs_what_its_upstream_may_go_on_to_write(
    on_cancel, basis, output_tokens, streamed, policy, autojump_clock
):
    async with open_race(FakeUpstream(hang()), FakeUpstream(), on_cancel=on_cancel, policy=policy) as world:
        await leave_after(world, 3.0, stream=streamed, max_tokens=700)
        [attempt] = attempts(world)
        assert (attempt.outcome, attempt.usage_basis) == ("cancelled", basis)
        assert attempt.usage.input_tokens > 0
        assert attempt.usage.output_tokens == output_tokens
        assert world.books.last.charge_micro is None
        check_money(world)


async def test_an_answer_that_was_cut_costs_what_came_of_it(autojump_clock):
    async with open_race(
        FakeUpstream(stream("a", "b", first=0.5, gap=5.0)), FakeUpstream(), on_cancel="unknown"
    ) as world:
        await leave_after(world, 3.0, max_tokens=700)
        [attempt] = attempts(world)
        assert attempt.outcome == "cancelled"
        assert attempt.usage.output_tokens < 10
        check_money(world)


# The day's cap --------------------------------------------------------------------------------------------------------


async def test_a_hedge_that_ends_with_its_call_is_paid_from_the_days_cap(autojump_clock):
    one, two = FakeUpstream(always=hang()), FakeUpstream(always=hang())
    async with open_race(one, two, on_cancel="unknown", hedge_day_cap_micro=25_000) as world:
        await leave_after(world, 12.0, max_tokens=1_000)
        assert outcomes(world) == ["cancelled", "cancelled"]
        await leave_after(world, 12.0, max_tokens=1_000)
        assert outcomes(world) == ["cancelled"]
        assert denied(world, "day_cap") == 1


async def test_an_attempt_that_nothing_was_sent_beside_is_not_paid_from_the_days_cap(autojump_clock):
    one, two = FakeUpstream(hang(), hang()), FakeUpstream(stream("hi"))
    async with open_race(one, two, on_cancel="unknown", hedge_day_cap_micro=25_000) as world:
        await leave_after(world, 3.0, max_tokens=1_000)
        await world.call(max_tokens=1_000)
        assert outcomes(world) == ["lost", "won"]


@pytest.mark.parametrize("on_cancel", ["stops", "continues"])
async def test_a_hedge_that_fails_after_it_reported_what_it_cost_is_paid_from_the_days_cap(on_cancel, autojump_clock):
    one = FakeUpstream(always=slow_first(20))
    two = FakeUpstream(always=EXPENSIVE_FAILURE)
    async with open_race(one, two, on_cancel=on_cancel, hedge_day_cap_micro=20_000) as world:
        await world.call(max_tokens=10)
        assert outcomes(world) == ["won", "failed"]
        assert attempts(world)[1].cost_micro > 20_000
        world.services.pool.restore([])
        await world.call(max_tokens=10)
        assert denied(world, "day_cap") == 1


async def test_a_hedge_whose_answer_the_client_cuts_is_the_answer_and_no_overhead(autojump_clock):
    one, two = FakeUpstream(always=hang()), FakeUpstream(always=stream("a", "b", first=0.5, gap=30.0))
    async with open_race(one, two, hedge_day_cap_micro=40_000) as world:
        await leave_after(world, 12.0, max_tokens=10)
        assert outcomes(world) == ["lost", "cancelled"]
        lost, cut = attempts(world)
        assert world.services.hedging.spent_micro == lost.cost_micro
        assert cut.cost_micro > 0


# Places and samples ---------------------------------------------------------------------------------------------------


class BreaksWhenClosed(httpx.AsyncBaseTransport):
    """An account whose connections cannot be closed in peace."""

    def __init__(self, inner: FakeUpstream) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        close = response.stream.aclose

        async def broken() -> None:
            await close()
            raise OSError("The socket is gone.")

        response.stream.aclose = broken
        return response


async def test_a_connection_that_cannot_be_closed_keeps_no_place_at_the_account(autojump_clock):
    async with open_world(BreaksWhenClosed(FakeUpstream(stream("hi")))) as world:
        await world.call()
        assert world.services.pool.in_flight() == {}


async def test_two_that_answer_in_the_same_tick_teach_one_time_each(autojump_clock):
    one, two = FakeUpstream(slow_first(10.0)), FakeUpstream(slow_first(2.0))
    async with open_race(one, two) as world:
        await world.call()
        samples = [len(series._samples) for series in world.services.latencies._series.values()]
        assert samples == [1, 1]


# Which calls race -----------------------------------------------------------------------------------------------------


async def test_a_race_that_only_one_account_could_run_is_hedged(autojump_clock):
    one, two = FakeUpstream(hang()), FakeUpstream(stream("from two"))
    async with open_race(one, two, policy="failover", each={"two": {"max_concurrency": 1}}) as world:
        seats = world.services.configuration.served["claude-sonnet-4-6"].seats["messages"]
        occupied = await world.services.pool.lease(seats, "claude-sonnet-4-6", {1})
        world.change_tier(policy="race")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.call)
            await trio.sleep(3)
            occupied.release()
        assert outcomes(world) == ["lost", "won"]


async def test_a_race_of_two_accounts_has_one_loser_by_estimate(autojump_clock):
    one, two = FakeUpstream(slow_first(1)), FakeUpstream(slow_first(2))
    async with open_race(one, two, policy="race", on_cancel="unknown", hedge_cost_cap_micro=20_000) as world:
        await world.call(max_tokens=1_000)
        assert len(outcomes(world)) == 2


async def test_a_call_whose_tools_cannot_be_read_is_the_callers_fault(autojump_clock):
    one, two = FakeUpstream(always=reply("hi")), FakeUpstream()
    async with open_race(one, two) as world:
        inbound = world.inbound("chat", stream=None, tools=[{"type": "function", "strict": "huge"}])
        client = FakeClient()
        unreadable = replace(inbound, body=inbound.body.replace(b'"huge"', b"1e400"))
        await relay(unreadable, client, world.services, client.watch)
        assert client.status == 400


async def test_a_chat_account_that_reports_no_usage_on_streams_is_not_raced(autojump_clock):
    silent = {"options": {"include_usage": False}}
    one, two = FakeUpstream(reply("whole", after=30.0)), FakeUpstream()
    async with open_race(one, two, account=silent) as world:
        await world.call("chat", stream=None)
        assert outcomes(world) == ["won"]


# Overload -------------------------------------------------------------------------------------------------------------


async def test_overload_that_calls_of_another_tier_met_stops_hedging_too(autojump_clock):
    one, two = FakeUpstream(status(529), always=slow_first(20)), FakeUpstream(status(529), always=stream("hi"))
    async with open_race(one, two, policy="failover") as world:
        await world.call()
        assert outcomes(world) == ["failed", "failed"]
        world.services.pool.restore([])
        world.change_tier(policy="hedge")
        await world.call()
        assert outcomes(world) == ["won"]
        assert denied(world, "overloaded") == 1


# Trials after a cool-down ---------------------------------------------------------------------------------------------


async def half_open(world: World) -> None:
    """Account one has cooled down, and the next call tries it out."""
    at = now_ms() - 1_000
    state = Cooldown(at, "rate_limited", 1, True, at - 5_000)
    world.services.pool.restore([KnownState(1, "claude-sonnet-4-6", state, at)])


async def test_an_account_on_trial_that_a_hedge_overtakes_rests_again(autojump_clock):
    one, two = FakeUpstream(always=hang()), FakeUpstream(always=stream("hi"))
    async with open_race(one, two) as world:
        await half_open(world)
        await world.call()
        assert outcomes(world) == ["lost", "won"]
        await world.call()
        assert outcomes(world) == ["won"]
        assert len(one.requests) == 1


async def test_an_account_on_trial_that_loses_a_race_by_a_hair_is_tried_again(autojump_clock):
    one, two = FakeUpstream(always=slow_first(1.0)), FakeUpstream(always=slow_first(0.9))
    three = FakeUpstream(always=slow_first(5.0))
    async with open_race(one, two, three, policy="race") as world:
        await half_open(world)
        await world.call()
        await world.call()
        assert len(one.requests) == 2


async def test_an_account_that_loses_races_by_a_hair_keeps_its_conversations(autojump_clock):
    session = {"metadata": {"user_id": '{"session_id": "0f8fad5b"}'}}
    one = FakeUpstream(slow_first(0.5), always=slow_first(1.0))
    two = FakeUpstream(always=slow_first(0.9))
    async with open_race(one, two, policy="race") as world:
        for _ in range(5):
            await world.call(**session)
        assert [world.books.settlements[at].call.account_id for at in (0, 1, 4)] == [1, 2, 2]
        world.change_tier(policy="failover")
        await world.call(**session)
        assert world.books.last.call.account_id == 1
