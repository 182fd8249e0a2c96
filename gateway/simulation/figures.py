"""What a simulation came to, and the figures it is judged by. Pure."""

from math import ceil

from msgspec import Struct, field

from gateway.records import RacePolicy


class Outcome(Struct):
    """One policy in one scenario. `waits_s` are the times to first token of the calls that were answered.

    `extra` counts attempts beside another (hedges and races), `retries` those after a failure. `lost_micro` is what
    losers cost, upper bounds included; `won_micro` what the answers did.
    """

    policy: RacePolicy
    calls: int = 0
    waits_s: list[float] = field(default_factory=list)
    extra: int = 0
    extra_won: int = 0
    retries: int = 0
    won_micro: int = 0
    lost_micro: int = 0
    denied: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return self.calls - len(self.waits_s)

    @property
    def extra_calls_percent(self) -> float:
        """Attempts beside another, of a hundred calls."""
        return 100 * self.extra / self.calls if self.calls else 0.0

    @property
    def extra_cost_percent(self) -> float:
        """What losers cost, of a hundred that answers cost."""
        return 100 * self.lost_micro / self.won_micro if self.won_micro else 0.0

    def quantile_s(self, quantile: float) -> float:
        """The nearest rank among the calls that were answered."""
        ordered = sorted(self.waits_s)
        return ordered[ceil(quantile * len(ordered)) - 1] if ordered else 0.0

    def add(self, other: "Outcome") -> None:
        """Pool the same policy under another seed with this."""
        self.waits_s += other.waits_s
        for name in ("calls", "extra", "extra_won", "retries", "won_micro", "lost_micro"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, times in other.denied.items():
            self.denied[reason] = self.denied.get(reason, 0) + times
