"""`trigate simulate`."""

from typing import Any

import pytest

from gateway.simulation.weather import SCENARIOS
from tests.cli.conftest import Trigate

FEW = ("--calls", "150", "--rate", "5")


def played(trigate: Trigate, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    listed = trigate("simulate", *FEW, *arguments, "--json").json
    return {(each["scenario"], each["policy"]): each for each in listed}


def test_every_scenario_is_played_under_every_policy(trigate: Trigate) -> None:
    found = played(trigate)
    assert list(found) == [(name, policy) for name in SCENARIOS for policy in ("failover", "hedge", "race")]


def test_the_promised_results_are_on_the_page(trigate: Trigate) -> None:
    found = played(trigate, "healthy", "heavy-tail", "--calls", "3000")
    alone, hedged = found["heavy-tail", "failover"], found["heavy-tail", "hedge"]
    assert hedged["p99_ms"] <= alone["p99_ms"] / 2
    assert hedged["extra_calls_percent"] <= 5
    assert found["healthy", "hedge"]["extra_calls_percent"] <= 2
    assert found["healthy", "hedge"]["p99_ms"] <= found["healthy", "failover"]["p99_ms"]


@pytest.mark.usefixtures("terminal")
def test_a_reader_sees_the_policies_side_by_side(trigate: Trigate) -> None:
    said = trigate("simulate", "heavy-tail", *FEW)
    heading, *rows = said.out.splitlines()
    assert heading.split()[:5] == ["SCENARIO", "POLICY", "P50", "P95", "P99"]
    assert [row.split()[1] for row in rows] == ["failover", "hedge", "race"]
    assert "3 % Pareto, alpha 1.1, from 8 s" in said.err


def test_the_distribution_can_be_said(trigate: Trigate) -> None:
    found = played(trigate, "healthy", "--median", "3", "--sigma", "0", "--tail-percent", "0")
    assert found["healthy", "failover"]["p99_ms"] == 3_000


def test_the_settings_in_force_are_the_ones_simulated(trigate: Trigate) -> None:
    trigate("db", "migrate")
    trigate("config", "set", "race_width", "2")
    assert played(trigate, "healthy")["healthy", "race"]["extra"] == 150
    assert played(trigate, "healthy", "--width", "4")["healthy", "race"]["extra"] == 450


def test_no_share_is_no_hedge(trigate: Trigate) -> None:
    hedged = played(trigate, "heavy-tail", "--share", "0", "--least", "0")["heavy-tail", "hedge"]
    assert (hedged["extra"], list(hedged["denied"])) == (0, ["minute_budget"])


def test_several_seeds_are_pooled(trigate: Trigate) -> None:
    found = played(trigate, "healthy", "--seed", "1", "--seed", "2")
    assert found["healthy", "hedge"]["calls"] == 300


def test_a_model_without_a_price_is_code_5(trigate: Trigate) -> None:
    assert trigate("simulate", "healthy", *FEW, "--model", "gpt-none").code == 5
