"""Whether a second account may be asked now: gates, budgets and a throttle. Pure; every instant is an argument.

A hedge costs the operator money and the pool a place, so each of these must hold, in this order:

| denied by     | because                                                                                       |
|---------------|-----------------------------------------------------------------------------------------------|
| overloaded    | two accounts answered 529 for this model within 30 s: for the 30 s after, more calls make it worse |
| no_account    | no other healthy account serves the model                                                     |
| no_slot       | the others are all at their concurrency                                                       |
| cost_cap      | the loser would cost more than `hedge_cost_cap_micro`                                         |
| cold_cache    | the prompt is cached at the first account and would be read, and paid, in full at the second  |
| bound_state   | the call refers to what only the first account can read                                       |
| minute_budget | max(`hedge_least_per_minute`, `hedge_share_percent` of the calls) were sent within a minute   |
| day_cap       | what racing has cost this UTC day, with this one, passes `hedge_day_cap_micro`                |
| throttled     | too many hedges for too few answers                                                           |

The throttle is gRPC's (proposal A6): a bucket of 10 tokens, a hedge takes one, an answered call gives 0.1 back, and
nothing is sent while 5 or fewer are left. It stops a burst of hedges within a second, which the minute would let pass.

A `race` asks several at once, on purpose: minute and throttle do not apply, and the prompt must be small (large_prompt)
and not cached anywhere.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from gateway.settings import Settings
from gateway.upstream.cooldown import Cause, Failure

MINUTE_S = 60.0
TOKENS = 10.0
TOKENS_A_SUCCESS = 0.1
STOPPED_AT = TOKENS / 2
OVERLOADED_ACCOUNTS = 2
OVERLOADED_S = 30.0

_DAY_MS = 86_400_000
_MOST_MODELS = 1_000
# Ten times 0.1 added up is a little less or more than 1.
_EPSILON = 1e-9


class Denial(StrEnum):
    """Why no second account is asked: the label of a metric, and a word in the log."""

    NO_ACCOUNT = "no_account"
    NO_SLOT = "no_slot"
    COST_CAP = "cost_cap"
    COLD_CACHE = "cold_cache"
    BOUND_STATE = "bound_state"
    MINUTE_BUDGET = "minute_budget"
    DAY_CAP = "day_cap"
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    LARGE_PROMPT = "large_prompt"


class Question(Struct, frozen=True):
    """What is to be decided. `account_free` says whether there are healthy accounts enough that were not tried yet,
    `slot_free` whether enough of them have room; `estimated_micro` is what the attempts that lose would cost together.
    """

    model_id: str
    account_free: bool
    slot_free: bool
    estimated_micro: int
    cold_cache: bool = False
    bound_state: bool = False


class Rules(Struct, frozen=True):
    """The operator's bounds, as the settings have them. They may change between two questions."""

    share_percent: float = 5.0
    least_per_minute: int = 2
    day_cap_micro: int = 5_000_000
    cost_cap_micro: int = 100_000
    race_prompt_tokens: int = 2_000
    race_width: int = 3


def rules_of(settings: Settings) -> Rules:
    """The bounds that these settings set."""
    return Rules(
        share_percent=settings.hedge_share_percent,
        least_per_minute=settings.hedge_least_per_minute,
        day_cap_micro=settings.hedge_day_cap_micro,
        cost_cap_micro=settings.hedge_cost_cap_micro,
        race_prompt_tokens=settings.race_prompt_tokens,
        race_width=settings.race_width,
    )


