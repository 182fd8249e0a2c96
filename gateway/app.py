"""The composition root: the nursery tree of a running gateway, top to bottom.

    run
    └ open_store          lock, migrations, calls a dead process left open
      └ open_ledger       the writer's thread; outlives the edge, drains, closes
        └ Upstreams       one transport per account, the CLI's sessions; the drains of attempts that lost
          └ nursery       watch_signals · follow_database · attend_open_calls · retry_failed · maintain · serve
             └ connection └ call └ attempt

A crash of one connection never reaches its siblings; a crash of a service task stops the process, books drained.
"""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from os import environ
from pathlib import Path

import structlog
import trio
from msgspec import Struct

from gateway.attendance import attend_open_calls
from gateway.billing.ledger import Ledger
from gateway.clock import new_id, now_ms
from gateway.edge.drain import Drain
from gateway.edge.entry import Gateway
from gateway.edge.server import serve
from gateway.edge.server_settings import ServerSettings
from gateway.errors import Unavailable
from gateway.limits.gate import Gates
from gateway.limits.limiter import Limiter
from gateway.maintenance import (
    configuration_of,
    drop_idle_connections,
    follow_database,
    open_accounts,
    prune_daily,
    remember_prices,
    tell_state,
)
from gateway.observe.metrics import Metrics
from gateway.open_calls import OpenCalls
from gateway.reads import StoreReads
from gateway.services import Condition, Services
from gateway.settings import DATABASE, Settings
from gateway.startup import load_beginning
from gateway.store.database import open_database
from gateway.store.lock import GatewayLock
from gateway.store.migrate import migrate
from gateway.store.recovery import settle_lost_calls
from gateway.store.writer import Writer
from gateway.translate.envelope import HmacSigner
from gateway.upstream.drains import DrainLimits, open_drains
from gateway.upstream.hedging import Hedging
from gateway.upstream.upstreams import Upstreams
from gateway.vault import load_vault

GATEWAY_ID = "gateway"
LAME_DUCK_S = 0.25
LAST_WORDS_S = 5.0
CLOSE_LEDGER_S = 30.0

logger = structlog.get_logger(__name__)


