"""`trigate status`: one screen on how the gateway does. Reads the database alone, so it works either way."""

from typing import TYPE_CHECKING

import click

from gateway.cli import words
from gateway.cli.command import Command, Session, pass_session
from gateway.cli.output import Column, Facts, facts_of, paint_state, show_json, show_one, show_table, talk
from gateway.cli.states import facts_of_view
from gateway.clock import now_ms
from gateway.store.queries.usage import summarize
from gateway.store.queries.views import HeartbeatView, account_views, heartbeats

if TYPE_CHECKING:
    from gateway.store.database import Database

ALIVE_MS = 5_000
_DAY_MS = 86_400_000
_ACCOUNTS = (
    Column("ACCOUNT", lambda each: each["name"]),
    Column("IN USE", lambda each: str(each["gauges"].get("in_flight", 0)), right=True),
    Column("STATE", lambda each: each["state"], paint=paint_state),
    Column("WHY", lambda each: each["why"]),
)


@click.command(cls=Command)
@pass_session
def status(session: Session) -> None:
    """Whether the gateway runs, and how it is doing."""
    at = now_ms()
    if not session.database_path.exists():
        facts: Facts = {"running": False, "data_dir": str(session.data_dir)}
        accounts: list[Facts] = []
    else:
        with session.database(read_only=True) as database:
            facts = _facts(database, session, at)
            accounts = facts["accounts"]
    if session.json:
        show_json(facts)
    else:
        show_one(session, facts, _lines(facts, at))
        if accounts:
            click.echo()
            show_table(_ACCOUNTS, accounts)
        if not facts["running"]:
            talk("\n`trigate serve` starts the gateway.")
    if not facts["running"]:
        raise click.exceptions.Exit(1)


def _facts(database: "Database", session: Session, at: int) -> Facts:
    beats = heartbeats(database)
    beat = beats[0] if beats else None
    today = summarize(database, since_at=at - at % _DAY_MS, until_at=at)[0]
    sums = facts_of(today)
    del sums["group"]
    return {
        "running": beat is not None and at - beat.at <= ALIVE_MS,
        "data_dir": str(session.data_dir),
        **(_beat_facts(beat) if beat else {}),
        "today": sums,
        "accounts": [facts_of_view(view) for view in account_views(database)],
    }


def _beat_facts(beat: HeartbeatView) -> Facts:
    return facts_of(beat)


def _lines(facts: Facts, at: int) -> list[tuple[str, str]]:
    lines = [("gateway", _headline(facts)), ("data", facts["data_dir"])]
    if "pid" in facts:
        running = facts["running"]
        lines += [
            ("address", facts["address"] if running else ""),
            ("version", facts["version"]),
            ("process", f"{facts['pid']} on {facts['host']}" if running else ""),
            ("up", words.span(at - facts["started_at"]) if running else ""),
            ("last seen", "" if running else words.instant(facts["at"])),
            ("open calls", str(facts["open_calls"]) if running else ""),
        ]
    if today := facts.get("today"):
        lines.append(("today (UTC)", _today(today)))
    return lines


def _headline(facts: Facts) -> str:
    return f"running, {facts['state']}" if facts["running"] else "not running"


def _today(today: Facts) -> str:
    calls = words.plural(today["calls"], "call")
    money = f"{words.usd(today['charged_micro'])} charged, {words.usd(today['upstream_micro'])} upstream"
    return f"{calls}, {today['failed_calls']:,} failed, {today['interrupted_calls']:,} interrupted; {money}"
