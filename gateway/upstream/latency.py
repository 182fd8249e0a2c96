"""How long accounts take to begin an answer, and when it is worth asking a second one. Pure, bounded in memory.

Times to first token are kept by account × model × size of the prompt, the newest 200 of each. An attempt that was
cancelled before it had begun tells only that it would have taken longer: such *censored* observations count in
quantiles by the estimator of Kaplan and Meier (1958), so that losing races does not make an account look faster.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from math import ceil, inf

SIZES = (4_000, 32_000, 128_000)
"""Input tokens at which the next class of prompts begins. Reading a prompt is most of the wait for a long one."""

SAMPLES = 200
LEAST_SAMPLES = 50
MOST_KEYS = 2_000
MOST_ACCOUNTS = 1_000

COLD_DELAY_S = 8.0
LEAST_DELAY_S = 2.0
LONGEST_DELAY_S = 20.0
MEDIANS = 4.0
"""The delay is at least this many medians. Measured in docs/adr/0016: with 3, a healthy pool sends 3.4 % more calls."""

# Sorting 200 samples takes 30 µs; ten more of them do not move a p95.
_COUNTS_AGAIN_AFTER = 10


class Latencies:
    """Rolling times to first token of this process' attempts. All times in seconds."""

    def __init__(self) -> None:
        self._series: OrderedDict[tuple[int, str, int], _Series] = OrderedDict()
        self._accounts: OrderedDict[int, deque[float]] = OrderedDict()

    def observe(self, account_id: int, model_id: str, input_tokens: int, seconds: float) -> None:
        """An attempt reached its first semantic frame after `seconds`."""
        self._of(account_id, model_id, input_tokens).add(seconds, censored=False)
        recent = self._accounts.get(account_id)
        if recent is None:
            recent = self._accounts[account_id] = deque(maxlen=SAMPLES)
            if len(self._accounts) > MOST_ACCOUNTS:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(account_id)
        recent.append(seconds)

    def censored(self, account_id: int, model_id: str, input_tokens: int, seconds: float) -> None:
        """An attempt was given up after `seconds` and had not begun to answer."""
        self._of(account_id, model_id, input_tokens).add(seconds, censored=True)

    def delay_s(self, account_id: int, model_id: str, input_tokens: int) -> float:
        """How long to wait for this account before asking another: clamp(max(p95, 4·p50), 2, 20); 8 while there are
        fewer than 50 samples."""
        series = self._series.get((account_id, model_id, size_of(input_tokens)))
        return COLD_DELAY_S if series is None else series.delay_s()

    def by_account(self) -> dict[int, tuple[int, int]]:
        """(p50, p95) in milliseconds of each account's newest answers, whatever model and prompt."""
        return {
            account_id: (round(1000 * _rank(ordered, 0.5)), round(1000 * _rank(ordered, 0.95)))
            for account_id, recent in self._accounts.items()
            for ordered in (sorted(recent),)
        }

    def _of(self, account_id: int, model_id: str, input_tokens: int) -> "_Series":
        key = (account_id, model_id, size_of(input_tokens))
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
            if len(self._series) > MOST_KEYS:
                self._series.popitem(last=False)
        else:
            self._series.move_to_end(key)
        return series


class _Series:
    """The newest samples of one key, and the delay that follows from them."""

    __slots__ = ("_delay_s", "_fresh", "_samples")

    def __init__(self) -> None:
        self._samples: deque[tuple[float, bool]] = deque(maxlen=SAMPLES)
        self._fresh = 0
        self._delay_s = COLD_DELAY_S

    def add(self, seconds: float, *, censored: bool) -> None:
        self._samples.append((seconds, censored))
        self._fresh += 1

    def delay_s(self) -> float:
        """The delay as of the last ten samples or fewer."""
        if len(self._samples) < LEAST_SAMPLES:
            return COLD_DELAY_S
        if self._fresh >= _COUNTS_AGAIN_AFTER:
            self._fresh = 0
            self._delay_s = delay_from(self._samples)
        return self._delay_s


def size_of(input_tokens: int) -> int:
    """The class of a prompt: 0 to 3."""
    return sum(input_tokens >= size for size in SIZES)


def delay_from(samples: Iterable[tuple[float, bool]]) -> float:
    """The delay that follows from (seconds, censored) samples.

    Where so many were given up that a quantile lies beyond all that was seen, the delay is the longest there is: the
    account is slow for everybody, and asking a second one would double what is asked of the pool.
    """
    p50, p95 = quantiles(samples, (0.5, 0.95))
    return min(max(p95, MEDIANS * p50, LEAST_DELAY_S), LONGEST_DELAY_S)


def quantiles(samples: Iterable[tuple[float, bool]], wanted: tuple[float, ...]) -> list[float]:
    """Kaplan-Meier quantiles of (seconds, censored) samples; `wanted` rises. Infinite where the samples do not reach.

    Without censored samples they are the order statistics.
    """
    ordered = sorted(samples)
    at_risk, surviving = len(ordered), 1.0
    found: list[float] = []
    for seconds, censored in ordered:
        if not censored:
            surviving *= 1 - 1 / at_risk
            # The product of 200 factors is off by less than 1e-13.
            while len(found) < len(wanted) and surviving <= 1 - wanted[len(found)] + 1e-9:
                found.append(seconds)
        at_risk -= 1
    return found + [inf] * (len(wanted) - len(found))


def _rank(ordered: list[float], quantile: float) -> float:
    return ordered[ceil(quantile * len(ordered)) - 1]
