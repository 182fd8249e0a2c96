"""API keys: create, change, disable, enable, revoke, rotate. A secret leaves here once and is stored as its hash."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from gateway import records
from gateway.clock import now_ms
from gateway.errors import UsageError
from gateway.keys import hash_secret, new_secret, public_id_of
from gateway.store import schema
from gateway.store.database import Database, operator_transaction, rows
from gateway.store.operators import customers, tiers, validate
from gateway.store.operators.audit import record

DEFAULT_TIER = "all"


class KeyChanges(Struct, frozen=True, kw_only=True):
    """What `set` can change; a limit of None falls back to the tier's."""

    name: str | UnsetType = UNSET
    tier: str | UnsetType = UNSET
    expires_at: int | UnsetType | None = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    rpm: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET
    day_limit_micro: int | UnsetType | None = UNSET
    month_limit_micro: int | UnsetType | None = UNSET
    ip_allow: tuple[str, ...] | UnsetType = UNSET


def find(database: Database, key: str) -> records.Key:
    """By name (of keys not revoked first, then the last revoked one) or public id. Raises NotFound."""
    order = (schema.Key.revoked_at.is_null(False), schema.Key.id.desc())
    query = schema.Key.select().where((schema.Key.name == key) | (schema.Key.public_id == key)).order_by(*order)
    found = schema.fetch_one(query, database, records.Key)
    if found is None:
        names = (row[0] for row in rows(database, "SELECT name FROM keys WHERE revoked_at IS NULL"))
        raise validate.missing("key", key, names)
    return found


def create(
    database: Database,
    actor: str,
    name: str,
    *,
    customer: str | None = None,
    tier: str = DEFAULT_TIER,
    balance_micro: int | None = None,
    unlimited: bool = False,
    limits: KeyChanges | None = None,
) -> tuple[records.Key, str]:
    """The key and its secret, shown this once. Makes the customer (default: of the key's name) if there is none.

    Raises UsageError for a taken name, and for `balance_micro` or `unlimited` on a customer that exists.
    """
    fields = _checked({} if limits is None else validate.changes_of(limits))
    payer = customer or name
    validate.name(name, "key")
    with operator_transaction(database):
        _refuse_taken(database, name)
        prefix = tiers.find(database, tier).prefix
        customer_id = _payer(database, actor, payer, balance_micro, unlimited=unlimited)
        secret = new_secret(prefix)
        values = {
            "public_id": public_id_of(secret),
            "secret_hash": hash_secret(secret),
            "customer_id": customer_id,
            "models": (),
            "ip_allow": (),
            "enabled": True,
            "created_at": now_ms(),
            **fields,
            "name": name,
            "tier": tier,
        }
        schema.Key.insert(**values).execute(database)
        record(database, actor, "keys.create", name, {**fields, "customer": payer, "tier": tier})
        return find(database, str(values["public_id"])), secret


def change(database: Database, actor: str, key: str, changes: KeyChanges) -> records.Key:
    """Set what is given, leave the rest. A new tier does not change the secret's prefix: it is cosmetic."""
    given = _checked(validate.changes_of(changes))
    with operator_transaction(database):
        found = find(database, key)
        if "tier" in given:
            tiers.find(database, given["tier"])
        if given.get("name", found.name) != found.name:
            _refuse_taken(database, given["name"])
        return _update(database, actor, "keys.set", found, given, given)


def disable(database: Database, actor: str, key: str) -> records.Key:
    """New calls are refused; open ones finish."""
    with operator_transaction(database):
        return _update(database, actor, "keys.disable", find(database, key), {"enabled": False})


def enable(database: Database, actor: str, key: str) -> records.Key:
    with operator_transaction(database):
        found = _living(database, key)
        return _update(database, actor, "keys.enable", found, {"enabled": True})


def revoke(database: Database, actor: str, key: str) -> records.Key:
    """For good: open calls are cut within a second. Revoking twice changes nothing."""
    with operator_transaction(database):
        found = find(database, key)
        if found.revoked_at is not None:
            return found
        fields = {"revoked_at": now_ms(), "previous_hash": None, "previous_until": None}
        return _update(database, actor, "keys.revoke", found, fields)


def rotate(database: Database, actor: str, key: str, *, grace_s: int = 0) -> tuple[records.Key, str]:
    """A new secret under the same public id; the old one is accepted for `grace_s` more seconds (at most 90 days)."""
    if not 0 <= grace_s <= 90 * 86_400:
        raise UsageError("The grace period is 0 seconds to 90 days.")
    with operator_transaction(database):
        found = _living(database, key)
        secret = new_secret(tiers.find(database, found.tier).prefix, found.public_id)
        fields = {
            "secret_hash": hash_secret(secret),
            "previous_hash": found.secret_hash if grace_s else None,
            "previous_until": now_ms() + grace_s * 1000 if grace_s else None,
        }
        return _update(database, actor, "keys.rotate", found, fields, {"grace_s": grace_s}), secret


def _payer(database: Database, actor: str, name: str, balance_micro: int | None, *, unlimited: bool) -> int:
    existing = rows(database, "SELECT id FROM customers WHERE name = ?", (name,))
    if not existing:
        return customers.insert(database, actor, name, balance_micro=balance_micro or 0, unlimited=unlimited).id
    if balance_micro is not None:
        raise UsageError(
            f"The customer {name!r} exists and has a balance of its own. Create the key without --balance, "
            f"then `trigate customers topup {name} USD`."
        )
    if unlimited:
        raise UsageError(f"The customer {name!r} exists. `trigate customers set {name} --unlimited` changes it.")
    return int(existing[0][0])


def _living(database: Database, key: str) -> records.Key:
    found = find(database, key)
    if found.revoked_at is not None:
        raise UsageError(f"The key {found.name!r} is revoked, which is final. `trigate keys create` makes a new one.")
    return found


def _update(
    database: Database,
    actor: str,
    action: str,
    key: records.Key,
    fields: dict[str, Any],
    details: dict[str, Any] | None = None,
) -> records.Key:
    schema.Key.update(**fields).where(schema.Key.id == key.id).execute(database)
    record(database, actor, action, key.name, {"public_id": key.public_id, **(details or {})})
    return find(database, key.public_id)


def _refuse_taken(database: Database, name: str) -> None:
    if rows(database, "SELECT 1 FROM keys WHERE name = ? AND revoked_at IS NULL", (name,)):
        raise UsageError(f"There is a key {name!r} already. Choose another name, or `trigate keys rotate {name}`.")


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    checked = dict(fields)
    if "name" in fields:
        validate.name(fields["name"], "key")
    for field, words in (("rpm", "Requests per minute"), ("tpm", "Tokens per minute"), ("concurrency", "Concurrency")):
        validate.limit(fields.get(field), words)
    for field, words in (("day_limit_micro", "daily limit"), ("month_limit_micro", "monthly limit")):
        if fields.get(field) is not None:
            validate.amount(fields[field], words)
    if fields.get("expires_at") is not None and fields["expires_at"] <= now_ms():
        raise UsageError("The key would expire in the past. Give a later time, or `keys revoke` it.")
    if "models" in fields:
        checked["models"] = validate.globs(fields["models"])
    if "ip_allow" in fields:
        checked["ip_allow"] = validate.networks(fields["ip_allow"])
    return checked
