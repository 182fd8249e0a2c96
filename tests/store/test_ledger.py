"""The statement, the proof, and how wallets follow what others write."""

import apsw
import pytest

from gateway.store.database import Database
from gateway.store.operators import customers
from gateway.store.queries.ledger import list_entries, verify
from gateway.store.transact import Transactor
from gateway.store.wallet_reads import foreign_entries_since, ledger_since, load_balances
from tests.store.making import BOOT, call_id, make_call, settle


@pytest.fixture(autouse=True)
def three_entries_each(database: Database, transactor: Transactor) -> None:
    for name in ("alice", "bob"):
        customers.create(database, "test", name, balance_micro=1_000)
    transactor.transact([settle(make_call(n, customer_id=1 + n % 2, cost_micro=n)) for n in range(1, 5)])


def execute(database: Database, sql: str) -> None:
    database.connection().execute(sql)


def test_it_adds_up(database: Database) -> None:
    result = verify(database)
    assert (result.customers, result.entries, result.calls, result.problems) == (2, 6, 4, [])


def test_a_drifted_balance_is_found(database: Database) -> None:
    execute(database, "UPDATE balances SET balance_micro = balance_micro + 1 WHERE customer_id = 2")
    (problem,) = verify(database).problems
    assert (problem.subject, problem.expected_micro, problem.found_micro) == ("customer bob", 996, 997)


def test_a_charge_that_differs_from_its_call_is_found(database: Database) -> None:
    execute(database, f"UPDATE calls SET charge_micro = 9 WHERE id = '{call_id(1)}'")
    (problem,) = verify(database).problems
    assert (problem.subject, problem.expected_micro, problem.found_micro) == (f"call {call_id(1)}", 9, 1)


def test_a_charge_without_entry_is_found(database: Database) -> None:
    execute(database, "DROP TRIGGER ledger_is_never_pruned")
    execute(database, f"DELETE FROM ledger WHERE call_id = '{call_id(3)}'")
    assert {problem.subject for problem in verify(database).problems} == {"customer bob", f"call {call_id(3)}"}


@pytest.mark.parametrize("sql", ["UPDATE ledger SET amount_micro = 0", "DELETE FROM ledger WHERE id = 1"])
def test_entries_are_neither_changed_nor_deleted(database: Database, sql: str) -> None:
    with pytest.raises(apsw.ConstraintError, match="never"):
        execute(database, sql)


def test_a_statement_is_the_customers_own_newest_first(database: Database) -> None:
    assert [entry.amount_micro for entry in list_entries(database, customer_id=2)] == [-3, -1, 1_000]
    assert [entry.amount_micro for entry in list_entries(database, customer_id=1)] == [-4, -2, 1_000]


def test_a_statement_is_read_in_pages(database: Database) -> None:
    first = list_entries(database, customer_id=2, limit=2)
    second = list_entries(database, customer_id=2, limit=2, before_id=first[-1].id)
    assert [entry.amount_micro for entry in first + second] == [-3, -1, 1_000]


def test_by_kind(database: Database) -> None:
    customers.adjust(database, "ops", "bob", -7, note="refund taken back")
    assert [entry.amount_micro for entry in list_entries(database, customer_id=2, kind="adjust")] == [-7]
    assert [entry.customer_id for entry in list_entries(database, kind="topup")] == [2, 1]
    assert [entry.customer_id for entry in list_entries(database, customer_id=1, kind="charge")] == [1, 1]


def test_wallets_follow_what_others_wrote(database: Database) -> None:
    balances, last_id = load_balances(database)
    assert (balances, last_id) == ({1: 994, 2: 996}, 6)
    entry = customers.topup(database, "ops", "bob", 50)
    assert ledger_since(database, last_id) == [entry]
    assert foreign_entries_since(database, last_id, BOOT) == ([entry], 7)


def test_wallets_do_not_see_their_own_charges_again(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call(9))])
    assert foreign_entries_since(database, 6, BOOT) == ([], 7)
    assert [entry.call_id for entry in foreign_entries_since(database, 6, "boot_other")[0]] == [call_id(9)]
