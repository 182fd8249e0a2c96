"""Which account takes the next attempt. Accounts are named by their ids; the random draw is told what to give."""

from collections import Counter
from random import Random
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from gateway.records import Account
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.pool import KnownState, Lease, Pool
from gateway.upstream.serving import Seat, pinned_to

MODEL = "claude-opus-5-5"
REFUSED = Failure(Cause.RATE_LIMITED, retry_after_s=30)


def seat(number: int, **fields: Any) -> Seat:
    return Seat(Account(number, f"account {number}", "simulated", "", **fields), MODEL, "messages")


def equal_seats(count: int, **fields: Any) -> tuple[Seat, ...]:
    return tuple(seat(number, **fields) for number in range(1, count + 1))


@pytest.fixture
def pool() -> Pool:
    return Pool(random=Random(7).random)


async def take(pool: Pool, seats: tuple[Seat, ...], *tried: int, **kept: int | None) -> Lease:
    lease = await pool.lease(seats, MODEL, set(tried), **kept)
    assert lease is not None
    return lease


def id_of(lease: Lease | None) -> int | None:
    return None if lease is None else lease.seat.account.id


async def fill(pool: Pool, one: Seat, attempts: int) -> list[Lease]:
    return [await take(pool, (one,)) for _ in range(attempts)]


async def cool(pool: Pool, one: Seat) -> None:
    lease = await take(pool, (one,))
    pool.failed(lease, REFUSED)
    lease.release()


# Affinity -----------------------------------------------------------------------------------------------------------


async def test_the_bound_account_comes_before_a_higher_priority(pool: Pool) -> None:
    seats = (seat(1, priority=5), seat(2), seat(3))
    assert id_of(await take(pool, seats)) == 1
    assert id_of(await take(pool, seats, bound=3)) == 3


async def test_a_bound_account_that_does_not_serve_the_model_is_passed_over(pool: Pool) -> None:
    assert id_of(await take(pool, (seat(1, priority=5), seat(2)), bound=9)) == 1


async def test_a_bound_account_that_cools_lends_the_call_to_another(pool: Pool) -> None:
    seats = equal_seats(2)
    await cool(pool, seats[1])
    assert id_of(await take(pool, seats, bound=2)) == 1


async def test_while_the_bound_account_cools_the_one_borrowed_before_goes_on(pool: Pool) -> None:
    seats = (seat(1, priority=5), seat(2), seat(3))
    await cool(pool, seats[1])
    assert id_of(await take(pool, seats, bound=2, borrowed=3)) == 3


async def test_a_full_bound_account_is_not_waited_for(pool: Pool) -> None:
    seats = equal_seats(2, max_concurrency=2)
    await fill(pool, seats[1], 2)
    assert id_of(await take(pool, seats, bound=2)) == 1


async def test_a_session_with_many_helpers_spreads_when_its_account_has_its_hands_full(pool: Pool) -> None:
    seats = equal_seats(3)
    taken = Counter([id_of(await take(pool, seats, bound=1)) for _ in range(150)])
    assert taken[1] == 100
    assert taken[2] + taken[3] == 50


async def test_when_all_have_their_hands_full_the_bound_account_takes_more(pool: Pool) -> None:
    seats = equal_seats(2)
    await fill(pool, seats[0], 100)
    await fill(pool, seats[1], 100)
    assert id_of(await take(pool, seats, bound=2)) == 2


async def test_after_it_was_tried_the_bound_account_is_not_asked_again(pool: Pool) -> None:
    assert id_of(await take(pool, equal_seats(2), 2, bound=2)) == 1


async def test_an_avoided_account_comes_last_whatever_its_priority(pool: Pool) -> None:
    seats = (seat(1, priority=5), seat(2, max_concurrency=1))
    assert [id_of(await take(pool, seats, avoided=1)) for _ in range(2)] == [2, 1]


# Draining -----------------------------------------------------------------------------------------------------------


async def test_a_draining_account_takes_nothing_new(pool: Pool) -> None:
    assert id_of(await take(pool, (seat(1, priority=5, draining=True), seat(2)))) == 2
    assert await pool.lease((seat(1, draining=True),), MODEL, set()) is None


async def test_a_draining_account_finishes_the_conversations_it_has(pool: Pool) -> None:
    assert id_of(await take(pool, (seat(1), seat(2, draining=True)), bound=2)) == 2


async def test_a_draining_account_answers_for_what_only_it_keeps(pool: Pool) -> None:
    seats = pinned_to((seat(1), seat(2, draining=True)), 2)
    assert id_of(await take(pool, seats)) == 2


# Headroom -----------------------------------------------------------------------------------------------------------


async def test_calls_that_do_not_overlap_are_shared_by_weight(pool: Pool) -> None:
    seats = (seat(1, weight=3), seat(2, weight=1))
    taken: Counter[int | None] = Counter()
    for _ in range(2_000):
        lease = await take(pool, seats)
        taken[id_of(lease)] += 1
        lease.release()
    assert 1_400 < taken[1] < 1_600


