"""`trigate usage` and `trigate ledger`: calls that a gateway settled, as their operator sees them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.catalog import Price, Rates
from gateway.records import Usage
from gateway.settings import DATABASE
from gateway.store.database import connect_raw
from gateway.store.jobs import RememberPrices
from tests.cli.conftest import Trigate
from tests.store.making import NOW, make_attempt, make_call, settle

PRICE = Price("v1", 0, Rates(3_000_000, 15_000_000, cache_read=300_000), variants_bp={"fast": 20_000})
USAGE = Usage(input_tokens=1, cache_read_tokens=21, output_tokens=10, reasoning_tokens=4)
# (1 × 3 + 21 × 0.30 + 10 × 15) / 1,000,000 dollars, rounded up to a micro-dollar.
COST = 160


@pytest.fixture
def calls(trigate: Trigate, gateway_writes: Callable[..., None]) -> list[str]:
    """Two calls of alice and bob through the accounts main and spare. The first one failed over."""
    trigate("keys", "create", "alice", "--balance", "5")
    trigate("keys", "create", "bob", "--unlimited")
    trigate("accounts", "add", "main", "--kind", "simulated")
    trigate("accounts", "add", "spare", "--kind", "simulated")
    first = make_call(1, usage=USAGE, cost_micro=COST, price_version="v1", account_id=2, ttft_ms=300, duration_ms=1500)
    attempts = [
        make_attempt(first, 1, account_id=1, outcome="failed", status=529, error_code="overloaded", cost_micro=0),
        make_attempt(
            first, 2, account_id=2, first_frame_ms=280, duration_ms=1400, cost_micro=COST, usage_basis="reported"
        ),
    ]
    second = make_call(
        2, customer_id=2, key_id=2, at=NOW + 1000, model="gpt-5.5", cost_micro=0, outcome="failed", status=502
    )
    gateway_writes(
        RememberPrices([("v1", first.model, msgspec.json.encode(PRICE))]),
        settle(first, attempts=attempts),
        settle(second, charge_micro=None),
    )
    return [first.id, second.id]


def test_list_is_newest_first_with_names(trigate: Trigate, calls: list[str]) -> None:
    listed = trigate("usage", "list", "--json").json
    assert [(each["id"], each["key_name"], each["account"]) for each in listed] == [
        (calls[1], "bob", "main"),
        (calls[0], "alice", "spare"),
    ]
    assert listed[1]["cost_micro"] == COST
    assert listed[1]["usage"]["output_tokens"] == 10


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--customer", "alice"), [0]),
        (("--key", "bob"), [1]),
        (("--model", "gpt-5.5"), [1]),
        (("--model", "claude-sonnet-4.6"), [0]),
        (("--account", "spare"), [0]),
        (("--failed",), [1]),
        (("--open",), []),
        (("--since", "2026-03-04T05:06:08Z"), [1]),
        (("--until", "2026-03-04"), []),
        (("--limit", "1"), [1]),
    ],
    ids=str,
)
def test_list_filters(trigate: Trigate, calls: list[str], options: tuple[str, ...], found: list[int]) -> None:
    listed = trigate("usage", "list", "--json", *options)
    assert [calls.index(each["id"]) for each in listed.json] == found


def test_the_next_page_begins_before_the_last_call(trigate: Trigate, calls: list[str]) -> None:
    assert [each["id"] for each in trigate("usage", "list", "--before", calls[1], "--json").json] == [calls[0]]


def test_the_receipt_adds_up_to_the_exact_cost(trigate: Trigate, calls: list[str]) -> None:
    receipt = trigate("usage", "show", calls[0], "--json").json
    assert [(line["tokens"], line["words"], line["rate"], line["cost_usd"]) for line in receipt["lines"]] == [
        (1, "input", 3_000_000, "0.000003"),
        (21, "cache read", 300_000, "0.0000063"),
        (10, "output", 15_000_000, "0.00015"),
    ]
    assert receipt["cost_micro"] == receipt["computed_micro"] == COST


def test_the_receipt_shows_every_attempt(trigate: Trigate, calls: list[str]) -> None:
    attempts = trigate("usage", "show", calls[0], "--json").json["attempts"]
    assert [(each["account"], each["outcome"], each["status"], each["cost_micro"]) for each in attempts] == [
        ("main", "failed", 529, 0),
        ("spare", "won", 200, COST),
    ]


def test_the_receipt_for_a_reader(trigate: Trigate, calls: list[str]) -> None:
    rows = trigate("usage", "show", calls[0]).rows
    assert ["10", "output", "$15.00", "$0.00015"] in rows
    assert ["sum", "$0.0001593"] in rows
    assert ["cost", "$0.00016"] in rows
    assert ["price version", "v1"] in rows
    spare = ["2", "spare", "first", "2026-03-04 05:06:07Z", "280 ms", "1.4 s", "won", "200", "$0.00016", "reported"]
    assert spare in rows
    assert ["usage", "as the upstream reported it; 4 of the output was reasoning"] in rows


def test_the_receipt_says_why_it_costs_less_than_its_lines(
    trigate: Trigate, calls: list[str], gateway_writes: Callable[..., None]
) -> None:
    forgiven = make_call(3, usage=USAGE, cost_micro=0, price_version="v1", outcome="partial")
    gateway_writes(settle(forgiven, charge_micro=0))
    rows = trigate("usage", "show", forgiven.id).rows
    assert ["instead of", "$0.00016: an interrupted answer is forgiven by the tier"] in rows


def test_the_receipt_names_the_variant_the_provider_served(
    trigate: Trigate, calls: list[str], gateway_writes: Callable[..., None]
) -> None:
    fast = make_call(3, usage=msgspec.structs.replace(USAGE, speed="fast"), cost_micro=319, price_version="v1")
    gateway_writes(settle(fast))
    rows = trigate("usage", "show", fast.id).rows
    assert ["variants", "fast=×2"] in rows
    assert "instead of" not in [row[0] for row in rows]


def test_the_receipt_draws_what_a_hedge_did_and_cost(
    trigate: Trigate, calls: list[str], gateway_writes: Callable[..., None]
) -> None:
    hedged = make_call(3, usage=USAGE, price_version="v1", account_id=2, duration_ms=6_000, upstream_cost_micro=310)
    slow = make_attempt(
        hedged, 1, outcome="lost", duration_ms=4_500, usage_basis="upper_bound", cost_micro=150, status=0
    )
    quick = make_attempt(hedged, 2, account_id=2, reason="hedge", first_frame_ms=500, duration_ms=2_000)
    quick.started_at += 4_000
    gateway_writes(settle(hedged, attempts=[slow, quick]))
    said = trigate("usage", "show", hedged.id)
    assert ["of that lost", "$0.00015, at most"] in said.rows
    lanes = {line.split()[2]: line for line in said.out.splitlines() if line.startswith(("1 first ", "2 hedge "))}
    assert lanes["main"].endswith("lost after 4.5 s, before its first token; $0.00015 at most (upper bound)")
    assert lanes["spare"].endswith("won, first token after 500 ms; $0.00025")
    assert lanes["spare"].index("[") > lanes["main"].index("[") + 30


def test_a_receipt_that_is_not_there_is_code_5(trigate: Trigate, calls: list[str]) -> None:
    assert trigate("usage", "show", "req_none").code == 5


def test_summary_adds_up_by_model(trigate: Trigate, calls: list[str]) -> None:
    found = trigate("usage", "summary", "--since", "2026-03-04", "--until", "2026-03-05", "--json").json
    by_model = {each["group"]["model"]: (each["calls"], each["failed_calls"]) for each in found["groups"]}
    assert by_model == {"claude-sonnet-4-6": (1, 0), "gpt-5.5": (1, 1)}
    assert (found["total"]["calls"], found["total"]["charged_micro"]) == (2, COST)


@pytest.mark.parametrize(
    ("dimension", "texts"),
    [
        ("customer", ["alice", "bob"]),
        ("key", ["alice", "bob"]),
        ("account", ["main", "spare"]),
        ("day", ["2026-03-04"]),
        ("hour", ["2026-03-04 05:00"]),
    ],
)
def test_summary_by(trigate: Trigate, calls: list[str], dimension: str, texts: list[str]) -> None:
    said = trigate("usage", "summary", "--since", "2026-03-04", "--by", dimension)
    assert sorted(row[0] for row in said.rows) == texts


def test_summary_of_nothing_says_so(trigate: Trigate, calls: list[str]) -> None:
    said = trigate("usage", "summary", "--since", "2026-01-01", "--until", "2026-01-02")
    assert (said.code, said.out) == (0, "")
    assert "Nothing was called" in said.err


def test_export_as_csv(trigate: Trigate, calls: list[str]) -> None:
    rows = list(csv.DictReader(trigate("usage", "export").out.splitlines()))
    assert [row["id"] for row in rows] == calls[::-1]
    assert (rows[1]["output_tokens"], rows[1]["cost_micro"], rows[1]["customer"]) == ("10", str(COST), "alice")


def test_export_as_json_lines_of_one_customer(trigate: Trigate, calls: list[str]) -> None:
    lines = trigate("usage", "export", "--format", "jsonl", "--customer", "bob").out.splitlines()
    exported: list[Any] = [msgspec.json.decode(line) for line in lines]
    assert [each["id"] for each in exported] == [calls[1]]


def test_export_to_a_file_counts_the_calls(trigate: Trigate, calls: list[str], tmp_path: Path) -> None:
    said = trigate("usage", "export", "--output", str(tmp_path / "calls.csv"))
    assert (said.out, said.err) == ("", "2 calls exported.\n")
    assert len((tmp_path / "calls.csv").read_text().splitlines()) == 3


def test_export_to_where_nothing_can_be_written(trigate: Trigate, calls: list[str], tmp_path: Path) -> None:
    assert trigate("usage", "export", "--output", str(tmp_path / "no" / "calls.csv")).code == 2


def test_the_ledger_of_everybody(trigate: Trigate, calls: list[str]) -> None:
    entries = trigate("ledger", "list", "--json").json
    assert [(each["customer"], each["kind"], each["amount_micro"]) for each in entries] == [
        ("alice", "charge", -COST),
        ("alice", "topup", 5_000_000),
    ]


def test_the_statement_of_one_customer(trigate: Trigate, calls: list[str]) -> None:
    assert trigate("ledger", "list", "bob").out == ""
    assert [row[3] for row in trigate("ledger", "list", "alice").rows] == ["charge", "topup"]


def test_the_ledger_by_kind_and_page(trigate: Trigate, calls: list[str]) -> None:
    charge = trigate("ledger", "list", "--kind", "charge", "--limit", "1", "--json").json[0]
    older = trigate("ledger", "list", "--before", str(charge["id"]), "--json").json
    assert [each["kind"] for each in older] == ["topup"]


def test_a_ledger_that_adds_up_is_code_0(trigate: Trigate, calls: list[str]) -> None:
    said = trigate("ledger", "verify")
    assert (said.code, said.out) == (0, "Everything adds up.\n")


def test_a_ledger_that_does_not_add_up_is_code_1_and_says_where(
    trigate: Trigate, calls: list[str], data_dir: Path
) -> None:
    connection = connect_raw(data_dir / DATABASE)
    connection.execute("UPDATE balances SET balance_micro = balance_micro + 1 WHERE customer_id = 1")
    connection.close()
    said = trigate("ledger", "verify", "--json")
    assert said.code == 1
    problem = said.json["problems"][0]
    assert (problem["subject"], problem["found_micro"] - problem["expected_micro"]) == ("customer alice", 1)
