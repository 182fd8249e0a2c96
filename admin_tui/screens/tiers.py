"""Tiers: what the keys in them may do, what that costs, and when a second account is asked."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, get_args

from textual.binding import BindingType

from admin_tui import format
from admin_tui.actions import Undo
from admin_tui.format import Cell
from admin_tui.keymap import bindings
from admin_tui.screens.forms.changes import Edit
from admin_tui.screens.forms.pairs import written_factor
from admin_tui.screens.forms.tier_forms import POLICY_WORDS, ask_edit_tier, change_tier
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.records import DialectName, Tier
from gateway.store.database import Database, read_transaction, rows
from gateway.store.operators import tiers
from gateway.store.operators.tiers import POLICIES
from gateway.store.queries.views import list_tiers


class TierRow(NamedTuple):
    """A tier, and how many keys are in it that are not revoked."""

    tier: Tier
    keys: int


class TiersScreen(ListScreen[TierRow]):
    CONTEXT = "tiers"
    BINDINGS: ClassVar[list[BindingType]] = bindings("tiers")
    LEFT_OUT = frozenset({"list.mark"})
    COLUMNS = (
        Column[TierRow]("TIER", lambda row: row.tier.name, width=8, sort=lambda row: row.tier.name),
        Column[TierRow]("DIALECTS", lambda row: _dialects(row), width=14, below_width=100),
        Column[TierRow]("DIALECTS", lambda row: " ".join(row.tier.dialects), width=24, from_width=100),
        Column[TierRow]("MODELS", lambda row: " ".join(row.tier.models)),
        Column[TierRow]("PRICE", lambda row: _price(row), width=6, right=True,
                        sort=lambda row: row.tier.multiplier_bp, falling=True),
        Column[TierRow]("RPM", lambda row: _limit(row.tier.rpm), width=6, right=True, sort=lambda row: row.tier.rpm),
        Column[TierRow]("CALLS", lambda row: _limit(row.tier.concurrency), width=5, right=True,
                        sort=lambda row: row.tier.concurrency),
        Column[TierRow]("POLICY", lambda row: _policy(row), width=11, sort=lambda row: row.tier.policy),
        Column[TierRow]("KEYS", lambda row: Cell(format.number(row.keys), "" if row.keys else "dim"), width=5,
                        right=True, sort=lambda row: row.keys, falling=True),
        Column[TierRow]("PREFIX", lambda row: Cell(row.tier.prefix, "dim"), width=12, from_width=100),
    )  # fmt: skip

    def key_of(self, row: TierRow) -> str:
        return row.tier.name

    def note(self) -> str:
        return "  ".join(filter(None, (super().note(), "tiers")))

    def read(self, database: Database) -> Any:
        with read_transaction(database):
            found = list_tiers(database)
            counts = dict(rows(database, "SELECT tier, count(*) FROM keys WHERE revoked_at IS NULL GROUP BY tier"))
        return [TierRow(tier, counts.get(tier.name, 0)) for tier in found]

    def detail(self, row: TierRow) -> Iterable[Fact]:
        tier = row.tier
        yield (tier.name, "")
        yield ("keys", format.number(row.keys))
        yield ("", "")
        yield ("dialects", ", ".join(tier.dialects))
        yield ("models", ", ".join(tier.models))
        yield ("price", f"×{written_factor(tier.multiplier_bp)} of the list")
        yield ("", "")
        yield ("requests/min", format.limit(tier.rpm))
        yield ("tokens/min", format.limit(tier.tpm))
        yield ("at once", format.limit(tier.concurrency))
        yield ("", "")
        yield ("2nd account", POLICY_WORDS[tier.policy])
        yield from ((glob, policy) for glob, policy in tier.model_policies.items())
        yield ("client gone", _DISCONNECT[tier.on_disconnect])
        yield ("interrupted", "not charged" if tier.forgive_partial else "charged")
        yield ("translation", tier.translation)
        yield ("", "")
        yield ("prefix", tier.prefix)
        yield ("model lists", "claude-sonnet-4.6" if tier.spelling == "dot" else "claude-sonnet-4-6")

    def empty_text(self) -> str:
        return "There are no tiers. [b]trigate db check[/b] examines the database."

    def do_edit(self) -> None:
        if self.selected is not None:
            ask_edit_tier(self.console, self.selected.tier)

    async def do_policy(self) -> None:
        """The next policy, for the models that have none of their own."""
        if self.selected is None:
            return
        name, before = self.selected.tier.name, self.selected.tier.policy
        after = POLICIES[(POLICIES.index(before) + 1) % len(POLICIES)]
        edit = Edit(name, {"policy": before}, {"policy": after}, find=tiers.find, change=change_tier)
        undo = Undo(edit.take_back, f"{name}: {before} again.")
        await self.console.actions.run(edit.make, done=f"{name}: {POLICY_WORDS[after]}.", undo=undo)


_DISCONNECT = {"cancel": "the call is cancelled", "drain": "the call is read to its end"}


def _dialects(row: TierRow) -> Cell | str:
    every = len(row.tier.dialects) == len(get_args(DialectName))
    return Cell("all", "dim") if every else " ".join(row.tier.dialects)


def _price(row: TierRow) -> Cell:
    bp = row.tier.multiplier_bp
    return Cell(f"×{written_factor(bp)}", "dim" if bp == 10_000 else "accent")


def _limit(value: int | None) -> Cell:
    return Cell("none", "dim") if value is None else Cell(format.tokens(value))


def _policy(row: TierRow) -> Cell:
    """`hedge +2`: two patterns of models have a policy of their own."""
    more = f" +{len(row.tier.model_policies)}" if row.tier.model_policies else ""
    return Cell(row.tier.policy + more, "" if row.tier.policy == "failover" and not more else "accent")
