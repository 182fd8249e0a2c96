"""Many raced calls at providers on real sockets, ended at random moments, and what must be left of them: the books.

The relay, the race and the transports are the gateway's own, in this process; clients are objects. Everything runs in
real time, so what happens is random in its order too: a seed alone does not repeat a run.
"""

import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import trio

from gateway.errors import CallError
from gateway.records import Attempt, DialectName, RacePolicy, Settlement
from gateway.settlement import attempt_cost, charge
from gateway.store.jobs import FinishDrain
from gateway.upstream.drains import DrainLimits
from gateway.upstream.transport import TrioTransport
from tests.fakes import Act, Asked
from tests.fakes.content import Tokens
from tests.fakes.server import FakeServer, serve_fake
from tests.fakes.stage import Answer
from tests.fakes.verbs import (
    cut_after,
    error_in_200,
    error_midway,
    garbage,
    hang,
    hang_after,
    refuse,
    slow_first,
    status,
    stream,
)
from tests.faults.harness import eventually
from tests.relay.world import CATALOG, FakeClient, World, open_world

OPENING_MICRO = 1_000_000_000_000
Habit = Literal["stops", "continues", "unknown"]
HABITS: tuple[Habit, ...] = ("stops", "continues", "unknown")
DIALECTS: tuple[DialectName, ...] = ("messages", "chat", "responses")
CLIENTS = 24
ESTABLISHED = "01"


class Sockets(World):
    """A world whose accounts `one`, `two`, `three` are at `fakes`."""

    fakes: tuple[FakeServer, ...]
    transports: tuple[TrioTransport, ...]


@asynccontextmanager
async def open_sockets(
    *answers: Answer, policy: RacePolicy = "race", habits: tuple[Habit, ...] = HABITS, **more: Any
) -> AsyncIterator[Sockets]:
    """A provider per answer, which it gives to every request; `habits` are their accounts' `on_cancel`."""
    async with AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(serve_fake(always=answer)) for answer in answers]
        transports = [TrioTransport() for _ in fakes]
        each = {
            name: {"base_url": fake.url, "on_cancel": habit}
            for name, fake, habit in zip(("one", "two", "three"), fakes, habits, strict=False)
        }
        rules = {
            "hedge_share_percent": 100,
            "hedge_day_cap_micro": OPENING_MICRO,
            "hedge_cost_cap_micro": OPENING_MICRO,
        }
        world = await stack.enter_async_context(
            open_world(*transports, each=each, balance_micro=OPENING_MICRO, **(rules | more))
        )
        world.__class__ = Sockets
        world.fakes, world.transports = tuple(fakes), tuple(transports)
        world.change_tier(policy=policy)
        yield world


# What the system sees of a provider's connections ---------------------------------------------------------------------


def connected(fake: FakeServer) -> int:
    """Connections at the provider's end whose other end is open: neither FIN nor RST has come (/proc/net/tcp)."""
    with open("/proc/net/tcp") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    return sum(line[1].endswith(f":{fake.port:04X}") and line[3] == ESTABLISHED for line in lines)


