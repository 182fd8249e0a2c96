"""`trigate accounts`: the upstream credentials and endpoints that calls are sent to."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import click

from gateway.catalog import Rates
from gateway.cli import words
from gateway.cli.account_adding import add_account, hints, needs_secret, vault_of
from gateway.cli.account_login import forget_login, login, login_hints
from gateway.cli.account_options import account_options, changes_from
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import (
    Column,
    Facts,
    can_ask,
    confirm,
    facts_of,
    paint_state,
    show_done,
    show_json,
    show_list,
    show_one,
    talk,
)
from gateway.cli.secrets import ask_secret, read_secret, secret_options
from gateway.cli.states import facts_of_view
from gateway.errors import UsageError
from gateway.records import Account, AccountKind, DialectName
from gateway.store.operators import accounts as operators
from gateway.store.operators.accounts import KINDS
from gateway.store.queries.views import account_views
from gateway.upstream.serving import models_words

if TYPE_CHECKING:
    from gateway.store.database import Database

_COLUMNS = (
    Column("NAME", lambda each: each["name"]),
    Column("KIND", lambda each: each["kind"]),
    Column("PRIORITY", lambda each: str(each["priority"]), right=True),
    Column("IN USE", lambda each: _in_use(each), right=True),
    Column("STATE", lambda each: each["state"], paint=paint_state),
    Column("WHY", lambda each: each["why"]),
)


@click.group(cls=Noun)
def accounts() -> None:
    """Upstream accounts that calls are sent to."""


@accounts.command("list")
@pass_session
def list_accounts(session: Session) -> None:
    """The accounts and their state, first tried first."""
    with session.database(read_only=True) as database:
        facts = [facts_of_view(view) for view in account_views(database)]
    empty = (
        "No accounts yet. An account is an upstream credential or server that answers calls:\n"
        "  trigate accounts add NAME --kind anthropic --secret-stdin"
    )
    show_list(session, facts, _COLUMNS, empty=empty)


@accounts.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What protocol family it speaks.")
@secret_options
@account_options
@click.option("--discover", is_flag=True, help="Read the server's own list of models and offer those.")
@pass_session
def add(
    session: Session,
    /,
    name: str,
    kind: AccountKind,
    secret_stdin: bool,
    secret_env: str | None,
    discover: bool,
    **options: Any,
) -> None:
    """Add an upstream account.

    Its credential is asked for without being shown, or comes from standard input or an environment variable.
    """
    secret = read_secret(stdin=secret_stdin, variable=secret_env)
    changes = changes_from(kind, **options)
    if secret is None and needs_secret(kind, changes):
        if not can_ask():
            raise UsageError(f"{kind} accounts need a credential: --secret-stdin or --secret-env VARIABLE.")
        secret = ask_secret(name)
    with session.database(create=True) as database:
        account = add_account(session, database, name, kind, secret, changes, discover=discover)
        facts = _facts_named(database, account.name)
        for line in (*login_hints(account), *hints(database, account)):
            talk(line)
    show_done(session, facts, f"Account {name} added. `trigate accounts test {name}` tries it.")


@accounts.command()
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """One account. Its credential is never shown."""
    with session.database(read_only=True) as database:
        account = operators.find(database, name)
        facts = _facts_named(database, name)
    lines = [
        ("name", facts["name"]),
        ("kind", facts["kind"]),
        ("state", words.listed(filter(None, (facts["state"], facts["why"])))),
        ("base URL", facts["base_url"]),
        ("credential", "stored" if facts["has_secret"] else "none"),
        ("models", words.listed(facts["models"], models_words(account))),
        ("own list", words.listed(facts["discovered"])),
        ("model map", words.pairs(facts["model_map"])),
        ("dialects", words.listed(facts["dialects"], "all its kind can")),
        ("priority", str(facts["priority"])),
        ("weight", str(facts["weight"])),
        ("in use", _in_use(facts)),
        ("free", "yes" if facts["free"] else ""),
        *(("costs you", f"{_cost(rates)}, {glob}") for glob, rates in account.cost_prices.items()),
        ("proxy", facts["proxy"] or ""),
        ("extra headers", words.listed(facts["header_names"])),
        ("on cancel", facts["on_cancel"]),
        ("options", words.pairs(facts["options"])),
    ]
    show_one(session, facts, lines)


@accounts.command("set")
@click.argument("name")
@click.option("--name", "new_name", metavar="NEW", help="Another name.")
@account_options
@pass_session
def set_account(session: Session, /, name: str, new_name: str | None, **options: Any) -> None:
    """Change what is named; the rest stays. Pairs are merged, and one without a value is taken out."""
    with session.database() as database:
        before = operators.find(database, name)
        changes = changes_from(before.kind, before, new_name=new_name, **options)
        changed = operators.change(database, session.actor, name, changes)
        facts = _facts_named(database, changed.name)
    show_done(session, facts, f"Account {changed.name} changed.")


@accounts.command()
@click.argument("name")
@click.option("--model", metavar="MODEL", help="The model to ask; otherwise the cheapest it serves.")
@click.option("--dialect", type=click.Choice(("messages", "chat", "responses")), help="The protocol to speak.")
@pass_session
def test(session: Session, name: str, model: str | None, dialect: DialectName | None) -> None:
    """Send it one short call and say how it went."""
    from gateway.catalog.load import shipped_catalog
    from gateway.cli.probe import try_account
    from gateway.store.snapshot import load_overrides

    with session.database(read_only=True) as database:
        account = operators.find(database, name)
        catalog = load_overrides(database, shipped_catalog())
    opened = vault_of(session).open
    probe = try_account(account, opened, catalog, model=model, dialect=dialect, data_dir=session.data_dir)
    if session.json:
        show_json(facts_of(probe))
    else:
        took = f"{probe.model} over {probe.dialect}, {words.span(probe.duration_ms)}"
        status = f", status {probe.status}" if probe.status else ""
        click.echo(f"{name} answers: {took}." if probe.ok else f"{name} fails: {took}{status}. {probe.message}")
    if not probe.ok:
        raise click.exceptions.Exit(1)


@accounts.command()
@click.argument("name")
@pass_session
def sync(session: Session, name: str) -> None:
    """Read the account's own list of models and offer those."""
    from gateway.cli.probe import list_models

    with session.database() as database:
        found = list_models(operators.find(database, name), vault_of(session).open, data_dir=session.data_dir)
        operators.sync(database, session.actor, name, tuple(found))
        facts = _facts_named(database, name)
    show_done(session, facts, f"{name} offers {words.plural(len(found), 'model')}: {words.listed(found)}")


