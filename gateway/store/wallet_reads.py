"""What the wallets in memory are built from, and how they follow entries that others write."""

from datetime import UTC, datetime

from msgspec import Struct

from gateway.records import LedgerEntry
from gateway.store.database import Database, rows
from gateway.store.rollups import DAY_MS

ENTRY_COLUMNS = "id, customer_id, kind, amount_micro, at, call_id, note, actor, boot_id"


class Spent(Struct, frozen=True):
    """Micro-dollars charged for calls that started in this UTC day and this UTC month."""

    day_micro: int
    month_micro: int


class Spending(Struct, frozen=True):
    """Who spent something this month. `day_at` and `month_at` are the windows' beginnings."""

    day_at: int
    month_at: int
    customers: dict[int, Spent]
    keys: dict[int, Spent]


def load_balances(database: Database) -> tuple[dict[int, int], int]:
    """Every customer's balance, and the id of the last ledger entry in them: one read, one state."""
    balances: dict[int, int] = {}
    last_id = 0
    sql = "SELECT customer_id, balance_micro, (SELECT max(id) FROM ledger) FROM balances"
    for customer_id, balance_micro, newest_id in rows(database, sql):
        balances[customer_id] = balance_micro
        last_id = newest_id or 0
    return balances, last_id


def ledger_since(database: Database, ledger_id: int) -> list[LedgerEntry]:
    """Entries after `ledger_id`, oldest first."""
    sql = f"SELECT {ENTRY_COLUMNS} FROM ledger WHERE id > ? ORDER BY id"
    return [LedgerEntry(*row) for row in rows(database, sql, (ledger_id,))]


def foreign_entries_since(database: Database, ledger_id: int, boot_id: str) -> tuple[list[LedgerEntry], int]:
    """Entries after `ledger_id` that boot `boot_id` did not write, and the newest id looked at.

    A busy gateway's own charges are skipped inside SQLite: 2,000 of them between two polls cost 0.2 ms.
    """
    newest_id = rows(database, "SELECT max(id) FROM ledger")[0][0] or 0
    sql = f"SELECT {ENTRY_COLUMNS} FROM ledger WHERE id > ? AND id <= ? AND boot_id <> ? ORDER BY id"
    found = [LedgerEntry(*row) for row in rows(database, sql, (ledger_id, newest_id, boot_id))]
    return found, max(newest_id, ledger_id)


def month_start(at: int) -> int:
    """The first millisecond of the UTC month that `at` lies in."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000


def load_spending(database: Database, now_at: int) -> Spending:
    """What customers and keys spent today and this month, from the roll-ups."""
    day_at, month_at = now_at - now_at % DAY_MS, month_start(now_at)
    # Grouped first as the primary key is ordered: with 4,000 groups a day that halves the time.
    sql = (
        "SELECT customer_id, key_id, sum(micro), sum(CASE WHEN starts_at >= ? THEN micro ELSE 0 END) FROM ("
        "SELECT starts_at, customer_id, key_id, sum(charged_micro) AS micro FROM rollups "
        "WHERE period = 'day' AND starts_at >= ? GROUP BY starts_at, customer_id, key_id"
        ") GROUP BY customer_id, key_id"
    )
    customers: dict[int, Spent] = {}
    keys: dict[int, Spent] = {}
    for customer_id, key_id, month_micro, day_micro in rows(database, sql, (day_at, month_at)):
        before = customers.get(customer_id, Spent(0, 0))
        customers[customer_id] = Spent(before.day_micro + day_micro, before.month_micro + month_micro)
        if key_id:
            keys[key_id] = Spent(day_micro, month_micro)
    return Spending(day_at, month_at, customers, keys)
