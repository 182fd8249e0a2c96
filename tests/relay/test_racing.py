"""Several accounts at work for one call: who answers, when the second starts, what becomes of the others."""

import pytest
import trio

from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import (
    cut_after,
    error_in_200,
    error_midway,
    garbage,
    hang,
    hang_after,
    refuse,
    reply,
    slow_first,
    status,
    stream,
)
from tests.relay.racing_world import attempts, check_money, open_race, outcomes, reasons
from tests.relay.world import FakeClient


async def test_a_slow_account_gets_company_and_the_company_answers(autojump_clock):
    one, two = FakeUpstream(hang()), FakeUpstream(stream("from two"))
    async with open_race(one, two) as world:
        client = await world.call()
        assert b"from two" in client.body
        assert client.pieces[-1][0] == pytest.approx(8.0)
        assert outcomes(world) == ["lost", "won"]
        assert reasons(world) == ["first", "hedge"]
        world.check_settled()
        check_money(world)


async def test_a_55_second_hedge(autojump_clock):
    one, two = FakeUpstream(slow_first(70.0)), FakeUpstream(slow_first(47.0, "after 55 s"))
    async with open_race(one, two) as world:
        started = trio.current_time()
        client = await world.call()
        answered = next(at for at, data in client.pieces if b"after 55 s" in data)
        assert answered - started == pytest.approx(55.0)
        assert one.exchanges[0].closed_at == answered
        world.check_settled()


async def test_an_account_that_answers_in_time_stays_alone(autojump_clock):
    one, two = FakeUpstream(slow_first(7.9, "in time")), FakeUpstream()
    async with open_race(one, two) as world:
        client = await world.call()
        assert b"in time" in client.body
        assert not two.exchanges
        assert outcomes(world) == ["won"]


async def test_the_first_account_may_win_after_all(autojump_clock):
    one, two = FakeUpstream(slow_first(9.0, "late but first")), FakeUpstream(slow_first(5.0))
    async with open_race(one, two) as world:
        client = await world.call()
        assert b"late but first" in client.body
        assert b"late" not in client.body.replace(b"late but first", b"")
        assert outcomes(world) == ["won", "lost"]
        world.check_settled()
        check_money(world)


async def test_the_losers_connection_is_closed_before_the_answer_goes_out(autojump_clock):
    one = FakeUpstream(slow_first(60.0))
    two = FakeUpstream(stream("a", "b", gap=1.0))
    async with open_race(one, two) as world:
        closed_before: list[bool] = []

        class Watching(FakeClient):
            async def send(self, data: bytes) -> None:
                closed_before.append(not one.open)
                await super().send(data)

        await world.call(client=Watching())
        assert closed_before
        assert all(closed_before)


async def test_two_that_answer_in_the_same_tick_are_one_winner_and_one_loser(autojump_clock):
    one, two = FakeUpstream(slow_first(10.0, "same")), FakeUpstream(slow_first(2.0, "same"))
    async with open_race(one, two) as world:
        client = await world.call()
        assert client.body.count(b'"same"') == 1
        assert sorted(outcomes(world)) == ["lost", "won"]
        world.check_settled()
        check_money(world)


async def test_a_failure_before_the_hedge_moves_on_at_once(autojump_clock):
    one, two = FakeUpstream(status(500, after=1.0)), FakeUpstream(stream("from two"))
    async with open_race(one, two) as world:
        client = await world.call()
        assert client.pieces[-1][0] == pytest.approx(1.0)
        assert outcomes(world) == ["failed", "won"]
        assert reasons(world) == ["first", "failover"]


async def test_both_fail_and_a_third_answers(autojump_clock):
    one, two = FakeUpstream(status(500, after=9.0)), FakeUpstream(status(529, after=3.0))
    three = FakeUpstream(stream("from three"))
    async with open_race(one, two, three) as world:
        client = await world.call()
        assert b"from three" in client.body
        assert client.pieces[-1][0] == pytest.approx(11.0)
        assert reasons(world) == ["first", "hedge", "failover"]
        assert outcomes(world) == ["failed", "failed", "won"]


