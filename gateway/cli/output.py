"""How the command line speaks: facts on standard output, everything else on standard error.

Facts are the records' own fields. A terminal gets aligned columns under headings, a pipe gets values with tabs between
them and no heading, `--json` gets everything. Nothing is told by colour alone.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import click

from gateway.cli.command import Session
from gateway.errors import UsageError

Facts = dict[str, Any]
"""One thing as JSON has it."""


class Column(NamedTuple):
    """A column of a listing. `right` aligns figures; `paint` names a colour for a text, or none."""

    heading: str
    text: Callable[[Facts], str]
    right: bool = False
    paint: Callable[[str], str | None] = lambda text: None


def talk(text: str) -> None:
    """Say something that is not data."""
    click.echo(text, err=True)


def show_list(session: Session, facts: Sequence[Facts], columns: Sequence[Column], *, empty: str) -> None:
    """A listing. `empty` is said where there is nothing, and should name the command that changes that."""
    if session.json:
        show_json(facts)
        return
    if not facts:
        talk(empty)
        return
    show_table(columns, facts)


def show_table(columns: Sequence[Column], facts: Iterable[Facts]) -> None:
    """Rows of text: aligned under headings on a terminal, else with tabs."""
    rows = [[column.text(each) for column in columns] for each in facts]
    if not on_terminal():
        for row in rows:
            click.echo("\t".join(_one_line(text) for text in row))
        return
    widths = [max(len(column.heading), *(len(row[at]) for row in rows)) for at, column in enumerate(columns)]
    if not columns[-1].right:
        widths[-1] = 0
    _echo_row([_fit(column, column.heading, width, "bold") for column, width in zip(columns, widths, strict=True)])
    for row in rows:
        cells = zip(columns, row, widths, strict=True)
        _echo_row([_fit(column, text, width, column.paint(text)) for column, text, width in cells])


def show_one(session: Session, facts: Facts, lines: Iterable[tuple[str, str]]) -> None:
    """One thing: its facts as JSON, or `lines` of name and text. Lines without text are left out."""
    if session.json:
        show_json(facts)
        return
    shown = [(name, text) for name, text in lines if text]
    if not on_terminal():
        for name, text in shown:
            click.echo(f"{name}\t{_one_line(text)}")
        return
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        click.echo(f"{_style(name.ljust(width), 'bold')}  {text}")


def show_done(session: Session, facts: Facts, sentence: str) -> None:
    """The end of a change: the thing as it is now with `--json`, otherwise a sentence."""
    if session.json:
        show_json(facts)
    else:
        talk(sentence)


def show_json(value: object) -> None:
    """JSON: indented for a reader, on one line for a program."""
    import msgspec

    encoded = msgspec.json.encode(value)
    click.echo(msgspec.json.format(encoded, indent=2) if on_terminal() else encoded)


def facts_of(record: Any) -> Facts:
    """A record's fields; every `…_micro` has the same amount in dollars beside it, as `…_usd`."""
    import msgspec

    facts: Facts = with_usd(msgspec.to_builtins(record))
    return facts


def with_usd(value: Any) -> Any:
    """The same value with `…_usd` beside every `…_micro`."""
    if isinstance(value, list | tuple):
        return [with_usd(each) for each in value]
    if not isinstance(value, dict):
        return value
    facts: Facts = {}
    for name, each in value.items():
        facts[name] = with_usd(each)
        if isinstance(name, str) and name.endswith("_micro"):
            from gateway.cli.words import plain_usd

            facts[name.removesuffix("_micro") + "_usd"] = None if each is None else plain_usd(each)
    return facts


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone. Raises UsageError where there is nobody to ask and no `--yes`."""
    if yes:
        return
    if not can_ask():
        raise UsageError(f"{question} There is nobody to ask; repeat with --yes if that is what you want.")
    if not click.confirm(question, default=False, err=True):
        talk("Nothing was changed.")
        raise click.exceptions.Exit(1)


def can_ask() -> bool:
    """True if somebody sits at the keyboard."""
    return sys.stdin.isatty()


def on_terminal() -> bool:
    """True if standard output is looked at rather than read by a program."""
    return sys.stdout.isatty()


def paint_state(text: str) -> str | None:
    """The colour of a state's word."""
    word = text.partition(",")[0]
    if word in ("ready", "active", "completed", "won", "running"):
        return "green"
    if word in ("revoked", "refused", "failed", "expired", "out of quota", "not running"):
        return "red"
    return "yellow" if word in ("cooling", "disabled", "draining", "partial", "cancelled", "lost", "trying") else None


def _echo_row(cells: list[str]) -> None:
    click.echo("  ".join(cells).rstrip())


def _fit(column: Column, text: str, width: int, look: str | None) -> str:
    return _style(text.rjust(width) if column.right else text.ljust(width), look)


def _style(text: str, look: str | None) -> str:
    if look is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, bold=True) if look == "bold" else click.style(text, fg=look)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n")).replace("\t", " ")
