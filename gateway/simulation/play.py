"""Calls on a virtual clock. Pool, race, delays and budgets are the gateway's own; the accounts are made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from logging import CRITICAL
from random import Random
from typing import Literal

import structlog
import trio
from msgspec import Struct
from trio.testing import MockClock

from gateway.catalog import Price, Rates
from gateway.errors import CallError
from gateway.observe.metrics import Metrics
from gateway.racing import Asked, policy_of
from gateway.records import Account, AttemptReason, RacePolicy, Usage
from gateway.settlement import attempt_cost, lost
from gateway.simulation.figures import Outcome
from gateway.simulation.weather import Answer, Scenario, answer_of
from gateway.upstream.attempt import AttemptFailed
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.drains import Drains, open_drains
from gateway.upstream.hedging import Denial, Hedging, Rules
from gateway.upstream.latency import Latencies
from gateway.upstream.pool import Lease, Pool
from gateway.upstream.race import Ending, Tries, failover, race
from gateway.upstream.serving import Seat

MODEL = "simulated"
FIRST_BYTE_TIMEOUT_S = 600.0

# A day of 2027: budgets of a day hold for the whole simulation.
_STARTED_AT = 1_800_000_000_000
_CAUSES = {429: Cause.RATE_LIMITED, 529: Cause.OVERLOADED, 504: Cause.TIMEOUT}


class Traffic(Struct, frozen=True):
    """What is asked of the accounts. `rate` is calls a second, arriving at random."""

    calls: int = 2_000
    rate: float = 2.0
    accounts: int = 4
    concurrency: int | None = None
    on_cancel: Literal["stops", "continues", "unknown"] = "unknown"
    input_tokens: int = 1_500
    output_tokens: int = 400
    tokens_per_second: float = 80.0
    rates: Rates = Rates(3_000_000, 15_000_000)
    seed: int = 1


def simulate(scenario: Scenario, policy: RacePolicy, traffic: Traffic, rules: Rules) -> Outcome:
    """Play the scenario under one policy, as fast as it can be computed. The same arguments give the same outcome."""
    with _without_logs():
        return trio.run(_play, scenario, policy, traffic, rules, clock=MockClock(autojump_threshold=0))


async def _play(scenario: Scenario, policy: RacePolicy, traffic: Traffic, rules: Rules) -> Outcome:
    async with open_drains() as drains:
        world = _World(scenario, policy, traffic, rules, drains)
        arrivals = Random(traffic.seed)
        async with trio.open_nursery() as nursery:
            for number in range(traffic.calls):
                await trio.sleep(arrivals.expovariate(traffic.rate))
                nursery.start_soon(world.call, number)
    world.count_denied()
    return world.outcome


@dataclass(frozen=True)
class _Knowledge:
    """What the policies know beside the call."""

    pool: Pool
    latencies: Latencies
    hedging: Hedging
    metrics: Metrics


class _World:
    """One run: its accounts, what the gateway has learned of them, and the figures so far."""

    def __init__(self, scenario: Scenario, policy: RacePolicy, traffic: Traffic, rules: Rules, drains: Drains) -> None:
        self.scenario = scenario
        self.traffic = traffic
        self.outcome = Outcome(policy)
        self.price = Price("", 0, traffic.rates)
        self.known = _Knowledge(
            Pool(random=Random(traffic.seed).random, clock=wall_ms),
            Latencies(),
            Hedging(lambda: rules, at=_STARTED_AT),
            Metrics(),
        )
        self._policy = policy
        self._drains = drains
        self._seats = tuple(_seat(place, traffic) for place in range(traffic.accounts))

    async def call(self, number: int) -> None:
        """One call, from its arrival to the end of its answer."""
        traffic, began = self.traffic, trio.current_time()
        self.outcome.calls += 1
        asked = Asked(
            call_id=f"req_{number}",
            model_id=MODEL,
            seats=self._seats,
            input_tokens=traffic.input_tokens,
            most_output_tokens=traffic.output_tokens,
            price=self.price,
        )
        tries = Tries(self.known.pool, self._seats, MODEL, on_failure=self._learn)
        policy = policy_of(self._policy, asked, self.known)
        begin = partial(_Attempt, self, number, tries)
        try:
            if policy is None:
                winner = await failover(tries, lambda lease, reason: begin(lease, reason).run())
            else:
                winner = await race(tries, begin, policy, self._drains)
        except CallError:
            return
        self.outcome.waits_s.append(trio.current_time() - began)
        await winner.answer_whole()

    def _learn(self, account_id: int, failure: Failure) -> None:
        self.known.hedging.failed(MODEL, account_id, failure, trio.current_time())

    def count_denied(self) -> None:
        """How many second attempts were denied, by reason."""
        registry = self.known.metrics.registry
        for denial in Denial:
            times = registry.get_sample_value("trigate_hedges_denied_total", {"reason": denial.value})
            if times:
                self.outcome.denied[denial.value] = int(times)


class _Attempt:
    """An attempt at a simulated account: an entrant of the gateway's race."""

    def __init__(self, world: _World, number: int, tries: Tries, lease: Lease, reason: AttemptReason) -> None:
        self._world = world
        self._lease = lease
        self._reason = reason
        self._began = trio.current_time()
        self._lost_micro: int | None = None
        self._answered = False
        # The first attempt of a call draws the same numbers under every policy, and so does the second.
        chance = Random((world.traffic.seed << 40) + (number << 8) + len(tries.tried))
        self._answer: Answer = answer_of(world.scenario, chance, lease.seat.account.id - 1, self._began)
        world.outcome.extra += reason in ("hedge", "race")
        world.outcome.retries += reason == "failover"

    async def run(self) -> "_Attempt":
        answer = self._answer
        if answer.seconds > FIRST_BYTE_TIMEOUT_S:
            answer = Answer(FIRST_BYTE_TIMEOUT_S, 504)
        await trio.sleep(answer.seconds)
        if answer.status != 200:
            raise AttemptFailed(
                Failure(_CAUSES[answer.status], retry_after_s=answer.retry_after_s, status=answer.status)
            )
        self._answered = True
        self._world.known.latencies.observe(*self._key, answer.seconds)
        return self

    def end(self, how: Ending) -> None:
        world, traffic = self._world, self._world.traffic
        if not self._answered:
            world.known.latencies.censored(*self._key, trio.current_time() - self._began)
        stops = self._lease.seat.account.on_cancel == "stops"
        usage, _ = lost(None, 0, traffic.input_tokens, traffic.output_tokens, stops=stops)
        self._lost_micro = self._cost(usage)
        world.outcome.lost_micro += self._lost_micro
        world.known.hedging.spent(self._lost_micro, _STARTED_AT)

    async def drain(self) -> None:
        await self._rest()

    async def aclose(self) -> None:
        self._lease.release()

    async def answer_whole(self) -> None:
        """This one won: the client reads its answer to the end."""
        world, traffic = self._world, self._world.traffic
        world.known.hedging.succeeded()
        world.outcome.extra_won += self._reason in ("hedge", "race")
        usage = Usage(input_tokens=traffic.input_tokens, output_tokens=traffic.output_tokens)
        world.outcome.won_micro += self._cost(usage)
        await self._rest()
        await self.aclose()

    async def _rest(self) -> None:
        await trio.sleep(self._world.traffic.output_tokens / self._world.traffic.tokens_per_second)

    def _cost(self, usage: Usage) -> int:
        return attempt_cost(usage, self._lease.seat, self._world.price)

    @property
    def _key(self) -> tuple[int, str, int]:
        return self._lease.seat.account.id, MODEL, self._world.traffic.input_tokens


def wall_ms() -> int:
    """The virtual clock as milliseconds since the epoch."""
    return _STARTED_AT + round(trio.current_time() * 1000)


def _seat(place: int, traffic: Traffic) -> Seat:
    account = Account(
        id=place + 1,
        name=f"account {place + 1}",
        kind="simulated",
        base_url="",
        max_concurrency=traffic.concurrency,
        on_cancel=traffic.on_cancel,
    )
    return Seat(account, MODEL, "messages")


@contextmanager
def _without_logs() -> Iterator[None]:
    """The gateway's own log lines of thousands of made-up calls tell nobody anything."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
