"""What a gateway does between calls: follow what the operator changes, say that it lives, forget what is old."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog
import trio

import gateway
from gateway.catalog import Catalog
from gateway.catalog.load import shipped_catalog
from gateway.clock import now_ms
from gateway.configuration import Configuration
from gateway.errors import OperatorError, Unauthenticated
from gateway.records import Account, LedgerEntry, Snapshot
from gateway.services import Services
from gateway.settings import Settings
from gateway.store.database import Database, Readers, open_database
from gateway.store.jobs import AccountState, Gauge, Heartbeat, KeyState, RememberPrices, RememberState
from gateway.store.queries.views import load_account_states
from gateway.store.responses import prune_responses
from gateway.store.retention import Pruned, prune
from gateway.store.snapshot import load_snapshot, read_revision
from gateway.store.wallet_reads import foreign_entries_since
from gateway.upstream.cooldown import EVERY_MODEL, Cooldown
from gateway.upstream.pool import KnownState
from gateway.upstream.upstreams import Upstreams

DAY_MS = 86_400_000
FOLLOW_EVERY_S = 0.25
TELL_EVERY_S = 1.0
DROP_IDLE_EVERY_S = 10.0
FOLLOW_SETTINGS_EVERY_S = 10.0

logger = structlog.get_logger(__name__)


class Follower:
    """Reads what other processes wrote, on one connection of its own. Called in threads, one at a time."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._readers = Readers(path, 1)
        self._boot_id = boot_id

    def changes(self, ledger_id: int) -> tuple[int, list[LedgerEntry], int]:
        """(revision, entries others added to the ledger, the newest id looked at)."""
        with self._readers.borrow() as database:
            entries, newest_id = foreign_entries_since(database, ledger_id, self._boot_id)
            return read_revision(database), entries, newest_id

    def snapshot(self, shipped: Catalog) -> Snapshot:
        with self._readers.borrow() as database:
            return load_snapshot(database, shipped)

    def close(self) -> None:
        self._readers.close()


def configuration_of(snapshot: Snapshot, settings: Settings) -> Configuration:
    """A snapshot and what follows from it today, in a process started with these settings."""
    return Configuration(snapshot, settings, now_ms=now_ms())


async def follow_database(services: Services, path: Path) -> None:
    """Service task: top-ups reach the wallets and configuration the next call within a quarter of a second."""
    follower = Follower(path, services.boot_id)
    shipped = shipped_catalog()
    try:
        while True:
            await trio.sleep(FOLLOW_EVERY_S)
            try:
                await _follow(services, follower, shipped)
            except OperatorError as error:
                # What was in force stays in force: a locked database or a bad override must not stop the calls.
                logger.error("database_not_followed", error=error.message)
            services.condition.note_followed()
    finally:
        follower.close()


async def _follow(services: Services, follower: Follower, shipped: Catalog) -> None:
    wallets = services.wallets
    revision, entries, newest_id = await trio.to_thread.run_sync(follower.changes, wallets.last_ledger_id)
    wallets.apply(entries)
    wallets.last_ledger_id = max(wallets.last_ledger_id, newest_id)
    if revision == services.configuration.snapshot.revision:
        return
    snapshot = await trio.to_thread.run_sync(follower.snapshot, shipped)
    await adopt(services, snapshot)


async def adopt(services: Services, snapshot: Snapshot) -> None:
    """Put a snapshot in force, and cut the calls of keys that it revokes. Disabled and expired ones finish theirs."""
    services.condition.configuration = configuration_of(snapshot, services.settings)
    await open_accounts(services.upstreams, snapshot.accounts)
    services.pool.adopt(snapshot.accounts)
    services.affinity.adopt(snapshot.accounts)
    services.metrics.name_accounts({account.id: account.name for account in snapshot.accounts})
    remember_prices(services)
    revoked = {key.id for key in snapshot.keys.values() if key.revoked_at is not None}
    for call in services.open_calls:
        if call.row.key_id in revoked:
            call.cut(Unauthenticated("This key has been revoked."))


