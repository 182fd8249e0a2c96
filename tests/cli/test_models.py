"""`trigate models`."""

import pytest

from tests.cli.conftest import Trigate

# A model whose long prompts have rates of their own.
LONG = "gpt-5.5"


def test_list_shows_the_shipped_catalog_without_a_database(trigate: Trigate) -> None:
    rows = {row[0]: row for row in trigate("models", "list", "--vendor", "anthropic").rows}
    assert rows["claude-opus-4-5"][1] == "anthropic"
    assert rows["claude-opus-4-5"][3].startswith("$")


def test_retired_models_are_listed_when_asked_for(trigate: Trigate) -> None:
    current = {each["id"] for each in trigate("models", "list", "--json").json}
    everything = {each["id"]: each for each in trigate("models", "list", "--all", "--json").json}
    assert {everything[name]["lifecycle"] for name in everything.keys() - current} == {"retired"}


def test_show_finds_a_model_by_an_alias(trigate: Trigate) -> None:
    shown = trigate("models", "show", "opus", "--json").json
    assert "opus" in shown["aliases"]
    assert shown["price"]["rates"]["input"] > 0


def test_show_of_nothing_is_code_5(trigate: Trigate) -> None:
    assert trigate("models", "show", "nothing").code == 5


def test_a_model_can_be_added_and_priced(trigate: Trigate) -> None:
    added = trigate(
        *("models", "add", "llama-4", "--vendor", "local", "--dialects", "chat", "--context", "128000"),
        *("--max-output", "8000", "--name", "Llama 4", "--speed", "30", "--spellings", "llama4", "--json"),
    ).json
    assert (added["context_tokens"], added["max_output_tokens"], added["price"]) == (128_000, 8_000, None)
    priced = trigate("models", "price", "llama-4", "--input", "0.25", "--output", "1", "--json").json
    assert priced["price"]["rates"]["input"] == 250_000


def test_a_price_has_every_bucket_and_variant(trigate: Trigate) -> None:
    price = trigate(
        *("models", "price", "claude-opus-5-5", "--input", "5", "--output", "25", "--cache-read", "0.5"),
        *("--cache-write-5m", "6.25", "--cache-write-1h", "10", "--cache-write-30m", "7", "--cache-write-12h", "12"),
        *("--web-search", "0.01", "--variant", "fast=2", "--variant", "batch=0.5", "--from", "2026-01-01", "--json"),
    ).json["price"]
    assert price["rates"] == {
        "input": 5_000_000,
        "output": 25_000_000,
        "cache_read": 500_000,
        "cache_write_5m": 6_250_000,
        "cache_write_1h": 10_000_000,
        "cache_write_30m": 7_000_000,
        "cache_write_12h": 12_000_000,
    }
    assert (price["web_search_micro"], price["variants_bp"]) == (10_000, {"fast": 20_000, "batch": 5_000})
    assert price["effective_at"] == 1_767_225_600_000


def test_a_price_to_come_is_shown_with_the_one_in_force(trigate: Trigate) -> None:
    before = trigate("models", "show", "opus", "--json").json["price"]
    trigate("models", "price", "claude-opus-5-5", "--input", "1", "--output", "2", "--from", "30d")
    assert trigate("models", "show", "opus", "--json").json["price"] == before
    assert "$1.00 in, $2.00 out" in trigate("models", "show", "opus").out


def test_a_new_price_keeps_the_rates_for_long_prompts_and_says_so(trigate: Trigate) -> None:
    tiers = trigate("models", "show", LONG, "--json").json["price"]["tiers"]
    said = trigate("models", "price", LONG, "--input", "1", "--output", "2", "--json")
    assert (said.json["price"]["rates"]["input"], said.json["price"]["tiers"]) == (1_000_000, tiers)
    assert f"prompts above {tiers[0]['above_prompt_tokens']:,}: $" in said.err


