"""Whoever knows the console types on while a page is still being drawn, and over ssh a sentence comes at once."""

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from admin_tui.widgets.form import Form
from gateway.store.database import Database
from gateway.store.operators import customers, keys
from gateway.store.queries.ledger import list_entries
from tests.tui.making import Console, console_on
from tests.tui.typing_in import changed_here


async def typed_at_once(console: Console, *keys: str) -> None:
    """Faster than anything is drawn or dealt with."""
    for key in keys:
        console.send(key)
    await console.settle()


async def a_form_is_on_its_way(console: Console) -> None:
    await console.press("2")
    console.app.screen.do_create()  # type: ignore[attr-defined]
    assert isinstance(console.app.screen, Form)
    assert console.app.focused is None


def value(console: Console, field: str) -> str:
    return console.app.screen.query_one(f"#field-{field}", Input).value


async def test_what_is_typed_before_a_form_is_drawn_is_in_its_first_field(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await a_form_is_on_its_way(console)
        await typed_at_once(console, *"laptop")
        await console.type("-2")
        assert value(console, "name") == "laptop-2"


async def test_what_is_pasted_before_a_form_is_drawn_is_there_too(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await a_form_is_on_its_way(console)
        console.app.post_message(events.Paste("laptop"))
        await typed_at_once(console, *"-2")
        assert value(console, "name") == "laptop-2"


async def test_the_key_that_opens_a_form_and_what_is_typed_into_it_come_at_once(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        await typed_at_once(console, "n", *"team-alpha")
        assert value(console, "name") == "team-alpha"


async def test_tab_goes_on_to_the_next_field_however_early_it_is(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await a_form_is_on_its_way(console)
        await typed_at_once(console, *"laptop", "tab", *"ci")
        assert (value(console, "name"), value(console, "customer")) == ("laptop", "ci")


async def test_saving_before_a_form_is_drawn_saves_nothing_that_is_missing(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await a_form_is_on_its_way(console)
        await typed_at_once(console, "ctrl+s", *"laptop")
        assert value(console, "name") == "laptop"
        assert changed_here(database) == []


async def test_a_screen_a_form_and_a_whole_top_up_come_at_once(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await typed_at_once(console, "4", "dollar_sign", *"25", "tab", *"bill 7", "enter")
        entry = list_entries(database, limit=1)[0]
        assert (entry.kind, entry.amount_micro, entry.note) == ("topup", 25_000_000, "bill 7")


@pytest.mark.parametrize(
    ("pressed", "amount_micro"),
    [
        (("2", "5", "enter", "5"), 25_000_000),
        (("2", "backspace", "5", "enter"), 5_000_000),
        (("1", "0", "0", "ctrl+s"), 100_000_000),
        (("9", "ctrl+u", "1", "enter"), 1_000_000),
    ],
)
async def test_an_amount_is_what_was_typed_however_quick(
    data_dir: Path, seeded: None, database: Database, pressed: tuple[str, ...], amount_micro: int
) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "dollar_sign")
        await typed_at_once(console, *pressed)
        assert list_entries(database, limit=1)[0].amount_micro == amount_micro
        assert changed_here(database) == [("customers.topup", "ci")]


async def test_what_is_typed_into_a_filter_is_no_command(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        await typed_at_once(console, "slash", *"xe")
        assert console.app.screen.query_one("#filter", Input).value == "xe"
        assert keys.find(database, "alpha").enabled


async def test_the_key_behind_a_filter_is_about_what_it_let_through(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        await typed_at_once(console, "slash", *"ci-", "enter", "x")
        assert keys.find(database, "alpha").enabled
        assert not keys.find(database, "ci-bot").enabled


async def test_a_form_for_a_new_key_knows_the_customers_however_early(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await typed_at_once(console, "2", "n", *"x", "tab", *"ci", "tab", *"10", "ctrl+s")
        assert "Leave Balance empty" in console.text
        assert changed_here(database) == []


async def test_a_key_waits_for_the_rows_it_is_about(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await typed_at_once(console, "4", "j", "x")
        assert customers.find(database, "ci").enabled
        assert not customers.find(database, "team-alpha").enabled


async def test_the_end_is_not_waited_for(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        console.send("5")
        console.send("ctrl+q")
        await console.until(lambda: not console.app.is_running)


async def test_what_was_just_made_is_what_the_next_key_is_about(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "n", *"zoo", "ctrl+s", "dollar_sign")
        assert "Top up zoo" in console.text
