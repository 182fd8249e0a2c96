"""A race by itself: entrants that are ended before they began, and what they leave."""

import pytest
import trio

from gateway.records import Account, AttemptReason
from gateway.upstream.drains import open_drains
from gateway.upstream.pool import Lease, Pool
from gateway.upstream.race import Ending, Tries, race
from gateway.upstream.serving import Seat

MODEL = "claude-sonnet-4-6"


def seats(*habits: str) -> tuple[Seat, ...]:
    return tuple(
        Seat(Account(id=number, name=f"a{number}", kind="simulated", base_url="", on_cancel=habit), MODEL, "messages")
        for number, habit in enumerate(habits, start=1)
    )


class Entrant:
    """Answers one second after it was sent."""

    def __init__(self) -> None:
        self.ended: Ending | None = None
        self.sent_after: Ending | None = None

    async def run(self) -> "Entrant":
        self.sent_after = self.ended
        await trio.sleep(1)
        return self

    def end(self, how: Ending) -> None:
        self.ended = how

    async def drain(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class JoinsAtTheVeryEnd:
    """The second joins in the tick in which the first answers."""

    def __init__(self, pool: Pool, places: tuple[Seat, ...]) -> None:
        self._pool = pool
        self._places = places

    def wait_s(self, latest: Lease) -> float | None:
        return 1.0

    def another(self, tried: set[int]) -> tuple[Lease, AttemptReason] | None:
        lease = self._pool.lease_other(self._places, MODEL, tried)
        return None if lease is None else (lease, "hedge")


@pytest.mark.parametrize("habits", [("stops", "stops"), ("unknown", "continues")])
async def test_an_entrant_that_lost_before_its_first_step_sends_nothing(habits, autojump_clock):
    pool, places = Pool(), seats(*habits)
    lost_unsent = 0
    async with open_drains() as drains:
        # Which of two tasks of one tick is first is a matter of chance.
        for _ in range(40):
            made: list[Entrant] = []

            def begin(lease: Lease, reason: AttemptReason, made: list[Entrant] = made) -> Entrant:
                made.append(Entrant())
                return made[-1]

            tries = Tries(pool, places, MODEL)
            await race(tries, begin, JoinsAtTheVeryEnd(pool, places), drains)
            assert all(each.sent_after is None for each in made)
            lost_unsent += len(made) == 2
    assert lost_unsent
