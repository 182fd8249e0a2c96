"""Concurrency gates."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.errors import RateLimited
from gateway.limits.gate import Gates


async def hold(gates: Gates, name: str, limit: int | None, seconds: float, log: list[str] | None = None) -> None:
    async with gates.slot(name, limit):
        if log is not None:
            log.append(name)
        await trio.sleep(seconds)


async def test_a_free_slot_is_taken_without_giving_way(autojump_clock: MockClock) -> None:
    gates = Gates()
    with trio.CancelScope() as scope:
        scope.cancel()
        async with gates.slot("key", 1):
            entered = True
    assert entered
    assert not scope.cancelled_caught


async def test_no_more_than_the_limit_run_and_the_others_follow(autojump_clock: MockClock) -> None:
    gates = Gates(wait_s=60)
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(hold, gates, "key", 2, 1.0)
        await wait_all_tasks_blocked()
        assert gates.inside("key") == 2
    assert trio.current_time() - start == pytest.approx(3.0)


async def test_a_full_queue_is_a_429_at_once(autojump_clock: MockClock) -> None:
    gates = Gates(queue=1, wait_s=60)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, gates, "key", 1, 5.0)
        nursery.start_soon(hold, gates, "key", 1, 5.0)
        await wait_all_tasks_blocked()
        with pytest.raises(RateLimited) as refused:
            await gates.enter("key", 1)
        assert refused.value.retry_after_s
        assert trio.current_time() < 1


async def test_a_long_wait_is_a_429_at_its_deadline(autojump_clock: MockClock) -> None:
    gates = Gates(wait_s=2.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, gates, "key", 1, 60.0)
        await wait_all_tasks_blocked()
        before = trio.current_time()
        with pytest.raises(RateLimited):
            await gates.enter("key", 1)
        assert trio.current_time() - before == pytest.approx(2.0)
        nursery.cancel_scope.cancel()
    assert len(gates) == 0


async def test_who_comes_later_does_not_overtake(autojump_clock: MockClock) -> None:
    gates = Gates(wait_s=60)
    order: list[int] = []

    async def call(number: int) -> None:
        await trio.sleep(number / 10)
        async with gates.slot("key", 1):
            order.append(number)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(call, number)
    assert order == [0, 1, 2, 3]


async def test_a_cancelled_waiter_leaves_the_queue(autojump_clock: MockClock) -> None:
    gates = Gates(wait_s=60)
    log: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, gates, "key", 1, 5.0)
        await wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await hold(gates, "key", 1, 0, log)
        nursery.start_soon(hold, gates, "key", 1, 0.0, log)
    assert log == ["key"]
    assert len(gates) == 0


async def test_a_waiter_cancelled_as_it_is_admitted_gives_the_slot_back(autojump_clock: MockClock) -> None:
    gates = Gates(wait_s=60)
    await gates.enter("key", 1)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, gates, "key", 1, 5.0)
            await wait_all_tasks_blocked()
            gates.leave("key")
            scope.cancel()
    assert (gates.inside("key"), len(gates)) == (0, 0)


async def test_an_error_inside_gives_the_slot_back(autojump_clock: MockClock) -> None:
    gates = Gates()
    with pytest.raises(ValueError, match="inside"):
        async with gates.slot("key", 1):
            raise ValueError("inside")
    assert len(gates) == 0


async def test_without_a_limit_a_gate_counts_only(autojump_clock: MockClock) -> None:
    gates = Gates()
    async with gates.slot("account", None), gates.slot("account", None):
        assert gates.inside("account") == 2


async def test_a_raised_limit_lets_those_in_who_wait_already(autojump_clock: MockClock) -> None:
    gates = Gates(wait_s=60)
    log: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, gates, "key", 1, 5.0)
        await wait_all_tasks_blocked()
        nursery.start_soon(hold, gates, "key", 1, 5.0, log)
        await wait_all_tasks_blocked()
        assert log == []
        nursery.start_soon(hold, gates, "key", 3, 5.0, log)
        await wait_all_tasks_blocked()
        assert log == ["key", "key"]


async def test_a_slot_can_be_tried_for_without_waiting(autojump_clock: MockClock) -> None:
    gates = Gates()
    assert gates.try_enter("account", 1)
    assert not gates.try_enter("account", 1)
    gates.leave("account")
    assert gates.try_enter("account", 1)


async def test_a_limit_of_nothing_refuses_at_once(autojump_clock: MockClock) -> None:
    gates = Gates()
    with pytest.raises(RateLimited):
        await gates.enter("account", 0)
    assert len(gates) == 0
