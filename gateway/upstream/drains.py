"""Attempts that lost and are read to their end, because their upstream goes on billing whether somebody listens or not.

One nursery per process, which outlives calls; how many may drain, for how long and how much they may send is bounded.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from msgspec import Struct

from gateway.records import Account


class DrainLimits(Struct, frozen=True):
    """How many attempts may drain at once, and what each may take."""

    most: int = 32
    seconds: float = 60.0
    bytes: int = 16 * 1024 * 1024


class Drains:
    """The nursery of draining attempts. `nursery` ends with the process, and everything in it."""

    def __init__(self, nursery: trio.Nursery, limits: DrainLimits | None = None) -> None:
        self.nursery = nursery
        self.limits = limits or DrainLimits()
        self._draining: list[trio.CancelScope] = []

    def __len__(self) -> int:
        return len(self._draining)

    def may_take(self, account: Account) -> bool:
        """True where an attempt at this account is drained rather than cancelled when it loses."""
        return account.on_cancel == "continues" and self.limits.most > 0

    def take(self, account: Account, scope: trio.CancelScope) -> bool:
        """Let the attempt under `scope` go on for a while. False where it should be cancelled instead."""
        if not self.may_take(account) or len(self._draining) >= self.limits.most:
            return False
        scope.deadline = trio.current_time() + self.limits.seconds
        self._draining.append(scope)
        return True

    def ended(self, scope: trio.CancelScope) -> None:
        """The attempt under `scope` drains no longer, if it did."""
        if scope in self._draining:
            self._draining.remove(scope)


@asynccontextmanager
async def open_drains(limits: DrainLimits | None = None) -> AsyncIterator[Drains]:
    """Leaving it cancels what still drains; the attempts stay at their upper bounds."""
    async with trio.open_nursery() as nursery:
        try:
            yield Drains(nursery, limits)
        finally:
            nursery.cancel_scope.cancel()