async def test_all_fail(autojump_clock):
    one, two = FakeUpstream(status(500, after=9.0)), FakeUpstream(status(529, after=1.5))
    async with open_race(one, two) as world:
        client = await world.call()
        assert client.status == 529
        assert outcomes(world) == ["failed", "failed"]
        assert world.books.last.charge_micro is None
        world.check_settled()
        check_money(world)


@pytest.mark.parametrize(
    "act",
    [error_in_200(529), garbage(), cut_after(0), hang_after(0), error_midway(0), refuse(), status(429)],
    ids=["an error in a 200", "garbage", "a cut", "silence", "an error event", "a refusal", "429"],
)
async def test_what_is_no_answer_never_wins(act, autojump_clock):
    one, two = FakeUpstream(slow_first(20.0, "the answer")), FakeUpstream(act)
    async with open_race(one, two) as world:
        client = await world.call()
        assert b"the answer" in client.body
        assert outcomes(world)[0] == "won"
        world.check_settled()
        check_money(world)


async def test_the_callers_own_fault_at_a_hedge_does_not_end_the_first(autojump_clock):
    one, two = FakeUpstream(slow_first(20.0, "the answer")), FakeUpstream(status(400, message="bad for two"))
    async with open_race(one, two) as world:
        client = await world.call()
        assert b"the answer" in client.body
        assert outcomes(world) == ["won", "failed"]


async def test_the_callers_own_fault_is_told_when_nobody_else_is_at_work(autojump_clock):
    one, two = FakeUpstream(status(400, message="max_tokens: too large")), FakeUpstream()
    async with open_race(one, two) as world:
        client = await world.call()
        assert client.status == 400
        assert not two.exchanges


@pytest.mark.parametrize("at_s", [0.1, 3.0, 8.0, 9.5, 12.0, 13.0])
async def test_a_client_that_leaves_cancels_everything(at_s, autojump_clock):
    one, two = FakeUpstream(slow_first(60.0)), FakeUpstream(stream("a", "b", "c", first=4.0, gap=1.0))
    async with open_race(one, two) as world:
        client = FakeClient()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: world.call(client=client))
            await trio.sleep(at_s)
            client.leave()
        assert world.books.last.call.outcome == "cancelled"
        assert "open" not in outcomes(world)
        world.check_settled()
        check_money(world)


async def test_all_at_once(autojump_clock):
    one, two = FakeUpstream(slow_first(3.0)), FakeUpstream(slow_first(2.0))
    three = FakeUpstream(slow_first(1.0, "fastest"))
    async with open_race(one, two, three, policy="race") as world:
        client = await world.call()
        assert b"fastest" in client.body
        assert outcomes(world) == ["lost", "lost", "won"]
        assert reasons(world) == ["first", "race", "race"]
        world.check_settled()
        check_money(world)


# What losing costs ------------------------------------------------------------------------------------------------


async def test_a_loser_whose_upstream_stops_costs_what_was_seen(autojump_clock):
    one, two = FakeUpstream(slow_first(60.0)), FakeUpstream(stream("b"))
    async with open_race(one, two) as world:
        await world.call()
        loser = attempts(world)[0]
        assert loser.usage_basis == "reported"
        assert loser.usage.input_tokens > 0
        check_money(world)


async def test_a_loser_of_unknown_habits_costs_its_upper_bound(autojump_clock):
    one, two = FakeUpstream(hang()), FakeUpstream(stream("b"))
    async with open_race(one, two, on_cancel="unknown") as world:
        await world.call(max_tokens=700)
        loser = attempts(world)[0]
        assert (loser.outcome, loser.usage_basis, loser.usage.output_tokens) == ("lost", "upper_bound", 700)
        check_money(world)