def connected_still(fake: FakeServer) -> int:
    """As `connected`, with the whole process held for as long as it takes: a close that had been sent before arrives
    meanwhile, and none that had not can be sent."""
    held_until = time.monotonic() + 1.0
    while (count := connected(fake)) and time.monotonic() < held_until:
        time.sleep(0.001)
    return count


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def living_tasks() -> list[str]:
    """The name of every task of this run."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return sorted(task.name for task in _below(root))


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _below(child)


# A crowd --------------------------------------------------------------------------------------------------------------


class Crowd:
    """Clients that call one after the other. Some leave at a random moment, some are found gone."""

    def __init__(self, world: Sockets, seed: int) -> None:
        self.refused: Counter[str] = Counter()
        self._world = world
        self._random = random.Random(seed)
        self._left = 0

    async def make(self, calls: int) -> None:
        self._left = calls
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(self._client)

    async def _client(self) -> None:
        while self._left:
            self._left -= 1
            await self._call()

    async def _call(self) -> None:
        draw, world = self._random, self._world
        # Cool-downs would soon have every call refused.
        world.services.pool.restore(())
        dialect = draw.choice(DIALECTS)
        limit = "max_output_tokens" if dialect == "responses" else "max_tokens"
        client = FakeClient(gone_after=draw.choice((None, None, None, None, 0, 1)))
        leaves = draw.random() < 0.3
        async with trio.open_nursery() as nursery:
            if leaves:
                nursery.start_soon(_leave, client, draw.uniform(0, 0.04))
            try:
                await world.call(
                    dialect, client=client, stream=draw.random() < 0.6 or None, **{limit: draw.choice((64, 1500))}
                )
            except CallError as error:
                self.refused[error.code] += 1
            nursery.cancel_scope.cancel()


async def _leave(client: FakeClient, after_s: float) -> None:
    await trio.sleep(after_s)
    client.leave()


def moody(seed: int) -> Answer:
    """A provider that mostly answers, at its own pace, and otherwise fails in every way there is."""
    draw = random.Random(seed)

    def answer(asked: Asked) -> Act:
        first, gap = draw.uniform(0, 0.02), draw.choice((0, 0.002, 0.01))
        if draw.random() < 0.7:
            tokens = Tokens(input=draw.randint(1, 2000), output=draw.randint(1, 900))
            return stream("a ", "b ", "c ", first=first, gap=gap, tokens=tokens)
        return draw.choice(
            (
                slow_first(0.05),
                status(429, after=first, retry_after=5),
                status(500, after=first),
                status(400, after=first),
                garbage(),
                refuse(),
                error_in_200(500),
                error_midway(1, status=500, gap=gap),
                cut_after(draw.randint(0, 2), gap=gap, clean=draw.random() < 0.5),
                hang(),
                hang_after(draw.randint(0, 2), gap=gap),
            )
        )

    return answer


async def soak(calls: int, seed: int) -> Counter[str]:
    """So many calls, raced and hedged ones; then, that nothing is left of them but sound books. How attempts ended."""
    timeouts = {"first_byte_timeout_s": 0.1, "chunk_timeout_s": 0.1, "slice_tokens": 256}
    async with open_sockets(moody(seed), moody(seed + 1), moody(seed + 2), **timeouts) as world:
        world.change_tier(model_policies={"gpt-*": "hedge"})
        world.services.drains.limits = DrainLimits(most=6, seconds=0.2, bytes=4_000)
        files, tasks = open_files(), living_tasks()
        crowd = Crowd(world, seed)
        await crowd.make(calls)
        await eventually(lambda: len(world.services.drains) == 0)
        for transport in world.transports:
            await transport.aclose()
        await eventually(lambda: all(fake.connections_open == 0 for fake in world.fakes))
        await eventually(lambda: living_tasks() == tasks)
        assert open_files() == files
        check_nothing_held(world)
        assert len(world.books.settlements) + crowd.refused.total() == calls
        return check_books(world)


def check_nothing_held(world: Sockets) -> None:
    services = world.services
    assert len(services.open_calls) == 0
    assert (world.wallet.held_micro, services.wallets.held()) == (0, {})
    assert services.pool.in_flight() == {}
    assert services.pool._probing == set()
    assert len(services.gates) == 0
    assert services.ledger.pending == 0
    assert all(fake.open_exchanges == 0 for fake in world.fakes)


def check_books(world: Sockets) -> Counter[str]:
    """Every call's customer paid for its winner, the operator for every attempt. How attempts ended."""
    drained = {
        (job.attempt.call_id, job.attempt.number): job.attempt
        for job in world.books.jobs
        if isinstance(job, FinishDrain)
    }
    outcomes: Counter[str] = Counter()
    charged_micro = 0
    for settlement in world.books.settlements:
        final = [drained.get((each.call_id, each.number), each) for each in settlement.attempts]
        _check_call(world, settlement, final)
        outcomes.update(attempt.outcome for attempt in final)
        outcomes["read on"] += sum(attempt.outcome == "draining" for attempt in settlement.attempts)
        charged_micro += settlement.charge_micro or 0
    assert world.wallet.balance_micro == OPENING_MICRO - charged_micro
    assert len({each.call.id for each in world.books.settlements}) == len(world.books.settlements)
    return outcomes


def _check_call(world: Sockets, settlement: Settlement, final: list[Attempt]) -> None:
    call = settlement.call
    configuration = world.services.configuration
    [price] = [each for each in CATALOG.models[call.model].prices if each.version == call.price_version]
    seats = {seat.account.id: seat for seat in configuration.served[call.model].seats[call.dialect]}
    assert call.upstream_cost_micro == sum(attempt.cost_micro for attempt in settlement.attempts)
    assert all(each.cost_micro == attempt_cost(each.usage, seats[each.account_id], price) for each in final)
    assert not {"open", "draining"} & {attempt.outcome for attempt in final}
    assert call.cost_micro == charge(call.usage, price, 10_000)
    assert settlement.charge_micro == (None if call.usage_basis == "none" else call.cost_micro)
    winners = [attempt for attempt in final if attempt.outcome == "won"]
    assert len(winners) <= 1
    if call.outcome == "completed":
        assert [winner.usage for winner in winners] == [call.usage]
