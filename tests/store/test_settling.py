"""What a settlement writes, and that it writes it once."""

from typing import Any

import pytest

from gateway.records import Call, UpstreamObject, Usage
from gateway.store.database import Database, rows
from gateway.store.jobs import Checkpoint, FinishDrain, RememberObjects, RememberPrices
from gateway.store.operators import customers
from gateway.store.queries import calls, ledger, lookups, usage
from gateway.store.rollups import DAY_MS
from gateway.store.transact import Transactor
from gateway.store.wallet_reads import load_balances, load_spending
from tests.store.making import BOOT, GATEWAY, NOW, USAGE, call_id, make_attempt, make_call, settle


@pytest.fixture(autouse=True)
def alice(database: Database) -> None:
    customers.create(database, "test", "alice", balance_micro=10_000)


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    tables = ("calls", "attempts", "ledger", "balances", "rollups", "upstream_objects", "revision")
    return {table: rows(database, f"SELECT * FROM {table}") for table in tables}


def today(database: Database) -> usage.UsageSum:
    return usage.summarize(database, since_at=NOW - NOW % DAY_MS, until_at=NOW)[0]


def test_every_field_of_a_call_comes_back(database: Database, transactor: Transactor) -> None:
    call = Call(
        id=call_id(7), customer_id=1, key_id=2, tier="codex", dialect="chat", model_asked="gpt", model="gpt-5.5",
        stream=False, started_at=NOW, client_ip="::1", outcome="partial", status=529, error_code="overloaded",
        account_id=4, duration_ms=5, ttft_ms=6, usage=Usage(1, 2, 3, 4, 5, 6, 7, 8, 9, "flex", "fast", "us"),
        usage_basis="estimated", cost_micro=10, upstream_cost_micro=11, held_micro=12, overshoot_micro=13,
        price_version="v", multiplier_bp=14, warnings=("clamped:max_tokens", "dropped:seed"),
        upstream_response_id="resp_1",
    )  # fmt: skip
    unset = [name for name in Call.__struct_fields__ if not getattr(call, name)]
    assert unset == ["stream", "gateway_id", "boot_id"]
    attempt = make_attempt(call, 3, first_frame_ms=9, upstream_request_id="u", error_code="e", usage=call.usage)
    assert transactor.transact([settle(call, attempts=[attempt])]) is None
    story = calls.find_call(database, call.id)
    call.state, call.gateway_id, call.boot_id = "settled", GATEWAY, BOOT
    assert story == calls.Story(call, [attempt])


def test_the_charge_leaves_the_balance(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(cost_micro=300))])
    assert load_balances(database) == ({1: 9_700}, 2)
    entry = ledger.list_entries(database, customer_id=1)[0]
    assert (entry.kind, entry.amount_micro, entry.call_id, entry.boot_id) == ("charge", -300, call_id(1), BOOT)


@pytest.mark.parametrize("together", [True, False], ids=["in one group", "in two"])
def test_twice_is_once(database: Database, transactor: Transactor, together: bool) -> None:
    thing = UpstreamObject("resp_1", "response", 1, 1, NOW, NOW + 1000)
    job = settle(make_call(), objects=(thing,))
    transactor.transact([job])
    once = everything(database)
    for again in [[job, job]] if together else [[job], [job]]:
        assert transactor.transact(again) is None
    assert everything(database) == once


def test_twice_in_the_first_group_is_once(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call()), settle(make_call()), settle(make_call(2))])
    assert load_balances(database)[0] == {1: 9_400}
    assert today(database).calls == 2


def test_a_free_call_leaves_an_entry_and_an_unserved_one_none(database: Database, transactor: Transactor) -> None:
    free, unserved = make_call(1, cost_micro=0), make_call(2, cost_micro=0, outcome="failed", status=503)
    transactor.transact([settle(free), settle(unserved, charge_micro=None, attempts=[])])
    assert [entry.call_id for entry in ledger.list_entries(database, kind="charge")] == [free.id]
    assert (today(database).calls, today(database).failed_calls) == (2, 1)


def test_a_checkpoint_makes_an_open_row_and_moves_it(database: Database, transactor: Transactor) -> None:
    transactor.transact([Checkpoint([make_call(cost_micro=1)])])
    transactor.transact([Checkpoint([make_call(cost_micro=2)])])
    (found,) = calls.open_calls(database)
    assert (found.cost_micro, found.boot_id) == (2, BOOT)


