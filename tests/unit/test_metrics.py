"""Metrics: what a call leaves on the page, and what never appears there."""

import re
from itertools import count

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from gateway.observe.metrics import METRICS, Metrics
from gateway.records import Attempt, Call, Usage

CALL = Call(
    id="req_1",
    customer_id=1,
    key_id=2,
    tier="all",
    dialect="messages",
    model_asked="opus",
    model="claude-opus-5",
    stream=True,
    started_at=0,
    outcome="completed",
    status=200,
    ttft_ms=310,
    duration_ms=900,
    usage=Usage(input_tokens=10, cache_read_tokens=90, output_tokens=5, reasoning_tokens=3),
    cost_micro=33,
    upstream_cost_micro=40,
    overshoot_micro=2,
)
ATTEMPTS = [
    Attempt(call_id="req_1", number=1, account_id=4, started_at=0, outcome="failed", error_code="overloaded"),
    Attempt(call_id="req_1", number=2, account_id=5, started_at=0, outcome="won"),
]


def samples(metrics):
    """(name, labels) -> value of everything on the page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return samples(metrics)[name, tuple(sorted(labels.items()))]


@pytest.fixture
def metrics():
    metrics = Metrics()
    metrics.call_settled(CALL, ATTEMPTS)
    return metrics


def test_a_call_is_counted_by_what_became_of_it(metrics):
    labels = {"dialect": "messages", "model": "claude-opus-5", "outcome": "completed", "status": "200"}
    assert value(metrics, "trigate_calls_total", **labels) == 1


def test_tokens_are_counted_in_disjoint_buckets(metrics):
    counted = {
        dict(labels)["bucket"]: number
        for (name, labels), number in samples(metrics).items()
        if name == "trigate_tokens_total" and number
    }
    assert counted == {"input": 10, "cache_read": 90, "output": 5}


def test_charges_and_costs_are_counted_apart(metrics):
    assert value(metrics, "trigate_charged_micro_total", model="claude-opus-5") == 33
    assert value(metrics, "trigate_upstream_cost_micro_total", model="claude-opus-5") == 40
    assert value(metrics, "trigate_overshoot_micro_total") == 2


def test_times_are_in_seconds(metrics):
    labels = {"dialect": "messages", "model": "claude-opus-5"}
    assert value(metrics, "trigate_ttft_seconds_sum", **labels) == 0.31
    assert value(metrics, "trigate_call_seconds_sum", **labels) == 0.9


def test_attempts_carry_the_name_of_their_account():
    metrics = Metrics()
    metrics.name_accounts({4: "main"})
    metrics.call_settled(CALL, ATTEMPTS)
    assert value(metrics, "trigate_attempts_total", account="main", outcome="failed", cause="overloaded") == 1
    assert value(metrics, "trigate_attempts_total", account="5", outcome="won", cause="none") == 1


def test_a_renamed_account_counts_under_its_new_name(metrics):
    metrics.name_accounts({5: "spare"})
    metrics.call_settled(CALL, ATTEMPTS)
    assert value(metrics, "trigate_attempts_total", account="spare", outcome="won", cause="none") == 1


def test_gauges_may_be_asked_when_the_page_is_made(metrics):
    numbers = count(1)
    metrics.open_calls.set_function(lambda: next(numbers))
    assert value(metrics, "trigate_open_calls") == 1
    assert value(metrics, "trigate_open_calls") == 2


def test_refusals_and_commits_are_counted(metrics):
    metrics.limit_refused("rate_limit_exceeded")
    metrics.committed(0.003)
    assert value(metrics, "trigate_limits_refused_total", reason="rate_limit_exceeded") == 1
    assert value(metrics, "trigate_commit_seconds_count") == 1


def test_hedges_are_counted_by_what_became_of_them(metrics):
    metrics.hedge_sent("claude-opus-5")
    metrics.hedge_won("claude-opus-5")
    metrics.hedge_denied("day_cap")
    metrics.race_overhead("claude-opus-5", 42)
    metrics.hedge_delay(3.1)
    assert value(metrics, "trigate_hedges_sent_total", model="claude-opus-5") == 1
    assert value(metrics, "trigate_hedges_won_total", model="claude-opus-5") == 1
    assert value(metrics, "trigate_hedges_denied_total", reason="day_cap") == 1
    assert value(metrics, "trigate_race_overhead_micro_total", model="claude-opus-5") == 42
    assert value(metrics, "trigate_hedge_delay_seconds_bucket", le="4.0") == 1
    assert value(metrics, "trigate_hedge_delay_seconds_bucket", le="3.0") == 0


def test_what_losers_cost_is_counted_once_it_is_known():
    metrics = Metrics()
    lost = replace(ATTEMPTS[0], outcome="lost", cost_micro=7)
    metrics.call_settled(CALL, [lost, replace(lost, outcome="draining", cost_micro=900), ATTEMPTS[1]])
    assert value(metrics, "trigate_race_overhead_micro_total", model="claude-opus-5") == 7
    metrics.race_overhead("claude-opus-5", 30)
    assert value(metrics, "trigate_race_overhead_micro_total", model="claude-opus-5") == 37


@pytest.mark.parametrize(("reason", "raced"), [("failover", "alone"), ("hedge", "hedge"), ("race", "race")])
def test_the_time_to_first_token_is_told_apart_by_who_was_at_work(reason, raced):
    metrics = Metrics()
    metrics.call_settled(CALL, [ATTEMPTS[0], replace(ATTEMPTS[1], reason=reason)])
    assert value(metrics, "trigate_raced_ttft_seconds_count", raced=raced) == 1
    assert value(metrics, "trigate_raced_ttft_seconds_sum", raced=raced) == 0.31


def test_nothing_on_the_page_tells_keys_or_customers_apart(metrics):
    assert not {"key", "customer", "key_id", "client_ip"} & {label for metric in METRICS for label in metric.labels}
    assert not re.search(rb'(key|customer|tier)[a-z_]*="', metrics.render())


def test_a_flood_of_model_ids_stays_bounded():
    metrics = Metrics()
    for number in range(3_000):
        metrics.call_settled(replace(CALL, model=f"local-{number}"), [])
    models = {dict(labels).get("model") for _, labels in samples(metrics)}
    assert "other" in models
    assert len(models) < 2_100


def test_a_flood_of_hedged_model_ids_stays_bounded():
    metrics = Metrics()
    for number in range(3_000):
        metrics.hedge_sent(f"local-{number}")
    assert value(metrics, "trigate_hedges_sent_total", model="other") == 1_000


def test_every_metric_on_the_page_is_described(metrics):
    described = {metric.name.removesuffix("_total") for metric in METRICS}
    families = list(text_string_to_metric_families(metrics.render().decode()))
    assert {family.name for family in families if not family.name.startswith("process_")} == described
    assert all(metric.help for metric in METRICS)
