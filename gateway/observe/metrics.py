"""What `/metrics` says. Labels are bounded: dialects, catalog models, accounts, outcomes; never a key or a customer."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

import gateway
from gateway.records import Attempt, Call, Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS_TO_FIRST_TOKEN = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300)
_SECONDS_OF_DELAYS = (2, 2.5, 3, 4, 5, 6.5, 8, 10, 13, 16, 20)
_SECONDS_OF_CALLS = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1_800, 3_600)
_SECONDS_OF_COMMITS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

# Past this many label sets the rest is counted under "other": a runaway set of local model ids must not eat memory.
_MOST_LABEL_SETS = 2_000

_BUCKETS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens") and name != "reasoning_tokens")


_omit_creation_times: Callable[[], None] = disable_created_metrics


class Metric(Struct, frozen=True):
    """One line of the documentation. `kind` is Prometheus' word for it."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("trigate_build_info", "gauge", "The version that is running; always 1", ("version",)),
    Metric("trigate_calls_total", "counter", "Calls settled", ("dialect", "model", "outcome", "status")),
    Metric("trigate_tokens_total", "counter", "Tokens of settled calls, in disjoint buckets", ("model", "bucket")),
    Metric("trigate_charged_micro_total", "counter", "Micro-dollars charged to customers", ("model",)),
    Metric("trigate_upstream_cost_micro_total", "counter", "Micro-dollars of all attempts, lost ones too", ("model",)),
    Metric("trigate_overshoot_micro_total", "counter", "Micro-dollars charged beyond what was held"),
    Metric(
        "trigate_ttft_seconds",
        "histogram",
        "Time to a call's first content",
        ("dialect", "model"),
        _SECONDS_TO_FIRST_TOKEN,
    ),
    Metric(
        "trigate_call_seconds",
        "histogram",
        "Time from a call's head to its end",
        ("dialect", "model"),
        _SECONDS_OF_CALLS,
    ),
    Metric("trigate_attempts_total", "counter", "Attempts at accounts", ("account", "outcome", "cause")),
    Metric("trigate_hedges_sent_total", "counter", "Attempts made while another was at work", ("model",)),
    Metric("trigate_hedges_won_total", "counter", "Hedges that answered before the first account", ("model",)),
    Metric("trigate_hedges_denied_total", "counter", "Hedges and races that were not made, and why", ("reason",)),
    Metric("trigate_race_overhead_micro_total", "counter", "Micro-dollars of attempts that lost", ("model",)),
    Metric(
        "trigate_hedge_delay_seconds",
        "histogram",
        "Time a first account was given before a second would be asked",
        (),
        _SECONDS_OF_DELAYS,
    ),
    Metric(
        "trigate_raced_ttft_seconds",
        "histogram",
        "Time to a call's first content: `alone`, after a `hedge`, in a `race`",
        ("raced",),
        _SECONDS_TO_FIRST_TOKEN,
    ),
    Metric("trigate_limits_refused_total", "counter", "Requests the gateway itself refused, by code", ("reason",)),
    Metric("trigate_open_calls", "gauge", "Calls being served"),
    Metric("trigate_holds_micro", "gauge", "Micro-dollars held for open calls"),
    Metric("trigate_connections", "gauge", "Client connections open"),
    Metric("trigate_cooldowns", "gauge", "Accounts and account-model pairs cooling down"),
    Metric("trigate_ledger_queue", "gauge", "Jobs waiting for the ledger's writer"),
    Metric("trigate_commit_seconds", "histogram", "Time from settling a call to its commit", (), _SECONDS_OF_COMMITS),
)
"""Every metric of the gateway itself; the process collector adds memory, CPU and file descriptors (`process_*`)."""