async def open_accounts(upstreams: Upstreams, accounts: Sequence[Account]) -> None:
    """Take over the operator's accounts. Why one cannot be opened stands in the log once: no call fails of it."""
    before = upstreams.problems
    await upstreams.refresh(accounts)
    for account in accounts:
        problem = upstreams.problems.get(account.id)
        if problem is not None and problem != before.get(account.id):
            logger.error("account_left_out", account=account.name, reason=problem)


def remember_prices(services: Services) -> None:
    """Keep every price version in the database, so that a receipt can be checked after the catalog has moved on."""
    catalog = services.configuration.snapshot.catalog
    prices = [
        (price.version, model.id, msgspec.json.encode(price))
        for model in catalog.models.values()
        for price in model.prices
    ]
    services.ledger.submit(RememberPrices(prices))


async def tell_state(services: Services, addresses: list[str]) -> None:
    """Service task: once a second the database learns what only this process knows."""
    while True:
        services.ledger.submit(_state(services, addresses))
        await trio.sleep(TELL_EVERY_S)


def _state(services: Services, addresses: list[str]) -> RememberState:
    in_flight = [Gauge("in_flight", account_id, count) for account_id, count in services.pool.in_flight().items()]
    latencies = [
        Gauge(name, account_id, milliseconds)
        for account_id, both in services.latencies.by_account().items()
        for name, milliseconds in zip(("ttft_p50_ms", "ttft_p95_ms"), both, strict=True)
    ]
    held = [Gauge("held_micro", customer_id, micro) for customer_id, micro in services.wallets.held().items()]
    return RememberState(
        account_states=[_account_state(known) for known in services.pool.take_changed()],
        key_states=[KeyState(*use) for use in services.key_uses.take()],
        gauges=in_flight + held + latencies,
        heartbeat=Heartbeat(
            pid=os.getpid(),
            host=socket.gethostname(),
            version=gateway.__version__,
            address=", ".join(addresses),
            state=services.state_word,
            open_calls=len(services.open_calls),
            started_at=services.started_at,
        ),
        bindings=services.affinity.take_changed(),
    )


def _account_state(known: KnownState) -> AccountState:
    state = known.state
    return AccountState(
        account_id=known.account_id,
        model="" if known.model == EVERY_MODEL else known.model,
        until_at=state.until_at,
        reason=state.reason,
        strikes=state.strikes,
        half_open=state.half_open,
        changed_at=state.failed_at or known.changed_at,
    )


def known_states(database: Database) -> list[KnownState]:
    """The cool-downs the last process left, as the pool takes them over."""
    return [
        KnownState(
            each.account_id,
            each.model or EVERY_MODEL,
            Cooldown(each.until_at, each.reason, each.strikes, each.half_open, each.changed_at),
            each.changed_at,
        )
        for each in load_account_states(database)
    ]


async def drop_idle_connections(services: Services) -> None:
    """Service task: connections an upstream has closed are closed here too, traffic or not."""
    while True:
        await trio.sleep(DROP_IDLE_EVERY_S)
        services.upstreams.prune()


async def prune_daily(services: Services, path: Path) -> None:
    """Service task: kept responses that have expired are forgotten, and calls older than `prune_days`; the ledger and
    the roll-ups never are. Once a day, and soon after the operator has changed `prune_days`."""
    last_days, next_time = -1, 0.0
    while True:
        days = services.configuration.settings.prune_days
        if days != last_days or trio.current_time() >= next_time:
            last_days, next_time = days, trio.current_time() + DAY_MS / 1000
            await _prune_now(path, now_ms() - days * DAY_MS if days else 0)
        await trio.sleep(FOLLOW_SETTINGS_EVERY_S)


async def _prune_now(path: Path, older_than_at: int) -> None:
    try:
        pruned = await trio.to_thread.run_sync(_prune, path, older_than_at)
        if pruned.calls or pruned.objects:
            logger.info("calls_pruned", calls=pruned.calls, objects=pruned.objects)
    except OperatorError as error:
        logger.error("prune_failed", error=error.message)


def _prune(path: Path, older_than_at: int) -> Pruned:
    database = open_database(path)
    try:
        prune_responses(database, now_at=now_ms())
        return prune(database, "gateway", older_than_at, now_at=now_ms())
    finally:
        database.close()
