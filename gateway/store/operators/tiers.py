"""Tiers: what the keys in them may do."""

import re
from typing import Literal, get_args

from msgspec import UNSET, Struct, UnsetType

from gateway import records
from gateway.errors import UsageError
from gateway.records import DialectName
from gateway.store import schema
from gateway.store.database import Database, operator_transaction, rows
from gateway.store.operators import validate
from gateway.store.operators.audit import record

POLICIES: tuple[records.RacePolicy, ...] = get_args(records.RacePolicy)


class TierChanges(Struct, frozen=True, kw_only=True):
    """What `set` can change; a limit of None is no limit. `model_policies` take the place of those there were."""

    prefix: str | UnsetType = UNSET
    dialects: tuple[DialectName, ...] | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    multiplier_bp: int | UnsetType = UNSET
    spelling: Literal["dash", "dot"] | UnsetType = UNSET
    rpm: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET
    policy: records.RacePolicy | UnsetType = UNSET
    model_policies: dict[str, records.RacePolicy] | UnsetType = UNSET
    on_disconnect: Literal["cancel", "drain"] | UnsetType = UNSET
    forgive_partial: bool | UnsetType = UNSET
    translation: Literal["normal", "strict", "lenient"] | UnsetType = UNSET


def find(database: Database, name: str) -> records.Tier:
    """Raises NotFound with the nearest name."""
    found = schema.fetch_one(schema.Tier.select().where(schema.Tier.name == name), database, records.Tier)
    if found is None:
        raise validate.missing("tier", name, (row[0] for row in rows(database, "SELECT name FROM tiers")))
    return found


def change(database: Database, actor: str, name: str, changes: TierChanges) -> records.Tier:
    """Set what is given, leave the rest. A new prefix is for new secrets; keys handed out go on working."""
    given = validate.changes_of(changes)
    _check(given)
    with operator_transaction(database):
        find(database, name)
        schema.Tier.update(**given).where(schema.Tier.name == name).execute(database)
        record(database, actor, "tiers.set", name, given)
        return find(database, name)


def _check(given: dict[str, object]) -> None:
    for field, words in (("rpm", "Requests per minute"), ("tpm", "Tokens per minute"), ("concurrency", "Concurrency")):
        value = given.get(field)
        validate.limit(value if isinstance(value, int) else None, words)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", str(given.get("prefix", "sk-"))):
        raise UsageError("A prefix is up to 32 letters, digits, - and _, beginning with a letter, such as sk-acme-.")
    multiplier = given.get("multiplier_bp", 0)
    if not isinstance(multiplier, int) or not 0 <= multiplier <= 1_000_000:
        raise UsageError("The multiplier is from 0 to 100: 1 charges the list price, 1.2 adds 20 %.")
    for field, choices in (
        ("spelling", ("dash", "dot")),
        ("policy", POLICIES),
        ("on_disconnect", ("cancel", "drain")),
    ):
        if field in given:
            validate.one_of(str(given[field]), choices, field.replace("_", " "))
    policies = given.get("model_policies")
    if isinstance(policies, dict):
        validate.globs(policies)
        for glob, policy in policies.items():
            validate.one_of(policy, POLICIES, f"policy for {glob}")
    dialects, models = given.get("dialects"), given.get("models")
    if isinstance(dialects, tuple):
        given["dialects"] = validate.dialects(dialects)
    if isinstance(models, tuple):
        given["models"] = validate.globs(models)
        if not models:
            raise UsageError("A tier without models serves nothing. Give '*' for every model.")
