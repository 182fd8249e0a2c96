"""Wall time, and the ids that carry it. Durations never come from here: they are `trio.current_time()`."""

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def now_ms() -> int:
    """Milliseconds since the Unix epoch, UTC. Every `_at` in the product is one of these."""
    return time.time_ns() // 1_000_000


def new_id(prefix: str) -> str:
    """`prefix` and 26 Crockford base32 characters: 50 bits of time in milliseconds, then 80 random bits.

    Ids made later sort later (to the millisecond), so a listing by id is a listing by time.
    """
    value = (now_ms() << 80) | int.from_bytes(os.urandom(10), "big")
    pairs = _PAIRS
    return prefix + "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])