async def run(settings: Settings, *, on_ready: Callable[[list[str]], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises OperatorError for what the operator can mend."""
    with open_store(settings) as store:
        async with open_ledger(store) as ledger, open_services(settings, store, ledger) as services:
            drain = Drain()
            async with trio.open_nursery() as nursery:
                await nursery.start(watch_signals, services, drain, nursery.cancel_scope)
                nursery.start_soon(follow_database, services, store.path)
                nursery.start_soon(attend_open_calls, services)
                nursery.start_soon(ledger.retry_failed)
                nursery.start_soon(prune_daily, services, store.path)
                nursery.start_soon(drop_idle_connections, services)
                addresses: list[str] = await nursery.start(serve_edge, services, drain)
                nursery.start_soon(tell_state, services, addresses)
                if on_ready is not None:
                    on_ready(addresses)


class Store(Struct, frozen=True):
    """The database of this process: locked, migrated, and with no call left open by a dead one."""

    path: Path
    writer: Writer
    gateway_id: str
    boot_id: str


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """Take the lock, bring the database to this release's shape, settle what a crash left behind."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.data_dir / DATABASE
    with GatewayLock(settings.data_dir):
        for name in migrate(path):
            logger.info("database_migrated", migration=name)
        boot_id = new_id("boot_")
        database = open_database(path)
        try:
            lost_calls = settle_lost_calls(database, boot_id=boot_id)
        finally:
            database.close()
        if lost_calls:
            logger.warning("lost_calls_settled", calls=lost_calls)
        yield Store(path, Writer(path, gateway_id=GATEWAY_ID, boot_id=boot_id), GATEWAY_ID, boot_id)


@asynccontextmanager
async def open_ledger(store: Store) -> AsyncIterator[Ledger]:
    """The writer's thread. Closing waits, within a bound, until everything submitted is on disk."""
    store.writer.start()
    ledger = Ledger(store.writer)
    try:
        yield ledger
    finally:
        with trio.CancelScope(shield=True):
            deadline = trio.current_time() + CLOSE_LEDGER_S
            await _commit_the_rest(ledger, deadline)
            closed = await trio.to_thread.run_sync(store.writer.close, max(0.0, deadline - trio.current_time()))
        if ledger.pending or not closed:
            logger.error("ledger_not_drained", settlements=ledger.pending, waited_s=CLOSE_LEDGER_S)


async def _commit_the_rest(ledger: Ledger, deadline: float) -> None:
    """A settlement that failed is still retried: nobody but this process knows of it."""
    with trio.CancelScope(deadline=deadline):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.retry_failed)
            await ledger.drained()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_services(settings: Settings, store: Store, ledger: Ledger) -> AsyncIterator[Services]:
    """Everything a call works with, loaded from the database."""
    at = now_ms()
    begun = load_beginning(store.path, settings, boot_id=store.boot_id, at=at)
    snapshot = begun.snapshot
    sealed = any(account.sealed_secret for account in snapshot.accounts)
    vault = load_vault(settings.data_dir, environ, may_make=not sealed)
    metrics = Metrics()
    metrics.name_accounts({account.id: account.name for account in snapshot.accounts})
    ledger.on_commit = metrics.committed
    condition = Condition(configuration_of(snapshot, settings))
    upstreams = Upstreams(vault.open, data_dir=settings.data_dir)
    async with upstreams, open_drains(drain_limits(settings)) as drains:
        await open_accounts(upstreams, snapshot.accounts)
        with StoreReads(store.path) as reads:
            services = Services(
                settings=settings,
                condition=condition,
                gateway_id=store.gateway_id,
                boot_id=store.boot_id,
                upstreams=upstreams,
                pool=begun.pool,
                wallets=begun.wallets,
                spending=begun.spending,
                ledger=ledger,
                open_calls=OpenCalls(ledger),
                limiter=Limiter(),
                gates=Gates(queue=settings.queue_limit, wait_s=settings.queue_timeout_s),
                reads=reads,
                metrics=metrics,
                started_at=at,
                signer=HmacSigner(vault.derived_keys("reasoning")),
                drains=drains,
                hedging=Hedging(
                    lambda: condition.configuration.hedging_rules, spent_today_micro=begun.raced_today_micro, at=at
                ),
                affinity=begun.affinity,
            )
            remember_prices(services)
            yield services


def drain_limits(settings: Settings) -> DrainLimits:
    """What attempts that lost may take to be read to their end."""
    return DrainLimits(settings.loser_drains, settings.loser_drain_s, settings.loser_drain_bytes)


async def serve_edge(
    services: Services, drain: Drain, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """The listeners and everything behind them. Returns when `drain` has ended it."""
    metrics = services.metrics
    metrics.open_calls.set_function(lambda: len(services.open_calls))
    metrics.holds_micro.set_function(services.wallets.held_micro)
    metrics.connections.set_function(lambda: len(drain.connections))
    metrics.cooldowns.set_function(services.pool.cooling)
    metrics.ledger_queue.set_function(lambda: services.ledger.pending)
    await serve(Gateway(services), server_settings(services.settings), stop=drain, task_status=task_status)


def server_settings(settings: Settings) -> ServerSettings:
    """The part of the settings that the listeners and connections work with."""
    return ServerSettings(
        binds=settings.bind,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        unix_mode=settings.socket_permissions,
        max_header_bytes=settings.max_header_bytes,
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        write_timeout_s=settings.write_timeout_s,
        max_connections=settings.max_connections,
    )


async def watch_signals(
    services: Services,
    drain: Drain,
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """The first SIGTERM or SIGINT drains, the second stops at once; the books are closed either way."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        await anext(aiter(signals))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_gently, services, drain, everything)
            await anext(aiter(signals))
            logger.warning("stopping_at_once")
            everything.cancel()


async def _stop_gently(services: Services, drain: Drain, everything: trio.CancelScope) -> None:
    """Readiness fails and answers close their connections, then no new ones, then open calls get `drain_s`, then
    those that are left are told and settled."""
    settings = services.settings
    logger.info("draining", open_calls=len(services.open_calls), at_most_s=settings.drain_s)
    services.condition.draining = True
    drain.begin()
    await trio.sleep(LAME_DUCK_S)
    drain.stop_listening()
    with trio.move_on_after(settings.drain_s):
        await services.open_calls.emptied()
        await drain.wait_idle()
    for call in services.open_calls:
        call.cut(Unavailable("The gateway is stopping. Retry shortly.", retry_after_s=5))
    with trio.move_on_after(LAST_WORDS_S):
        await services.open_calls.emptied()
        await drain.wait_idle()
    everything.cancel()
