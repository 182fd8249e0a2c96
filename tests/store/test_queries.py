"""Listings and sums over calls."""

from itertools import product

import pytest

from gateway import clock
from gateway.store.database import Database, rows
from gateway.store.jobs import AccountState, Checkpoint, KeyState, RememberState
from gateway.store.operators import accounts, customers, keys
from gateway.store.queries import calls, usage, views
from gateway.store.queries.calls import CallFilter, list_calls
from gateway.store.retention import prune
from gateway.store.rollups import DAY_MS, HOUR_MS
from gateway.store.rows import SELECT_OPEN_CALL
from gateway.store.transact import Transactor
from tests.store.making import NOW, call_id, make_call, settle


@pytest.fixture(autouse=True)
def two_customers(database: Database) -> None:
    customers.create(database, "test", "alice")
    customers.create(database, "test", "bob")


def ids(found: list[calls.Call]) -> list[str]:
    return [call.id for call in found]


def test_the_floor_of_an_instant_is_below_the_ids_made_then() -> None:
    before = clock.now_ms()
    made = clock.new_id("req_")
    assert calls.id_floor(before) <= made < calls.id_floor(clock.now_ms() + 1)


def test_newest_first_in_pages(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(n, at=NOW + n)) for n in range(5)])
    first = list_calls(database, limit=3)
    second = list_calls(database, limit=3, before_id=first[-1].id)
    assert ids(first + second) == [call_id(n, NOW + n) for n in (4, 3, 2, 1, 0)]


def test_a_customers_calls_are_found_across_days_in_pages(database: Database, transactor: Transactor) -> None:
    spread = [NOW - days * DAY_MS - hours * HOUR_MS for days, hours in product(range(40), (0, 1, 2, 7))]
    mine = [make_call(n, at=at, customer_id=1) for n, at in enumerate(spread)]
    others = [make_call(n + 1_000, at=at + 60_000, customer_id=2) for n, at in enumerate(spread)]
    transactor.transact([settle(call) for call in mine + others])
    expected = sorted(ids(mine), reverse=True)
    found: list[calls.Call] = []
    while page := list_calls(database, CallFilter(customer_id=1), limit=7, before_id=found[-1].id if found else None):
        found += page
    assert ids(found) == expected


def test_a_rare_filter_reads_only_hours_that_have_something(database: Database, transactor: Transactor) -> None:
    old = make_call(1, at=NOW - 90 * DAY_MS, customer_id=1, key_id=5)
    transactor.transact([settle(old), *(settle(make_call(n, customer_id=2)) for n in range(2, 50))])
    assert ids(list_calls(database, CallFilter(key_id=5))) == [old.id]
    assert list_calls(database, CallFilter(key_id=6)) == []


def test_open_calls_are_listed_among_the_settled(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(1)), Checkpoint([make_call(2)]), settle(make_call(3))])
    assert ids(list_calls(database, CallFilter(customer_id=1))) == [call_id(3), call_id(2), call_id(1)]
    assert ids(list_calls(database, CallFilter(state="open"))) == [call_id(2)]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (CallFilter(status=503), [2]),
        (CallFilter(least_status=400), [3, 2]),
        (CallFilter(least_cost_micro=301), [4]),
        (CallFilter(customer_id=1, outcome="failed"), [3, 2]),
        (CallFilter(account_id=9), [4]),
        (CallFilter(model="claude-sonnet-4-6", until_at=NOW + 3), [2, 1]),
        (CallFilter(since_at=NOW + 3), [4, 3]),
    ],
)
def test_filters(database: Database, transactor: Transactor, wanted: CallFilter, numbers: list[int]) -> None:
    made = [
        make_call(1, at=NOW + 1),
        make_call(2, at=NOW + 2, status=503, outcome="failed"),
        make_call(3, at=NOW + 3, status=400, outcome="failed"),
        make_call(4, at=NOW + 4, cost_micro=500, account_id=9),
    ]
    transactor.transact([settle(call) for call in made])
    assert ids(list_calls(database, wanted)) == [call_id(n, NOW + n) for n in numbers]


