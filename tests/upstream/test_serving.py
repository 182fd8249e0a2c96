"""Which accounts serve a model, what they call it and what they cost."""

from typing import Any

import pytest

from gateway.catalog import Rates
from gateway.catalog.load import shipped_catalog
from gateway.records import Account
from gateway.upstream.serving import Seat, build_serving, mapped_by_glob, same_organisation

CATALOG = shipped_catalog()
OPUS = "claude-opus-5-5"


def account(number: int = 1, **fields: Any) -> Account:
    return Account(
        **{"id": number, "name": f"account {number}", "kind": "openai", "base_url": "http://host/v1"} | fields
    )


def seat_of(each: Account, model_id: str = OPUS) -> Seat | None:
    served = build_serving(
        [each],
        CATALOG,
        lambda model: True,
        [("messages", "chat")],
    )
    return served[model_id].seats["messages"][0] if model_id in served else None


def called(each: Account, model_id: str = OPUS) -> str | None:
    seat = seat_of(each, model_id)
    return None if seat is None else seat.upstream_model


@pytest.mark.parametrize(
    ("glob", "target", "mapped"),
    [
        ("claude-*", "anthropic/*", "anthropic/opus-5-5"),
        ("claude-*", "anthropic/claude-*", "anthropic/claude-opus-5-5"),
        ("*", "vendor/*-latest", "vendor/claude-opus-5-5-latest"),
        ("claude-*-5-5", "*", "opus"),
        ("claude-*", "one-model", "one-model"),
        ("gpt-*", "openai/*", None),
        ("claude-opus", "opus", None),
        ("claude-opus-5*-5-5", "*", None),
    ],
)
def test_a_star_in_the_target_is_what_the_globs_star_stood_for(glob: str, target: str, mapped: str | None) -> None:
    assert mapped_by_glob({glob: target}, OPUS) == mapped


def test_a_glob_makes_an_account_serve_what_it_matches() -> None:
    mapped = account(model_map={"claude-*": "anthropic/claude-*"})
    assert called(mapped) == "anthropic/claude-opus-5-5"
    assert called(mapped, "gpt-5.5") is None


def test_an_exact_id_wins_over_a_glob() -> None:
    assert called(account(model_map={"claude-*": "anthropic/*", OPUS: "my-opus"})) == "my-opus"


def test_a_glob_promises_nothing_that_the_servers_own_list_does_not_have() -> None:
    listing = account(model_map={"claude-*": "anthropic/claude-*"}, discovered=("anthropic/claude-opus-5-5",))
    assert called(listing) == "anthropic/claude-opus-5-5"
    assert called(listing, "claude-haiku-5-5") is None


def test_models_are_chosen_by_their_upstream_ids_too() -> None:
    chosen = account(models=("anthropic/*opus*",), model_map={"*": "anthropic/*"})
    assert called(chosen) == "anthropic/claude-opus-5-5"
    assert called(chosen, "claude-haiku-5-5") is None


def test_an_account_without_prices_of_its_own_costs_the_list_price() -> None:
    seat = seat_of(account(models=("*",)))
    assert seat is not None
    assert seat.cost_rates is None


def test_the_first_cost_that_matches_holds_and_an_exact_one_before_it() -> None:
    any_claude, opus = Rates(1, 2), Rates(3, 4)
    prices = {"claude-*": any_claude, "*": Rates(5, 6), OPUS: opus}
    priced = account(models=("*",), cost_prices=prices)
    costs = [seat.cost_rates for model in (OPUS, "claude-haiku-5-5") if (seat := seat_of(priced, model)) is not None]
    assert costs == [opus, any_claude]


@pytest.mark.parametrize(("prices", "cost"), [({}, Rates(0, 0)), ({"*": Rates(1, 2)}, Rates(1, 2))], ids=["0", "own"])
def test_the_claude_command_line_costs_nothing_unless_said(prices: dict[str, Rates], cost: Rates) -> None:
    seat = seat_of(account(kind="claude-cli", base_url="", cost_prices=prices))
    assert seat is not None
    assert seat.cost_rates == cost


def seats(*headers: dict[str, str]) -> tuple[Seat, ...]:
    return tuple(
        Seat(account(number, extra_headers=each), "gpt-5.5", "responses")
        for number, each in enumerate(headers, start=1)
    )


def test_accounts_that_name_the_same_organisation_can_read_each_others_reasoning() -> None:
    named, other = {"openai-organization": "org-a"}, {"openai-organization": "org-b"}
    found = same_organisation(seats(other, named, {}, named), 2)
    assert [seat.account.id for seat in found] == [2, 4]


def test_accounts_that_name_none_are_on_their_own() -> None:
    assert [seat.account.id for seat in same_organisation(seats({}, {}), 2)] == [2]


def test_an_account_that_serves_no_more_has_no_organisation() -> None:
    assert same_organisation(seats({}, {}), 3) == ()
