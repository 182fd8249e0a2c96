"""`trigate customers`: who pays."""

from typing import TYPE_CHECKING

import click

from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Column, Facts, facts_of, paint_state, show_done, show_list, show_one
from gateway.cli.values import NoLimit, as_usd, as_usd_limit, given, limit_given
from gateway.clock import now_ms
from gateway.store.operators import customers as operators
from gateway.store.queries.views import CustomerView, customer_views, key_views

if TYPE_CHECKING:
    from gateway.store.database import Database

_COLUMNS = (
    Column("NAME", lambda each: each["name"]),
    Column("BALANCE", lambda each: _balance(each), right=True),
    Column("HELD", lambda each: words.usd(each["held_micro"]), right=True),
    Column("TODAY", lambda each: words.usd(each["spent"]["day_micro"]), right=True),
    Column("MONTH", lambda each: words.usd(each["spent"]["month_micro"]), right=True),
    Column("KEYS", lambda each: str(each["keys"]), right=True),
    Column("STATE", lambda each: _state(each), paint=paint_state),
)


@click.group(cls=Noun)
def customers() -> None:
    """Who pays, and their prepaid balances."""


@customers.command("list")
@pass_session
def list_customers(session: Session) -> None:
    """Every customer with balance, held credit and spending."""
    with session.database(read_only=True) as database:
        facts = [_facts(view) for view in customer_views(database, now_ms())]
    show_list(session, facts, _COLUMNS, empty="No customers yet. `trigate keys create NAME` makes one with its key.")


@customers.command()
@click.argument("name")
@click.option("--unlimited", is_flag=True, help="Metered and never refused: one's own use.")
@click.option("--balance", type=as_usd, default=0, metavar="USD", help="Opening balance.")
@click.option("--day-limit", type=as_usd, metavar="USD", help="Most to spend in a UTC day.")
@click.option("--month-limit", type=as_usd, metavar="USD", help="Most to spend in a UTC month.")
@pass_session
def create(
    session: Session, name: str, unlimited: bool, balance: int, day_limit: int | None, month_limit: int | None
) -> None:
    """Make a customer."""
    with session.database(create=True) as database:
        operators.create(
            database,
            session.actor,
            name,
            unlimited=unlimited,
            balance_micro=balance,
            day_limit_micro=day_limit,
            month_limit_micro=month_limit,
        )
        facts = _facts_named(database, name)
    advice = "" if unlimited or balance else f" It has no credit yet: `trigate customers topup {name} USD`."
    show_done(session, facts, f"Customer {name} made, balance {_balance(facts)}.{advice}")


@customers.command()
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """One customer: money, limits, keys."""
    with session.database(read_only=True) as database:
        facts = _facts_named(database, name)
        names = [view.key.name for view in key_views(database, now_ms()) if view.customer == name]
    facts["key_names"] = names
    lines = [
        ("name", facts["name"]),
        ("state", _state(facts)),
        ("balance", _balance(facts)),
        ("held", words.usd(facts["held_micro"])),
        ("spent today", words.usd(facts["spent"]["day_micro"])),
        ("spent this month", words.usd(facts["spent"]["month_micro"])),
        ("daily limit", words.usd(facts["day_limit_micro"], "none")),
        ("monthly limit", words.usd(facts["month_limit_micro"], "none")),
        ("keys", words.listed(names, "none")),
    ]
    show_one(session, facts, lines)


@customers.command("set")
@click.argument("name")
@click.option("--name", "new_name", metavar="NEW", help="Another name.")
@click.option("--unlimited/--prepaid", default=None, help="Never refused, or only while there is credit.")
@click.option("--day-limit", type=as_usd_limit, metavar="USD|none", help="Most to spend in a UTC day.")
@click.option("--month-limit", type=as_usd_limit, metavar="USD|none", help="Most to spend in a UTC month.")
@pass_session
def set_customer(
    session: Session,
    name: str,
    new_name: str | None,
    unlimited: bool | None,
    day_limit: int | NoLimit | None,
    month_limit: int | NoLimit | None,
) -> None:
    """Change what is named; the rest stays."""
    changes = operators.CustomerChanges(
        name=given(new_name),
        unlimited=given(unlimited),
        day_limit_micro=limit_given(day_limit),
        month_limit_micro=limit_given(month_limit),
    )
    with session.database() as database:
        changed = operators.change(database, session.actor, name, changes)
        facts = _facts_named(database, changed.name)
    show_done(session, facts, f"Customer {changed.name} changed.")


@customers.command()
@click.argument("name")
@click.argument("amount", type=as_usd, metavar="USD")
@click.option("--note", default="", help="For whoever reads the statement.")
@click.option("--reference", help="The payment's id: the same one again adds nothing.")
@pass_session
def topup(session: Session, name: str, amount: int, note: str, reference: str | None) -> None:
    """Add money to a balance."""
    with session.database() as database:
        entry = operators.topup(database, session.actor, name, amount, note=note, reference=reference)
        customer = _facts_named(database, name)
    facts = {**facts_of(entry), "balance_micro": customer["balance_micro"], "balance_usd": customer["balance_usd"]}
    show_done(session, facts, f"{name}: {words.usd(entry.amount_micro)} added, balance {_balance(customer)}.")


@customers.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("amount", type=as_usd, metavar="USD")
@click.option("--note", required=True, help="Why: it stands in the statement.")
@pass_session
def adjust(session: Session, name: str, amount: int, note: str) -> None:
    """Correct a balance; a negative amount takes money away."""
    with session.database() as database:
        entry = operators.adjust(database, session.actor, name, amount, note=note)
        customer = _facts_named(database, name)
    facts = {**facts_of(entry), "balance_micro": customer["balance_micro"], "balance_usd": customer["balance_usd"]}
    show_done(session, facts, f"{name}: corrected by {words.usd(entry.amount_micro)}, balance {_balance(customer)}.")


@customers.command()
@click.argument("name")
@pass_session
def disable(session: Session, name: str) -> None:
    """Refuse new calls of the customer's keys; open ones finish."""
    with session.database() as database:
        operators.disable(database, session.actor, name)
        facts = _facts_named(database, name)
    show_done(session, facts, f"Customer {name} is disabled; `trigate customers enable {name}` undoes it.")


@customers.command()
@click.argument("name")
@pass_session
def enable(session: Session, name: str) -> None:
    """Serve the customer's keys again."""
    with session.database() as database:
        operators.enable(database, session.actor, name)
        facts = _facts_named(database, name)
    show_done(session, facts, f"Customer {name} is enabled.")


def _facts_named(database: "Database", name: str) -> Facts:
    customer = operators.find(database, name)
    return next(_facts(view) for view in customer_views(database, now_ms()) if view.customer.id == customer.id)


def _facts(view: CustomerView) -> Facts:
    facts = facts_of(view)
    return {**facts.pop("customer"), **facts}


def _balance(facts: Facts) -> str:
    amount = words.usd(facts["balance_micro"])
    return f"{amount} (unlimited)" if facts["unlimited"] else amount


def _state(facts: Facts) -> str:
    return "active" if facts["enabled"] else "disabled"
