"""When a call may have more than one account at work: the policy of its tier, asked for one call at a time."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Protocol

import structlog
import trio
from msgspec import Struct

from gateway.catalog import Price
from gateway.clock import now_ms
from gateway.observe.metrics import Metrics
from gateway.records import AttemptReason, RacePolicy, Tier, Usage
from gateway.settlement import attempt_cost
from gateway.upstream.hedging import Denial, Hedging, Question
from gateway.upstream.latency import Latencies
from gateway.upstream.pool import Lease, Pool
from gateway.upstream.race import Policy
from gateway.upstream.serving import Seat

TYPICAL_OUTPUT_TOKENS = 1_024
"""What an upstream that goes on after a cancellation is taken to write, for the estimate of what a loser costs."""

logger = structlog.get_logger(__name__)


class Asked(Struct, frozen=True):
    """What a policy looks at in a call.

    `cached_prompt` says that the prompt's beginning may be in a provider's cache, `warm` at which account it is;
    `bound_state` that the call refers to what only one account can read.
    """

    call_id: str
    model_id: str
    seats: tuple[Seat, ...]
    input_tokens: int
    most_output_tokens: int
    price: Price | None
    bound_state: bool = False
    cached_prompt: bool = False
    warm: Callable[[int], bool] = lambda account_id: False


class Knowledge(Protocol):
    """What a policy knows beside the call: `gateway.services.Services`."""

    @property
    def pool(self) -> Pool: ...
    @property
    def latencies(self) -> Latencies: ...
    @property
    def hedging(self) -> Hedging: ...
    @property
    def metrics(self) -> Metrics: ...


def policy_named(tier: Tier, model_id: str) -> RacePolicy:
    """The tier's policy for a model: the first glob that matches, or else the tier's own."""
    for glob, policy in tier.model_policies.items():
        if fnmatchcase(model_id, glob):
            return policy
    return tier.policy


def policy_of(named: RacePolicy, asked: Asked, knowledge: Knowledge) -> Policy | None:
    """How this call's accounts are tried; None: one after the other."""
    if named == "failover" or len(asked.seats) < 2:
        return None
    if named == "race":
        at_once = _AllAtOnce(asked, knowledge)
        if at_once.permitted():
            return at_once
    knowledge.hedging.counted(trio.current_time())
    return _Hedge(asked, knowledge)


class _Racing:
    """What the two policies have in common: a question about one more account."""

    def __init__(self, asked: Asked, knowledge: Knowledge) -> None:
        self._asked = asked
        self._knowledge = knowledge

    def _question(self, tried: set[int], *, accounts: int, losers: int, cold_cache: bool) -> Question:
        asked = self._asked
        healthy, with_room = self._knowledge.pool.others(asked.seats, asked.model_id, tried)
        return Question(
            model_id=asked.model_id,
            account_free=healthy >= accounts,
            slot_free=with_room >= accounts,
            estimated_micro=losers * max(self._estimate(seat) for seat in asked.seats),
            cold_cache=cold_cache,
            bound_state=asked.bound_state,
        )

    def _estimate(self, seat: Seat) -> int:
        """What losing at this account would cost."""
        asked = self._asked
        stops = seat.account.on_cancel == "stops"
        written = 0 if stops else min(asked.most_output_tokens, TYPICAL_OUTPUT_TOKENS)
        return attempt_cost(Usage(input_tokens=asked.input_tokens, output_tokens=written), seat, asked.price)

    def _permitted(self, denial: Denial | None) -> bool:
        if denial is None:
            return True
        self._knowledge.metrics.hedge_denied(denial.value)
        logger.debug("hedge_denied", call_id=self._asked.call_id, model=self._asked.model_id, reason=denial.value)
        return False

    def _take(self, tried: set[int], reason: AttemptReason) -> tuple[Lease, AttemptReason] | None:
        lease = self._knowledge.pool.lease_other(self._asked.seats, self._asked.model_id, tried)
        if lease is None:
            return None
        self._knowledge.metrics.hedge_sent(self._asked.model_id)
        return lease, reason


class _Hedge(_Racing):
    """A second account joins when the first has kept everybody waiting for longer than it usually does."""

    def __init__(self, asked: Asked, knowledge: Knowledge) -> None:
        super().__init__(asked, knowledge)
        self._decided = False
        self._primary_id = 0

    def wait_s(self, latest: Lease) -> float | None:
        if self._decided:
            return None
        asked = self._asked
        self._primary_id = latest.seat.account.id
        delay_s = self._knowledge.latencies.delay_s(self._primary_id, asked.model_id, asked.input_tokens)
        self._knowledge.metrics.hedge_delay(delay_s)
        return delay_s

    def another(self, tried: set[int]) -> tuple[Lease, AttemptReason] | None:
        self._decided = True
        asked, hedging, now = self._asked, self._knowledge.hedging, trio.current_time()
        cold_cache = asked.cached_prompt and asked.warm(self._primary_id)
        question = self._question(tried, accounts=1, losers=1, cold_cache=cold_cache)
        if not self._permitted(hedging.denied(question, now, now_ms())):
            return None
        joining = self._take(tried, "hedge")
        if joining is not None:
            hedging.sent(now)
        return joining


class _AllAtOnce(_Racing):
    """Every account that may starts together, up to the width; for small prompts that nobody has in a cache."""

    def permitted(self) -> bool:
        """Whether the call may be raced. One that may not is hedged instead."""
        asked, hedging = self._asked, self._knowledge.hedging
        width = min(hedging.rules().race_width, len(asked.seats))
        question = self._question(set(), accounts=2, losers=width - 1, cold_cache=False)
        return self._permitted(
            hedging.race_denied(question, asked.input_tokens, asked.cached_prompt, trio.current_time(), now_ms())
        )

    def wait_s(self, latest: Lease) -> float | None:
        return 0.0

    def another(self, tried: set[int]) -> tuple[Lease, AttemptReason] | None:
        if len(tried) >= self._knowledge.hedging.rules().race_width:
            return None
        return self._take(tried, "race")
