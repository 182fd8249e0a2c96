"""What a simulated account remembers: cached prompts, stored responses. Bounded; gone with the process."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct

from gateway.records import Usage

TimeToLive = Literal["5m", "1h", "30m", "12h"]

_SECONDS = {"5m": 300, "1h": 3_600, "30m": 1_800, "12h": 43_200}
_MOST_PREFIXES = 4_096
_MOST_RESPONSES = 1_000
_MOST_RESPONSE_BYTES = 64 * 1024 * 1024


class Part(Struct, frozen=True):
    """A stretch of a prompt: its bytes, its tokens, and how long the prefix that ends with it is to be cached."""

    data: bytes
    tokens: int
    cache: TimeToLive | None = None


class PromptCache:
    """Prefixes of prompts by digest. Unlike the vendors' it takes prompts of any length, so that it can be seen."""

    def __init__(self) -> None:
        self._expiry: OrderedDict[bytes, float] = OrderedDict()

    def read(self, scope: str, parts: Sequence[Part], now_s: float) -> Usage:
        """Tokens of the prompt by bucket: the longest known prefix is read, what lies between it and the last
        breakpoint written, the rest is plain input. `scope` (a model, a cache key) separates callers' caches."""
        digest = hashlib.sha256(scope.encode())
        last = max((number for number, part in enumerate(parts) if part.cache is not None), default=-1)
        position = known = 0
        breakpoints: list[tuple[int, bytes, TimeToLive]] = []
        for number, part in enumerate(parts):
            digest.update(len(part.data).to_bytes(8, "big") + part.data)
            position += part.tokens
            if number > last:
                continue
            # A conversation's marker moves on with each turn: what it marked before lies in between now.
            name = digest.copy().digest()
            if self._expiry.get(name, 0.0) > now_s:
                known = position
            if part.cache is not None:
                breakpoints.append((position, name, part.cache))
        written = dict.fromkeys(_SECONDS, 0)
        start = known
        for end, name, cache in breakpoints:
            if end > start:
                written[cache] += end - start
                start = end
            self._remember(name, now_s + _SECONDS[cache])
        return Usage(
            input_tokens=position - start,
            cache_read_tokens=known,
            cache_write_5m_tokens=written["5m"],
            cache_write_1h_tokens=written["1h"],
            cache_write_30m_tokens=written["30m"],
            cache_write_12h_tokens=written["12h"],
        )

    def _remember(self, name: bytes, expires_s: float) -> None:
        self._expiry[name] = expires_s
        self._expiry.move_to_end(name)
        while len(self._expiry) > _MOST_PREFIXES:
            self._expiry.popitem(last=False)


class Stored(Struct, frozen=True):
    """A response as it was answered, and the items that led to it, each with an id."""

    response: dict[str, Any]
    input_items: list[dict[str, Any]]
    size: int


class Responses:
    """Stored responses by id; the oldest go when there are 1,000 or 64 MiB of them."""

    def __init__(self) -> None:
        self._stored: OrderedDict[str, Stored] = OrderedDict()
        self._size = 0

    def put(self, stored: Stored) -> None:
        self._stored[stored.response["id"]] = stored
        self._size += stored.size
        while len(self._stored) > _MOST_RESPONSES or (self._size > _MOST_RESPONSE_BYTES and len(self._stored) > 1):
            _, oldest = self._stored.popitem(last=False)
            self._size -= oldest.size

    def get(self, response_id: str) -> Stored | None:
        return self._stored.get(response_id)

    def newest_first(self) -> Iterator[Stored]:
        return reversed(self._stored.values())

    def forget(self, response_id: str) -> bool:
        stored = self._stored.pop(response_id, None)
        self._size -= stored.size if stored else 0
        return stored is not None
