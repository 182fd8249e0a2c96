"""Which account takes the next attempt, and what the answers taught.

    bound       the account the conversation is bound to, whatever its priority, even while it drains
    borrowed    the account that stood in for it lately
    priority    the highest, and within it those asked in the client's own dialect first
    two choices of two accounts drawn by weight, the one with fewer attempts in flight for its capacity and weight

Accounts that are cooling, full or draining are passed over. One pool per process: attempts in flight per account, and
cool-downs per account × model, which are mirrored to the database and restored at start.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from random import Random

import trio
from msgspec import Struct

from gateway.clock import now_ms
from gateway.errors import CallError
from gateway.records import Account
from gateway.upstream.cooldown import (
    EVERY_MODEL,
    Cause,
    Cooldown,
    Failure,
    Phase,
    next_state,
    phase_of,
    state_after_success,
    state_key,
    unless_reset,
)
from gateway.upstream.serving import Seat
from gateway.upstream.verdict import nobody_left

Key = tuple[int, str]
BROKE_OFF = Failure(Cause.NETWORK)
OVERTAKEN = Failure(Cause.TIMEOUT)
NOMINAL_CAPACITY = 100
"""How many attempts at once an account without a cap is taken to carry, when accounts are compared."""


class Lease:
    """One attempt's place at an account. Released exactly once, whatever ends the attempt."""

    __slots__ = ("_pool", "_released", "model_id", "probes", "seat")

    def __init__(self, pool: "Pool", seat: Seat, model_id: str, probes: tuple[Key, ...]) -> None:
        self._pool = pool
        self._released = False
        self.seat = seat
        self.model_id = model_id
        self.probes = probes

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._pool.give_back(self)


class KnownState(Struct, frozen=True):
    """A cool-down under its key, on its way to or from the database."""

    account_id: int
    model: str
    state: Cooldown
    changed_at: int


