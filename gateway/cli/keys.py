"""`trigate keys`: what is handed out to callers. A secret is shown once, when it is made."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import (
    Column,
    Facts,
    confirm,
    facts_of,
    paint_state,
    show_done,
    show_json,
    show_list,
    show_one,
    talk,
)
from gateway.cli.values import (
    NoLimit,
    as_future_limit,
    as_limit,
    as_seconds,
    as_usd,
    as_usd_limit,
    given,
    limit_given,
    list_option,
)
from gateway.clock import now_ms
from gateway.store.operators import customers
from gateway.store.operators import keys as operators
from gateway.store.operators.keys import KeyChanges
from gateway.store.queries.views import KeyView, key_views

if TYPE_CHECKING:
    from gateway.store.database import Database

_COLUMNS = (
    Column("NAME", lambda each: each["name"]),
    Column("CUSTOMER", lambda each: each["customer"]),
    Column("TIER", lambda each: each["tier"]),
    Column("ID", lambda each: each["public_id"]),
    Column("LAST USED", lambda each: words.instant(each["last_used_at"], "never")),
    Column("MONTH", lambda each: words.usd(each["spent"]["month_micro"]), right=True),
    Column("STATE", lambda each: each["state"], paint=paint_state),
)
_LIMITS: tuple[Callable[..., Any], ...] = (
    click.option("--rpm", type=as_limit, metavar="N|none", help="Requests a minute."),
    click.option("--tpm", type=as_limit, metavar="N|none", help="Tokens a minute."),
    click.option("--concurrency", type=as_limit, metavar="N|none", help="Calls at once."),
    click.option("--expires", type=as_future_limit, metavar="TIME|none", help="When it stops working."),
    click.option("--day-limit", type=as_usd_limit, metavar="USD|none", help="Most to spend in a UTC day."),
    click.option("--month-limit", type=as_usd_limit, metavar="USD|none", help="Most to spend in a UTC month."),
    list_option("--models", "Models it may use, of those of its tier.", "GLOB"),
    list_option("--ip", "Addresses or networks it may be used from.", "NETWORK"),
)


def _with_limits(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_LIMITS):
        command = option(command)
    return command


@click.group(cls=Noun)
def keys() -> None:
    """API keys to hand out."""


@keys.command("list")
@click.option("--customer", metavar="NAME", help="Only this customer's.")
@click.option("--all", "every", is_flag=True, help="Revoked keys, too.")
@pass_session
def list_keys(session: Session, customer: str | None, every: bool) -> None:
    """The keys, without their secrets."""
    with session.database(read_only=True) as database:
        if customer is not None:
            customers.find(database, customer)
        views = key_views(database, now_ms())
    wanted = [
        _facts(view) for view in views if (every or view.key.revoked_at is None) and customer in (None, view.customer)
    ]
    show_list(session, wanted, _COLUMNS, empty="No API keys yet. `trigate keys create NAME` makes one.")


@keys.command()
@click.argument("name")
@click.option("--customer", metavar="NAME", help="Who pays; made if there is none. Default: the key's name.")
@click.option("--tier", default=operators.DEFAULT_TIER, show_default=True, metavar="TIER", help="What it may do.")
@click.option("--balance", type=as_usd, metavar="USD", help="Opening balance of a new customer.")
@click.option("--unlimited", is_flag=True, help="A new customer who is metered and never refused.")
@_with_limits
@pass_session
def create(
    session: Session,
    /,
    name: str,
    customer: str | None,
    tier: str,
    balance: int | None,
    unlimited: bool,
    **limits: Any,
) -> None:
    """Make a key and print its secret, this once."""
    with session.database(create=True) as database:
        key, secret = operators.create(
            database,
            session.actor,
            name,
            customer=customer,
            tier=tier,
            balance_micro=balance,
            unlimited=unlimited,
            limits=_changes(**limits) if any(value is not None for value in limits.values()) else None,
        )
        facts = _facts_of_key(database, key.public_id)
        _show_secret(session, database, facts, secret, f"Key {name} made.")
        payer = customers.find(database, facts["customer"])
        unpaid = not payer.unlimited and not _balance_of(database, payer.id)
    if unpaid:
        talk(f"\nIts customer has no credit yet: trigate customers topup {payer.name} USD")


@keys.command()
@click.argument("key")
@pass_session
def show(session: Session, key: str) -> None:
    """One key, by name or id."""
    with session.database(read_only=True) as database:
        facts = _facts_of_key(database, operators.find(database, key).public_id)
    lines = [
        ("name", facts["name"]),
        ("id", facts["public_id"]),
        ("state", facts["state"]),
        ("customer", facts["customer"]),
        ("tier", facts["tier"]),
        ("models", words.listed(facts["models"], "the tier's")),
        ("requests a minute", words.limit(facts["rpm"], "the tier's")),
        ("tokens a minute", words.limit(facts["tpm"], "the tier's")),
        ("calls at once", words.limit(facts["concurrency"], "the tier's")),
        ("daily limit", words.usd(facts["day_limit_micro"], "none")),
        ("monthly limit", words.usd(facts["month_limit_micro"], "none")),
        ("addresses", words.listed(facts["ip_allow"], "any")),
        ("expires", words.instant(facts["expires_at"], "never")),
        ("old secret until", words.instant(facts["previous_until"])),
        ("revoked", words.instant(facts["revoked_at"])),
        ("last used", words.instant(facts["last_used_at"], "never")),
        ("last address", facts["last_ip"]),
        ("spent today", words.usd(facts["spent"]["day_micro"])),
        ("spent this month", words.usd(facts["spent"]["month_micro"])),
    ]
    show_one(session, facts, lines)


@keys.command("set")
@click.argument("key")
@click.option("--name", metavar="NEW", help="Another name.")
@click.option("--tier", metavar="TIER", help="Another tier; the secret stays as it is.")
@_with_limits
@pass_session
def set_key(session: Session, /, key: str, name: str | None, tier: str | None, **limits: Any) -> None:
    """Change what is named; the rest stays. `none` and '' give a limit back to the tier."""
    changes = _changes(name=name, tier=tier, **limits)
    with session.database() as database:
        changed = operators.change(database, session.actor, key, changes)
        facts = _facts_of_key(database, changed.public_id)
    show_done(session, facts, f"Key {changed.name} changed.")


@keys.command()
@click.argument("key")
@pass_session
def disable(session: Session, key: str) -> None:
    """Refuse new calls; open ones finish."""
    with session.database() as database:
        changed = operators.disable(database, session.actor, key)
        facts = _facts_of_key(database, changed.public_id)
    show_done(session, facts, f"Key {changed.name} is disabled; `trigate keys enable {changed.name}` undoes it.")


@keys.command()
@click.argument("key")
@pass_session
def enable(session: Session, key: str) -> None:
    """Serve it again."""
    with session.database() as database:
        changed = operators.enable(database, session.actor, key)
        facts = _facts_of_key(database, changed.public_id)
    show_done(session, facts, f"Key {changed.name} is enabled.")


@keys.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def revoke(session: Session, key: str, yes: bool) -> None:
    """End a key for good: open calls are cut within a second."""
    with session.database() as database:
        found = operators.find(database, key)
        if found.revoked_at is None:
            spent = _facts_of_key(database, found.public_id)["spent"]["day_micro"]
            question = f"Revoke {found.name} ({found.public_id}, {words.usd(spent)} today) for good?"
            confirm(question, yes=yes)
        changed = operators.revoke(database, session.actor, found.public_id)
        facts = _facts_of_key(database, changed.public_id)
    show_done(session, facts, f"Key {changed.name} is revoked.")


@keys.command()
@click.argument("key")
@click.option("--grace", type=as_seconds, default=0, metavar="DURATION", help="How long the old secret still works.")
@pass_session
def rotate(session: Session, key: str, grace: int) -> None:
    """Give a key a new secret and print it, this once."""
    with session.database() as database:
        changed, secret = operators.rotate(database, session.actor, key, grace_s=grace)
        facts = _facts_of_key(database, changed.public_id)
        old = f"the old one works until {words.instant(changed.previous_until)}" if grace else "the old one is void"
        _show_secret(session, database, facts, secret, f"Key {changed.name} has a new secret; {old}.")


def _show_secret(session: Session, database: "Database", facts: Facts, secret: str, sentence: str) -> None:
    """The secret alone on standard output, so that it can be piped; how to use it beside it."""
    if session.json:
        show_json({"key": secret, **facts})
        return
    from gateway.cli.greeting import how_to_call

    talk(f"{sentence} This is its secret; it cannot be shown again:\n")
    click.echo(secret)
    for line in how_to_call(session, database, secret, facts["tier"], tuple(facts["models"])):
        talk(line)


def _changes(
    *,
    name: str | None = None,
    tier: str | None = None,
    rpm: int | NoLimit | None,
    tpm: int | NoLimit | None,
    concurrency: int | NoLimit | None,
    expires: int | NoLimit | None,
    day_limit: int | NoLimit | None,
    month_limit: int | NoLimit | None,
    models: tuple[str, ...] | None,
    ip: tuple[str, ...] | None,
) -> KeyChanges:
    return KeyChanges(
        name=given(name),
        tier=given(tier),
        rpm=limit_given(rpm),
        tpm=limit_given(tpm),
        concurrency=limit_given(concurrency),
        expires_at=limit_given(expires),
        day_limit_micro=limit_given(day_limit),
        month_limit_micro=limit_given(month_limit),
        models=given(models),
        ip_allow=given(ip),
    )


def _facts_of_key(database: "Database", public_id: str) -> Facts:
    return next(_facts(view) for view in key_views(database, now_ms()) if view.key.public_id == public_id)


def _facts(view: KeyView) -> Facts:
    facts = facts_of(view)
    key = {name: value for name, value in facts.pop("key").items() if not name.endswith("_hash")}
    return {**key, **facts, "state": _state(view)}


def _state(view: KeyView) -> str:
    key = view.key
    if key.revoked_at is not None:
        return "revoked"
    if not key.enabled:
        return "disabled"
    return "expired" if key.expires_at is not None and key.expires_at <= now_ms() else "active"


def _balance_of(database: "Database", customer_id: int) -> int:
    from gateway.store.queries.lookups import balance_of

    return balance_of(database, customer_id) or 0