async def test_a_loser_whose_upstream_goes_on_is_read_to_its_end(autojump_clock):
    one = FakeUpstream(stream("x", "y", first=20.0, gap=1.0, tokens=Tokens(input=50, output=9)))
    two = FakeUpstream(stream("b"))
    async with open_race(one, two, on_cancel="continues") as world:
        client = await world.call(max_tokens=700)
        assert client.pieces[-1][0] == pytest.approx(8.0)
        settled = world.books.last
        assert settled.attempts[0].outcome == "draining"
        assert settled.attempts[0].usage_basis == "upper_bound"
        assert len(world.services.drains) == 1
        await trio.sleep(30)
        drained = attempts(world)[0]
        assert (drained.outcome, drained.usage_basis) == ("lost", "reported")
        assert (drained.usage.input_tokens, drained.usage.output_tokens) == (50, 9)
        assert len(world.services.drains) == 0
        world.check_settled()
        check_money(world)


async def test_a_drain_that_takes_too_long_leaves_the_upper_bound(autojump_clock):
    one, two = FakeUpstream(hang()), FakeUpstream(stream("b"))
    async with open_race(one, two, on_cancel="continues") as world:
        await world.call(max_tokens=700)
        await trio.sleep(61)
        drained = attempts(world)[0]
        assert (drained.outcome, drained.usage_basis, drained.usage.output_tokens) == ("lost", "upper_bound", 700)
        world.check_settled()


async def test_a_drain_that_ends_before_the_call_is_settled_with_it(autojump_clock):
    one = FakeUpstream(stream("x", first=9.0, tokens=Tokens(input=50, output=9)))
    two = FakeUpstream(stream("a", "b", "c", gap=5.0, first=0))
    async with open_race(one, two, on_cancel="continues") as world:
        await world.call()
        assert [attempt.outcome for attempt in world.books.last.attempts] == ["lost", "won"]
        assert world.books.last.attempts[0].usage.output_tokens == 9
        check_money(world)


async def test_a_drain_that_fails_costs_nothing_if_the_upstream_never_began(autojump_clock):
    one, two = FakeUpstream(status(500, after=20.0)), FakeUpstream(stream("b"))
    async with open_race(one, two, on_cancel="continues") as world:
        await world.call()
        await trio.sleep(30)
        assert (attempts(world)[0].outcome, attempts(world)[0].cost_micro) == ("lost", 0)
        world.check_settled()


async def test_the_customer_never_pays_for_losers(autojump_clock):
    one = FakeUpstream(slow_first(60.0))
    two = FakeUpstream(stream("b", tokens=Tokens(input=20, output=3)))
    async with open_race(one, two, on_cancel="unknown") as world:
        await world.call()
        settled = world.books.last
        assert settled.charge_micro == settled.attempts[1].cost_micro
        assert settled.call.upstream_cost_micro > settled.charge_micro


async def test_whole_answers_fail_over(autojump_clock):
    one, two = FakeUpstream(status(500)), FakeUpstream(reply("whole"))
    async with open_race(one, two) as world:
        client = await world.call(stream=None)
        assert b"whole" in client.body
        assert outcomes(world) == ["failed", "won"]


# Whole answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["messages", "chat", "responses"])
async def test_a_whole_answer_is_raced_as_a_stream_and_put_together(dialect, autojump_clock):
    one, two = FakeUpstream(hang()), FakeUpstream(stream("put ", "together", tokens=Tokens(input=20, output=3)))
    async with open_race(one, two) as world:
        client = await world.call(dialect, stream=None)
        assert client.status == 200
        assert b"put together" in client.body
        assert outcomes(world) == ["lost", "won"]
        assert world.books.last.call.usage.output_tokens == 3
        world.check_settled()
        check_money(world)


async def test_a_whole_answer_that_breaks_off_after_it_won_comes_from_another(autojump_clock):
    one, two = FakeUpstream(cut_after(2)), FakeUpstream(reply("from two"))
    async with open_race(one, two) as world:
        client = await world.call(stream=None)
        assert client.status == 200
        assert b"from two" in client.body
        assert outcomes(world) == ["failed", "won"]
        assert world.books.last.call.account_id == 2
        world.check_settled()
        check_money(world)


async def test_what_cannot_be_put_together_fails_over(autojump_clock):
    one, two = FakeUpstream(reply("whole", after=30.0)), FakeUpstream()
    async with open_race(one, two) as world:
        client = await world.call("chat", stream=None, modalities=["text", "audio"])
        assert client.status == 200
        assert outcomes(world) == ["won"]
