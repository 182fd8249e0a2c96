"""Spend limits: what keys and customers may spend in a UTC day and a UTC month.

In memory and single-threaded like the wallets; filled from the roll-ups at start. A call counts from its hold on, and
the charge counts for the day it is made.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from gateway.billing.money import format_usd
from gateway.errors import OutOfCredit
from gateway.records import Customer, Key

_DAY_MS = 86_400_000
Window = Literal["day", "month"]


class _Counter:
    """What one key or customer has spent this day and this month, and holds now."""

    __slots__ = ("day", "held_micro", "month", "spent_day_micro", "spent_month_micro")

    def __init__(self) -> None:
        self.day = -1
        self.month = (0, 0)
        self.spent_day_micro = 0
        self.spent_month_micro = 0
        self.held_micro = 0

    def roll(self, now_ms: int) -> None:
        """Start over where a new day or month has begun. The clock never takes anyone back to yesterday's figures."""
        day = now_ms // _DAY_MS
        if day <= self.day:
            return
        self.day = day
        self.spent_day_micro = 0
        today = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
        if (today.year, today.month) != self.month:
            self.month = (today.year, today.month)
            self.spent_month_micro = 0

    def fits(self, more_micro: int, limits: "_Limits") -> bool:
        """Whether `more_micro` on top of everything spent and held stays within both limits."""
        day_limit, month_limit = limits
        taken = self.held_micro + more_micro
        return (day_limit is None or self.spent_day_micro + taken <= day_limit) and (
            month_limit is None or self.spent_month_micro + taken <= month_limit
        )


_Limits = tuple[int | None, int | None]


class Room(Struct, frozen=True):
    """What one spend limit leaves for a new call, and whose limit it is."""

    whose: str
    window: Window
    limit_micro: int
    spent_micro: int
    held_micro: int
    resets_at: int

    @property
    def micro(self) -> int:
        return self.limit_micro - self.spent_micro - self.held_micro

    def refusal(self) -> OutOfCredit:
        """The 402 that names the limit and the instant it resets."""
        reset = datetime.fromtimestamp(self.resets_at / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        held = f" and {format_usd(self.held_micro)} held by calls in progress" if self.held_micro else ""
        return OutOfCredit(
            f"The spend limit of {self.whose}, {format_usd(self.limit_micro)} a {self.window}, leaves too little for "
            f"this call: {format_usd(self.spent_micro)} spent{held}. It resets at {reset}.",
            details={
                "limit": self.window,
                "limit_micro": self.limit_micro,
                "spent_micro": self.spent_micro,
                "held_micro": self.held_micro,
                "resets_at": reset,
            },
        )


class SpendHold:
    """One open call's part in the counters of its key and its customer. Ends once, by `charge` or `release`."""

    __slots__ = ("_members", "_open", "amount_micro")

    def __init__(self, members: list[tuple[_Counter, _Limits]], amount_micro: int) -> None:
        self._members = members
        self._open = True
        self.amount_micro = amount_micro
        for counter, _ in members:
            counter.held_micro += amount_micro

    def grow_to(self, total_micro: int, now_ms: int) -> bool:
        """Make the hold at least `total_micro`. False, and unchanged, if a limit stands in the way."""
        more = total_micro - self.amount_micro
        if more <= 0:
            return True
        if not self._open:
            return False
        for counter, limits in self._members:
            counter.roll(now_ms)
            if not counter.fits(more, limits):
                return False
        for counter, _ in self._members:
            counter.held_micro += more
        self.amount_micro = total_micro
        return True

    def shrink_to(self, total_micro: int) -> None:
        """Give back what is held above `total_micro`."""
        less = self.amount_micro - max(0, total_micro)
        if self._open and less > 0:
            self.amount_micro -= less
            for counter, _ in self._members:
                counter.held_micro -= less

    def charge(self, cost_micro: int, now_ms: int) -> None:
        """End the hold and count the charge. Raises RuntimeError if the hold has ended."""
        if not self._open:
            raise RuntimeError("This spend hold has already been charged or released.")
        for counter, _ in self._members:
            counter.roll(now_ms)
            counter.spent_day_micro += cost_micro
            counter.spent_month_micro += cost_micro
        self.release()

    def release(self) -> None:
        """End the hold without a charge. Does nothing if it has ended."""
        if self._open:
            self._open = False
            for counter, _ in self._members:
                counter.held_micro -= self.amount_micro


class Spending:
    """Counters of every key and customer that has spent or may."""

    def __init__(self) -> None:
        self._keys: dict[int, _Counter] = {}
        self._customers: dict[int, _Counter] = {}

    def load(
        self, *, keys: Mapping[int, tuple[int, int]], customers: Mapping[int, tuple[int, int]], now_ms: int
    ) -> None:
        """(spent today, spent this month) in micro-dollars by id, from the roll-ups, before the first call."""
        for counters, loaded in ((self._keys, keys), (self._customers, customers)):
            for identity, (day_micro, month_micro) in loaded.items():
                counter = self._counter(counters, identity, now_ms)
                counter.spent_day_micro = day_micro
                counter.spent_month_micro = month_micro

    def open(self, key: Key | None, customer: Customer, amount_micro: int, now_ms: int) -> SpendHold:
        """Count a call in. Raises OutOfCredit naming the limit and the instant it resets."""
        members = self._members(key, customer, now_ms)
        if not all(counter.fits(amount_micro, limits) for counter, limits in members):
            tightest = self.room(key, customer, now_ms)
            if tightest is not None:
                raise tightest.refusal()
        return SpendHold(members, amount_micro)

    def room(self, key: Key | None, customer: Customer, now_ms: int) -> Room | None:
        """The limit that leaves the least for a new call; None where there is no limit."""
        rooms = []
        for whose, (counter, (day_limit, month_limit)) in zip(
            ("this customer", "this key"), self._members(key, customer, now_ms), strict=False
        ):
            if day_limit is not None:
                spent, reset = counter.spent_day_micro, resets_at("day", now_ms)
                rooms.append(Room(whose, "day", day_limit, spent, counter.held_micro, reset))
            if month_limit is not None:
                spent, reset = counter.spent_month_micro, resets_at("month", now_ms)
                rooms.append(Room(whose, "month", month_limit, spent, counter.held_micro, reset))
        return min(rooms, key=lambda room: room.micro, default=None)

    def spent_micro(self, key_id: int, now_ms: int) -> tuple[int, int]:
        """(today, this month) of a key."""
        counter = self._counter(self._keys, key_id, now_ms)
        return counter.spent_day_micro, counter.spent_month_micro

    def _members(self, key: Key | None, customer: Customer, now_ms: int) -> list[tuple[_Counter, _Limits]]:
        """Customer first, then the key if there is one."""
        mine = self._counter(self._customers, customer.id, now_ms)
        members: list[tuple[_Counter, _Limits]] = [(mine, (customer.day_limit_micro, customer.month_limit_micro))]
        if key is not None:
            keys = self._counter(self._keys, key.id, now_ms)
            members.append((keys, (key.day_limit_micro, key.month_limit_micro)))
        return members

    @staticmethod
    def _counter(counters: dict[int, _Counter], identity: int, now_ms: int) -> _Counter:
        counter = counters.get(identity)
        if counter is None:
            counter = counters[identity] = _Counter()
        counter.roll(now_ms)
        return counter


def resets_at(window: Window, now_ms: int) -> int:
    """The next UTC midnight, or the first of the next month, in milliseconds."""
    today = datetime.fromtimestamp(now_ms / 1000, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    later = today + timedelta(days=1) if window == "day" else (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return int(later.timestamp()) * 1000