@pytest.mark.parametrize("given", [("--input", "1", "--output", "2", "--flat"), ("--free",)])
def test_a_price_holds_for_long_prompts_where_the_operator_says_so(trigate: Trigate, given: tuple[str, ...]) -> None:
    said = trigate("models", "price", LONG, *given, "--json")
    assert said.json["price"]["tiers"] == []
    assert "long prompts" not in said.err


def test_a_price_to_come_keeps_the_rates_for_long_prompts_of_its_own_moment(trigate: Trigate) -> None:
    trigate("models", "price", LONG, "--input", "1", "--output", "2", "--from", "30d", "--flat")
    assert "long prompts" not in trigate("models", "price", LONG, "--input", "3", "--output", "4", "--from", "60d").err


def test_free_is_a_price_of_nothing(trigate: Trigate) -> None:
    assert trigate("models", "price", "claude-opus-5-5", "--free", "--json").json["price"]["rates"]["output"] == 0


def test_half_a_price_is_refused(trigate: Trigate) -> None:
    assert trigate("models", "price", "claude-opus-5-5", "--input", "1").code == 2


def test_a_price_without_cache_rates_says_what_that_means(trigate: Trigate) -> None:
    said = trigate("models", "price", "claude-opus-5-5", "--input", "1", "--output", "2")
    assert "what input costs" in said.err


def test_an_alias_is_pointed_elsewhere_and_back(trigate: Trigate) -> None:
    shipped = trigate("models", "show", "opus", "--json").json["id"]
    assert trigate("models", "alias", "opus", "claude-opus-4-5", "--json").json["model"] == "claude-opus-4-5"
    assert trigate("models", "show", "opus", "--json").json["id"] == "claude-opus-4-5"
    assert trigate("models", "alias", "opus", "--remove", "--json").json["model"] == shipped


def test_remove_takes_the_operators_changes_back(trigate: Trigate) -> None:
    shipped = trigate("models", "show", "opus", "--json").json["price"]
    trigate("models", "price", "claude-opus-5-5", "--input", "1", "--output", "2")
    assert trigate("models", "remove", "claude-opus-5-5", "--yes", "--json").json["price"] == shipped


def local_server(trigate: Trigate, *options: str) -> None:
    trigate(*("accounts", "add", "local", "--kind", "openai", "--base-url", "http://127.0.0.1:9"), *options)


def test_list_shows_what_only_an_account_has(trigate: Trigate) -> None:
    local_server(trigate, "--models", "qwen3:8b", "--free")
    assert trigate("models", "list").rows[-1] == ["qwen3:8b", "local", "unknown", "free", "free", "", "active"]


def test_a_model_of_an_accounts_own_list_has_no_price_unless_the_account_is_free(trigate: Trigate) -> None:
    local_server(trigate, "--models", "qwen3:8b")
    assert trigate("models", "list", "--vendor", "local").rows[0][3] == "no price"


def test_show_names_the_accounts_that_serve_a_model(trigate: Trigate) -> None:
    local_server(trigate, "--models", "qwen3:8b", "--free")
    assert trigate("models", "show", "qwen3:8b", "--json").json["accounts"] == ["local"]
    assert trigate("models", "show", "opus", "--json").json["accounts"] == []


@pytest.mark.parametrize("command", ["price qwen3:8b --input 1 --output 2", "alias fast qwen3:8b"])
def test_what_only_an_account_has_is_put_into_the_catalog_first(trigate: Trigate, command: str) -> None:
    local_server(trigate, "--models", "qwen3:8b")
    refused = trigate("models", *command.split())
    advised = refused.err.partition("trigate models add ")[2].replace("TOKENS", "8000").split()
    assert refused.code == 2
    assert trigate("models", "add", *advised).code == 0
    assert trigate("models", *command.split()).code == 0


def test_a_new_model_says_what_it_needs(trigate: Trigate) -> None:
    said = trigate("models", "add", "llama-4", "--vendor", "local", "--context", "8000")
    assert said.code == 2
    assert "llama-4 is not in the catalog yet. A new model needs --dialects, --max-output as well." in said.err