class Pool:
    """Accounts as places where attempts can be made."""

    def __init__(
        self,
        *,
        queue_limit: int = 16,
        queue_timeout_s: float = 10.0,
        random: Callable[[], float] | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`random` gives numbers from 0 to below 1, for the two accounts that are compared; `clock` milliseconds since
        the epoch."""
        self._queue_limit = queue_limit
        self._queue_timeout_s = queue_timeout_s
        self._random = random or Random().random
        self._now_ms = clock
        self._in_flight: dict[int, int] = {}
        self._states: dict[Key, Cooldown] = {}
        self._probing: set[Key] = set()
        self._changed: set[Key] = set()
        self._waiting = 0
        self._freed = trio.Event()

    # Choosing -------------------------------------------------------------------------------------------------------

    async def lease(
        self,
        seats: Sequence[Seat],
        model_id: str,
        tried: Container[int],
        *,
        bound: int | None = None,
        borrowed: int | None = None,
        avoided: int | None = None,
    ) -> Lease | None:
        """A place at the best account not tried yet: the bound one, the one borrowed lately, then by priority, and the
        avoided one last.

        A bound account that is full is not waited for while another has room. Where all healthy accounts are full, wait
        for a place, bounded in time and number. None: nobody is left.
        """
        lease = self._lease_now(seats, model_id, tried, bound, borrowed, avoided)
        if lease is not None or not self._worth_waiting(seats, model_id, tried, bound):
            return lease
        with trio.move_on_after(self._queue_timeout_s):
            while lease is None and self._worth_waiting(seats, model_id, tried, bound):
                await self._wait_for_room()
                lease = self._lease_now(seats, model_id, tried, bound, borrowed, avoided)
        return lease

    def lease_other(self, seats: Sequence[Seat], model_id: str, tried: Container[int]) -> Lease | None:
        """A place for one more attempt beside those tried; None if there is none now. Never at an account that has yet
        to show that it works again: a loser's cancellation would show nothing."""
        free = [seat for seat in self._sound(seats, model_id, tried) if self._has_room(seat.account)]
        return self._take(self._best(free), model_id) if free else None

    def others(self, seats: Sequence[Seat], model_id: str, tried: Container[int]) -> tuple[int, int]:
        """How many accounts `lease_other` may choose from, and how many of them have room now."""
        sound = self._sound(seats, model_id, tried)
        return len(sound), sum(self._has_room(seat.account) for seat in sound)

    def healthy(self, seats: Iterable[Seat], model_id: str, bound: int | None = None) -> list[Seat]:
        """The seats that take the call now. A half-open account takes one at a time; a draining one what is bound to
        it and what it is pinned for."""
        if not self._states:
            return [seat for seat in seats if not seat.account.draining or _belongs(seat, bound)]
        now = self._now_ms()
        return [
            seat
            for seat in seats
            if (not seat.account.draining or _belongs(seat, bound))
            and all(self._passes(key, now) for key in self._keys(seat, model_id))
        ]

    def none_left(self, seats: Sequence[Seat], model_id: str, failures: Sequence[Failure]) -> CallError:
        """The error of a call for which nobody is left."""
        now = self._now_ms()
        waits = [
            (state.reason, (state.until_at - now) / 1000)
            for seat in seats
            for key in self._keys(seat, model_id)
            if (state := self._states.get(key)) is not None and phase_of(state, now) is Phase.COOLING
        ]
        return nobody_left(failures, waits)

    # Learning -------------------------------------------------------------------------------------------------------

    def answered(self, lease: Lease) -> None:
        """The account works: strikes are forgotten."""
        if not self._states:
            return
        now = self._now_ms()
        for key in self._keys(lease.seat, lease.model_id):
            before = self._states.get(key)
            if before is not None:
                self._set(key, state_after_success(before, now))

    def failed(self, lease: Lease, failure: Failure) -> None:
        """The attempt failed in a way that says something about the account."""
        key = state_key(lease.seat.account.id, lease.model_id, failure)
        self._set(key, next_state(self._states.get(key), failure, self._now_ms()))

    def overtaken(self, lease: Lease) -> None:
        """Another answered because this account kept its call waiting. Where the call was to try the account out, it
        rests again: it has not shown that it works, and would be tried out, one call after the other, for ever."""
        now = self._now_ms()
        for key in lease.probes:
            state = self._states.get(key)
            if phase_of(state, now) is Phase.HALF_OPEN:
                self._set(key, next_state(state, OVERTAKEN, now))

    def broke_off(self, lease: Lease) -> None:
        """The account began to answer and did not finish."""
        self.failed(lease, BROKE_OFF)

    def give_back(self, lease: Lease) -> None:
        """Called by the lease, once."""
        account_id = lease.seat.account.id
        self._in_flight[account_id] -= 1
        self._probing.difference_update(lease.probes)
        if self._waiting:
            self._freed.set()
            self._freed = trio.Event()

    # Mirroring ------------------------------------------------------------------------------------------------------

    def adopt(self, accounts: Iterable[Account]) -> None:
        """Follow a new snapshot: forget accounts that are gone, and what the operator reset."""
        reset_at = {account.id: account.reset_at for account in accounts}
        for key in list(self._states):
            kept = unless_reset(self._states[key], reset_at[key[0]]) if key[0] in reset_at else None
            if kept is None:
                self._set(key, None)

    def restore(self, known: Iterable[KnownState]) -> None:
        """Take over the cool-downs of the process before this one."""
        self._states = {(each.account_id, each.model): each.state for each in known}

    def take_changed(self) -> list[KnownState]:
        """States changed since the last time, for the database. One that is over is an empty `Cooldown`."""
        changed, self._changed = self._changed, set()
        now = self._now_ms()
        return [KnownState(*key, self._states.get(key, Cooldown()), now) for key in sorted(changed)]

    def in_flight(self) -> dict[int, int]:
        """Attempts under way per account id."""
        return {account_id: count for account_id, count in self._in_flight.items() if count}

    def cooling(self) -> int:
        """How many accounts and account × model pairs take no calls now."""
        now = self._now_ms()
        return sum(phase_of(state, now) is Phase.COOLING for state in self._states.values())

    # Inside ---------------------------------------------------------------------------------------------------------

    def _lease_now(
        self,
        seats: Sequence[Seat],
        model_id: str,
        tried: Container[int],
        bound: int | None,
        borrowed: int | None,
        avoided: int | None,
    ) -> Lease | None:
        free = [
            seat
            for seat in self.healthy(seats, model_id, bound)
            if seat.account.id not in tried and self._has_room(seat.account)
        ]
        if not free:
            return None
        if len(free) == 1 or (bound is None and borrowed is None and avoided is None):
            return self._take(self._best(free), model_id)
        free = [seat for seat in free if seat.account.id != avoided] or free
        return self._take(self._own(free, bound, borrowed) or self._best(free), model_id)

    def _own(self, free: list[Seat], bound: int | None, borrowed: int | None) -> Seat | None:
        """The conversation's own account. One without a cap has had enough at its nominal capacity, if another has had
        less: a session's many helpers spread."""
        for account_id in (bound, borrowed):
            for seat in free:
                if seat.account.id == account_id:
                    if not self._is_busy(seat) or all(self._is_busy(other) for other in free):
                        return seat
                    break
        return None

    def _is_busy(self, seat: Seat) -> bool:
        account = seat.account
        return self._in_flight.get(account.id, 0) >= (account.max_concurrency or NOMINAL_CAPACITY)

    def _sound(self, seats: Sequence[Seat], model_id: str, tried: Container[int]) -> list[Seat]:
        """The seats not tried yet whose account takes anything: it neither drains nor has to be tried out."""
        now = self._now_ms()
        return [
            seat
            for seat in seats
            if seat.account.id not in tried
            and not seat.account.draining
            and all(phase_of(self._states.get(key), now) is Phase.OPEN for key in self._keys(seat, model_id))
        ]

    def _worth_waiting(self, seats: Sequence[Seat], model_id: str, tried: Container[int], bound: int | None) -> bool:
        """A healthy account is merely full, and not too many wait already."""
        return self._waiting < self._queue_limit and any(
            seat.account.id not in tried for seat in self.healthy(seats, model_id, bound)
        )

    @staticmethod
    def _keys(seat: Seat, model_id: str) -> tuple[Key, Key]:
        return (seat.account.id, EVERY_MODEL), (seat.account.id, model_id)

    def _passes(self, key: Key, now: int) -> bool:
        phase = phase_of(self._states.get(key), now)
        return phase is Phase.OPEN or (phase is Phase.HALF_OPEN and key not in self._probing)

    def _has_room(self, account: Account) -> bool:
        return account.max_concurrency is None or self._in_flight.get(account.id, 0) < account.max_concurrency

    def _best(self, seats: list[Seat]) -> Seat:
        """Seats come in order of priority, within it without translation first; among equals the less loaded of two
        that are drawn by weight."""
        first = seats[0]
        if len(seats) == 1:
            return first
        priority, dialect = first.account.priority, first.dialect
        equals = [seat for seat in seats if seat.account.priority == priority and seat.dialect == dialect]
        if len(equals) == 1:
            return first
        one = self._draw(equals)
        equals.remove(one)
        other = equals[0] if len(equals) == 1 else self._draw(equals)
        return other if self._load(other) < self._load(one) else one

    def _draw(self, seats: list[Seat]) -> Seat:
        """One of them at random, as often as its weight says."""
        weights = [seat.account.weight for seat in seats]
        point = self._random() * sum(weights)
        for seat, weight in zip(seats, weights, strict=True):
            point -= weight
            if point < 0:
                return seat
        return seats[-1]

    def _load(self, seat: Seat) -> float:
        """Attempts in flight for capacity and weight."""
        account = seat.account
        capacity = account.max_concurrency or NOMINAL_CAPACITY
        return self._in_flight.get(account.id, 0) / (capacity * account.weight)

    def _take(self, seat: Seat, model_id: str) -> Lease:
        account_id = seat.account.id
        self._in_flight[account_id] = self._in_flight.get(account_id, 0) + 1
        if not self._states:
            return Lease(self, seat, model_id, ())
        now = self._now_ms()
        probes = tuple(
            key for key in self._keys(seat, model_id) if phase_of(self._states.get(key), now) is Phase.HALF_OPEN
        )
        self._probing.update(probes)
        return Lease(self, seat, model_id, probes)

    async def _wait_for_room(self) -> None:
        self._waiting += 1
        try:
            await self._freed.wait()
        finally:
            self._waiting -= 1

    def _set(self, key: Key, state: Cooldown | None) -> None:
        if state is None:
            self._states.pop(key, None)
        else:
            self._states[key] = state
        self._changed.add(key)


def _belongs(seat: Seat, bound: int | None) -> bool:
    """The call is this account's to finish, draining or not."""
    return seat.pinned or seat.account.id == bound
