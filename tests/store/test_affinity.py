"""Bindings of conversations, for the process after this one."""

import pytest

from gateway.store.affinity import KEPT_MS, BindingRow, load_bindings
from gateway.store.database import Database, rows
from gateway.store.jobs import RememberState
from gateway.store.operators import accounts
from gateway.store.transact import Transactor
from tests.store.making import NOW

TALK: BindingRow = (b"c" + bytes(16), "claude-opus-5-5", 1, NOW)


@pytest.fixture(autouse=True)
def two_accounts(database: Database) -> None:
    for name in ("one", "two"):
        accounts.add(database, "test", name, kind="simulated")


def remember(transactor: Transactor, *bindings: BindingRow) -> None:
    assert transactor.transact([RememberState([], [], [], bindings=list(bindings))]) is None


def test_a_binding_is_found_again(database: Database, transactor: Transactor) -> None:
    remember(transactor, TALK)
    assert load_bindings(database, now_at=NOW) == [TALK]


def test_what_is_written_later_counts(database: Database, transactor: Transactor) -> None:
    moved: BindingRow = (TALK[0], TALK[1], 2, NOW + 1)
    remember(transactor, TALK)
    remember(transactor, moved)
    assert load_bindings(database, now_at=NOW) == [moved]


def test_bindings_to_an_account_that_is_gone_are_not_found(database: Database, transactor: Transactor) -> None:
    remember(transactor, TALK)
    accounts.remove(database, "test", "one")
    assert load_bindings(database, now_at=NOW) == []


def test_what_nobody_used_for_a_week_is_forgotten(database: Database, transactor: Transactor) -> None:
    remember(transactor, (b"old", "m", 1, NOW - KEPT_MS - 1))
    remember(transactor, TALK)
    assert [row[0] for row in rows(database, "SELECT binding FROM affinity")] == [TALK[0]]


def test_the_newest_come_first(database: Database, transactor: Transactor) -> None:
    remember(transactor, *((b"%d" % age, "m", 2, NOW - age) for age in (5, 1, 3)))
    assert [row[0] for row in load_bindings(database, now_at=NOW)] == [b"1", b"3", b"5"]


def test_writing_bindings_is_no_change_of_the_configuration(database: Database, transactor: Transactor) -> None:
    before = rows(database, "SELECT value FROM revision")
    remember(transactor, TALK)
    assert rows(database, "SELECT value FROM revision") == before
