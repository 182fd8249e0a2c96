"""`trigate ledger`: every movement of money, and the proof that it adds up."""

import click

from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Column, facts_of, show_json, show_list, talk
from gateway.store.operators import customers
from gateway.store.queries.ledger import list_entries
from gateway.store.queries.ledger import verify as verify_ledger
from gateway.store.queries.views import customer_views

_COLUMNS = (
    Column("ENTRY", lambda each: str(each["id"]), right=True),
    Column("TIME", lambda each: words.instant(each["at"])),
    Column("CUSTOMER", lambda each: each["customer"]),
    Column("KIND", lambda each: each["kind"]),
    Column("AMOUNT", lambda each: words.usd(each["amount_micro"]), right=True),
    Column("FOR", lambda each: each["call_id"] or each["note"]),
    Column("BY", lambda each: each["actor"]),
)


@click.group(cls=Noun)
def ledger() -> None:
    """Every movement of money."""


@ledger.command("list")
@click.argument("customer", required=False)
@click.option("--kind", type=click.Choice(("topup", "adjust", "charge")), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, metavar="N", help="At most.")
@click.option("--before", type=int, metavar="ENTRY", help="Entries before this one: the next page.")
@pass_session
def list_all(session: Session, customer: str | None, kind: str | None, limit: int, before: int | None) -> None:
    """Entries, newest first: everybody's, or one customer's statement."""
    with session.database(read_only=True) as database:
        customer_id = None if customer is None else customers.find(database, customer).id
        entries = list_entries(database, customer_id=customer_id, kind=kind, before_id=before, limit=limit)
        names = {view.customer.id: view.customer.name for view in customer_views(database, 0)}
    facts = [{**facts_of(entry), "customer": names[entry.customer_id]} for entry in entries]
    show_list(session, facts, _COLUMNS, empty="No entries. `trigate customers topup NAME USD` makes the first.")


@ledger.command()
@pass_session
def verify(session: Session) -> None:
    """Prove that balances are the sums of their entries and that every charged call has its one entry."""
    with session.database(read_only=True) as database:
        found = verify_ledger(database)
    if session.json:
        show_json(facts_of(found))
    else:
        looked_at = ", ".join(
            words.plural(count, noun)
            for count, noun in ((found.customers, "balance"), (found.entries, "movement"), (found.calls, "call"))
        )
        talk(f"Looked at {looked_at}.")
        for problem in found.problems:
            expected, actual = words.usd(problem.expected_micro), words.usd(problem.found_micro)
            click.echo(f"{problem.subject}: {problem.message} (expected {expected}, found {actual})")
        click.echo("Something does not add up." if found.problems else "Everything adds up.")
    if found.problems:
        raise click.exceptions.Exit(1)
