"""What the console reads of a small past."""

from typing import Any

import msgspec
import pytest

from gateway.catalog.models import Price, Rates
from gateway.records import AttemptOutcome
from gateway.store.database import Database, rows
from gateway.store.jobs import (
    AccountState,
    Checkpoint,
    Gauge,
    Heartbeat,
    KeyState,
    RememberPrices,
    RememberState,
    Settle,
)
from gateway.store.operators import accounts, customers, keys
from gateway.store.operators.audit import record
from gateway.store.queries import audit, calls, figures, ledger, live, money, names, usage
from gateway.store.queries.audit import AuditWord
from gateway.store.queries.call_filter import CallFilter, OutcomeIn, Pattern
from gateway.store.rollups import DAY_MS, HOUR_MS
from gateway.store.transact import Transactor
from tests.store.making import NOW, call_id, make_attempt, make_call, settle

USD = 1_000_000
TODAY = NOW - NOW % DAY_MS


@pytest.fixture(autouse=True)
def two_customers(database: Database) -> None:
    customers.create(database, "test", "alice", balance_micro=100 * USD)
    customers.create(database, "test", "bob", unlimited=True)


def beat(*gauges: Gauge, open_calls: int = 0, states: list[AccountState] | None = None) -> RememberState:
    heartbeat = Heartbeat(1, "host", "0", "", "ready", open_calls, NOW)
    return RememberState(states or [], [], list(gauges), heartbeat)


def raced(number: int, loser: AttemptOutcome, *, at: int = NOW) -> Settle:
    """A call that account 1 answered for 250 micro-dollars, and that cost 40 more at account 2."""
    call = make_call(number, at=at, upstream_cost_micro=290)
    lost = make_attempt(call, 2, account_id=2, outcome=loser, cost_micro=40)
    return settle(call, attempts=[make_attempt(call), lost])


# A call ------------------------------------------------------------------------------------------------------------


def test_a_call_comes_with_attempts_price_and_charge(database: Database, transactor: Transactor) -> None:
    price = Price("v1", 0, Rates(input=3 * USD, output=15 * USD))
    call = make_call(1, price_version="v1")
    kept = RememberPrices([("v1", call.model, msgspec.json.encode(price))])
    transactor.transact([kept, settle(call, attempts=[make_attempt(call, 1, outcome="failed"), make_attempt(call, 2)])])
    found = calls.call_detail(database, call.id)
    assert found is not None
    assert [attempt.outcome for attempt in found.attempts] == ["failed", "won"]
    assert found.price == price
    assert found.entry is not None
    assert found.entry.amount_micro == -300


def test_a_call_in_flight_has_no_charge_yet(database: Database, transactor: Transactor) -> None:
    transactor.transact([Checkpoint([make_call(1)])])
    found = calls.call_detail(database, call_id(1))
    assert found is not None
    assert (found.entry, found.price) == (None, None)


def test_nobody_has_an_unknown_call(database: Database) -> None:
    assert calls.call_detail(database, "req_nothing") is None


def test_attempts_of_several_calls_at_once(database: Database, transactor: Transactor) -> None:
    first, second = make_call(1), make_call(2)
    both = [make_attempt(first, 2), make_attempt(first, 1, outcome="failed")]
    transactor.transact([settle(first, attempts=both), settle(second, attempts=[])])
    found = calls.attempts_of(database, [first.id, second.id, "req_nothing"])
    assert {key: [attempt.number for attempt in each] for key, each in found.items()} == {first.id: [1, 2]}


def test_open_calls_come_with_the_attempts_that_go_on(database: Database, transactor: Transactor) -> None:
    call = make_call(2)
    going_on = make_attempt(call, outcome="open")
    transactor.transact([settle(make_call(1)), Checkpoint([call], [going_on])])
    (story,) = calls.open_stories(database)
    assert (story.call.id, [attempt.outcome for attempt in story.attempts]) == (call.id, ["open"])


