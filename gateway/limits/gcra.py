"""The generic cell rate algorithm: a token bucket that is one number, the theoretical arrival time (TAT).

A bucket of `burst` refills at `rate_per_minute`. Pure: the caller keeps the TAT and brings the time in seconds from
any clock that does not go back. In any span of t seconds it admits at most burst + rate x t / 60.
"""

from typing import NamedTuple

_SLACK_S = 1e-9  # what adding floats may lose; without it the last request of a burst is refused now and then


class Decision(NamedTuple):
    """An answer of the bucket, and the TAT to keep.

    `limit` is the rate per minute, `remaining` what would be admitted right now on top, `reset_s` the time until the
    bucket is full again, `retry_after_s` the time until this same request would be admitted (0 if it was).
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float
    tat: float


def gcra(tat: float, now: float, rate_per_minute: int, burst: int, cost: int = 1) -> Decision:
    """Take `cost` out of the bucket, or say when that will be possible. A fresh bucket has any TAT up to `now`.

    A cost above `burst` is admitted by a full bucket and leaves it in debt: there is no other way to ever serve it.
    """
    interval = 60.0 / rate_per_minute
    backlog = max(0.0, tat - now)
    depth = interval * burst
    wait = backlog + interval * min(cost, burst) - depth
    if wait > _SLACK_S:
        return Decision(False, rate_per_minute, _left(depth - backlog, interval), backlog, wait, now + backlog)
    backlog += interval * cost
    return Decision(True, rate_per_minute, _left(depth - backlog, interval), backlog, 0.0, now + backlog)


def give_back(tat: float, rate_per_minute: int, cost: int) -> float:
    """The TAT after returning `cost` to the bucket; a negative cost takes more out, into debt if need be."""
    return tat - 60.0 / rate_per_minute * cost


def _left(room_s: float, interval: float) -> int:
    return max(0, int((room_s + _SLACK_S) / interval))
