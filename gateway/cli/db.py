"""`trigate db`: care of the database."""

from typing import TYPE_CHECKING

import click

from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import confirm, show_done, show_json, talk
from gateway.clock import now_ms
from gateway.errors import StoreUnavailable
from gateway.store.database import integrity_problems, open_database, rows
from gateway.store.lock import GatewayLock
from gateway.store.migrate import migrate as migrate_database
from gateway.store.migrate import pending
from gateway.store.queries.calls import id_floor
from gateway.store.retention import prune as prune_calls

if TYPE_CHECKING:
    from gateway.store.database import Database

_DAY_MS = 86_400_000


@click.group(cls=Noun)
def db() -> None:
    """Care of the database."""


@db.command()
@pass_session
def migrate(session: Session) -> None:
    """Bring the database to this release's shape; `serve` does the same. A copy is kept beside it."""
    path = session.database_path
    session.make_data_dir()
    applied: list[str] = []
    if pending(path):
        with GatewayLock(session.data_dir):
            applied = migrate_database(path)
    sentence = f"Applied: {words.listed(applied)}." if applied else "Nothing to do: it has this release's shape."
    show_done(session, {"path": str(path), "applied": applied}, sentence)


@db.command()
@pass_session
def check(session: Session) -> None:
    """Examine the file: damage, broken references, pending migrations."""
    path = session.database_path
    database = open_database(path, read_only=True)
    try:
        problems = integrity_problems(database)
    finally:
        database.close()
    outstanding = pending(path)
    if session.json:
        show_json({"path": str(path), "problems": problems, "pending": outstanding})
    else:
        for problem in problems:
            click.echo(problem)
        if outstanding:
            talk(f"To be migrated: {words.listed(outstanding)}. Run `trigate db migrate`.")
        click.echo("The file is damaged: restore a backup." if problems else "The file is sound.")
    if problems:
        raise click.exceptions.Exit(1)
    if outstanding:
        raise click.exceptions.Exit(StoreUnavailable.exit_code)


@db.command()
@click.option("--older-than", type=click.IntRange(1), required=True, metavar="DAYS", help="Age of what is forgotten.")
@click.option("--dry-run", is_flag=True, help="Only say how much it would be.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def prune(session: Session, older_than: int, dry_run: bool, yes: bool) -> None:
    """Forget single calls of long ago. Ledger, sums and audit are kept for ever."""
    at = now_ms()
    older_than_at = at - older_than * _DAY_MS
    with session.database() as database:
        count = _count(database, older_than_at)
        many = words.plural(count, "call")
        if dry_run:
            facts = {"older_than_at": older_than_at, "calls": count, "dry_run": True}
            show_done(session, facts, f"{many} would be forgotten.")
            return
        if count:
            confirm(f"Forget {many} that started before {words.instant(older_than_at)}?", yes=yes)
        pruned = prune_calls(database, session.actor, older_than_at, now_at=at)
    facts = {"older_than_at": older_than_at, "calls": pruned.calls, "objects": pruned.objects, "dry_run": False}
    show_done(session, facts, f"{words.plural(pruned.calls, 'call')} forgotten.")


def _count(database: "Database", older_than_at: int) -> int:
    """Ids are in the order of time."""
    sql = "SELECT count(*) FROM calls WHERE id < ? AND started_at < ? AND state = 'settled'"
    return int(rows(database, sql, (id_floor(older_than_at), older_than_at))[0][0])
