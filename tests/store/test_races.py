"""What races have cost: losers whose drains end, and hedges that nobody had an answer from."""

import pytest

from gateway.records import AttemptOutcome, AttemptReason
from gateway.store.database import Database, rows
from gateway.store.jobs import Checkpoint
from gateway.store.operators import customers
from gateway.store.queries.races import unanswered_hedges_micro
from gateway.store.transact import Transactor
from tests.store.making import NOW, make_attempt, make_call, settle

DAY_AT = NOW - NOW % 86_400_000


@pytest.fixture(autouse=True)
def customer(database: Database) -> None:
    customers.create(database, "test", "alice")


def test_a_drain_that_ends_while_its_call_is_open_leaves_its_own_figure(
    database: Database, transactor: Transactor
) -> None:
    call = make_call(upstream_cost_micro=270)
    draining = make_attempt(call, 2, account_id=2, outcome="draining", usage_basis="upper_bound", cost_micro=900)
    transactor.transact([Checkpoint([call], [make_attempt(call, outcome="open"), draining])])
    drained = make_attempt(call, 2, account_id=2, outcome="lost", usage_basis="reported", cost_micro=20)
    transactor.transact([settle(call, attempts=[make_attempt(call), drained])])
    found = rows(database, "SELECT outcome, usage_basis, cost_micro FROM attempts WHERE number = 2")
    assert found == [("lost", "reported", 20)]


@pytest.mark.parametrize(
    ("outcome", "reason", "account_id", "counted_micro"),
    [
        ("cancelled", "hedge", None, 70),
        ("failed", "race", 1, 70),
        ("cancelled", "hedge", 2, 0),
        ("lost", "hedge", 1, 0),
        ("won", "hedge", 2, 0),
        ("cancelled", "first", None, 0),
        ("failed", "failover", 1, 0),
    ],
    ids=["ended with its call", "failed", "the answer, cut", "in the roll-ups", "the answer", "alone", "one by one"],
)
def test_hedges_that_nobody_had_an_answer_from_count(
    outcome: AttemptOutcome,
    reason: AttemptReason,
    account_id: int | None,
    counted_micro: int,
    database: Database,
    transactor: Transactor,
) -> None:
    call = make_call(account_id=account_id)
    other = make_attempt(call, 2, account_id=2, outcome=outcome, reason=reason, cost_micro=70)
    transactor.transact([settle(call, attempts=[make_attempt(call), other])])
    assert unanswered_hedges_micro(database, since_at=DAY_AT) == counted_micro


def test_those_of_earlier_days_do_not(database: Database, transactor: Transactor) -> None:
    call = make_call(at=DAY_AT - 1)
    other = make_attempt(call, 2, account_id=2, outcome="cancelled", reason="hedge", cost_micro=70)
    transactor.transact([settle(call, attempts=[make_attempt(call), other])])
    assert unanswered_hedges_micro(database, since_at=DAY_AT) == 0
