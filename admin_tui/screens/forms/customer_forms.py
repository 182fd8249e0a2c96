"""What is done to a customer: made, topped up, adjusted, changed, disabled; from the list and from the statement."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual.widgets import Input

from admin_tui.actions import Undo
from admin_tui.screens.forms.changes import save_edit, switch, tell_done
from admin_tui.screens.forms.limits import spending_limits
from admin_tui.widgets.form import Field, Form, Values
from gateway.billing.money import format_usd, parse_usd
from gateway.errors import OperatorError, UsageError
from gateway.records import Customer, LedgerEntry
from gateway.store.database import Database
from gateway.store.operators import customers, validate
from gateway.store.operators.customers import CustomerChanges
from gateway.store.queries.ledger import list_entries

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

TAKEN_BACK = "taken back"


class AmountForm(Form):
    """A form whose field `amount` says what the balance becomes; `enter` there saves at once with `hasty`."""

    def __init__(self, *arguments: Any, balance_micro: int, hasty: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._balance_micro = balance_micro
        self._hasty = hasty

    def go_on(self, line: Input) -> None:
        if self._hasty:
            self.action_save()
        else:
            super().go_on(line)

    def _say(self, field: Field, problem: str) -> None:
        super()._say(field, problem or (self._preview() if field.name == "amount" else ""))
        self.query_one(f"#help-{field.name}").set_class(bool(problem), "form--problem")

    def _preview(self) -> str:
        try:
            amount_micro = parse_usd(self.query_one("#field-amount", Input).value)
        except OperatorError:
            return ""
        return f"The balance becomes {format_usd(self._balance_micro + amount_micro)}."


def ask_topup(console: "ConsoleApp", customer: Customer, balance_micro: int) -> None:
    """An amount, then enter. A payment's reference keeps it from being added twice."""
    name = customer.name
    fields = [
        Field("amount", "Amount in USD", "usd", required=True, check=_more_than_nothing),
        Field("note", "Note", help="For whoever reads the statement."),
        Field("reference", "Reference", help="The payment's id: the same one again adds nothing."),
    ]

    async def save(values: Values) -> None:
        amount_micro, reference = values["amount"], values["reference"] or None
        entry, new = await console.actions.write(
            lambda database, actor: _topped_up(database, actor, name, amount_micro, values["note"], reference)
        )
        if new:
            tell_done(console, f"{format_usd(entry.amount_micro)} added to {name}.", taken_back(name, entry))
        else:
            console.say(f"Nothing was added: {name} has an entry of that reference already.", "warning")

    note = f"It has {format_usd(balance_micro)}. Enter adds the amount; tab goes on to the note."
    form = AmountForm(f"Top up {name}", fields, save, verb="Add", note=note, balance_micro=balance_micro, hasty=True)
    console.push_screen(form)


def ask_adjust(console: "ConsoleApp", customer: Customer, balance_micro: int) -> None:
    """A correction up or down, which says why."""
    name = customer.name
    fields = [
        Field("amount", "Amount in USD", "usd", required=True, check=_not_nothing),
        Field("note", "Note", required=True, help="Why: it stands in the statement."),
    ]

    async def save(values: Values) -> None:
        entry = await console.actions.write(
            lambda database, actor: customers.adjust(database, actor, name, values["amount"], note=values["note"])
        )
        tell_done(console, f"{name} adjusted by {format_usd(entry.amount_micro)}.", taken_back(name, entry))

    note = f"It has {format_usd(balance_micro)}. A negative amount, such as -2.50, takes money away."
    console.push_screen(
        AmountForm(f"Adjust {name}", fields, save, verb="Adjust", note=note, balance_micro=balance_micro)
    )


def taken_back(name: str, entry: LedgerEntry) -> Undo:
    """The opposite entry: a ledger's lines stay."""
    note = f"{TAKEN_BACK}: {entry.note or entry.kind}"
    return Undo(
        lambda database, actor: customers.adjust(database, actor, name, -entry.amount_micro, note=note),
        f"{format_usd(entry.amount_micro)} of {name} taken back by an adjustment.",
    )


def ask_new_customer(console: "ConsoleApp", then: Callable[[int], None]) -> None:
    """A customer, whose id `then` gets."""
    fields = [
        Field("name", "Name", required=True, check=lambda text: validate.name(text, "customer")),
        Field("balance", "Opening balance", "usd", help="USD; empty is none: calls are refused until it is topped up."),
        *_terms(None),
    ]

    async def save(values: Values) -> None:
        made = await console.actions.write(
            lambda database, actor: customers.create(
                database,
                actor,
                values["name"],
                unlimited=values["unlimited"],
                balance_micro=values["balance"] or 0,
                day_limit_micro=values["day_limit_micro"],
                month_limit_micro=values["month_limit_micro"],
            )
        )
        then(made.id)
        tell_done(console, f"{made.name} is made. On the screen Keys, n makes its first key.")

    console.push_screen(Form("New customer", fields, save, verb="Create"))


def ask_edit_customer(console: "ConsoleApp", customer: Customer) -> None:
    """Name, limits, unlimited: only what was changed is written."""
    name_field = Field(
        "name", "Name", value=customer.name, required=True, check=lambda text: validate.name(text, "customer")
    )
    fields = [name_field, *_terms(customer)]
    before = {field.name: field.value for field in fields}

    async def save(values: Values) -> None:
        await save_edit(
            console,
            customer.name,
            before,
            values,
            find=customers.find,
            change=lambda database, actor, name, given: customers.change(
                database, actor, name, CustomerChanges(**given)
            ),
        )

    console.push_screen(Form(f"Change {customer.name}", fields, save))


async def switch_customers(console: "ConsoleApp", chosen: Sequence[Customer]) -> None:
    """Disable those that are enabled; where none is, enable them."""
    on_ = [customer.name for customer in chosen if customer.enabled]
    if on_:
        words = ("disabled", "enabled again")
        await switch(console, "customer", on_, customers.disable, customers.enable, words)
    else:
        names = [customer.name for customer in chosen]
        words = ("enabled", "disabled again")
        await switch(console, "customer", names, customers.enable, customers.disable, words)


def _terms(customer: Customer | None) -> list[Field]:
    unlimited = Field("unlimited", "Unlimited", "bool", customer.unlimited if customer else False, help=_UNLIMITED)
    return [unlimited, *spending_limits(customer)]


def _topped_up(
    database: Database, actor: str, name: str, amount_micro: int, note: str, reference: str | None
) -> tuple[LedgerEntry, bool]:
    """The entry, and whether it is a new one."""
    newest = list_entries(database, limit=1)
    entry = customers.topup(database, actor, name, amount_micro, note=note, reference=reference)
    return entry, not newest or entry.id > newest[0].id


def _more_than_nothing(micro: int) -> None:
    if micro <= 0:
        raise UsageError("A top-up is more than nothing. An adjustment takes money away.")
    validate.amount(micro, "amount")


def _not_nothing(micro: int) -> None:
    if micro == 0:
        raise UsageError("An adjustment is an amount other than 0.")
    validate.amount(micro, "amount", negative=True)


_UNLIMITED = "Metered and never refused: one's own use."
