"""`trigate tiers`: what the keys of a tier may do."""

from decimal import Decimal, InvalidOperation
from typing import Any

import click

from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Column, Facts, facts_of, show_done, show_list, show_one
from gateway.cli.values import as_limit, given, limit_given, list_option, merged, pair_option
from gateway.store.operators import tiers as operators
from gateway.store.operators.tiers import TierChanges
from gateway.store.queries.views import list_tiers

_COLUMNS = (
    Column("NAME", lambda each: each["name"]),
    Column("PREFIX", lambda each: each["prefix"]),
    Column("DIALECTS", lambda each: words.listed(each["dialects"])),
    Column("MODELS", lambda each: words.listed(each["models"])),
    Column("PRICE", lambda each: _multiplier(each), right=True),
    Column("RPM", lambda each: words.limit(each["rpm"]), right=True),
    Column("CALLS", lambda each: words.limit(each["concurrency"]), right=True),
    Column("POLICY", lambda each: _policies(each)),
)


def as_basis_points(text: str) -> int:
    """`1.2` as 12000 basis points."""
    try:
        basis_points = Decimal(text) * 10_000
    except InvalidOperation:
        basis_points = Decimal("NaN")
    if not basis_points.is_finite() or basis_points != basis_points.to_integral_value():
        raise click.BadParameter(f"{text!r} is not a factor such as 1.2, with at most four decimals.")
    return int(basis_points)


@click.group(cls=Noun)
def tiers() -> None:
    """What the keys of a tier may do."""


@tiers.command("list")
@pass_session
def list_all(session: Session) -> None:
    """Every tier."""
    with session.database(read_only=True) as database:
        facts = [facts_of(tier) for tier in list_tiers(database)]
    show_list(session, facts, _COLUMNS, empty="There are no tiers.")


@tiers.command()
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """One tier."""
    with session.database(read_only=True) as database:
        facts = facts_of(operators.find(database, name))
    lines = [
        ("name", facts["name"]),
        ("prefix", facts["prefix"]),
        ("dialects", words.listed(facts["dialects"])),
        ("models", words.listed(facts["models"])),
        ("price", _multiplier(facts)),
        ("requests a minute", words.limit(facts["rpm"])),
        ("tokens a minute", words.limit(facts["tpm"])),
        ("calls at once", words.limit(facts["concurrency"])),
        ("policy", facts["policy"]),
        ("policy for", words.pairs(facts["model_policies"])),
        ("spelling", facts["spelling"]),
        ("client gone", facts["on_disconnect"]),
        ("partial answers", "free" if facts["forgive_partial"] else "charged"),
        ("translation", facts["translation"]),
    ]
    show_one(session, facts, lines)


@tiers.command("set")
@click.argument("name")
@click.option("--prefix", metavar="TEXT", help="What new secrets begin with.")
@list_option("--dialects", "Protocols served: messages, chat, responses.", "DIALECT")
@list_option("--models", "Models allowed.", "GLOB")
@click.option("--multiplier", type=as_basis_points, metavar="FACTOR", help="Times the list price: 1.2 adds 20 %.")
@click.option("--rpm", type=as_limit, metavar="N|none", help="Requests a minute of each key.")
@click.option("--tpm", type=as_limit, metavar="N|none", help="Tokens a minute of each key.")
@click.option("--concurrency", type=as_limit, metavar="N|none", help="Calls at once of each key.")
@click.option("--policy", metavar="failover|hedge|race", help="When a second account is asked; see `docs/racing.md`.")
@pair_option(
    "--policy-for",
    "The policy for some models, such as claude-haiku-*=race; the first that matches holds. GLOB= takes one back.",
    "GLOB=POLICY",
)
@click.option("--spelling", metavar="dash|dot", help="How model lists write versions: 4-6 or 4.6.")
@click.option("--on-disconnect", metavar="cancel|drain", help="What becomes of a call whose client has gone.")
@click.option("--forgive-partial/--charge-partial", default=None, help="Whether interrupted answers are free.")
@click.option(
    "--translation",
    metavar="normal|strict|lenient",
    help="What has no equivalent in the account's protocol: drop with a warning, refuse, or fall back.",
)
@pass_session
def set_tier(session: Session, /, name: str, policy_for: dict[str, Any], **options: Any) -> None:
    """Change what is named; the rest stays. It holds for the tier's keys at once."""
    with session.database() as database:
        before = operators.find(database, name).model_policies
        changes = _changes(model_policies=merged(before, policy_for) if policy_for else None, **options)
        changed = operators.change(database, session.actor, name, changes)
    show_done(session, facts_of(changed), f"Tier {name} changed.")


def _changes(*, multiplier: int | None, **options: Any) -> TierChanges:
    limits: dict[str, Any] = {name: limit_given(options.pop(name)) for name in ("rpm", "tpm", "concurrency")}
    others: dict[str, Any] = {name: given(value) for name, value in options.items()}
    return TierChanges(multiplier_bp=given(multiplier), **limits, **others)


def _multiplier(facts: Facts) -> str:
    return f"×{Decimal(facts['multiplier_bp']) / 10_000:f}"


def _policies(facts: Facts) -> str:
    """`hedge`, or `hedge; claude-haiku-*=race`."""
    return "; ".join(filter(None, (facts["policy"], words.pairs(facts["model_policies"]))))
