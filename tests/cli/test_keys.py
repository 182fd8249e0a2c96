"""`trigate keys`."""

import re
from shlex import split

import pytest

from gateway.clock import now_ms
from gateway.keys import public_id_of
from tests.cli.conftest import Trigate

SECRET = r"cc_user_[0-9A-Za-z]{55}"
DAY_MS = 86_400_000


def test_create_makes_the_customer_and_shows_the_secret_once(trigate: Trigate) -> None:
    made = trigate("keys", "create", "alice", "--balance", "5", "--json").json
    assert re.fullmatch(SECRET, made["key"])
    assert made["public_id"] == public_id_of(made["key"])
    assert (made["customer"], made["tier"], made["state"]) == ("alice", "all", "active")
    assert "key" not in trigate("keys", "show", "alice", "--json").json


def test_nothing_that_shows_keys_shows_a_hash(trigate: Trigate) -> None:
    trigate("keys", "create", "alice")
    shown = trigate("keys", "show", "alice", "--json").out + trigate("keys", "list", "--json").out
    assert "hash" not in shown


def test_a_new_key_comes_with_lines_to_paste(trigate: Trigate) -> None:
    trigate("accounts", "add", "sim", "--kind", "simulated")
    made = trigate("keys", "create", "alice", "--balance", "5")
    secret = made.out.strip()
    assert f"export ANTHROPIC_AUTH_TOKEN={secret}" in made.err
    assert "export OPENAI_BASE_URL=http://127.0.0.1:8000/v1" in made.err
    assert f"curl -sS http://127.0.0.1:8000/v1/messages -H 'x-api-key: {secret}'" in made.err


def test_a_codex_key_is_shown_the_endpoints_it_may_use(trigate: Trigate) -> None:
    trigate("accounts", "add", "sim", "--kind", "simulated")
    made = trigate("keys", "create", "cody", "--tier", "codex")
    assert made.out.startswith("sk-cs4-")
    assert "/v1/chat/completions" in made.err
    assert "ANTHROPIC" not in made.err


def test_the_line_to_try_asks_for_a_model_that_the_key_may_use(trigate: Trigate) -> None:
    trigate("accounts", "add", "sim", "--kind", "simulated")
    made = trigate("keys", "create", "alice", "--models", "claude-opus-*")
    assert '"model":"claude-opus-' in made.err


def test_a_key_of_a_tier_that_is_served_by_translation_has_a_line_to_try(trigate: Trigate) -> None:
    trigate("accounts", "add", "eu", "--kind", "anthropic", "--secret-stdin", input="sk-ant-1")
    trigate("tiers", "set", "codex", "--models", "*")
    assert "/v1/chat/completions" in trigate("keys", "create", "cody", "--tier", "codex").err


def test_a_key_without_credit_is_told_how_to_get_some(trigate: Trigate) -> None:
    assert "trigate customers topup alice USD" in trigate("keys", "create", "alice").err


def test_a_balance_for_a_customer_that_exists_is_refused_naming_topup(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    said = trigate("keys", "create", "laptop", "--customer", "alice", "--balance", "5")
    assert said.code == 2
    assert "topup" in said.err


def test_every_limit_can_be_given(trigate: Trigate) -> None:
    made = trigate(
        *split("keys create alice --rpm 60 --tpm 90000 --concurrency 4 --day-limit 1 --month-limit 20 --expires 90d"),
        *split("--models claude-* --models gpt-*,o3 --ip 203.0.113.0/24 --unlimited --json"),
    ).json
    assert (made["rpm"], made["tpm"], made["concurrency"]) == (60, 90_000, 4)
    assert (made["day_limit_micro"], made["month_limit_usd"]) == (1_000_000, "20.00")
    assert made["models"] == ["claude-*", "gpt-*", "o3"]
    assert made["ip_allow"] == ["203.0.113.0/24"]
    assert abs(made["expires_at"] - now_ms() - 90 * DAY_MS) < 60_000


def test_set_gives_limits_back(trigate: Trigate) -> None:
    trigate("keys", "create", "alice", "--rpm", "60", "--models", "claude-*", "--expires", "2h")
    changed = trigate("keys", "set", "alice", "--rpm", "none", "--models", "", "--expires", "none", "--json").json
    assert (changed["rpm"], changed["models"], changed["expires_at"]) == (None, [], None)


def test_set_moves_a_key_to_another_tier(trigate: Trigate) -> None:
    trigate("keys", "create", "alice")
    assert trigate("keys", "set", "alice", "--tier", "claude", "--name", "al", "--json").json["tier"] == "claude"
    assert trigate("keys", "show", "al").code == 0


def test_list_leaves_revoked_keys_out_until_asked(trigate: Trigate) -> None:
    trigate("keys", "create", "old")
    trigate("keys", "create", "new")
    trigate("keys", "revoke", "old", "--yes")
    assert [row[0] for row in trigate("keys", "list").rows] == ["new"]
    assert [(row[0], row[-1]) for row in trigate("keys", "list", "--all").rows] == [
        ("new", "active"),
        ("old", "revoked"),
    ]


def test_list_of_one_customer(trigate: Trigate) -> None:
    trigate("keys", "create", "a", "--customer", "alice")
    trigate("keys", "create", "b", "--customer", "bob")
    assert [each["name"] for each in trigate("keys", "list", "--customer", "bob", "--json").json] == ["b"]


def test_show_finds_a_key_by_its_id(trigate: Trigate) -> None:
    public_id = trigate("keys", "create", "alice", "--json").json["public_id"]
    assert ["name", "alice"] in trigate("keys", "show", public_id).rows


def test_disable_and_enable(trigate: Trigate) -> None:
    trigate("keys", "create", "alice")
    assert trigate("keys", "disable", "alice", "--json").json["state"] == "disabled"
    assert trigate("keys", "enable", "alice", "--json").json["state"] == "active"


def test_rotate_gives_a_new_secret_under_the_same_id(trigate: Trigate) -> None:
    before = trigate("keys", "create", "alice", "--json").json
    after = trigate("keys", "rotate", "alice", "--grace", "24h", "--json").json
    assert after["key"] != before["key"]
    assert after["public_id"] == before["public_id"]
    assert abs(after["previous_until"] - now_ms() - DAY_MS) < 60_000


@pytest.mark.usefixtures("terminal")
def test_a_revocation_names_its_victim(trigate: Trigate) -> None:
    trigate("keys", "create", "alice")
    said = trigate("keys", "revoke", "alice", input="y\n")
    assert said.code == 0
    assert "Revoke alice" in said.err
    assert "revoked" in trigate("keys", "list", "--all").out
