"""What holds on every screen: header, navigation, help, palette, toasts, own keys, a database that is busy."""

import threading
from pathlib import Path

import apsw
import msgspec
import pytest
from textual.events import Key

from admin_tui.keymap import COMMANDS, command
from admin_tui.screens.base import ConsoleScreen
from admin_tui.screens.help import HelpScreen
from admin_tui.screens.live import LiveScreen
from gateway.settings import DATABASE
from gateway.store.database import Database
from gateway.store.operators import customers
from gateway.store.queries.views import list_audit
from tests.store.making import NOW
from tests.tui.making import SIZES, Console, Gateway, console_on


def top_line(console: Console) -> str:
    return console.text.splitlines()[0]


async def test_header_tells_of_a_running_gateway(data_dir: Path, gateway_: Gateway) -> None:
    gateway_.beat()
    async with console_on(data_dir) as console:
        assert "● up 3d04h" in top_line(console)


async def test_a_gateway_that_is_gone_is_said_with_its_last_minute(data_dir: Path, gateway_: Gateway) -> None:
    gateway_.beat(at=NOW - 60_000)
    async with console_on(data_dir) as console:
        assert "✕ gateway not running - data as of 05:05" in top_line(console)


@pytest.mark.parametrize(
    ("key", "mode"),
    [("1", "live"), ("2", "keys"), ("3", "accounts"), ("4", "money"), ("5", "usage"), ("6", "models"), ("7", "audit")],
)
async def test_digits_go_to_the_screens(data_dir: Path, key: str, mode: str) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", key)
        assert console.app.current_mode == mode


