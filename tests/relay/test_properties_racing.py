"""Whatever accounts do and whenever a raced call ends: one settlement, at most one winner, exact money."""

from collections.abc import Callable

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import (
    Act,
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
from tests.relay.racing_world import attempts, check_money, open_race
from tests.relay.test_properties_cancel import HOW, end_call, in_virtual_time
from tests.relay.world import FakeClient, World

AFTER_EVERY_DRAIN_S = 90.0


class EndAtStep(trio.abc.Instrument):
    """Does `end` after the `number`-th step that any task of the run takes, and then watches no more."""

    def __init__(self, number: int, end: Callable[[], None]) -> None:
        self.left = number
        self._end = end

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self._end()


def check_over(world: World) -> None:
    """One settlement of what was begun, at most one winner, and nobody's connection, place or money left."""
    world.check_settled()
    assert len(world.services.drains) == 0
    assert world.services.ledger.pending == 0
    settlements = world.books.settlements
    assert len(settlements) <= 1
    charged_micro = sum(each.charge_micro or 0 for each in settlements)
    assert world.wallet.balance_micro == 10_000_000 - charged_micro
    if settlements:
        made = attempts(world)
        assert sum(attempt.outcome == "won" for attempt in made) <= 1
        assert not {"open", "draining"} & {attempt.outcome for attempt in made}
        check_money(world)


async def ended_at(number: int, acts: tuple[Act, ...], on_cancel: str, how: str, policy: str, streamed: bool) -> bool:
    """Run one raced call and end it after its `number`-th step. False if it had fewer."""
    async with open_race(*(FakeUpstream(act) for act in acts), policy=policy, on_cancel=on_cancel) as world:
        client, outside = FakeClient(), trio.CancelScope()
        instrument = EndAtStep(number, lambda: end_call(how, world, client, outside))
        trio.lowlevel.add_instrument(instrument)
        with outside:
            await world.call(client=client, stream=streamed or None)
        trio.lowlevel.remove_instrument(instrument)
        await trio.sleep(AFTER_EVERY_DRAIN_S)
        check_over(world)
    return instrument.left <= 0


RACES = {
    "the hedge wins": ((slow_first(60), stream("one ", "two ", gap=0.1)), True),
    "the first wins": ((slow_first(9), slow_first(30)), True),
    "the first is silent": ((hang(), stream("one ", "two ", gap=0.1)), True),
    "the same tick": ((slow_first(10, "same"), slow_first(2, "same")), True),
    "both fail": ((status(500, after=9), status(529, after=2)), True),
    "whole": ((hang(), reply("hi", after=0.1)), False),
    "whole, broken after the win": ((cut_after(2, gap=0.1), reply("hi", after=0.1)), False),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("on_cancel", ["stops", "continues"])
@pytest.mark.parametrize("name", RACES)
def test_a_raced_call_ended_at_any_step_of_any_task_is_settled_once(name: str, on_cancel: str, how: str) -> None:
    acts, streamed = RACES[name]
    steps = 0
    while in_virtual_time(ended_at, steps + 1, acts, on_cancel, how, "hedge", streamed):
        steps += 1
    assert steps >= 10


SECONDS = st.sampled_from([0.0, 0.3, 2.0, 7.9, 8.0, 8.1, 12.0, 30.0])
ACTS = st.one_of(
    st.builds(
        lambda first, gap, output: stream("a ", "b ", "c ", first=first, gap=gap, tokens=Tokens(output=output)),
        SECONDS,
        st.sampled_from([0.0, 0.5, 20.0]),
        st.integers(0, 900),
    ),
    st.builds(lambda after: reply("whole", after=after), SECONDS),
    st.builds(lambda code, after: status(code, after=after), st.sampled_from([400, 401, 429, 500, 529]), SECONDS),
    st.builds(slow_first, SECONDS),
    st.sampled_from([hang(), hang_after(0), hang_after(2), refuse(), garbage(), error_in_200(529), error_midway(1)]),
    st.builds(lambda pieces, clean: cut_after(pieces, gap=0.2, clean=clean), st.integers(0, 3), st.booleans()),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    acts=st.lists(ACTS, min_size=2, max_size=4),
    policy=st.sampled_from(["hedge", "race"]),
    habits=st.sampled_from(["stops", "continues", "unknown"]),
    streamed=st.booleans(),
    leaves_at=st.one_of(st.none(), SECONDS),
    dialect=st.sampled_from(["messages", "chat", "responses"]),
)
def test_any_race_leaves_exact_books_and_nothing_else(acts, policy, habits, streamed, leaves_at, dialect) -> None:
    async def one_call() -> None:
        fakes = [FakeUpstream(act, always=status(500)) for act in acts]
        async with open_race(*fakes, policy=policy, on_cancel=habits) as world:
            client = FakeClient()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: world.call(dialect, client=client, stream=streamed or None))
                if leaves_at is not None:
                    await trio.sleep(leaves_at)
                    client.leave()
            await trio.sleep(AFTER_EVERY_DRAIN_S)
            check_over(world)
            assert len(world.books.settlements) == 1

    in_virtual_time(one_call)
