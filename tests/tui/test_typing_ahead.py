"""Whoever knows the console types on while a form is still being drawn."""

from pathlib import Path

from textual import events
from textual.widgets import Input

from admin_tui.widgets.form import Form
from tests.tui.making import Console, console_on


async def typed_at_once(console: Console, *keys: str) -> None:
    """Faster than anything is drawn, once the key before has been dealt with."""
    for key in keys:
        console.app.post_message(events.Key(key, key if len(key) == 1 else None))
    await console.settle()


async def a_form_is_on_its_way(console: Console) -> None:
    await console.press("2")
    console.app.screen.do_create()
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


async def test_tab_goes_on_to_the_next_field_however_early_it_is(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await a_form_is_on_its_way(console)
        await typed_at_once(console, *"laptop", "tab", *"ci")
        assert (value(console, "name"), value(console, "customer")) == ("laptop", "ci")


async def test_saving_before_a_form_is_drawn_does_nothing(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await a_form_is_on_its_way(console)
        await typed_at_once(console, "ctrl+s", *"laptop")
        assert value(console, "name") == "laptop"


async def test_what_was_just_made_is_what_the_next_key_is_about(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "n", *"zoo", "ctrl+s", "dollar_sign")
        assert "Top up zoo" in console.text