def test_nobody_reads_anothers_receipt(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(customer_id=1))])
    assert calls.find_call(database, call_id(1), customer_id=1) is not None
    assert calls.find_call(database, call_id(1), customer_id=2) is None


@pytest.mark.parametrize("days", [0, 1, 3])
def test_sums_are_the_same_from_days_and_hours(database: Database, transactor: Transactor, days: int) -> None:
    begin = NOW - NOW % DAY_MS + 5 * HOUR_MS
    end = begin + days * DAY_MS + 4 * HOUR_MS
    every = range(begin - DAY_MS, end + DAY_MS, HOUR_MS)
    transactor.transact([settle(make_call(n, at=at)) for n, at in enumerate(every)])
    (total,) = usage.summarize(database, since_at=begin, until_at=end)
    hourly = usage.summarize(database, since_at=begin, until_at=end, by=("hour",))
    assert total.calls == sum(each.calls for each in hourly) == days * 24 + 4


def test_sums_by_model_of_one_key(database: Database, transactor: Transactor) -> None:
    made = [make_call(1), make_call(2, model="gpt-5.5"), make_call(3, model="gpt-5.5", key_id=2)]
    transactor.transact([settle(call) for call in made])
    sums = usage.summarize(database, since_at=NOW, until_at=NOW + 1, by=("model",), key_id=1)
    assert [(each.group, each.calls) for each in sums] == [
        ({"model": "claude-sonnet-4-6"}, 1),
        ({"model": "gpt-5.5"}, 1),
    ]


def test_nothing_sums_to_zero(database: Database) -> None:
    (total,) = usage.summarize(database, since_at=0, until_at=NOW)
    assert (total.calls, total.charged_micro) == (0, 0)


def test_pruning_forgets_old_calls_and_no_money(database: Database, transactor: Transactor) -> None:
    old = [make_call(n, at=NOW - 10 * DAY_MS) for n in range(700)]
    still_open = make_call(900, at=NOW - 10 * DAY_MS)
    transactor.transact([settle(call) for call in old] + [settle(make_call(1)), Checkpoint([still_open])])
    pruned = prune(database, "ops", NOW - DAY_MS, now_at=NOW)
    assert (pruned.calls, ids(list_calls(database))) == (700, [call_id(1), still_open.id])
    assert rows(database, "SELECT count(*) FROM attempts") == [(1,)]
    assert rows(database, "SELECT count(*) FROM ledger") == [(701,)]
    assert usage.summarize(database, since_at=0, until_at=NOW)[0].calls == 701


def test_a_key_shows_when_it_was_used_and_what_it_spent(database: Database, transactor: Transactor) -> None:
    key, _ = keys.create(database, "ops", "ci", customer="alice")
    transactor.transact([settle(make_call(key_id=key.id)), RememberState([], [KeyState(key.id, NOW, "::1")], [])])
    (view,) = views.key_views(database, NOW)
    assert (view.customer, view.last_used_at, view.last_ip, view.spent.day_micro) == ("alice", NOW, "::1", 300)
    assert view.key.secret_hash == b""


def test_a_reset_makes_older_cool_downs_void(database: Database, transactor: Transactor) -> None:
    account = accounts.add(database, "ops", "main", kind="anthropic")
    state = AccountState(account.id, "", NOW + 5_000, "429", 1, False, changed_at=1)
    transactor.transact([RememberState([state], [], [])])
    assert views.account_views(database)[0].states == [state]
    accounts.reset(database, "ops", "main")
    assert views.account_views(database)[0].states == []


def test_open_calls_are_found_without_walking_the_history(database: Database) -> None:
    plan = rows(database, f"EXPLAIN QUERY PLAN {SELECT_OPEN_CALL} ORDER BY id DESC")
    assert [step[3] for step in plan] == ["SCAN calls USING INDEX calls_open"]
