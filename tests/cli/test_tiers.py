"""`trigate tiers`."""

import pytest

from tests.cli.conftest import Trigate


def test_list_has_the_tiers_that_come_with_the_product(trigate: Trigate) -> None:
    trigate("db", "migrate")
    assert [each["name"] for each in trigate("tiers", "list", "--json").json] == ["all", "claude", "codex"]


def test_show(trigate: Trigate) -> None:
    trigate("db", "migrate")
    assert ["prefix", "sk-cs2-"] in trigate("tiers", "show", "claude").rows


def test_set_changes_every_part_of_a_tier(trigate: Trigate) -> None:
    trigate("db", "migrate")
    tier = trigate(
        *("tiers", "set", "all", "--prefix", "sk-acme-", "--dialects", "chat,messages", "--models", "claude-*"),
        *("--multiplier", "1.25", "--rpm", "60", "--tpm", "9000", "--concurrency", "3", "--spelling", "dot"),
        *("--on-disconnect", "drain", "--forgive-partial", "--json"),
    ).json
    assert (tier["prefix"], tier["dialects"], tier["models"]) == ("sk-acme-", ["chat", "messages"], ["claude-*"])
    assert (tier["multiplier_bp"], tier["rpm"], tier["tpm"], tier["concurrency"]) == (12_500, 60, 9000, 3)
    assert (tier["spelling"], tier["on_disconnect"], tier["forgive_partial"]) == ("dot", "drain", True)


def test_a_limit_can_be_taken_away(trigate: Trigate) -> None:
    trigate("db", "migrate")
    trigate("tiers", "set", "all", "--rpm", "60")
    assert trigate("tiers", "set", "all", "--rpm", "none", "--json").json["rpm"] is None


def test_a_multiplier_finer_than_a_basis_point_is_refused(trigate: Trigate) -> None:
    trigate("db", "migrate")
    assert trigate("tiers", "set", "all", "--multiplier", "1.00001").code == 2


def test_when_a_second_account_is_asked_is_said_for_the_tier_and_for_models(trigate: Trigate) -> None:
    trigate("db", "migrate")
    changed = trigate(
        *("tiers", "set", "all", "--policy", "hedge", "--policy-for", "claude-haiku-*=race"),
        *("--policy-for", "claude-opus-*=failover", "--json"),
    ).json
    assert changed["policy"] == "hedge"
    assert changed["model_policies"] == {"claude-haiku-*": "race", "claude-opus-*": "failover"}
    assert ["policy", "hedge"] in trigate("tiers", "show", "all").rows
    assert ["policy for", "claude-haiku-*=race, claude-opus-*=failover"] in trigate("tiers", "show", "all").rows
    listed = {row[0]: row[-1] for row in trigate("tiers", "list").rows}
    assert listed["all"] == "hedge; claude-haiku-*=race, claude-opus-*=failover"
    assert listed["claude"] == "failover"


def test_a_policy_for_models_is_taken_back_alone(trigate: Trigate) -> None:
    trigate("db", "migrate")
    trigate("tiers", "set", "all", "--policy-for", "a-*=race", "--policy-for", "b-*=hedge")
    changed = trigate("tiers", "set", "all", "--policy-for", "a-*=", "--json").json
    assert changed["model_policies"] == {"b-*": "hedge"}


@pytest.mark.parametrize("options", [("--policy", "fastest"), ("--policy-for", "a-*=fastest"), ("--policy-for", "a-*")])
def test_a_policy_nobody_knows_is_refused(trigate: Trigate, options: tuple[str, str]) -> None:
    trigate("db", "migrate")
    assert trigate("tiers", "set", "all", *options).code == 2
    assert trigate("tiers", "show", "all", "--json").json["model_policies"] == {}
