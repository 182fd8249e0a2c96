"""The one list of commands is sound."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

import admin_tui.screens
from admin_tui.app import ConsoleApp
from admin_tui.keymap import COMMANDS, CONTEXTS, written
from admin_tui.screens.base import ConsoleScreen


def test_ids_are_told_apart() -> None:
    assert [command_id for command_id, count in Counter(each.id for each in COMMANDS).items() if count > 1] == []


def test_no_key_means_two_things_on_one_screen() -> None:
    pressed = Counter((each.context, key) for each in COMMANDS for key in each.keys.split(","))
    assert [pair for pair, count in pressed.items() if count > 1] == []


def test_no_screen_takes_the_keys_that_lead_away_from_it() -> None:
    kept = {key for each in COMMANDS if each.context == "everywhere" for key in each.keys.split(",")} - {"r", "u", "g"}
    taken = [(each.id, key) for each in COMMANDS if each.context != "everywhere" for key in each.keys.split(",")]
    assert [pair for pair in taken if pair[1] in kept] == []


def test_every_context_has_a_name() -> None:
    assert {each.context for each in COMMANDS} <= set(CONTEXTS)


def test_help_is_a_sentence() -> None:
    assert [each.id for each in COMMANDS if not each.help.endswith(".") or not each.help[0].isupper()] == []


def test_every_command_is_carried_out_by_its_screen_or_by_the_application() -> None:
    for module in pkgutil.iter_modules(admin_tui.screens.__path__, "admin_tui.screens."):
        importlib.import_module(module.name)
    missing = [
        each.id
        for each in COMMANDS
        for screen in _screens(ConsoleScreen)
        if vars(screen).get("CONTEXT") == each.context
        if not hasattr(screen, each.method) and not hasattr(ConsoleApp, each.method)
    ]
    assert missing == []


def test_every_context_is_some_screens() -> None:
    assert {vars(screen).get("CONTEXT") for screen in _screens(ConsoleScreen)} - {None} == set(CONTEXTS)


def _screens(base: type[ConsoleScreen]) -> Iterator[type[ConsoleScreen]]:
    """The base and everything that builds on it."""
    yield base
    for each in base.__subclasses__():
        yield from _screens(each)


def test_keys_are_written_as_people_read_them() -> None:
    assert written("dollar_sign,ctrl+p") == ["$", "ctrl+p"]