async def test_g_and_a_letter_go_there_too(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await console.press("g", "a")
        assert console.app.current_mode == "accounts"


async def test_g_and_a_letter_typed_at_once_are_not_lost(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        console.app.post_message(Key("g", "g"))
        console.app.post_message(Key("a", "a"))
        await console.settle()
        await console.settle()
        assert console.app.current_mode == "accounts"
        assert isinstance(console.app.screen, ConsoleScreen)


async def test_g_and_any_other_key_goes_nowhere(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await console.press("g", "x")
        assert console.app.current_mode == "live"
        assert isinstance(console.app.screen, ConsoleScreen)


async def test_q_on_a_main_screen_says_how_to_end_it(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await console.press("q")
        assert console.app.is_running
        assert "ctrl+q" in console.said[-1]


async def test_ctrl_q_ends_it(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await console.pilot.press("ctrl+q")
        await console.pilot.pause()
        assert not console.app.is_running


async def test_it_ends_quietly_in_the_middle_of_reading(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        screen = console.app.screen
        assert isinstance(screen, ConsoleScreen)
        read = screen.read

        def slowly(database: Database) -> object:
            threading.Event().wait(0.1)
            return read(database)

        screen.read = slowly  # type: ignore[method-assign]
        screen.reload()
        console.app.poll()
        await console.pilot.pause()
        console.app.exit()
    assert not console.app.return_code


async def test_what_is_read_when_it_has_ended_is_dropped(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        screen = console.app.screen
        assert isinstance(screen, ConsoleScreen)
        data = screen.read(database)
        await console.pilot.exit(None)

    async def read(_: object) -> object:
        return data

    console.app.feed.read = read  # type: ignore[method-assign,assignment]
    with console.app._context():
        await screen._reload()


async def test_help_names_every_key_of_the_screen(data_dir: Path) -> None:
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await console.press("question_mark")
        screen = console.app.screen
        assert isinstance(screen, HelpScreen)
        told = "\n".join(line.plain for line in screen.lines(1_000))
        offered = {each.id for each in COMMANDS if each.context in ("live", "list", "everywhere")}
        taken = {"list.bottom"}  # Live has a G of its own.
        for command_id in offered - taken - LiveScreen.LEFT_OUT:
            assert command(command_id).help in told
        await console.press("q")
        assert console.app.current_mode == "live"


async def test_the_palette_finds_a_command(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await console.press("colon")
        await console.type("accounts")
        await console.press("enter", "enter")
        assert console.app.current_mode == "accounts"


async def test_a_user_gives_a_command_another_key(data_dir: Path) -> None:
    (data_dir / "config").mkdir()
    (data_dir / "config" / "console.json").write_bytes(msgspec.json.encode({"keys": {"app.audit": "f9"}}))
    async with console_on(data_dir) as console:
        await console.press("f9")
        assert console.app.current_mode == "audit"


async def test_a_broken_preferences_file_is_said_and_left_alone(data_dir: Path) -> None:
    path = data_dir / "config" / "console.json"
    path.parent.mkdir()
    path.write_text("{")
    async with console_on(data_dir) as console:
        console.app.theme = "nord"
        await console.settle()
        assert "console.json" in console.said[0]
    assert path.read_text() == "{"


async def test_a_theme_is_kept_for_next_time(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        console.app.theme = "nord"
        await console.settle()
    async with console_on(data_dir) as console:
        assert console.app.theme == "nord"


async def test_ascii_draws_nothing_else(data_dir: Path, gateway_: Gateway) -> None:
    gateway_.beat()
    async with console_on(data_dir, ascii=True) as console:
        await console.press("question_mark")
        assert console.text.isascii()


async def test_an_undone_change_is_taken_back(data_dir: Path, seeded: None, database: Database) -> None:
    from admin_tui.actions import Undo

    async with console_on(data_dir) as console:
        await console.app.actions.run(
            lambda database, actor: customers.disable(database, actor, "ci"),
            done="ci is disabled.",
            undo=Undo(lambda database, actor: customers.enable(database, actor, "ci"), "ci is enabled again."),
        )
        await console.settle()
        assert not customers.find(database, "ci").enabled
        assert console.said[-1] == "ci is disabled.  u undoes"
        await console.press("u")
        assert customers.find(database, "ci").enabled
        assert console.said[-1] == "ci is enabled again."


async def test_read_only_refuses_every_change(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.app.actions.run(lambda database, actor: customers.disable(database, actor, "ci"), done="no")
        await console.settle()
        assert customers.find(database, "ci").enabled
        assert "read-only" in console.said[-1]
        assert "read-only" in top_line(console)


async def test_a_locked_database_is_said_and_tried_again(
    data_dir: Path, gateway_: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.database.BUSY_TIMEOUT_MS", 20)
    gateway_.beat()
    gateway_.close()
    async with console_on(data_dir) as console:
        console.app.feed.close()
        locking = apsw.Connection(str(data_dir / DATABASE))
        locking.execute("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE; COMMIT").fetchall()
        await console.look()
        assert "locked" in top_line(console)
        locking.close()
        await console.look()
        assert "● up 3d04h" in top_line(console)


async def test_a_change_waits_for_a_writer_that_is_busy(data_dir: Path, seeded: None, database: Database) -> None:
    writing = apsw.Connection(str(data_dir / DATABASE))
    writing.execute("BEGIN IMMEDIATE")
    threading.Timer(0.05, writing.execute, ("COMMIT",)).start()
    async with console_on(data_dir) as console:
        await console.app.actions.run(lambda database, actor: customers.disable(database, actor, "ci"), done="Done.")
        await console.settle()
        assert console.said[-1] == "Done."
    assert not customers.find(database, "ci").enabled


async def test_every_change_names_its_maker_in_the_audit(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.app.actions.run(lambda database, actor: customers.disable(database, actor, "ci"), done="Done.")
        maker = console.app.actions.actor
    entry = list_audit(database, limit=1)[0]
    assert (entry.action, entry.subject, entry.actor) == ("customers.disable", "ci", maker)
    assert maker.startswith("console:")


async def test_what_is_refused_is_said_and_nothing_is_changed(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.app.actions.run(
            lambda database, actor: customers.disable(database, actor, "team-alfa"), done="Done."
        )
        await console.settle()
        assert console.said[-1] == "There is no customer 'team-alfa'. Did you mean 'team-alpha'?"


async def test_names_are_nobodys_markup(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        console.app.say("[bold]x[/bold] is disabled.")
        await console.settle()
        assert "[bold]x[/bold]" in console.text
