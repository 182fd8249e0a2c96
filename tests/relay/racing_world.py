"""What tests of races have in common: a world whose tier hedges or races, and the books of its last call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.catalog import Catalog
from gateway.records import Attempt, RacePolicy
from gateway.settlement import attempt_cost
from gateway.store.jobs import FinishDrain
from tests.fakes.upstream import FakeUpstream
from tests.relay.world import CATALOG, MODELS, World, open_world

COLD_DELAY_S = 8.0
CATALOG_OF_TESTS: Catalog = CATALOG


@asynccontextmanager
async def open_race(
    *fakes: FakeUpstream, policy: RacePolicy = "hedge", on_cancel: str = "stops", **more: Any
) -> AsyncIterator[World]:
    """Accounts `one`, `two`, … under a policy. Nothing has been learned of them, so a hedge waits 8 s."""
    account = {"on_cancel": on_cancel} | more.pop("account", {})
    async with open_world(*fakes, account=account, **more) as world:
        world.change_tier(policy=policy)
        yield world


def attempts(world: World) -> list[Attempt]:
    """The attempts of the call settled last, as the database has them once its drains have ended."""
    found = {attempt.number: attempt for attempt in world.books.last.attempts}
    for job in world.books.jobs:
        if isinstance(job, FinishDrain) and job.attempt.call_id == world.books.last.call.id:
            found[job.attempt.number] = job.attempt
    return [found[number] for number in sorted(found)]


def outcomes(world: World) -> list[str]:
    return [attempt.outcome for attempt in attempts(world)]


def reasons(world: World) -> list[str]:
    return [attempt.reason for attempt in attempts(world)]


def check_money(world: World) -> None:
    """The customer paid the winner's receipt; the operator's cost is the sum of the attempts', each at list price."""
    settlement = world.books.last
    call = settlement.call
    assert call.upstream_cost_micro == sum(attempt.cost_micro for attempt in settlement.attempts)
    price = world.services.configuration.price(CATALOG.models[call.model], call.started_at)
    seats = world.services.configuration.served[call.model].seats[call.dialect]
    for attempt in attempts(world):
        seat = next(seat for seat in seats if seat.account.id == attempt.account_id)
        assert attempt.cost_micro == attempt_cost(attempt.usage, seat, price)
        assert attempt.outcome != "open"


__all__ = ["COLD_DELAY_S", "MODELS", "attempts", "check_money", "open_race", "outcomes", "reasons"]