def test_a_checkpoint_never_touches_a_settled_call(database: Database, transactor: Transactor) -> None:
    transactor.transact([Checkpoint([make_call(cost_micro=1)])])
    transactor.transact([settle(make_call(cost_micro=300)), Checkpoint([make_call(cost_micro=2)])])
    transactor.transact([Checkpoint([make_call(cost_micro=3)])])
    story = calls.find_call(database, call_id(1))
    assert story is not None
    assert (story.call.state, story.call.cost_micro) == ("settled", 300)


def test_losers_cost_the_operator_under_their_own_account(database: Database, transactor: Transactor) -> None:
    call = make_call(account_id=2, upstream_cost_micro=350)
    attempts = [
        make_attempt(call, 1, account_id=1, outcome="failed", cost_micro=0),
        make_attempt(call, 2, account_id=2, cost_micro=250),
        make_attempt(call, 3, account_id=3, outcome="lost", cost_micro=100),
    ]
    transactor.transact([settle(call, attempts=attempts)])
    sums = usage.summarize(database, since_at=NOW, until_at=NOW + 1, by=("account",))
    facts = {s.group["account"]: (s.calls, s.failed_attempts, s.charged_micro, s.upstream_micro) for s in sums}
    assert facts == {1: (0, 1, 0, 0), 2: (1, 0, 300, 250), 3: (0, 0, 0, 100)}


def test_the_end_of_a_drain_corrects_what_it_cost(database: Database, transactor: Transactor) -> None:
    call = make_call(upstream_cost_micro=1_250)
    draining = make_attempt(call, 2, account_id=3, outcome="draining", cost_micro=1_000)
    transactor.transact([settle(call, attempts=[make_attempt(call), draining])])
    final = make_attempt(call, 2, account_id=3, outcome="lost", cost_micro=40)
    transactor.transact([FinishDrain(final), FinishDrain(final)])
    story = calls.find_call(database, call.id)
    assert story is not None
    assert (story.call.upstream_cost_micro, story.attempts[1]) == (290, final)
    assert today(database).upstream_micro == 290
    assert load_balances(database)[0] == {1: 9_700}


def test_an_object_belongs_to_the_customer_it_was_made_for(database: Database, transactor: Transactor) -> None:
    thing = UpstreamObject("resp_1", "response", 1, 5, NOW, NOW + 1000)
    transactor.transact([RememberObjects([thing, UpstreamObject("resp_1", "response", 2, 9, NOW, NOW + 1000)])])
    assert lookups.find_object(database, 1, "resp_1") == thing
    assert lookups.find_object(database, 3, "resp_1") is None


def test_a_forgotten_object_is_forgotten_for_its_owner_alone(database: Database, transactor: Transactor) -> None:
    things = [UpstreamObject("resp_1", "response", owner, 5, NOW, NOW + 1000) for owner in (1, 2)]
    transactor.transact([RememberObjects(things)])
    transactor.transact([settle(make_call(), forgotten_objects=("resp_1",))])
    assert lookups.find_object(database, 1, "resp_1") is None
    assert lookups.find_object(database, 2, "resp_1") is not None


def test_a_price_version_is_kept_as_it_was_first_recorded(database: Database, transactor: Transactor) -> None:
    transactor.transact([RememberPrices([("v1", "m", b"{1}")]), RememberPrices([("v1", "m", b"{2}")])])
    assert lookups.find_price(database, "v1", "m") == b"{1}"


def test_spending_is_by_day_and_month_in_utc(database: Database, transactor: Transactor) -> None:
    yesterday, last_month = NOW - DAY_MS, NOW - 5 * DAY_MS
    transactor.transact([settle(make_call(n, at=at)) for n, at in enumerate((NOW, yesterday, last_month))])
    spending = load_spending(database, NOW)
    assert (spending.customers[1].day_micro, spending.customers[1].month_micro) == (300, 600)
    assert spending.keys[1] == spending.customers[1]


def test_the_tokens_add_up(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(n)) for n in range(3)])
    transactor.transact([settle(make_call(n)) for n in range(3, 5)])
    total = today(database)
    assert (total.input_tokens, total.output_tokens) == (5 * USAGE.input_tokens, 5 * USAGE.output_tokens)
    assert (total.charged_micro, total.upstream_micro) == (1_500, 1_250)
