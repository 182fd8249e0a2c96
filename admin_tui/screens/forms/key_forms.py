"""What is done to a key: made, changed, given a new secret."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Static

from admin_tui import format
from admin_tui.screens.customer_facts import Payer
from admin_tui.screens.forms import typed
from admin_tui.screens.forms.changes import save_edit
from admin_tui.screens.forms.export import file_word
from admin_tui.screens.forms.how_to_call import lines_for, way_to_call
from admin_tui.screens.forms.limits import spending_limits
from admin_tui.widgets.form import Field, Form, Values
from admin_tui.widgets.secret import SecretDialog
from gateway.billing.money import format_usd
from gateway.errors import StoreUnavailable, UsageError
from gateway.records import Key, Tier
from gateway.store.operators import keys, validate
from gateway.store.operators.keys import KeyChanges

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

LONGEST_GRACE_S = 90 * 86_400
_LIMITS = ("rpm", "tpm", "concurrency", "day_limit_micro", "month_limit_micro")


class Issued(NamedTuple):
    """A secret on its way to the dialog that shows it; nothing else holds it. `advice` is said afterwards."""

    name: str
    secret: str
    lines: list[tuple[str, str]]
    advice: str


class NewKeyForm(Form):
    """Says beside the customer's name whether that is a new one, and suggests those there are."""

    def __init__(self, *arguments: Any, payers: Sequence[Payer], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._payers = {payer.name: payer for payer in payers}

    def _widget(self, field: Field) -> Widget:
        widget = super()._widget(field)
        if field.name == "customer" and isinstance(widget, Input):
            widget.suggester = SuggestFromList(self._payers, case_sensitive=False)
        return widget

    def _say(self, field: Field, problem: str) -> None:
        super()._say(field, problem)
        if field.name in ("name", "customer") and not self._problem(self._fields["customer"]):
            super()._say(self._fields["customer"], "")
            self.query_one("#help-customer", Static).update(Content(self._whose()))

    def _whose(self) -> str:
        name = (
            self.query_one("#field-customer", Input).value.strip() or self.query_one("#field-name", Input).value.strip()
        )
        payer = self._payers.get(name)
        if payer is None:
            return f"{name} is made with the key." if name else self._fields["customer"].help
        return f"{name} pays: it has {format_usd(payer.money.balance_micro)}."


def ask_new_key(
    console: "ConsoleApp", payers: Sequence[Payer], tiers: Sequence[Tier], then: Callable[[int], None]
) -> None:
    """A key for a customer that exists or is made with it, whose id `then` gets; then its secret, this once."""
    made: list[Issued] = []
    known = {payer.name: payer for payer in payers}
    fields = [
        Field("name", "Name", required=True, check=lambda text: validate.name(text, "key")),
        Field(
            "customer",
            "Customer",
            help="Who pays. Empty: one of the key's name.",
            check=lambda text: validate.name(text, "customer"),
        ),
        Field("balance", "Balance", "usd", help="USD, for a new customer. Empty: none yet, calls are refused."),
        Field("unlimited", "Unlimited", "bool", False, help="For a new customer: metered and never refused."),
        _tier_field(tiers, keys.DEFAULT_TIER),
        *_limit_fields(None, console.now()),
    ]

    async def save(values: Values) -> None:
        payer = known.get(values["customer"] or values["name"])
        _refuse_terms(payer, values)
        changes = _changes(values, console.now())
        given = KeyChanges(**{name: value for name, value in changes.items() if value not in (None, ())})
        limits = given if any(value not in (None, ()) for value in changes.values()) else None
        key, secret = await console.actions.write(
            lambda database, actor: keys.create(
                database,
                actor,
                values["name"],
                customer=values["customer"] or None,
                tier=values["tier"],
                balance_micro=values["balance"],
                unlimited=values["unlimited"],
                limits=limits,
            )
        )
        console.actions.last = None
        then(key.id)
        console.read_again()
        has_credit = values["unlimited"] or values["balance"] if payer is None else _has_credit(payer)
        advice = "" if has_credit else "Its customer has no credit yet: $ tops it up."
        made.append(await _issued(console, key, secret, advice))

    form = NewKeyForm("New key", fields, save, verb="Create", payers=payers)
    console.push_screen(form, lambda _: show_secret(console, made))


def ask_edit_key(console: "ConsoleApp", key: Key, tiers: Sequence[Tier]) -> None:
    """Only what was changed is written; None gives a limit back to the tier."""
    name_field = Field("name", "Name", value=key.name, required=True, check=lambda text: validate.name(text, "key"))
    fields = [name_field, _tier_field(tiers, key.tier), *_limit_fields(key, console.now())]
    before = {"name": key.name, "tier": key.tier, **{name: getattr(key, name) for name in _STORED}}

    async def save(values: Values) -> None:
        after = {"name": values["name"], "tier": values["tier"], **_changes(values, console.now(), key)}
        await save_edit(
            console,
            key.name,
            before,
            after,
            find=keys.find,
            change=lambda database, actor, name, given: keys.change(database, actor, name, KeyChanges(**given)),
            handle=key.public_id,
        )

    console.push_screen(Form(f"Change {key.name}", fields, save))


def ask_rotation(console: "ConsoleApp", key: Key, use: str) -> None:
    """How long the old secret is still accepted; then the new one, this once."""
    made: list[Issued] = []
    field = Field(
        "grace",
        "Old secret works for",
        value="24h",
        check=_grace_s,
        help="15m, 24h, 7d … up to 90d. 0: it is void at once.",
    )

    async def save(values: Values) -> None:
        grace_s = _grace_s(values["grace"])
        changed_key, secret = await console.actions.write(
            lambda database, actor: keys.rotate(database, actor, key.public_id, grace_s=grace_s)
        )
        console.actions.last = None
        console.read_again()
        until = f"is accepted until {format.instant(changed_key.previous_until)} UTC" if grace_s else "is void"
        made.append(await _issued(console, changed_key, secret, f"The old secret of {key.name} {until}."))

    note = f"A new secret under the same id. In 24 hours: {use}."
    console.push_screen(
        Form(f"Rotate {key.name}", [field], save, verb="Rotate", note=note), lambda _: show_secret(console, made)
    )


def show_secret(console: "ConsoleApp", made: list[Issued]) -> None:
    """Hands the secret on: after this only the dialog has it."""
    if not made:
        return
    issued = made.pop()
    advice = issued.advice

    def closed(_: None) -> None:
        if advice:
            console.say(advice, "warning")

    dialog = SecretDialog(
        f"The key {issued.name}", issued.secret, issued.lines, file_name=f"{file_word(issued.name)}.key"
    )
    console.push_screen(dialog, closed)


async def _issued(console: "ConsoleApp", key: Key, secret: str, advice: str) -> Issued:
    """With lines to paste, where they can be read: the key is made by now, whatever happens."""
    try:
        way = await console.feed.read(lambda database: way_to_call(database, key.tier, key.models, console.now()))
    except StoreUnavailable:
        return Issued(key.name, secret, [], advice)
    return Issued(key.name, secret, lines_for(way, secret), advice)


def _limit_fields(key: Key | None, now_at: int) -> list[Field]:
    """Limits, expiry and allow-lists, as the key has them."""
    expires = typed.written_instant(key.expires_at) if key else ""

    def check_expiry(text: str) -> None:
        if text.strip() != expires:
            typed.future_at(text, now_at)

    def number(name: str, label: str, words: str) -> Field:
        return Field(
            name,
            label,
            "int",
            getattr(key, name) if key else None,
            check=lambda value: validate.limit(value, words),
            help="Empty: the tier's.",
        )

    return [
        number("rpm", "Requests a minute", "Requests per minute"),
        number("tpm", "Tokens a minute", "Tokens per minute"),
        number("concurrency", "Calls at once", "Concurrency"),
        *spending_limits(key),
        Field(
            "expires",
            "Expires",
            value=expires,
            check=check_expiry,
            help="2026-12-31, 2026-12-31T18:00 (UTC), 30d; empty: never.",
        ),
        Field(
            "models", "Models", "globs", key.models if key else (), help="Of its tier's, such as claude-*; empty: all."
        ),
        Field(
            "addresses",
            "Addresses",
            value=" ".join(key.ip_allow) if key else "",
            check=typed.networks,
            help="203.0.113.7 2001:db8::/32; empty: any.",
        ),
    ]


_STORED = (*_LIMITS, "expires_at", "models", "ip_allow")


def _changes(values: Values, now_at: int, key: Key | None = None) -> dict[str, Any]:
    """The fields of a `KeyChanges` that a form of `_limit_fields` gives. An instant left as it was stays exact."""
    written = typed.written_instant(key.expires_at) if key else ""
    text = values["expires"]
    expires_at = key.expires_at if key and text == written else typed.future_at(text, now_at) if text else None
    return {
        **{name: values[name] for name in _LIMITS},
        "expires_at": expires_at,
        "models": values["models"],
        "ip_allow": typed.networks(values["addresses"]),
    }


def _tier_field(tiers: Sequence[Tier], tier: str) -> Field:
    names = list(dict.fromkeys([*(each.name for each in tiers), tier]))
    return Field("tier", "Tier", "choice", tier, choices=tuple((name, name) for name in names), help="What it may do.")


def _refuse_terms(payer: Payer | None, values: Values) -> None:
    """A customer that exists has terms of its own."""
    if payer is None:
        return
    if values["balance"] is not None:
        raise UsageError(
            f"{payer.name} is there already, with a balance of its own. Leave Balance empty; $ tops it up."
        )
    if values["unlimited"] and not payer.money.customer.unlimited:
        raise UsageError(f"{payer.name} is there already. The screen Money makes it unlimited, with e.")


def _has_credit(payer: Payer) -> bool:
    return payer.money.customer.unlimited or payer.money.balance_micro > 0


def _grace_s(text: str) -> int:
    seconds = typed.span_s(text)
    if seconds > LONGEST_GRACE_S:
        raise UsageError("The old secret works for 90 days at most.")
    return seconds