def test_a_rare_filter_says_how_far_it_looked(database: Database, transactor: Transactor) -> None:
    rare = make_call(1, outcome="lost")
    transactor.transact([settle(rare), *(settle(make_call(n)) for n in range(2, 12))])
    wanted = CallFilter(conditions=(OutcomeIn(frozenset({"lost"})),))
    page = calls.call_page(database, wanted, examine=4)
    assert (page.calls, page.before_id) == ([], call_id(8))
    page = calls.call_page(database, wanted, before_id=page.before_id, examine=40)
    assert ([call.id for call in page.calls], page.before_id) == ([rare.id], None)


def test_an_old_open_call_comes_once_in_its_place(database: Database, transactor: Transactor) -> None:
    old = make_call(1, at=NOW - 3 * HOUR_MS)
    transactor.transact([Checkpoint([old]), *(settle(make_call(n, at=NOW - n * HOUR_MS)) for n in (2, 4, 1))])
    found: list[str] = []
    page = calls.call_page(database, CallFilter(customer_id=1), examine=1)
    while page.before_id is not None:
        found += [call.id for call in page.calls]
        page = calls.call_page(database, CallFilter(customer_id=1), before_id=page.before_id, examine=1)
    assert [*found, *(call.id for call in page.calls)] == [
        call_id(n, NOW - hours * HOUR_MS) for n, hours in ((1, 1), (2, 2), (1, 3), (4, 4))
    ]


def test_pages_are_found_by_the_ids_alone(database: Database) -> None:
    plan = rows(database, "EXPLAIN QUERY PLAN SELECT * FROM calls WHERE id < 'x' ORDER BY id DESC LIMIT 100")
    assert [step[3] for step in plan] == ["SEARCH calls USING INDEX sqlite_autoindex_calls_1 (id<?)"]


# Following ---------------------------------------------------------------------------------------------------------


def settled(arrivals: live.Arrivals) -> list[str]:
    return [call.id for call in arrivals.settled]


def test_what_was_there_is_no_arrival(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(1))])
    arrivals = live.follow_calls(database, live.live_cursor(database))
    assert settled(arrivals) == []


def test_short_calls_arrive_in_the_order_they_ended(database: Database, transactor: Transactor) -> None:
    cursor = live.live_cursor(database)
    transactor.transact([settle(make_call(1, at=NOW, duration_ms=900)), settle(make_call(2, at=NOW + 100))])
    arrivals = live.follow_calls(database, cursor)
    assert settled(arrivals) == [call_id(2, NOW + 100), call_id(1)]
    assert settled(live.follow_calls(database, arrivals.cursor)) == []


def test_a_long_call_is_open_then_arrives_though_newer_ones_came_first(
    database: Database, transactor: Transactor
) -> None:
    long_call = make_call(1)
    transactor.transact([Checkpoint([long_call])])
    before = live.follow_calls(database, live.live_cursor(database))
    assert before.open_ids == {long_call.id}
    assert [story.call.id for story in before.in_flight] == [long_call.id]
    transactor.transact([settle(make_call(2, at=NOW + 5))])
    between = live.follow_calls(database, before.cursor, before.open_ids)
    transactor.transact([settle(long_call)])
    after = live.follow_calls(database, between.cursor, between.open_ids)
    assert (settled(between), settled(after)) == ([call_id(2, NOW + 5)], [long_call.id])
    assert after.open_ids == frozenset()


def test_a_call_that_opened_and_ended_between_two_looks_arrives_once(
    database: Database, transactor: Transactor
) -> None:
    cursor = live.live_cursor(database)
    transactor.transact([Checkpoint([make_call(1)]), settle(make_call(1))])
    assert settled(live.follow_calls(database, cursor, [call_id(1)])) == [call_id(1)]


