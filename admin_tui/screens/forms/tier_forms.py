"""What the keys of a tier may do, changed: only what differs is written."""

from typing import TYPE_CHECKING, Any

from admin_tui.screens.forms import typed
from admin_tui.screens.forms.changes import save_edit
from admin_tui.screens.forms.pairs import factor_bp, pairs, written_factor, written_pairs
from admin_tui.widgets.form import Field, Form, Values
from gateway.records import Tier
from gateway.store.database import Database
from gateway.store.operators import tiers, validate
from gateway.store.operators.tiers import POLICIES, TierChanges

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

POLICY_WORDS = {
    "failover": "failover: when the first fails",
    "hedge": "hedge: also when it is slow to begin",
    "race": "race: several at once",
}
_DISCONNECT = (("cancel", "cancel: the call ends"), ("drain", "drain: it is read to its end"))
_SPELLINGS = (("dash", "dash: claude-sonnet-4-6"), ("dot", "dot: claude-sonnet-4.6"))
_TRANSLATIONS = (
    ("normal", "normal: drop it and warn"),
    ("strict", "strict: refuse the call"),
    ("lenient", "lenient: fall back on what is near"),
)
_POLICY_EXAMPLE = "claude-haiku-*=race"


def ask_edit_tier(console: "ConsoleApp", tier: Tier) -> None:
    """Every setting of a tier; u takes the change back."""
    fields = [
        Field("dialects", "Dialects", value=" ".join(tier.dialects), required=True, check=typed.dialects,
              help="messages chat responses"),
        Field("models", "Models", "globs", tier.models, required=True, help="Such as claude-*; * is every one."),
        Field("multiplier_bp", "Times list price", value=written_factor(tier.multiplier_bp), required=True,
              check=factor_bp, help="1.2 adds 20 %; 0 is free."),
        _limit("rpm", "Requests a minute", tier.rpm),
        _limit("tpm", "Tokens a minute", tier.tpm),
        _limit("concurrency", "Calls at once", tier.concurrency),
        Field("policy", "Second account", "choice", tier.policy, choices=tuple(POLICY_WORDS.items())),
        Field("model_policies", "For some models", value=written_pairs(tier.model_policies), check=_read_policies,
              help=f"{_POLICY_EXAMPLE}; the first that matches holds."),
        Field("on_disconnect", "Client gone", "choice", tier.on_disconnect, choices=_DISCONNECT),
        Field("forgive_partial", "Forgive partial", "bool", tier.forgive_partial,
              help="Answers that were interrupted are not charged."),
        Field("translation", "No equivalent", "choice", tier.translation, choices=_TRANSLATIONS),
        Field("prefix", "Prefix", value=tier.prefix, required=True, help="New secrets begin so; old ones go on."),
        Field("spelling", "Model lists", "choice", tier.spelling, choices=_SPELLINGS),
    ]  # fmt: skip

    async def save(values: Values) -> None:
        values["dialects"] = typed.dialects(values["dialects"])
        values["multiplier_bp"] = factor_bp(values["multiplier_bp"])
        values["model_policies"] = _read_policies(values["model_policies"])
        before = {name: getattr(tier, name) for name in values}
        await save_edit(console, tier.name, before, values, find=tiers.find, change=change_tier)

    note = "It holds for the tier's keys at once. A key's own limits win over its tier's."
    console.push_screen(Form(f"Change the tier {tier.name}", fields, save, note=note))


def change_tier(database: Database, actor: str, name: str, given: Values) -> Tier:
    """Sets these fields of a tier."""
    return tiers.change(database, actor, name, TierChanges(**given))


def _limit(name: str, label: str, value: int | None) -> Field:
    return Field(name, label, "int", value, check=lambda number: validate.limit(number, label),
                 help="Of each key; empty: none.")  # fmt: skip


def _read_policies(text: str) -> dict[str, Any]:
    return pairs(text, lambda policy: validate.one_of(policy, POLICIES, "policy"), _POLICY_EXAMPLE)
