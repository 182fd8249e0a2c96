"""Accounts: the upstream credentials that calls are sent to, whether they take calls, and why not."""

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.account_rows import (
    AccountRow,
    account_facts,
    in_use,
    read_accounts,
    spend,
    state,
    success,
    ttft,
)
from admin_tui.screens.account_trial import Answer, TrialDialog, listing_facts, listing_of, probe_facts, trial_of
from admin_tui.screens.crossing import to_calls
from admin_tui.screens.forms.account_forms import (
    ask_edit_account,
    ask_new_account,
    ask_rotate_account,
    ask_route,
    removal,
)
from admin_tui.screens.forms.changes import for_each, several, switch
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.bars import styled
from admin_tui.widgets.dialogs import Confirm
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.records import Account
from gateway.store.database import Database
from gateway.store.operators import accounts

_EMPTY = """[b]No accounts yet.[/b]

An account is an upstream credential, or a server of your own, that answers calls. With two of them, one stands in for \
the other when it fails or is overloaded.

Press [b]n[/b], or [b]trigate accounts add NAME --kind KIND --secret-stdin[/b]. \
A [b]simulated[/b] one makes answers up, to look around without a credential.

[b]i[/b] goes through the first steps, one by one."""


class AccountsScreen(ListScreen[AccountRow]):
    CONTEXT = "accounts"
    BINDINGS: ClassVar[list[BindingType]] = bindings("accounts")
    NAME = "accounts"
    # Cool-downs count down.
    AGES_S = 1.0
    COLUMNS = (
        Column[AccountRow]("NAME", lambda row: row.name, width=13, below_width=100, sort=lambda row: row.name),
        Column[AccountRow]("NAME", lambda row: row.name, width=22, from_width=100, sort=lambda row: row.name),
        Column[AccountRow]("STATE", state, sort=lambda row: row.standing.word),
        Column[AccountRow]("KIND", lambda row: Cell(row.account.kind, "dim"), width=10, from_width=100,
                           sort=lambda row: row.account.kind),
        Column[AccountRow]("PRIORITY", lambda row: str(row.account.priority), width=8, right=True, from_width=100,
                           sort=lambda row: row.account.priority, falling=True),
        Column[AccountRow]("IN USE", in_use, width=8, right=True, sort=lambda row: row.in_flight, falling=True),
        Column[AccountRow]("OK", success, width=5, right=True, sort=lambda row: row.figures.success_24h),
        Column[AccountRow]("CALLS", lambda row: Cell(format.tokens(row.figures.calls_24h),
                           "" if row.figures.calls_24h else "dim"), width=6, right=True, from_width=100,
                           sort=lambda row: row.figures.calls_24h, falling=True),
        Column[AccountRow]("P50", lambda row: ttft(row, row.figures.ttft_p50_ms), width=5, right=True,
                           sort=lambda row: row.figures.ttft_p50_ms),
        Column[AccountRow]("P95", lambda row: ttft(row, row.figures.ttft_p95_ms), width=5, right=True,
                           sort=lambda row: row.figures.ttft_p95_ms),
        Column[AccountRow]("COST 24H", spend, width=8, right=True,
                           sort=lambda row: row.figures.upstream_24h_micro, falling=True),
        Column[AccountRow]("RACES", lambda row: Cell(format.usd(row.figures.overhead_24h_micro), "dim"), width=8,
                           right=True, from_width=120, sort=lambda row: row.figures.overhead_24h_micro, falling=True),
    )  # fmt: skip

    def key_of(self, row: AccountRow) -> int:
        return row.account.id

    def copied(self, row: AccountRow) -> str:
        return row.name

    def words_of(self, row: AccountRow) -> list[str]:
        account = row.account
        return [row.name, state(row).text, account.kind, account.base_url, *account.models]

    def read(self, database: Database) -> Any:
        return read_accounts(database, self.console.now(), alive=self.alive)

    def show(self, data: Any) -> None:
        super().show(data)
        line = self.query_one("#accounts-sum", Static)
        line.update(self._headline())
        line.set_class(not data, "hidden")

    def detail(self, row: AccountRow) -> Iterable[Fact]:
        return account_facts(row)

    def empty_text(self) -> str:
        return _EMPTY

    def above(self) -> ComposeResult:
        yield Static("", id="accounts-sum", classes="headline")

    def _headline(self) -> Content:
        rows = self._all
        ready = sum(1 for row in rows if row.standing.word == "ready")
        parts = [f"{len(rows):,} account{'' if len(rows) == 1 else 's'}", f"{ready:,} ready"]
        if len(rows) > ready:
            parts.append(f"{len(rows) - ready:,} not")
        if self.alive:
            parts.append(f"{sum(row.figures.in_flight for row in rows):,} in flight")
        spent = sum(row.figures.upstream_24h_micro for row in rows)
        lost = sum(row.figures.overhead_24h_micro for row in rows)
        races = f", {format.usd(lost)} in lost races" if lost else ""
        return Content.assemble("   ".join(parts), "   24 hours cost ", styled(format.usd(spent), "strong"), races)

    # -- commands

    def refusal(self, each: Command) -> str:
        chosen = self.table.chosen()
        if each.id == "accounts.reset" and chosen and not any(row.figures.view.states for row in chosen):
            return "It is not cooling."
        return ""

    def do_create(self) -> None:
        def added(account: Account, discover: bool) -> None:
            self.table.seek(account.id)
            if discover:
                self._list_models(account.name)

        ask_new_account(self.console, added)

    def do_test(self) -> None:
        if self.selected is not None:
            self._try(self.selected.name)

    def _try(self, name: str) -> None:
        trial = trial_of(self.console.data_dir, name)
        self.app.push_screen(TrialDialog(f"One short call to {name}", trial, probe_facts), self._tried)

    def _tried(self, _answer: Answer | None) -> None:
        self.reload()

    def do_discover(self) -> None:
        if self.selected is not None:
            self._list_models(self.selected.name)

    def _list_models(self, name: str) -> None:
        trial = listing_of(self.console.data_dir, name)
        self.app.push_screen(TrialDialog(f"The models that {name} lists", trial, listing_facts), self._tried)

    def do_edit(self) -> None:
        if self.selected is not None:
            ask_edit_account(self.console, self.selected.account)

    def do_rotate(self) -> None:
        if self.selected is not None:
            name = self.selected.name
            ask_rotate_account(self.console, self.selected.account, lambda: self._try(name))

    def do_route(self) -> None:
        if self.selected is not None:
            ask_route(self.console, self.selected.account)

    async def do_disable(self) -> None:
        """Disable those that are enabled; where none is, enable them."""
        chosen = self.table.chosen()
        on_ = [row.name for row in chosen if row.account.enabled]
        if on_:
            await switch(self.console, "account", on_, accounts.disable, accounts.enable, ("disabled", "enabled again"))
        else:
            names = [row.name for row in chosen]
            await switch(
                self.console, "account", names, accounts.enable, accounts.disable, ("enabled", "disabled again")
            )

    async def do_drain(self) -> None:
        """Drain those that take new conversations; where none does, end the draining."""
        chosen = self.table.chosen()
        taking = [row.name for row in chosen if not row.account.draining]
        takes = "taking new conversations"
        if taking:
            await switch(
                self.console, "account", taking, accounts.drain, accounts.undrain, ("draining", f"{takes} again")
            )
        else:
            names = [row.name for row in chosen]
            await switch(self.console, "account", names, accounts.undrain, accounts.drain, (takes, "draining again"))

    async def do_reset(self) -> None:
        names = [row.name for row in self.table.chosen() if row.figures.view.states]
        done = f"The cool-downs of {several(names, 'account')} are forgotten."
        await self.console.actions.run(for_each(names, accounts.reset), done=done)

    def do_its_calls(self) -> None:
        if self.selected is not None:
            to_calls(self.console, "account", self.selected.name)

    def do_remove(self) -> None:
        """For good, once its name was typed."""
        row = self.selected
        if row is None:
            return
        figures = row.figures
        facts: list[Fact] = [
            ("kind", row.account.kind),
            ("in flight", in_use(row).text),
            ("24 hours", f"{figures.calls_24h:,} calls, {format_usd(figures.upstream_24h_micro)}"),
            ("credential", "stored; it is deleted, too" if row.has_secret else "none"),
        ]

        def answered(sure: bool | None) -> None:
            if sure:
                change = removal(row.account, self.console.data_dir)
                self.console.run_worker(self.console.actions.run(change, done=f"{row.name} is removed."))

        question = Confirm(
            f"Remove the account {row.name}?",
            verb="Remove",
            facts=facts,
            warning="This is for good; x only disables. Calls it served stay in the books.",
            typed=row.name,
        )
        self.app.push_screen(question, answered)

    def do_setup(self) -> None:
        self.console.do_setup()
