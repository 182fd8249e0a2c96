"""`trigate doctor`: whether everything is as it should be, one line a check, with its fix."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from gateway.cli import checks_data as data
from gateway.cli import checks_machine as machine
from gateway.cli.command import Command, Session, pass_session
from gateway.cli.findings import Finding, broken, well
from gateway.cli.output import Column, facts_of, show_json, show_table, talk
from gateway.errors import OperatorError
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.store.database import Database

_COLOURS = {"ok": "green", "note": "yellow", "broken": "red"}
_COLUMNS = (
    Column("STATE", lambda each: each["state"], paint=_COLOURS.get),
    Column("CHECK", lambda each: each["check"]),
    Column("WHAT WAS FOUND", lambda each: f"{each['said']} -> {each['fix']}" if each["fix"] else each["said"]),
)


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="Do not ask the accounts for an answer.")
@pass_session
def doctor(session: Session, offline: bool) -> None:
    """Whether everything is as it should be, and what to do where it is not.

    Each enabled account is asked for one short answer, which its provider may bill. Nothing is changed. Ends with 1 if
    anything is broken.
    """
    findings = list(_examine(session, offline=offline))
    facts = [facts_of(finding) for finding in findings]
    if session.json:
        show_json(facts)
    else:
        show_table(_COLUMNS, facts)
    ill = [finding.check for finding in findings if finding.state == "broken"]
    if ill:
        talk(f"Broken: {', '.join(ill)}.")
        raise click.exceptions.Exit(1)


def _examine(session: Session, *, offline: bool) -> Iterator[Finding]:
    settings: Settings | None = None
    try:
        settings = load_settings({}, os.environ, session.config_path, session.data_dir)
    except OperatorError as error:
        yield broken("settings", error.message, "`trigate config validate` says whether it is mended.")
    else:
        yield well("settings", f"from {settings.config_path or 'defaults and environment'}")
    yield machine.check_python()
    yield machine.check_libraries()
    yield machine.check_sqlite()
    yield machine.check_disk(session.data_dir)
    yield data.check_modes(session)
    migrations = data.check_migrations(session.database_path)
    yield migrations
    if migrations.state == "ok":
        yield from _examine_database(session, offline=offline)
    if settings is not None:
        yield data.check_address(settings, session)
        yield machine.check_descriptors(settings.max_connections)
    yield machine.check_clock()
    yield machine.check_terminal()


def _examine_database(session: Session, *, offline: bool) -> Iterator[Finding]:
    try:
        with session.database(read_only=True) as database:
            yield from _examine_contents(session, database, offline=offline)
    except data.UNREADABLE as error:
        yield broken("database", f"cannot be read: {error}", "Stop the gateway and restore a backup.")


def _examine_contents(session: Session, database: "Database", *, offline: bool) -> Iterator[Finding]:
    from gateway.catalog.load import shipped_catalog
    from gateway.store.snapshot import load_snapshot

    integrity = data.check_integrity(database)
    yield integrity
    if integrity.state == "broken":
        return
    yield data.check_books(database)
    snapshot = load_snapshot(database, shipped_catalog())
    accounts, catalog = list(snapshot.accounts), snapshot.catalog
    yield data.check_master_key(session, accounts)
    if not offline:
        yield from data.check_accounts(session, accounts, catalog)
    yield data.check_prices(accounts, catalog)