async def test_calls_that_overlap_are_shared_by_capacity_and_weight(pool: Pool) -> None:
    seats = (seat(1, max_concurrency=60), seat(2, max_concurrency=20), seat(3, max_concurrency=10, weight=2))
    taken = Counter([id_of(await take(pool, seats)) for _ in range(50)])
    assert taken[1] > taken[2] > 5
    assert taken[3] >= 5


async def test_of_two_accounts_drawn_the_one_with_more_room_is_taken(pool: Pool) -> None:
    seats = equal_seats(2, max_concurrency=10)
    await fill(pool, seats[0], 3)
    assert {id_of(await take(pool, seats)) for _ in range(3)} == {2}


async def test_a_lower_priority_is_used_only_when_the_higher_is_full(pool: Pool) -> None:
    seats = (seat(1, priority=5, max_concurrency=2), seat(2))
    assert [id_of(await take(pool, seats)) for _ in range(3)] == [1, 1, 2]


async def test_where_all_are_full_the_call_waits_for_a_place(
    pool: Pool, autojump_clock: trio.testing.MockClock
) -> None:
    seats = equal_seats(2, max_concurrency=1)
    (first,) = await fill(pool, seats[0], 1)
    await fill(pool, seats[1], 1)

    async def end_soon() -> None:
        await trio.sleep(3)
        first.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_soon)
        assert id_of(await take(pool, seats, bound=2)) == 1
    assert trio.current_time() == pytest.approx(3, abs=0.01)


# One more beside the first ------------------------------------------------------------------------------------------


async def test_another_account_is_one_not_tried_with_room(pool: Pool) -> None:
    seats = (seat(1, priority=9), seat(2, priority=8, max_concurrency=1), seat(3))
    await fill(pool, seats[1], 1)
    assert id_of(pool.lease_other(seats, MODEL, {1})) == 3
    assert pool.lease_other(seats, MODEL, {1, 3}) is None


async def test_whether_there_is_another_and_whether_it_has_room(pool: Pool) -> None:
    seats = (seat(1), seat(2, max_concurrency=1))
    assert pool.others(seats, MODEL, {1}) == (1, 1)
    await fill(pool, seats[1], 1)
    assert pool.others(seats, MODEL, {1}) == (1, 0)
    assert pool.others(seats, MODEL, {1, 2}) == (0, 0)


@pytest.mark.parametrize("state", ["draining", "cooling", "half open"])
async def test_no_second_attempt_is_made_at_an_account_that_is(pool: Pool, state: str) -> None:
    other = seat(2, draining=state == "draining")
    if state == "cooling":
        await cool(pool, other)
    elif state == "half open":
        await half_open(pool, other)
    assert pool.lease_other((seat(1), other), MODEL, {1}) is None
    assert pool.others((seat(1), other), MODEL, {1}) == (0, 0)


async def half_open(pool: Pool, one: Seat) -> None:
    await cool(pool, one)
    (known,) = pool.take_changed()
    restore(pool, known, until_at=known.changed_at - 1)


def restore(pool: Pool, known: KnownState, *, until_at: int) -> None:
    """Take the cool-down over from another process, with another end."""
    pool.restore([replace(known, state=replace(known.state, until_at=until_at))])


# Recovery -----------------------------------------------------------------------------------------------------------


async def test_after_its_cool_down_an_account_gets_one_real_call_at_a_time(pool: Pool) -> None:
    seats = equal_seats(2)
    await half_open(pool, seats[0])
    probe = await take(pool, seats, bound=1)
    assert id_of(probe) == 1
    assert id_of(await take(pool, seats, bound=1)) == 2
    pool.answered(probe)
    probe.release()
    assert [id_of(await take(pool, seats, bound=1)) for _ in range(2)] == [1, 1]


async def test_a_call_that_was_cancelled_proves_nothing_and_the_next_one_tries(pool: Pool) -> None:
    seats = equal_seats(1)
    await half_open(pool, seats[0])
    (await take(pool, seats)).release()
    probe = await take(pool, seats)
    assert probe.probes
    assert await pool.lease(seats, MODEL, set()) is None


async def test_a_reset_ends_every_cool_down(pool: Pool) -> None:
    one = seat(1)
    await cool(pool, one)
    assert await pool.lease((one,), MODEL, set()) is None
    pool.adopt([Account(1, "account 1", "simulated", "", reset_at=9_999_999_999_999)])
    assert id_of(await take(pool, (one,))) == 1


async def test_a_restored_cool_down_that_ends_too_far_from_now_is_over(pool: Pool) -> None:
    await cool(pool, seat(1))
    (known,) = pool.take_changed()
    restore(pool, known, until_at=known.state.until_at + 86_400_000)
    assert id_of(await take(pool, (seat(1),))) == 1
