"""The same random days as in `tests.relay.test_properties_money`, over a real database with a second writer."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from gateway.clock import now_ms
from gateway.records import LedgerEntry
from gateway.store.database import Database, open_database, rows
from gateway.store.jobs import Job
from gateway.store.migrate import migrate
from gateway.store.operators import customers
from gateway.store.queries.ledger import verify
from gateway.store.transact import Transactor
from gateway.store.wallet_reads import foreign_entries_since, load_balances, load_spending
from tests.relay.money_world import BOOT, CUSTOMER, DAYS, Day, live
from tests.relay.world import World

NAME = "alpha"


class StoreBank:
    """The gateway's own writing connection, and an operator's beside it."""

    def __init__(self, database: Database, transactor: Transactor) -> None:
        self.database = database
        self._transactor = transactor

    def commit(self, job: Job) -> None:
        error = self._transactor.transact([job])
        if error is not None:
            raise error

    def enter(self, amount_micro: int) -> None:
        if amount_micro > 0:
            customers.topup(self.database, "test", NAME, amount_micro)
        else:
            customers.adjust(self.database, "test", NAME, amount_micro, note="test")

    def since(self, ledger_id: int) -> tuple[list[LedgerEntry], int]:
        return foreign_entries_since(self.database, ledger_id, BOOT)

    def charges_micro(self) -> dict[str, int]:
        return dict(rows(self.database, "SELECT call_id, -amount_micro FROM ledger WHERE kind = 'charge'"))

    def balance_micro(self) -> int:
        return load_balances(self.database)[0][CUSTOMER]

    def audit(self, world: World) -> None:
        """What the database says of itself, and what a gateway started now would make of it."""
        database = self.database
        assert verify(database).problems == []
        assert rows(database, "SELECT count(*) FROM calls WHERE state = 'open'") == [(0,)]
        settled = {each.call.id: each for each in world.books.settlements}
        assert dict(rows(database, "SELECT id, upstream_cost_micro FROM calls")) == {
            call_id: each.call.upstream_cost_micro for call_id, each in settled.items()
        }
        attempts = rows(database, "SELECT call_id, count(*), sum(cost_micro) FROM attempts GROUP BY call_id")
        assert {(call_id, count, cost) for call_id, count, cost in attempts} == {
            (call_id, len(each.attempts), each.call.upstream_cost_micro)
            for call_id, each in settled.items()
            if each.attempts
        }
        at = now_ms()
        spent = load_spending(database, at).customers.get(CUSTOMER)
        charged_micro = sum(self.charges_micro().values())
        assert (spent.month_micro if spent else 0) == charged_micro
        assert world.services.spending.spent_micro(1, at)[1] == charged_micro


@contextmanager
def open_bank(opening_micro: int) -> Iterator[StoreBank]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        migrate(path)
        database = open_database(path)
        customers.create(database, "test", NAME, balance_micro=opening_micro)
        transactor = Transactor("gateway", BOOT, now_ms)
        transactor.connect(path)
        try:
            yield StoreBank(database, transactor)
        finally:
            transactor.close()
            database.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=DAYS)
def test_the_database_agrees_after_any_day(day: Day) -> None:
    with open_bank(day.opening_micro) as bank:
        live(day, bank, bank.audit)
