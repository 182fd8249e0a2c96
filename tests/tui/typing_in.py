"""What tests of forms have in common: typing into fields, and what the audit then says."""

from typing import Any

from gateway.store.database import Database, rows
from tests.tui.making import Console


def audited(database: Database) -> list[tuple[str, str, str]]:
    """(who, what, which), newest first."""
    return [tuple(row) for row in rows(database, "SELECT actor, action, subject FROM audit ORDER BY id DESC")]


def changed_here(database: Database) -> list[tuple[str, str]]:
    """(what, which) of what a console wrote, newest first."""
    return [each[1:] for each in audited(database) if each[0].startswith("console:")]


def on_the_screen(console: Console) -> str:
    """The screen's words, wherever its lines break."""
    return " ".join(console.text.replace("│", " ").replace("▏", " ").split())


async def fill(console: Console, **values: str) -> None:
    """Types into the fields of the form, over what stands there."""
    for name, text in values.items():
        console.app.screen.query_one(f"#field-{name}").focus()
        await console.press("end", "ctrl+u")
        await console.type(text)


def choose(console: Console, name: str, value: Any) -> None:
    """Sets a choice or a switch."""
    console.app.screen.query_one(f"#field-{name}").value = value  # type: ignore[attr-defined]


def line_of(console: Console, word: str) -> str:
    """The line of the screen that begins with a word."""
    return next(line for line in console.text.splitlines() if line.split()[:1] == [word])
