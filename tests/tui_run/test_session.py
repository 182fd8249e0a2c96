"""The session of docs/console-session.md, on two terminals. `WRITE_SNAPSHOTS=1` writes the page anew from the first."""

import difflib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli.demo import NAME
from gateway.settings import DATABASE
from gateway.store.database import open_database
from gateway.store.operators import customers
from gateway.store.queries.calls import CallFilter, call_detail, call_page
from gateway.store.queries.lookups import balance_of
from gateway.store.queries.names import load_names
from gateway.store.queries.views import list_audit
from tests.docs.session import free_port
from tests.tui_run.script import CUSTOMER, DRAINED, OTHER, STEPS
from tests.tui_run.session import Session
from tests.tui_run.terminals import Emulated, Terminal, Tmux, wait_for
from tests.tui_run.transcript import PAGE, screens_in, told_in, words_of, written

WRITING = bool(os.environ.get("WRITE_SNAPSHOTS"))
_TOAST = "▌"
# pytest's own size would be taken for the terminal's.
_NOT_KEPT = ("TRIGATE_", "TMUX", "NO_COLOR", "COLUMNS", "LINES")

Begin = Callable[[type[Terminal]], Session]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """`trigate demo --tui --fresh` in a terminal, in a folder of its own."""
    sessions: list[Session] = []
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_NOT_KEPT)}
    environment = {**kept, "TRIGATE_DATA_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "gateway", "demo", "--tui", "--fresh", "--port", str(free_port())]

    def begun(kind: type[Terminal]) -> Session:
        sessions.append(Session(kind(command, environment, tmp_path)))
        return sessions[-1]

    yield begun
    for session in sessions:
        session.close()


@pytest.mark.timeout(240)
def test_a_session_by_keystrokes_alone(begin: Begin, tmp_path: Path) -> None:
    session = begin(Emulated)
    if WRITING:
        _write(session)
    else:
        _compare(session)
    assert session.ended() == 0
    _check_the_books(tmp_path / NAME)


@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux on this machine")
def test_the_same_session_in_tmux(begin: Begin, tmp_path: Path) -> None:
    session = begin(Tmux)
    _compare(session)
    assert session.ended() == 0
    _check_the_books(tmp_path / NAME)


def test_the_page_tells_what_the_script_does() -> None:
    page = PAGE.read_text("utf-8")
    assert told_in(page) == told_in(written(screens_in(page)))


def _compare(session: Session) -> None:
    """Every screen has the words of the one on the page."""
    *steps, last = STEPS
    for step, expected in zip(steps, screens_in(PAGE.read_text("utf-8")), strict=True):
        screen = session.carry_out(step)
        if step.moves or words_of(screen) == words_of(expected):
            continue
        try:
            wait_for(session.terminal, "", lambda screen, expected=expected: words_of(screen) == words_of(expected))
        except AssertionError:
            found = words_of(session.terminal.screen()).split("\n")
        else:
            continue
        changes = difflib.unified_diff(words_of(expected).split("\n"), found, PAGE.name, "screen", lineterm="")
        pytest.fail(f"After {step.keys or 'nothing more'} ({step.told!r}):\n" + "\n".join(changes), pytrace=False)
    session.carry_out(last)


def _write(session: Session) -> None:
    *steps, last = STEPS
    screens = []
    for step in steps:
        session.carry_out(step)
        # Whatever else it was about to show.
        time.sleep(0.3 if step.moves else 1)
        screens.append(session.terminal.screen())
        # On the page each screen has its own toast alone.
        wait_for(session.terminal, "The end of the toast", lambda screen: _TOAST not in screen)
    session.carry_out(last)
    PAGE.write_text(written(screens), "utf-8")


def _check_the_books(folder: Path) -> None:
    """What the screens said is what the database has."""
    database = open_database(folder / DATABASE, read_only=True)
    try:
        names = load_names(database)
        first, second = [
            call_detail(database, call.id) for call in reversed(call_page(database, CallFilter(), limit=10).calls)
        ]
        customer = customers.find(database, CUSTOMER)
        balance_micro = balance_of(database, customer.id)
        audited = [(each.action, each.subject) for each in list_audit(database) if each.actor.startswith("console:")]
    finally:
        database.close()
    assert [names.of("account", each.account_id) for each in first.attempts] == [DRAINED]
    assert [names.of("account", each.account_id) for each in second.attempts] == [OTHER]
    charged_micro = first.call.cost_micro + second.call.cost_micro
    assert charged_micro > 0
    assert balance_micro == 5_000_000 - charged_micro
    assert audited[::-1] == [
        ("customers.create", CUSTOMER),
        ("keys.create", "laptop"),
        ("customers.topup", CUSTOMER),
        ("accounts.drain", DRAINED),
    ]