def test_more_than_can_be_read_is_counted(database: Database, transactor: Transactor) -> None:
    cursor = live.live_cursor(database)
    transactor.transact([settle(make_call(n, at=NOW + n)) for n in range(30)])
    arrivals = live.follow_calls(database, cursor, limit=10)
    assert settled(arrivals) == [call_id(n, NOW + n) for n in range(20, 30)]
    assert arrivals.skipped == 20


# The header --------------------------------------------------------------------------------------------------------


def test_an_empty_database_knows_nothing(database: Database) -> None:
    found = live.header(database, NOW)
    assert (found.beat, found.alive, found.calls_per_s, found.ttft_p50_ms, found.failed_share) == (
        None, False, None, None, None,
    )  # fmt: skip


def test_the_header_tells_of_the_last_minutes(database: Database, transactor: Transactor) -> None:
    old = make_call(9, at=NOW - 20 * 60_000, ttft_ms=60_000, outcome="failed")
    recent = [make_call(n, at=NOW - 1_000 * n, ttft_ms=100 * n) for n in range(1, 4)]
    failed = make_call(4, at=NOW - 120_000, outcome="failed")
    transactor.transact([beat(open_calls=2), *map(settle, [old, *recent, failed])])
    found = live.header(database, NOW + 1_000)
    assert found.alive
    assert found.calls_per_s == pytest.approx(3 / 60)
    assert (found.ttft_p50_ms, found.failed_share, found.open_calls) == (200, 0.25, 2)
    assert (found.charged_today_micro, found.upstream_today_micro) == (5 * 300, 5 * 250)


def test_a_gateway_that_died_has_no_rate(database: Database, transactor: Transactor) -> None:
    transactor.transact([beat(), settle(make_call(1))])
    found = live.header(database, NOW + live.ALIVE_MS + 1)
    assert (found.alive, found.calls_per_s) == (False, None)
    assert found.beat is not None


# Money -------------------------------------------------------------------------------------------------------------


def test_a_customers_money(database: Database, transactor: Transactor) -> None:
    spent = {0: 2 * USD, 1: 3 * USD, 8: 5 * USD, 40: 50 * USD}
    made = [make_call(days, at=NOW - days * DAY_MS, cost_micro=micro) for days, micro in spent.items()]
    transactor.transact([*map(settle, made), beat(Gauge("held_micro", 1, USD))])
    alice, _ = money.customer_money(database, NOW)
    assert (alice.balance_micro, alice.held_micro, alice.available_micro) == (40 * USD, USD, 39 * USD)
    assert (alice.spent_today_micro, alice.spent_7d_micro, alice.spent_30d_micro) == (2 * USD, 5 * USD, 10 * USD)
    assert (len(alice.trend), alice.trend[-2:]) == (30, (3 * USD, 2 * USD))
    # 5 dollars in the two days since the first charge of this week: 39 last 15.6 days.
    assert alice.runway_days == pytest.approx(15.6)


def test_an_unlimited_customer_has_no_runway(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(1, customer_id=2))])
    assert money.customer_money(database, NOW)[1].runway_days is None


def test_nothing_spent_lasts_for_ever(database: Database) -> None:
    assert money.customer_money(database, NOW)[0].runway_days is None


def test_days_of_the_gateway_with_what_lost_races_cost(database: Database, transactor: Transactor) -> None:
    transactor.transact([raced(1, "lost"), settle(make_call(2, at=NOW - 2 * DAY_MS))])
    found = money.daily_money(database, since_at=NOW - 2 * DAY_MS, until_at=NOW)
    assert [(day.day_at, day.calls) for day in found] == [(TODAY - 2 * DAY_MS, 1), (TODAY - DAY_MS, 0), (TODAY, 1)]
    assert (found[-1].upstream_micro, found[-1].overhead_micro, found[-1].margin_micro) == (290, 40, 10)


