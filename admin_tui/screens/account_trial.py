"""Asking an upstream account something: the command line's own `accounts test` and `accounts sync`, run beside the
console, so that they go the way that calls go and cannot hold it up."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from admin_tui import format
from admin_tui.feed import in_thread
from admin_tui.format import Cell
from admin_tui.widgets.dialogs import Dialog
from admin_tui.widgets.facts import Fact, Facts
from gateway.errors import StoreUnavailable

# The commands themselves give up after a minute.
DEADLINE_S = 90.0
_LONGEST_WORDS = 1_500
_MOST_NAMED = 20


class Answer(NamedTuple):
    """What a command said: its JSON (None where there is none), and in words what was wrong ("" if nothing)."""

    ok: bool
    body: Any
    message: str


class Trial:
    """One run of `trigate ARGUMENTS --json`. `stop` ends it, from any thread."""

    def __init__(self, data_dir: Path, arguments: Sequence[str]) -> None:
        # After `--`, a name is no option whatever it begins with.
        self._command = [sys.executable, "-m", "gateway", "--data-dir", str(data_dir), "--json", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self) -> Answer:
        """Blocks until it answered, was stopped, or a minute and a half went by."""
        if self._stopped:
            return Answer(False, None, "It was stopped.")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
        )
        if self._stopped:
            self._process.terminate()
        try:
            out, err = self._process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Answer(False, None, f"It did not answer within {DEADLINE_S:.0f} seconds.")
        return _understood(self._process.returncode, out, err)

    def stop(self) -> None:
        """End it; `run` returns at once."""
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()


def trial_of(data_dir: Path, name: str) -> Trial:
    """One short call to the account."""
    return Trial(data_dir, ["accounts", "test", "--", name])


def listing_of(data_dir: Path, name: str) -> Trial:
    """Reads the account's own list of models and stores it."""
    return Trial(data_dir, ["accounts", "sync", "--", name])


def _understood(status: int, out: bytes, err: bytes) -> Answer:
    body = _json(out)
    if isinstance(body, dict) and "ok" in body:
        return Answer(bool(body["ok"]), body, str(body.get("message", "")))
    if status == 0:
        return Answer(True, body, "")
    words = err.decode(errors="replace").strip().removeprefix("trigate: ")
    return Answer(False, body, (words or f"It ended with status {status}.")[:_LONGEST_WORDS])


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


class TrialDialog(Dialog[Answer]):
    """Runs a trial and says how it went; dismissed with the answer, or None where it was left before there was one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "cancel", show=False)]

    def __init__(self, title: str, trial: Trial, facts: Callable[[Answer], Sequence[Fact]]) -> None:
        super().__init__()
        self._title = title
        self._trial = trial
        self._facts = facts
        self._answer: Answer | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._title), classes="dialog--title")
            yield Facts(id="answer", classes="dialog--facts")
            with Horizontal(classes="dialog--buttons"):
                yield Button("Close", id="cancel")

    def on_mount(self) -> None:
        self.query_one("#answer", Facts).show([("", Cell("Asking … Closing this stops it.", "dim"))])
        self.query_one("#cancel").focus()
        self.run_worker(self._run())

    def on_unmount(self) -> None:
        self._trial.stop()

    async def _run(self) -> None:
        try:
            answer = await in_thread(self.app, self._trial.run)
        except StoreUnavailable:
            # It was left before there was an answer.
            return
        if not self.is_mounted:
            return
        self._answer = answer
        self.query_one("#answer", Facts).show(self._facts(answer))
        self.console.read_again()

    def action_cancel(self) -> None:
        self.dismiss(self._answer)

    def on_button_pressed(self) -> None:
        self.action_cancel()


def probe_facts(answer: Answer) -> list[Fact]:
    """How one short call went."""
    body = answer.body if isinstance(answer.body, dict) else {}
    facts: list[Fact] = [("", Cell(f"{format.ON} it answers", "good") if answer.ok else Cell("✕ it fails", "bad"))]
    if body:
        facts += [
            ("model", str(body.get("model", ""))),
            ("over", str(body.get("dialect", ""))),
            ("took", format.seconds(int(body.get("duration_ms", 0)))),
            ("status", str(body.get("status") or "")),
        ]
    if answer.message:
        facts += [("", ""), ("", answer.message)]
    return facts


def listing_facts(answer: Answer) -> list[Fact]:
    """What an account's own list says."""
    if not answer.ok:
        return [("", Cell("✕ it gave no list", "bad")), ("", ""), ("", answer.message)]
    found = answer.body.get("discovered", []) if isinstance(answer.body, dict) else []
    many = f"{len(found)} model{'' if len(found) == 1 else 's'}"
    named = ", ".join(map(str, found[:_MOST_NAMED])) + (" …" if len(found) > _MOST_NAMED else "")
    return [("", Cell(f"{format.ON} it offers {many}", "good")), ("", ""), ("", named)]
