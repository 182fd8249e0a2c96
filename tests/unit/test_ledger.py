"""Waiting for a commit, on virtual time."""

from collections.abc import Callable

import pytest
import trio

from gateway.billing.ledger import Ledger
from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.records import Call, Settlement
from gateway.store.jobs import Job

Done = Callable[[BaseException | None], None]


class SlowWriter:
    """Acknowledges when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Done] = []

    def submit(self, job: Job, done: Done) -> None:
        self.waiting.append(done)


def settlement() -> Settlement:
    call = Call("req_1", 1, 1, "all", "chat", "m", "m", False, now_ms())
    return Settlement(call, [], 1)


async def test_an_overdue_commit_is_an_error_within_a_second_of_its_bound(nursery, autojump_clock):
    ledger = Ledger(SlowWriter())
    nursery.start_soon(ledger.retry_failed)
    began = trio.current_time()
    with pytest.raises(Unavailable):
        await ledger.settle(settlement()).wait(5)
    assert 5 <= trio.current_time() - began <= 6.1
    assert not ledger.healthy


async def test_an_overdue_commit_that_arrives_makes_the_ledger_well_again(nursery, autojump_clock):
    writer = SlowWriter()
    ledger = Ledger(writer)
    nursery.start_soon(ledger.retry_failed)
    with pytest.raises(Unavailable):
        await ledger.settle(settlement()).wait(1)
    writer.waiting.pop()(None)
    await trio.sleep(0.1)
    assert ledger.healthy
    assert ledger.pending == 0


async def test_a_failed_commit_is_tried_again_until_it_is_on_disk(nursery, autojump_clock):
    writer = SlowWriter()
    ledger = Ledger(writer)
    nursery.start_soon(ledger.retry_failed)
    ledger.settle(settlement())
    writer.waiting.pop()(OSError("disk full"))
    await trio.sleep(1.5)
    assert len(writer.waiting) == 1
    writer.waiting.pop()(None)
    await trio.sleep(0.1)
    assert ledger.healthy


async def test_a_commit_made_before_it_is_waited_for_costs_no_wait(autojump_clock):
    writer = SlowWriter()
    commit = Ledger(writer).settle(settlement())
    writer.waiting.pop()(None)
    await trio.sleep(0.1)
    began = trio.current_time()
    await commit.wait(5)
    assert trio.current_time() == began
