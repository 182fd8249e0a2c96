"""How simulated accounts answer: times to first token, refusals, and episodes in which they are worse. Pure."""

from math import log
from random import Random

from msgspec import Struct

PATTERN_S = 600.0
"""Episodes come once in ten minutes, at their end."""


class Shape(Struct, frozen=True):
    """Times to first token of a healthy account: lognormal, with a share of them from a Pareto distribution instead."""

    median_s: float = 0.8
    sigma: float = 0.6
    tail_percent: float = 0.0
    tail_alpha: float = 1.1
    tail_from_s: float = 8.0


class Episode(Struct, frozen=True):
    """A bad time: its length, which accounts it hits (by place; None: all), and what it does to them.

    Times to first token are multiplied by `slower`; of a hundred calls `limited_percent` are refused with 429 and
    `retry_after_s`, `overloaded_percent` with 529.
    """

    lasts_s: float
    accounts: tuple[int, ...] | None = None
    slower: float = 1.0
    limited_percent: float = 0.0
    retry_after_s: float = 5.0
    overloaded_percent: float = 0.0


class Scenario(Struct, frozen=True):
    """A name to type, a sentence, and the weather."""

    name: str
    words: str
    shape: Shape = Shape()
    episode: Episode | None = None


class Answer(Struct, frozen=True):
    """What an attempt comes to: content after `seconds`, or with `status` a refusal after as long."""

    seconds: float
    status: int = 200
    retry_after_s: float | None = None


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("healthy", "every account well, all the time"),
        Scenario("heavy-tail", "one call in thirty-three hangs for 8 s or much longer", Shape(tail_percent=3.0)),
        Scenario("brown-out-one", "the first account ten times slower for 2 of 10 min", episode=Episode(120, (0,), 10)),
        Scenario("brown-out", "every account ten times slower for 1 of 10 min", episode=Episode(60, None, 10)),
        Scenario(
            "rate-limits",
            "half of the accounts refuse 6 of 10 calls with 429 for 2 of 10 min",
            episode=Episode(120, (0, 2, 4, 6), 1.0, limited_percent=60.0),
        ),
        Scenario(
            "overload",
            "every account four times slower, and 3 of 10 calls refused with 529, for 1 of 10 min",
            episode=Episode(60, None, 4.0, overloaded_percent=30.0),
        ),
    )
}

REFUSED_AFTER_S = 0.2


def answer_of(scenario: Scenario, chance: Random, place: int, now_s: float) -> Answer:
    """What an attempt begun now at the account in this place comes to.

    The numbers drawn are the same in every weather, so that policies can be compared call by call.
    """
    shape, episode = scenario.shape, _episode(scenario, place, now_s)
    refusal, tail = chance.random() * 100, chance.random() * 100
    body_s = chance.lognormvariate(log(shape.median_s), shape.sigma)
    tail_s = shape.tail_from_s * chance.paretovariate(shape.tail_alpha)
    if episode is not None and refusal < episode.limited_percent:
        return Answer(REFUSED_AFTER_S, 429, episode.retry_after_s)
    if episode is not None and refusal < episode.limited_percent + episode.overloaded_percent:
        return Answer(REFUSED_AFTER_S, 529)
    seconds = tail_s if tail < shape.tail_percent else body_s
    return Answer(seconds if episode is None else seconds * episode.slower)


def _episode(scenario: Scenario, place: int, now_s: float) -> Episode | None:
    episode = scenario.episode
    if episode is None or (episode.accounts is not None and place not in episode.accounts):
        return None
    return episode if now_s % PATTERN_S >= PATTERN_S - episode.lasts_s else None