class Hedging:
    """The budgets of one process. `now` is seconds on the caller's clock, `at` milliseconds since the epoch.

    The day's cap counts what losers, and hedges that nobody had an answer from, have cost: hedges under way when it is
    reached may pass it, each by its own cost.
    """

    def __init__(self, rules: Callable[[], Rules], *, spent_today_micro: int = 0, at: int) -> None:
        self.rules = rules
        self._calls = _PerMinute()
        self._hedges: deque[float] = deque()
        self._tokens = TOKENS
        self._day = at // _DAY_MS
        self._spent_micro = spent_today_micro
        self._overloaded: OrderedDict[str, dict[int, float]] = OrderedDict()
        self._stopped_until: dict[str, float] = {}

    @property
    def spent_micro(self) -> int:
        """What the day's cap counts by now."""
        return self._spent_micro

    # Deciding -------------------------------------------------------------------------------------------------------

    def denied(self, question: Question, now: float, at: int) -> Denial | None:
        """Why this hedge may not be sent; None if it may."""
        return self._gate(question, now) or self._budget(question, now, at)

    def race_denied(
        self, question: Question, prompt_tokens: int, cached_prompt: bool, now: float, at: int
    ) -> Denial | None:
        """Why this call may not ask several accounts at once; None if it may."""
        if prompt_tokens > self.rules().race_prompt_tokens:
            return Denial.LARGE_PROMPT
        if cached_prompt:
            return Denial.COLD_CACHE
        denial = self._gate(question, now)
        if denial is None and self._passes_day(question.estimated_micro, at):
            return Denial.DAY_CAP
        return denial

    # Learning -------------------------------------------------------------------------------------------------------

    def counted(self, now: float) -> None:
        """A call under the policy `hedge` began."""
        self._calls.add(now)

    def sent(self, now: float) -> None:
        """A hedge was sent."""
        self._hedges.append(now)
        self._tokens = max(0.0, self._tokens - 1)

    def succeeded(self) -> None:
        """A call was answered."""
        self._tokens = min(TOKENS, self._tokens + TOKENS_A_SUCCESS)

    def spent(self, cost_micro: int, at: int) -> None:
        """An attempt lost, or was a hedge that ended with its call or failed: this is what it cost, or may have."""
        self._turn(at)
        self._spent_micro += cost_micro

    def corrected(self, change_micro: int, spent_at: int) -> None:
        """A loser read to its end cost this much more (or, negative, less) than was counted for it at `spent_at`. On
        another day that is over."""
        if spent_at // _DAY_MS == self._day:
            self._spent_micro += change_micro

    def failed(self, model_id: str, account_id: int, failure: Failure, now: float) -> None:
        """An attempt failed, under whatever policy."""
        if failure.cause is Cause.OVERLOADED:
            self.overloaded(model_id, account_id, now)

    def overloaded(self, model_id: str, account_id: int, now: float) -> None:
        """An account answered that it is overloaded for this model."""
        seen = self._overloaded.setdefault(model_id, {})
        self._overloaded.move_to_end(model_id)
        seen[account_id] = now
        recent = {account: when for account, when in seen.items() if now - when <= OVERLOADED_S}
        self._overloaded[model_id] = recent
        if len(recent) >= OVERLOADED_ACCOUNTS:
            self._stopped_until[model_id] = now + OVERLOADED_S
        if len(self._overloaded) > _MOST_MODELS:
            forgotten, _ = self._overloaded.popitem(last=False)
            self._stopped_until.pop(forgotten, None)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _gate(self, question: Question, now: float) -> Denial | None:
        """What has nothing to do with how many were sent before."""
        if now < self._stopped_until.get(question.model_id, now):
            return Denial.OVERLOADED
        if not question.account_free:
            return Denial.NO_ACCOUNT
        if not question.slot_free:
            return Denial.NO_SLOT
        if question.estimated_micro > self.rules().cost_cap_micro:
            return Denial.COST_CAP
        if question.cold_cache:
            return Denial.COLD_CACHE
        return Denial.BOUND_STATE if question.bound_state else None

    def _budget(self, question: Question, now: float, at: int) -> Denial | None:
        rules = self.rules()
        while self._hedges and now - self._hedges[0] >= MINUTE_S:
            self._hedges.popleft()
        if len(self._hedges) >= max(rules.least_per_minute, int(self._calls.count(now) * rules.share_percent / 100)):
            return Denial.MINUTE_BUDGET
        if self._passes_day(question.estimated_micro, at):
            return Denial.DAY_CAP
        return Denial.THROTTLED if self._tokens <= STOPPED_AT + _EPSILON else None

    def _passes_day(self, estimated_micro: int, at: int) -> bool:
        self._turn(at)
        return self._spent_micro + estimated_micro > self.rules().day_cap_micro

    def _turn(self, at: int) -> None:
        """A new UTC day begins at nothing. A clock set back does not."""
        if at // _DAY_MS > self._day:
            self._day = at // _DAY_MS
            self._spent_micro = 0


class _PerMinute:
    """How many calls began within the last minute, counted by the second."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        self._count = 0

    def add(self, now: float) -> None:
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])
            self._forget(now)
        self._count += 1

    def count(self, now: float) -> int:
        self._forget(now)
        return self._count

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= now - MINUTE_S:
            self._count -= self._seconds.popleft()[1]