class Metrics:
    """The gateway's own registry. Not thread-bound: recording from any thread is safe.

    Gauges are public: set them, or give them a function (`open_calls.set_function(lambda: len(calls))`), which is
    asked when the page is rendered and costs nothing before.
    """

    def __init__(self) -> None:
        # A creation time beside every series would double the page; the library has one switch for the process.
        _omit_creation_times()
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        made = {each.name: _make(each, self.registry) for each in METRICS}
        cast(Gauge, made["trigate_build_info"]).labels(gateway.__version__).set(1)
        self._calls = cast(Counter, made["trigate_calls_total"])
        self._tokens = cast(Counter, made["trigate_tokens_total"])
        self._charged = cast(Counter, made["trigate_charged_micro_total"])
        self._upstream_cost = cast(Counter, made["trigate_upstream_cost_micro_total"])
        self._overshoot = cast(Counter, made["trigate_overshoot_micro_total"])
        self._ttft = cast(Histogram, made["trigate_ttft_seconds"])
        self._duration = cast(Histogram, made["trigate_call_seconds"])
        self._attempts = cast(Counter, made["trigate_attempts_total"])
        self._hedges_sent = cast(Counter, made["trigate_hedges_sent_total"])
        self._hedges_won = cast(Counter, made["trigate_hedges_won_total"])
        self._hedges_denied = cast(Counter, made["trigate_hedges_denied_total"])
        self._overhead = cast(Counter, made["trigate_race_overhead_micro_total"])
        self._hedge_delay = cast(Histogram, made["trigate_hedge_delay_seconds"])
        raced = cast(Histogram, made["trigate_raced_ttft_seconds"])
        self._raced_ttft = {each: raced.labels(each) for each in ("alone", "hedge", "race")}
        self._refused = cast(Counter, made["trigate_limits_refused_total"])
        self._commit = cast(Histogram, made["trigate_commit_seconds"])
        self.open_calls = cast(Gauge, made["trigate_open_calls"])
        self.holds_micro = cast(Gauge, made["trigate_holds_micro"])
        self.connections = cast(Gauge, made["trigate_connections"])
        self.cooldowns = cast(Gauge, made["trigate_cooldowns"])
        self.ledger_queue = cast(Gauge, made["trigate_ledger_queue"])
        self._names: dict[int, str] = {}
        self._raced_models: set[str] = set()
        self._models: dict[tuple[str, str], _ModelChildren] = {}
        self._call_children: dict[tuple[str, str, str, int], Counter] = {}
        self._attempt_children: dict[tuple[int, str, str], Counter] = {}

    def name_accounts(self, names: Mapping[int, str]) -> None:
        """Label attempts with these names from now on; accounts not among them with their id."""
        self._names = dict(names)
        self._attempt_children.clear()

    def call_settled(self, call: Call, attempts: Sequence[Attempt]) -> None:
        """Count one settled call and its attempts. Measured: 5 µs."""
        model = self._model_children(call.dialect, call.model)
        self._call_child(call).inc()
        usage = call.usage
        for bucket, counter in model.tokens:
            if count := getattr(usage, bucket):
                counter.inc(count)
        if call.cost_micro:
            model.charged.inc(call.cost_micro)
        if call.upstream_cost_micro:
            model.upstream_cost.inc(call.upstream_cost_micro)
        if call.overshoot_micro > 0:
            self._overshoot.inc(call.overshoot_micro)
        if call.ttft_ms is not None:
            model.ttft.observe(call.ttft_ms / 1_000)
            self._raced_ttft[_raced(attempts)].observe(call.ttft_ms / 1_000)
        model.duration.observe(call.duration_ms / 1_000)
        for attempt in attempts:
            self._attempt_child(attempt).inc()
            # One that still drains is counted when its cost is known: `race_overhead`.
            if attempt.outcome == "lost" and attempt.cost_micro:
                self.race_overhead(call.model, attempt.cost_micro)

    def hedge_sent(self, model: str) -> None:
        """Count an attempt made while another was at work, by a hedge or a race."""
        self._hedges_sent.labels(self._bounded(model)).inc()

    def hedge_won(self, model: str) -> None:
        """Count one of them that answered first."""
        self._hedges_won.labels(self._bounded(model)).inc()

    def hedge_denied(self, reason: str) -> None:
        """Count a hedge or race that was not made. `reason` is a `Denial`."""
        self._hedges_denied.labels(str(reason)).inc()

    def race_overhead(self, model: str, micro: int) -> None:
        """Count what an attempt cost that lost and was read to its end after its call was settled."""
        self._overhead.labels(self._bounded(model)).inc(micro)

    def hedge_delay(self, seconds: float) -> None:
        """Count how long a first account was given."""
        self._hedge_delay.observe(seconds)

    def limit_refused(self, reason: str) -> None:
        """Count a refusal. `reason` is the error's code."""
        self._refused.labels(reason).inc()

    def committed(self, seconds: float) -> None:
        """Count one commit of a receipt and the time it took."""
        self._commit.observe(seconds)

    def render(self) -> bytes:
        """The page, in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def _bounded(self, model: str) -> str:
        """The model as a label; past the limit, `other`."""
        if model not in self._raced_models:
            if len(self._raced_models) >= _MOST_LABEL_SETS:
                return "other"
            self._raced_models.add(model)
        return model

    def _model_children(self, dialect: str, model: str) -> "_ModelChildren":
        children = self._models.get((dialect, model))
        if children is None:
            if len(self._models) >= _MOST_LABEL_SETS and model != "other":
                return self._model_children(dialect, "other")
            children = self._models[dialect, model] = _ModelChildren(
                tokens=[(bucket, self._tokens.labels(model, bucket.removesuffix("_tokens"))) for bucket in _BUCKETS],
                charged=self._charged.labels(model),
                upstream_cost=self._upstream_cost.labels(model),
                ttft=self._ttft.labels(dialect, model),
                duration=self._duration.labels(dialect, model),
            )
        return children

    def _call_child(self, call: Call) -> Counter:
        labels = (call.dialect, call.model, call.outcome, call.status)
        child = self._call_children.get(labels)
        if child is None:
            if len(self._call_children) >= _MOST_LABEL_SETS:
                return self._calls.labels(call.dialect, "other", call.outcome, str(call.status))
            child = self._calls.labels(call.dialect, call.model, call.outcome, str(call.status))
            self._call_children[labels] = child
        return child

    def _attempt_child(self, attempt: Attempt) -> Counter:
        labels = (attempt.account_id, attempt.outcome, attempt.error_code)
        child = self._attempt_children.get(labels)
        if child is None:
            name = self._names.get(attempt.account_id, str(attempt.account_id))
            if len(self._attempt_children) >= _MOST_LABEL_SETS:
                return self._attempts.labels(name, attempt.outcome, "other")
            child = self._attempts.labels(name, attempt.outcome, attempt.error_code or "none")
            self._attempt_children[labels] = child
        return child


def _raced(attempts: Sequence[Attempt]) -> str:
    """Whether the call had more than one account at work."""
    return next((each.reason for each in attempts if each.reason in ("hedge", "race")), "alone")


class _ModelChildren(Struct, frozen=True):
    """Everything that a call of one dialect and model counts into: one look-up instead of twelve."""

    tokens: list[tuple[str, Counter]]
    charged: Counter
    upstream_cost: Counter
    ttft: Histogram
    duration: Histogram


def _make(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if metric.kind == "histogram":
        return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.help, metric.labels, registry=registry)
    return Counter(metric.name, metric.help, metric.labels, registry=registry)
