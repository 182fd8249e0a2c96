"""Concurrency limits: how many calls of a key, or attempts at an account, run at a time.

A full gate has a short queue with a deadline; behind it, and past it, calls are refused. A free slot is taken without
giving way to other tasks, and a gate nobody uses takes no memory.
"""

from collections import deque
from collections.abc import Hashable
from types import TracebackType

import trio

from gateway.errors import RateLimited

QUEUE = 16
WAIT_S = 5.0


class _Gate:
    """`limit` is the latest caller's: an operator who raises it lets those in who wait already."""

    __slots__ = ("inside", "limit", "queue")

    def __init__(self) -> None:
        self.inside = 0
        self.limit: int | None = None
        self.queue: deque[trio.Event] = deque()

    @property
    def has_room(self) -> bool:
        return self.limit is None or self.inside < self.limit

    def admit_waiting(self) -> None:
        """Hand free slots to those who wait, in order. The slot is theirs from here on, before they even wake."""
        while self.queue and self.has_room:
            self.inside += 1
            self.queue.popleft().set()


class Gates:
    """Gates by name, made when they are first used. Belongs to one trio run.

    Cancellation: a slot is left in any case, also by a caller that was cancelled in the moment it was let in.
    """

    def __init__(self, *, queue: int = QUEUE, wait_s: float = WAIT_S) -> None:
        self._queue = queue
        self._wait_s = wait_s
        self._gates: dict[Hashable, _Gate] = {}

    def __len__(self) -> int:
        return len(self._gates)

    def inside(self, name: Hashable) -> int:
        """How many are through the gate now."""
        gate = self._gates.get(name)
        return gate.inside if gate else 0

    def slot(self, name: Hashable, limit: int | None) -> "Slot":
        """`async with gates.slot(name, limit):`. `limit` None counts without limiting, and may differ from call to
        call. Raises RateLimited if the queue is full or the wait too long."""
        return Slot(self, name, limit)

    def try_enter(self, name: Hashable, limit: int | None) -> bool:
        """Take a slot if one is free and nobody waits for it. Whoever got one calls `leave`."""
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gates[name] = _Gate()
        gate.limit = limit
        gate.admit_waiting()
        if gate.has_room:
            gate.inside += 1
            return True
        self._forget(name, gate)
        return False

    def leave(self, name: Hashable) -> None:
        """Give a slot back; the first in the queue has it at once."""
        gate = self._gates[name]
        gate.inside -= 1
        gate.admit_waiting()
        self._forget(name, gate)

    async def enter(self, name: Hashable, limit: int | None) -> None:
        """Take a slot, waiting for it in the queue if need be. Raises RateLimited."""
        if self.try_enter(name, limit):
            return
        gate = self._gates.get(name)
        if gate is None or len(gate.queue) >= self._queue:  # no gate: a limit of 0, and nobody to wait for
            raise _too_many(limit)
        admitted = trio.Event()
        gate.queue.append(admitted)
        try:
            with trio.move_on_after(self._wait_s):
                await admitted.wait()
        except BaseException:
            self._abandon(name, gate, admitted)
            raise
        if not admitted.is_set():
            self._abandon(name, gate, admitted)
            raise _too_many(limit)

    def _abandon(self, name: Hashable, gate: _Gate, admitted: trio.Event) -> None:
        if admitted.is_set():
            self.leave(name)
            return
        gate.queue.remove(admitted)
        self._forget(name, gate)

    def _forget(self, name: Hashable, gate: _Gate) -> None:
        if not gate.inside and not gate.queue:
            self._gates.pop(name, None)


class Slot:
    """One pass through a gate, as a context manager. For one use."""

    __slots__ = ("_gates", "_limit", "_name")

    def __init__(self, gates: Gates, name: Hashable, limit: int | None) -> None:
        self._gates = gates
        self._name = name
        self._limit = limit

    async def __aenter__(self) -> None:
        await self._gates.enter(self._name, self._limit)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._gates.leave(self._name)


def _too_many(limit: int | None) -> RateLimited:
    return RateLimited(
        f"Too many calls at once: {limit} may run at a time, and the queue for the next place is full or too slow.",
        retry_after_s=1.0,
        details={"concurrency": limit},
    )
