"""The first steps: data folder, master key, first account with a live test, first key, a first call.

The same as `trigate init`, on one page that says how far things are. Offered where there is nothing yet; whatever is
there already counts as done.
"""

import os
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.feed import in_thread
from admin_tui.format import clean
from admin_tui.keymap import Command, bindings
from admin_tui.screens.account_rows import AccountRow, read_accounts, state
from admin_tui.screens.account_trial import Answer, TrialDialog, listing_facts, listing_of, probe_facts, trial_of
from admin_tui.screens.base import ConsoleScreen
from admin_tui.screens.forms.account_forms import ask_new_account, ask_rotate_account
from admin_tui.screens.forms.how_to_call import lines_for, way_to_call
from admin_tui.screens.forms.key_forms import Issued, show_secret
from admin_tui.widgets.bars import styled
from admin_tui.widgets.form import Field, Form, Values
from gateway.errors import OperatorError, UsageError
from gateway.records import Account
from gateway.store.database import Database, read_transaction, rows
from gateway.store.operators import accounts, keys, validate
from gateway.store.queries.views import list_tiers
from gateway.vault import CREDENTIAL_NAME, ENVIRONMENT_NAME, FILE_NAME, load_vault

_PLACEHOLDER = "YOUR_KEY"
_SIGNS = {"fails": (format.OFF, "bad"), "done": (format.ON, "good"), "next": (format.OPEN, "accent")}


class Progress(NamedTuple):
    """What is there. `master_key` is where the master key comes from, "" if there is none yet; `command` a call to
    try, with a placeholder for the key."""

    master_key: str
    accounts: list[AccountRow]
    keys: list[str]
    calls: bool
    tiers: list[str]
    command: str


class Step(NamedTuple):
    """A step in words. `failed`: it was done, and what it made does not work."""

    title: str
    done: bool
    words: str
    failed: bool = False


def read_progress(database: Database, data_dir: Path, now_at: int, *, alive: bool) -> Progress:
    """All of one state of the database."""
    with read_transaction(database):
        found = read_accounts(database, now_at, alive=alive)
        living = rows(database, "SELECT name FROM keys WHERE revoked_at IS NULL ORDER BY id")
        calls = bool(rows(database, "SELECT 1 FROM calls LIMIT 1"))
        tiers = [tier.name for tier in list_tiers(database)]
        way = way_to_call(database, keys.DEFAULT_TIER, (), now_at)
    command = lines_for(way, _PLACEHOLDER)[-1][1]
    return Progress(master_key_origin(data_dir), found, [row[0] for row in living], calls, tiers, command)


def nothing_there(database: Database) -> bool:
    """No account and no key: the first steps are offered."""
    return not rows(database, "SELECT 1 FROM accounts UNION ALL SELECT 1 FROM keys LIMIT 1")


