"""What a gateway begins with: the operator's configuration, and what the process before it knew."""

from pathlib import Path

from msgspec import Struct

from gateway.billing.holds import Wallets
from gateway.billing.spend import Spending
from gateway.catalog.load import shipped_catalog
from gateway.maintenance import DAY_MS, known_states
from gateway.records import Snapshot
from gateway.settings import Settings
from gateway.store.affinity import load_bindings
from gateway.store.database import Database, open_database
from gateway.store.queries.races import unanswered_hedges_micro
from gateway.store.queries.usage import summarize
from gateway.store.snapshot import load_snapshot
from gateway.store.wallet_reads import load_balances, load_spending
from gateway.upstream.affinity import Affinity
from gateway.upstream.pool import Pool


class Beginning(Struct, frozen=True):
    """Everything in memory that must not begin empty. `raced_today_micro` is what the day's cap counts by now."""

    snapshot: Snapshot
    wallets: Wallets
    spending: Spending
    pool: Pool
    affinity: Affinity
    raced_today_micro: int


def load_beginning(path: Path, settings: Settings, *, boot_id: str, at: int) -> Beginning:
    """Read it from the database, as of one instant (milliseconds since the epoch)."""
    wallets, spending, affinity = Wallets(boot_id), Spending(), Affinity()
    pool = Pool(queue_limit=settings.queue_limit, queue_timeout_s=settings.queue_timeout_s)
    database = open_database(path, read_only=True)
    try:
        snapshot = load_snapshot(database, shipped_catalog())
        wallets.load(*load_balances(database))
        spent = load_spending(database, at)
        raced_today_micro = _raced_since(database, at - at % DAY_MS, at)
        pool.restore(known_states(database))
        affinity.restore(load_bindings(database, now_at=at))
    finally:
        database.close()
    spending.load(
        keys={key_id: (each.day_micro, each.month_micro) for key_id, each in spent.keys.items()},
        customers={customer_id: (each.day_micro, each.month_micro) for customer_id, each in spent.customers.items()},
        now_ms=at,
    )
    pool.adopt(snapshot.accounts)
    affinity.adopt(snapshot.accounts)
    return Beginning(snapshot, wallets, spending, pool, affinity, raced_today_micro)


def _raced_since(database: Database, since_at: int, at: int) -> int:
    """What the day's cap of racing counts: losers, and hedges that nobody had an answer from."""
    lost_micro = summarize(database, since_at=since_at, until_at=at + 1)[0].overhead_micro
    return lost_micro + unanswered_hedges_micro(database, since_at=since_at)