def test_drift_compares_a_month_of_one_account_with_its_invoice(database: Database, transactor: Transactor) -> None:
    last_month = raced(2, "lost", at=NOW - 31 * DAY_MS)
    transactor.transact([raced(1, "draining"), last_month, settle(make_call(3, usage_basis="estimated"))])
    first = money.upstream_drift(database, 1, NOW, 600)
    assert (first.calls, first.estimated_calls, first.upstream_micro, first.difference_micro) == (2, 1, 500, 100)
    assert first.share == pytest.approx(0.2)
    second = money.upstream_drift(database, 2, NOW, 40)
    assert (second.upstream_micro, second.draining_micro, second.difference_micro) == (40, 40, 0)


def test_a_month_without_calls_has_no_share(database: Database) -> None:
    assert money.upstream_drift(database, 1, NOW, 5).share is None


# The statement -----------------------------------------------------------------------------------------------------


def test_a_statement_tells_the_balance_after_each_entry_across_pages(
    database: Database, transactor: Transactor
) -> None:
    transactor.transact([settle(make_call(n, cost_micro=n * USD)) for n in (1, 2, 3)])
    customers.topup(database, "ops", "alice", 10 * USD, note="March")
    first = ledger.statement_page(database, 1, limit=2)
    second = ledger.statement_page(database, 1, after=first[-1], limit=10)
    lines = [(line.entry.amount_micro // USD, line.balance_micro // USD, line.model) for line in first + second]
    model = "claude-sonnet-4-6"
    assert lines == [(10, 104, None), (-3, 94, model), (-2, 97, model), (-1, 99, model), (100, 100, None)]


def test_a_statement_of_nobody_is_empty(database: Database) -> None:
    assert ledger.statement_page(database, 99) == []


# Keys and accounts -------------------------------------------------------------------------------------------------


def test_a_key_tells_its_last_day(database: Database, transactor: Transactor) -> None:
    key, _ = keys.create(database, "ops", "ci", customer="alice")
    made = [make_call(1, key_id=key.id), make_call(2, key_id=key.id, outcome="failed")]
    old = make_call(3, key_id=key.id, at=NOW - 25 * HOUR_MS)
    transactor.transact([*map(settle, [*made, old]), RememberState([], [KeyState(key.id, NOW)], [])])
    (found,) = figures.key_figures(database, NOW)
    assert (found.calls_24h, found.failed_24h, found.charged_24h_micro) == (2, 1, 600)
    assert found.view.last_used_at == NOW


def test_an_account_tells_its_state_and_its_last_day(database: Database, transactor: Transactor) -> None:
    for name in ("main", "spare"):
        accounts.add(database, "ops", name, kind="simulated")
    cooling = AccountState(2, "", NOW + 41_000, "rate_limited", 1, False, changed_at=1)
    gauges = [Gauge("in_flight", 1, 3), Gauge("ttft_p50_ms", 1, 800), Gauge("ttft_p95_ms", 1, 2_400)]
    transactor.transact([raced(1, "lost"), raced(2, "failed"), beat(*gauges, states=[cooling])])
    main, spare = figures.account_figures(database, NOW)
    assert (main.standing.word, main.in_flight, main.ttft_p50_ms, main.ttft_p95_ms) == ("ready", 3, 800, 2_400)
    assert (main.calls_24h, main.attempts_24h, main.success_24h, main.upstream_24h_micro) == (2, 2, 1.0, 500)
    assert (spare.standing.word, spare.standing.why, spare.standing.until_at) == (
        "cooling", "rate limited", NOW + 41_000,
    )  # fmt: skip
    assert (spare.success_24h, spare.upstream_24h_micro, spare.overhead_24h_micro) == (0.5, 80, 40)


def test_an_unused_account_has_no_success_rate(database: Database) -> None:
    accounts.add(database, "ops", "main", kind="simulated")
    (found,) = figures.account_figures(database, NOW)
    assert (found.success_24h, found.ttft_p50_ms) == (None, None)


def test_a_removed_thing_keeps_its_number(database: Database) -> None:
    found = names.load_names(database)
    assert (found.of("customer", 1), found.of("key", 7), found.of("account", None)) == ("alice", "key 7", "")


# Usage -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("model", [("gpt-5.5", 1), ("claude-sonnet-4-6", 2)]),
        ("key", [(2, 1), (1, 2)]),
        ("customer", [(2, 1), (1, 2)]),
        ("account", [(3, 1), (1, 2)]),
        ("day", [(TODAY - DAY_MS, 1), (TODAY, 2)]),
    ],
)
def test_totals_are_dearest_first_and_days_in_order(
    database: Database, transactor: Transactor, by: usage.TotalsBy, groups: list[Any]
) -> None:
    dear = make_call(3, customer_id=2, key_id=2, account_id=3, model="gpt-5.5", cost_micro=USD)
    dear_attempts = [make_attempt(dear, account_id=3)]
    yesterday = make_call(2, at=NOW - DAY_MS)
    transactor.transact([settle(make_call(1)), settle(yesterday), settle(dear, attempts=dear_attempts)])
    found = usage.totals(database, by, since_at=NOW - DAY_MS, until_at=NOW)
    assert [(each.group, each.calls) for each in found] == groups