def _switch(action: Callable[..., Account], sentence: str) -> Callable[..., None]:
    """A command that only changes what an account does."""

    @click.argument("name")
    @pass_session
    def command(session: Session, name: str) -> None:
        with session.database() as database:
            action(database, session.actor, name)
            facts = _facts_named(database, name)
        show_done(session, facts, sentence.format(name=name))

    return command


for _name, _action, _help, _sentence in (
    ("disable", operators.disable, "Send it nothing new; open calls finish.", "Account {name} is disabled."),
    ("enable", operators.enable, "Send it calls again.", "Account {name} is enabled."),
    (
        "drain",
        operators.drain,
        "Bind nothing new to it; conversations that are bound go on.",
        "Account {name} is draining; `trigate accounts undrain {name}` undoes it.",
    ),
    ("undrain", operators.undrain, "End the draining.", "Account {name} takes new conversations again."),
    ("reset", operators.reset, "Forget its cool-downs.", "The cool-downs of {name} are forgotten."),
):
    accounts.command(_name, help=_help)(_switch(_action, _sentence))


accounts.add_command(login)


@accounts.command()
@click.argument("name")
@secret_options
@pass_session
def rotate(session: Session, name: str, secret_stdin: bool, secret_env: str | None) -> None:
    """Give it a new upstream credential."""
    with session.database() as database:
        operators.find(database, name)
        secret = read_secret(stdin=secret_stdin, variable=secret_env)
        if secret is None:
            if not can_ask():
                raise UsageError("Where is the new credential? --secret-stdin or --secret-env VARIABLE.")
            secret = ask_secret(name)
        operators.rotate(database, session.actor, name, vault_of(session).seal(secret))
        facts = _facts_named(database, name)
    show_done(session, facts, f"Account {name} has a new credential. `trigate accounts test {name}` tries it.")


@accounts.command()
@pass_session
def reseal(session: Session) -> None:
    """Seal all stored credentials with the first master key, so that the lines of older ones can go."""
    with session.database() as database:
        vault = vault_of(session)
        names = operators.reseal(database, session.actor, vault.reseal)
    many = words.plural(len(names), "credential")
    sentence = f"{many} sealed with the first master key from {vault.origin}." if names else "No credential is stored."
    show_done(session, {"resealed": names, "origin": vault.origin}, sentence)


@accounts.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def remove(session: Session, name: str, dry_run: bool, yes: bool) -> None:
    """Delete an account and its credential. Calls it served stay."""
    with session.database() as database:
        account = operators.find(database, name)
        facts = _facts_named(database, name)
        if dry_run:
            show_done(session, facts, f"Account {name} and its credential would be deleted.")
            return
        confirm(f"Delete account {name} and its stored credential?", yes=yes)
        operators.remove(database, session.actor, name)
        forget_login(session, account)
    show_done(session, facts, f"Account {name} is deleted.")


def _facts_named(database: "Database", name: str) -> Facts:
    account = operators.find(database, name)
    view = next(view for view in account_views(database) if view.id == account.id)
    return {
        **facts_of_view(view),
        "on_cancel": account.on_cancel,
        "cost_prices": {glob: facts_of(rates) for glob, rates in account.cost_prices.items()},
        "has_proxy": account.proxy is not None,
        "proxy": account.shown_proxy,
        "header_names": sorted(account.extra_headers),
    }


def _cost(rates: Rates) -> str:
    """`$1.50 in, $7.50 out per million tokens`."""
    return f"{words.usd(rates.input)} in, {words.usd(rates.output)} out per million tokens"


def _in_use(facts: Facts) -> str:
    in_flight = cast(int, facts["gauges"].get("in_flight", 0))
    return f"{in_flight} of {facts['max_concurrency']}" if facts["max_concurrency"] else str(in_flight)