def master_key_origin(data_dir: Path) -> str:
    """Where the master key is, without reading it; "" where one is yet to be made."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / CREDENTIAL_NAME).is_file():
        return f"the systemd credential {CREDENTIAL_NAME}"
    if os.environ.get(ENVIRONMENT_NAME):
        return f"the environment variable {ENVIRONMENT_NAME}"
    path = data_dir / FILE_NAME
    return str(path) if path.exists() else ""


class SetupScreen(ConsoleScreen):
    """`enter` does the step that comes next; each can be left for later."""

    CONTEXT = "setup"
    BINDINGS: ClassVar[list[BindingType]] = bindings("setup")
    AGES_S = 2.0

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._answer: Answer | None = None

    def body(self) -> ComposeResult:
        with VerticalScroll(id="page", can_focus=False):
            yield Static(id="intro")
            for number in range(1, 6):
                yield Static(id=f"step-{number}")
                yield Static(id=f"words-{number}", classes="step--words")

    def note(self) -> str:
        return "first steps"

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.console.data_dir

    # -- how far things are

    def read(self, database: Database) -> Any:
        return read_progress(database, self.folder, self.console.now(), alive=self.alive)

    def show(self, data: Any) -> None:
        self._progress = data
        self._draw()

    def steps(self) -> list[Step]:
        """The five, as they stand."""
        found = self._progress
        if found is None:
            return []
        folder = Step("Data folder", True, f"{self.folder}: the database is made.")
        made = f"{found.master_key}." if found.master_key else f"enter makes it: {self.folder / FILE_NAME}."
        master = Step("Master key", bool(found.master_key), f"It seals upstream credentials. {made}")
        return [folder, master, self._account_step(found), self._key_step(found), self._call_step(found)]

    def _account_step(self, found: Progress) -> Step:
        if not found.accounts:
            words = "What calls are sent to: an upstream credential, or a server of your own. enter adds one."
            return Step("First account", False, words)
        first = found.accounts[0]
        if self._answer is None:
            said = f"{state(first).text}. t tries it with one short call."
        elif self._answer.ok:
            said = "it answers."
        else:
            said = f"it fails. {self._answer.message} t tries again, R gives it another credential."
        more = f" and {len(found.accounts) - 1} more" if len(found.accounts) > 1 else ""
        failed = self._answer is not None and not self._answer.ok
        return Step("First account", True, f"{first.name}{more}, {first.account.kind}: {said}", failed)

    def _key_step(self, found: Progress) -> Step:
        if not found.keys:
            return Step("First key", False, "What callers send. enter makes one; its secret is shown once.")
        more = f" and {len(found.keys) - 1} more" if len(found.keys) > 1 else ""
        return Step("First key", True, f"{found.keys[0]}{more}. A lost secret is replaced on Keys (2), with R.")

    def _call_step(self, found: Progress) -> Step:
        if not found.keys:
            return Step("First call", False, "Through the gateway, with that key.")
        if found.calls:
            return Step("First call", True, "It came through: Live (1) shows it.")
        start = f"Start the gateway in another terminal: trigate serve --data-dir {self.folder}. Then send it this:"
        first = "The gateway runs. Send it this; the page sees the call:" if self.alive else start
        return Step("First call", False, f"{first}\n{found.command}")

    def _draw(self) -> None:
        steps = self.steps()
        following = next((step for step in steps if not step.done), None)
        hint = (
            "All of it is done; enter goes on." if following is None else "enter does the next, x leaves it for later."
        )
        self.query_one("#intro", Static).update(
            Content.assemble(styled("First steps   ", "strong"), styled(hint, "dim"))
        )
        for number, step in enumerate(steps, 1):
            self.query_one(f"#step-{number}", Static).update(_head(number, step, is_next=step is following))
            aside = step is not following and not step.failed
            self.query_one(f"#words-{number}", Static).update(styled(_clean(step.words), "dim" if aside else ""))

    # -- commands

    def refusal(self, each: Command) -> str:
        found = self._progress
        if each.id in ("setup.test", "setup.rotate") and not (found and found.accounts):
            return "There is no account yet."
        return ""

    async def do_next(self) -> None:
        found = self._progress
        if found is None:
            return
        if not found.master_key:
            await self._make_master_key()
        elif not found.accounts:
            ask_new_account(self.console, self._added)
        elif not found.keys:
            self._ask_key(found.tiers)
        elif not found.calls:
            self.console.say("Send the call that is shown here; the page sees it. x leaves it for later.")
        else:
            self.do_back()

    async def _make_master_key(self) -> None:
        data_dir = self.folder
        try:
            sealed = await self.console.feed.read(accounts.count_sealed)
            vault = await in_thread(self.app, lambda: load_vault(data_dir, os.environ, may_make=sealed == 0))
        except OperatorError as error:
            self.console.say(error.message, "error")
            return
        self.console.say(f"Master key: {vault.origin}. Back it up: without it no credential can be opened.")
        self.reload()

    def _added(self, account: Account, discover: bool) -> None:
        if discover:
            trial = listing_of(self.folder, account.name)
            dialog = TrialDialog(f"The models that {account.name} lists", trial, listing_facts)
            self.app.push_screen(dialog, lambda _: self._try(account.name))
        else:
            self._try(account.name)

    def _try(self, name: str) -> None:
        def tried(answer: Answer | None) -> None:
            self._answer = answer or self._answer
            self.reload()

        trial = trial_of(self.folder, name)
        self.app.push_screen(TrialDialog(f"One short call to {name}", trial, probe_facts), tried)

    def do_test(self) -> None:
        if self._progress is not None and self._progress.accounts:
            self._try(self._progress.accounts[0].name)

    def do_rotate(self) -> None:
        if self._progress is not None and self._progress.accounts:
            account = self._progress.accounts[0].account
            ask_rotate_account(self.console, account, lambda: self._try(account.name))

    def do_skip(self) -> None:
        self.console.say("Left for later. On the screen Accounts, i comes back to it.")
        self.do_back()

    def _ask_key(self, tiers: list[str]) -> None:
        """A key and its customer; then its secret, this once, with a call to paste."""
        made: list[Issued] = []
        fields = [
            Field("name", "Name", value="first", required=True, check=lambda text: validate.name(text, "key"),
                  help="Of the key, and of the customer who pays."),
            Field("tier", "Tier", "choice", keys.DEFAULT_TIER, choices=tuple((name, name) for name in tiers),
                  help="What it may do."),
            Field("unlimited", "For yourself", "bool", True, help="Metered, and never refused."),
            Field("balance", "Or a balance", "usd", check=lambda micro: validate.amount(micro, "opening balance"),
                  help="USD: what its customer begins with."),
        ]  # fmt: skip

        async def save(values: Values) -> None:
            unlimited = values["unlimited"] and not values["balance"]
            if not unlimited and not values["balance"]:
                raise UsageError("A balance is needed for a key that is not for yourself.")
            key, secret = await self.console.actions.write(
                lambda database, actor: keys.create(
                    database,
                    actor,
                    values["name"],
                    tier=values["tier"],
                    unlimited=unlimited,
                    balance_micro=values["balance"] or None,
                )
            )
            self.console.actions.last = None
            self.console.read_again()
            now_at = self.console.now()
            way = await self.console.feed.read(lambda database: way_to_call(database, key.tier, (), now_at))
            made.append(Issued(key.name, secret, lines_for(way, secret), ""))

        form = Form("First key", fields, save, verb="Create")
        self.app.push_screen(form, lambda _: show_secret(self.console, made))


def _head(number: int, step: Step, *, is_next: bool) -> Content:
    word = "fails" if step.failed else "done" if step.done else "next" if is_next else "to do"
    symbol, tone = _SIGNS.get(word, (format.OPEN, "dim"))
    title = styled(f"{number} {step.title:<15}", "strong" if is_next or step.failed else "")
    return Content.assemble(styled(f"{symbol} ", tone), title, styled(word, tone))


def _clean(text: str) -> str:
    """Its lines, each without what a terminal would act on: an upstream's own words may be in them."""
    return "\n".join(clean(line) for line in text.split("\n"))
