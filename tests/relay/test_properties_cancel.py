"""A call may be ended from outside at any of its waits. Wherever that happens, it is settled exactly once.

Each test runs a call over and over: first it is ended when it waits for the first time, then the second, and so on,
until it was over before.
"""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.errors import Unavailable
from gateway.store.jobs import Job, Settle
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import Act, cut_after, hang, reply, slow_first, status, stream
from tests.relay.world import DOLLAR, Books, FakeClient, World, open_world

LONGEST_S = 120.0
TERMINAL = b"event: message_stop"


class LateBooks(Books):
    """Commits what has come in every 10 ms, so that calls wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Settle, Callable[[BaseException | None], None]]] = []

    def submit(self, job: Job, done: Callable[[BaseException | None], None]) -> None:
        if isinstance(job, Settle):
            self._waiting.append((job, done))
        else:
            super().submit(job, done)

    async def write(self) -> None:
        while True:
            await trio.sleep(0.01)
            waiting, self._waiting = self._waiting, []
            for job, done in waiting:
                super().submit(job, done)


class EndAtWait(trio.abc.Instrument):
    """Does `end` the moment the watched task has begun to wait for the `number`-th time."""

    def __init__(self, number: int, end: Callable[[], None]) -> None:
        self.task: trio.lowlevel.Task | None = None
        self.done = False
        self._left = number
        self._end = end

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self._left -= 1
            if self._left == 0:
                self.done = True
                self._end()


def in_virtual_time(main: Callable[..., Any], *arguments: Any) -> Any:
    return trio.run(main, *arguments, clock=MockClock(autojump_threshold=0))


async def ended_at(number: int, acts: tuple[Act, ...], how: str, streamed: bool) -> bool:
    """Run one call and end it at its `number`-th wait. False if it had fewer."""
    fakes = [FakeUpstream(act) for act in acts]
    books = LateBooks()
    async with open_world(*fakes, books=books) as world, trio.open_nursery() as nursery:
        nursery.start_soon(books.write)
        client = FakeClient()
        outside = trio.CancelScope()
        instrument = EndAtWait(number, lambda: end_call(how, world, client, outside))
        trio.lowlevel.add_instrument(instrument)
        with trio.move_on_after(LONGEST_S) as bound, outside:
            instrument.task = trio.lowlevel.current_task()
            await world.call(client=client, stream=streamed)
        trio.lowlevel.remove_instrument(instrument)
        await trio.sleep(1)
        if not instrument.done:
            nursery.cancel_scope.cancel()
            return False
        assert not bound.cancelled_caught
        check_books(world, client)
        nursery.cancel_scope.cancel()
    return True


def end_call(how: str, world: World, client: FakeClient, outside: trio.CancelScope) -> None:
    if how == "the client leaves":
        client.leave()
    elif how == "the gateway stops at once":
        outside.cancel()
    else:
        for call in world.services.open_calls:
            call.cut(Unavailable("The gateway is stopping."))


def check_books(world: World, client: FakeClient) -> None:
    """One settlement if the call was begun; its charge is what left the wallet; what it says is what happened."""
    world.check_settled()
    assert world.services.ledger.pending == 0
    assert world.services.gates.inside(world.caller.label) == 0
    begun = any(upstream.requests for upstream in world.upstreams.values())
    settlements = world.books.settlements
    assert len(settlements) <= 1
    assert len(settlements) == 1 or not begun
    charged_micro = sum(each.charge_micro or 0 for each in settlements)
    assert world.wallet.balance_micro == 10 * DOLLAR - charged_micro
    for each in settlements:
        assert each.charge_micro in (None, each.call.cost_micro)
        assert each.call.upstream_cost_micro == sum(attempt.cost_micro for attempt in each.attempts)
        if TERMINAL in client.body:
            assert each.call.outcome == "completed"


CALLS = {
    "streamed": ((stream("one ", "two ", "three", gap=0.1),), True),
    "whole": ((reply("hi", after=0.1),), False),
    "failing over": ((status(529, after=0.1), stream("one ", "two ", gap=0.1)), True),
    "failing over, whole": ((status(500), reply("hi", after=0.1)), False),
    "broken": ((cut_after(2, gap=0.1),), True),
    "slow": ((slow_first(15),), True),
    "nobody left": ((status(500), status(529)), True),
}
HOW = ("the client leaves", "the gateway stops at once", "the call is cut")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_ended_at_any_wait_is_settled_once(name: str, how: str) -> None:
    acts, streamed = CALLS[name]
    waits = 0
    while in_virtual_time(ended_at, waits + 1, acts, how, streamed):
        waits += 1
    assert waits >= 3


@pytest.mark.parametrize("how", HOW)
def test_a_call_whose_provider_hangs_ends_when_it_is_told_to(how: str) -> None:
    for number in range(1, 4):
        in_virtual_time(ended_at, number, (hang(),), how, True)


@pytest.mark.parametrize("how", HOW)
def test_a_call_ended_in_the_moment_its_commit_comes(how: str) -> None:
    async def one_call() -> None:
        books = Books()
        books.held_back = []
        client, outside = FakeClient(), trio.CancelScope()

        async def call() -> None:
            with outside:
                await world.call(client=client)

        async with open_world(FakeUpstream(stream("hi")), books=books) as world, trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(1)
            acknowledge = books.held_back.pop()
            end_call(how, world, client, outside)
            acknowledge(None)
            await trio.sleep(1)
            world.check_settled()
            assert world.services.ledger.pending == 0

    # Which of the two the loop sees first is chance.
    for _ in range(12):
        in_virtual_time(one_call)
