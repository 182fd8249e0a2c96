"""A grown past is one the gateway could have written: the books still balance."""

import threading
from pathlib import Path

import pytest

from gateway.clock import new_id, now_ms
from gateway.records import Attempt, Call, Settlement
from gateway.store.database import Database, open_database
from gateway.store.jobs import Settle
from gateway.store.migrate import migrate
from gateway.store.operators import customers
from gateway.store.queries import ledger
from gateway.store.writer import Writer
from tests.bench.history import grow

OPENING_MICRO, COST_MICRO = 1_000_000, 300


@pytest.fixture
def grown(tmp_path: Path) -> Database:
    """A database of one real call and 250 copies of it."""
    path = tmp_path / "gateway.db"
    migrate(path)
    database = open_database(path)
    customer = customers.create(database, "test", "bench", balance_micro=OPENING_MICRO)
    _settle_one(path, customer.id)
    database.close()
    grow(path, 250)
    database = open_database(path, read_only=True)
    yield database
    database.close()


def _settle_one(path: Path, customer_id: int) -> None:
    call = Call(new_id("req_"), customer_id, 1, "all", "chat", "m", "m", False, now_ms(), cost_micro=COST_MICRO)
    writer = Writer(path, gateway_id="gw", boot_id="boot")
    writer.start()
    done = threading.Event()
    settlement = Settlement(call, [Attempt(call.id, 1, 1, now_ms())], COST_MICRO)
    writer.submit(Settle(settlement), lambda _error: done.set())
    assert done.wait(5)
    assert writer.close(5)


def test_books_balance(grown: Database) -> None:
    verification = ledger.verify(grown)

    assert (verification.problems, verification.calls, verification.entries) == ([], 251, 252)


def test_statement_walks_back_to_the_opening_balance(grown: Database) -> None:
    entries = ledger.list_entries(grown, customer_id=1, limit=1000)

    assert (len(entries), entries[-1].kind) == (252, "topup")
    assert sum(entry.amount_micro for entry in entries) == OPENING_MICRO - 251 * COST_MICRO
