"""Reasoning that a client cannot carry, kept for the length of a tool loop.

Chat has no field for Claude's signed thinking blocks, but Claude wants them back, byte for byte, in front of the tool
call they led to. They are kept by the call's id, for the customer, account and model they belong to; in memory only,
bounded in number and in bytes. On a miss the turn goes on without them, as translation lays down.
"""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from gateway.translate.base import Blocks

LIFE_S = 3600.0
MOST_ENTRIES = 10_000
MOST_BYTES = 64 * 1024 * 1024

Key = tuple[int, int, str, str]


class ReasoningStore:
    """Every loop's reasoning, oldest first. `clock` gives seconds that do not go back."""

    def __init__(
        self, clock: Callable[[], float], *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._clock = clock
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, customer_id: int, account_id: int, model_id: str) -> "BoundReasoning":
        """The part of one customer's calls for one model at one account."""
        return BoundReasoning(self, (customer_id, account_id, model_id))

    def get(self, key: Key) -> Blocks | None:
        found = self._entries.get(key)
        if found is None or found[0] <= self._clock():
            return None
        blocks: Blocks = msgspec.json.decode(found[1])
        return blocks

    def put(self, key: Key, blocks: Blocks) -> None:
        self._forget(key)
        encoded = msgspec.json.encode(blocks)
        self._entries[key] = (self._clock() + LIFE_S, encoded)
        self._bytes += len(encoded)
        while self._entries and (len(self._entries) > self._most_entries or self._bytes > self._most_bytes):
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Key) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= len(found[1])


class BoundReasoning:
    """`gateway.translate.base.ReasoningMemory` for one customer, account and model."""

    __slots__ = ("_owner", "_store")

    def __init__(self, store: ReasoningStore, owner: tuple[int, int, str]) -> None:
        self._store = store
        self._owner = owner

    def get(self, call_id: str) -> Blocks | None:
        return self._store.get((*self._owner, call_id))

    def put(self, call_id: str, blocks: Blocks) -> None:
        self._store.put((*self._owner, call_id), blocks)
