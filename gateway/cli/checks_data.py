"""Checks of what is ours: settings, files, database, master key, address, accounts, prices."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import msgspec
import peewee

from gateway.cli import words
from gateway.cli.command import Session
from gateway.cli.findings import Finding, broken, noted, well
from gateway.clock import now_ms
from gateway.errors import OperatorError, StoreUnavailable
from gateway.records import Account
from gateway.settings import Settings
from gateway.vault import FILE_NAME, Vault, load_vault

if TYPE_CHECKING:
    from gateway.catalog import Catalog
    from gateway.store.database import Database
    from gateway.store.queries.views import HeartbeatView

UNREADABLE = (OperatorError, apsw.Error, peewee.PeeweeException, msgspec.MsgspecError)
"""What reading a database raises that is damaged, or that somebody has changed by hand."""

_CLOCK_SLACK_MS = 60_000
_OTHERS = 0o077


def check_modes(session: Session) -> Finding:
    """Folder, database with its log, master key, configuration: nobody else's to read."""
    folder, database = session.data_dir, session.database_path
    paths = [folder, *(database.with_name(database.name + end) for end in ("", "-wal", "-shm"))]
    paths += [folder / FILE_NAME, session.config_path or folder / "config.toml"]
    present = [path for path in paths if path.exists()]
    if not present:
        return noted("file modes", f"{folder} is not there yet", "`trigate init` or `trigate serve` makes it.")
    open_to_others = [path for path in present if stat.S_IMODE(path.stat().st_mode) & _OTHERS]
    if open_to_others:
        fix = "; ".join(f"chmod {'700' if path.is_dir() else '600'} {path}" for path in open_to_others)
        # A fresh checkout has such a folder; what is in it is the owner's alone.
        judged = noted if open_to_others == [folder] else broken
        return judged("file modes", f"open to others: {words.listed(open_to_others)}", fix)
    foreign = [path for path in present if path.stat().st_uid != os.geteuid()]
    if foreign:
        return noted("file modes", f"somebody else's: {words.listed(foreign)}", "Run this as the gateway's user.")
    return well("file modes", f"{len(present)} files and folders, the owner's alone")


def check_migrations(path: Path) -> Finding:
    from gateway.store.migrate import pending, shipped

    if not path.exists():
        return noted("migrations", "no database yet", "`trigate init` or `trigate serve` makes one.")
    try:
        outstanding = pending(path)
    except StoreUnavailable as error:
        return broken("migrations", error.message, "Is this the right data folder? If so, restore a backup.")
    if outstanding:
        return broken("migrations", f"to be applied: {words.listed(outstanding)}", "`trigate db migrate`")
    return well("migrations", f"all {len(shipped())} applied")


def check_integrity(database: "Database") -> Finding:
    from gateway.store.database import integrity_problems

    try:
        problems = integrity_problems(database)
    except apsw.Error as error:
        problems = [str(error)]
    if problems:
        return broken("integrity", words.listed(problems[:3]), "Stop the gateway and restore a backup.")
    return well("integrity", "the database is sound")


def check_books(database: "Database") -> Finding:
    """A clock that was set back shows in entries of a time that is still to come."""
    from gateway.store.database import rows

    newest = rows(database, "SELECT max(at) FROM ledger")[0][0] or 0
    if newest > now_ms() + _CLOCK_SLACK_MS:
        said = f"the newest ledger entry is of {words.instant(newest)}, which is still to come"
        return broken("time of entries", said, "Set this machine's clock right: it was ahead, or is behind now.")
    return well("time of entries", "none of the future")


def check_master_key(session: Session, accounts: list[Account]) -> Finding:
    """Found, and able to open every stored credential. It is never made here."""
    sealed = [account for account in accounts if account.sealed_secret]
    try:
        vault = load_vault(session.data_dir, os.environ, may_make=False)
    except OperatorError as error:
        if not sealed and "stored here" in error.message:
            return well("master key", "none yet; it is made with the first credential")
        return broken("master key", error.message, "See `The master key` in docs/operations.md.")
    closed = [account.name for account in sealed if not _opens(vault, account)]
    if closed:
        fix = "Put the key they were sealed with back as a further line, or `trigate accounts rotate NAME`."
        return broken("master key", f"{vault.origin} does not open {words.listed(closed)}", fix)
    return well("master key", f"{vault.origin} opens {words.plural(len(sealed), 'stored credential')}")


def check_address(settings: Settings, session: Session) -> Finding:
    """Free, or held by the gateway itself."""
    from gateway.cli.status import ALIVE_MS
    from gateway.edge.listeners import BoundSockets, hypercorn_config
    from gateway.edge.server_settings import ServerSettings

    beats = _heartbeats(session)
    if beats and now_ms() - beats[0].at <= ALIVE_MS:
        return well("address", f"{beats[0].address}, served by the running gateway (process {beats[0].pid})")
    server = ServerSettings(
        binds=settings.bind,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        unix_mode=settings.socket_permissions,
    )
    try:
        with BoundSockets(server, hypercorn_config(server)) as sockets:
            return well("address", f"{words.listed(sockets.addresses)}, free")
    except OperatorError as error:
        return broken(
            "address", error.message, "Stop what holds it, or choose another: `trigate serve --bind ADDRESS`."
        )


def check_accounts(session: Session, accounts: list[Account], catalog: "Catalog") -> Iterator[Finding]:
    """Every enabled account is asked for one short answer."""
    from gateway.cli.probe import try_account

    if not accounts:
        yield noted("accounts", "none", "`trigate accounts add NAME --kind KIND --secret-stdin`")
    for account in accounts:
        check = f"account {account.name}"
        if not account.enabled:
            yield noted(check, "disabled", f"`trigate accounts enable {account.name}`")
            continue
        again = f"`trigate accounts test {account.name}` tries it again."
        try:
            vault = load_vault(session.data_dir, os.environ, may_make=False) if account.sealed_secret else None
            probe = try_account(account, vault.open if vault else _nothing, catalog, data_dir=session.data_dir)
        except OperatorError as error:
            yield broken(check, error.message, again)
            continue
        took = f"{probe.model} over {probe.dialect}, {words.span(probe.duration_ms)}"
        if probe.ok:
            yield well(check, f"answers: {took}")
        else:
            yield broken(check, f"fails: {took}. {probe.message}", again)


def check_prices(accounts: list[Account], catalog: "Catalog") -> Finding:
    """A model without a price is not served: what could it be billed at?"""
    from gateway.catalog.resolve import price_at
    from gateway.upstream.serving import build_serving

    at = now_ms()
    enabled = [account for account in accounts if account.enabled]
    offered = build_serving(enabled, catalog, lambda model: True)
    served = build_serving(enabled, catalog, lambda model: price_at(model, at) is not None)
    unpriced = sorted(set(offered) - set(served))
    if unpriced:
        fix = "`trigate models price MODEL` sets one; `trigate accounts set NAME --free` says they cost nothing."
        return broken("prices", f"none for {words.listed(unpriced)}", fix)
    return well("prices", f"for {words.plural(len(served), 'model')} on offer")


def _heartbeats(session: Session) -> "list[HeartbeatView]":
    """Those of the running gateway; none where the database does not tell."""
    from gateway.store.queries.views import heartbeats

    try:
        with session.database(read_only=True) as database:
            return heartbeats(database)
    except UNREADABLE:
        return []


def _opens(vault: Vault, account: Account) -> bool:
    try:
        vault.open(account.sealed_secret)
    except OperatorError:
        return False
    return True


def _nothing(_sealed: bytes) -> str:
    return ""