@pytest.mark.parametrize("by", ["model", "key", "customer", "account", "day"])
def test_totals_are_the_sums(database: Database, transactor: Transactor, by: usage.TotalsBy) -> None:
    transactor.transact([raced(n, "lost", at=NOW - n * 7 * HOUR_MS) for n in range(9)])
    window = {"since_at": TODAY - DAY_MS, "until_at": TODAY + DAY_MS}
    (whole,) = usage.summarize(database, **window)
    found = usage.totals(database, by, **window)
    columns = ("calls", "prompt_tokens", "output_tokens", "charged_micro", "upstream_micro", "overhead_micro")
    assert [sum(getattr(each, name) for each in found) for name in columns] == [getattr(whole, n) for n in columns]


def test_the_share_that_came_from_a_cache(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(1))])
    (found,) = usage.totals(database, "model", since_at=NOW, until_at=NOW + 1)
    assert found.cache_share == pytest.approx(20 / 120)


def test_hours_without_calls_are_missing(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(n, at=NOW - n * 5 * HOUR_MS)) for n in range(3)])
    hour = NOW - NOW % HOUR_MS
    found = usage.hourly(database, since_at=NOW - 6 * HOUR_MS, until_at=NOW)
    assert [(each.hour_at, each.calls) for each in found] == [(hour - 5 * HOUR_MS, 1), (hour, 1)]


# The audit ---------------------------------------------------------------------------------------------------------


def test_the_audit_in_pages_and_by_words(database: Database) -> None:
    for number in range(5):
        record(database, "console:ops", "key.rotate", f"ci-{number}")
    first = audit.audit_page(database, limit=3)
    second = audit.audit_page(database, before_id=first.before_id, limit=10)
    assert [entry.subject for entry in first.entries + second.entries] == [
        "ci-4", "ci-3", "ci-2", "ci-1", "ci-0", "bob", "alice",
    ]  # fmt: skip
    assert second.before_id is None
    words = (AuditWord(Pattern("ROTATE")), AuditWord(Pattern("ci-3"), inverse=True))
    assert [entry.subject for entry in audit.audit_page(database, words).entries] == ["ci-4", "ci-2", "ci-1", "ci-0"]


def test_an_empty_audit_has_no_next_page(database: Database) -> None:
    assert audit.audit_page(database, (AuditWord(Pattern("nothing")),)) == audit.AuditPage([], None)


def test_whole_days_are_summed_from_days_alone(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(n, at=TODAY - n * 7 * HOUR_MS)) for n in range(9)])
    found = usage.summarize(database, since_at=TODAY - DAY_MS, until_at=TODAY + DAY_MS, by=("day",))
    assert [(each.group["day"], each.calls) for each in found] == [(TODAY - DAY_MS, 3), (TODAY, 1)]
