"""Upstream accounts. Secrets arrive sealed; this module never sees one in the clear."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from gateway import records
from gateway.catalog import Rates
from gateway.clock import now_ms
from gateway.errors import ConfigurationError, UsageError
from gateway.records import AccountKind, DialectName
from gateway.store import schema
from gateway.store.database import Database, operator_transaction, rows
from gateway.store.operators import validate
from gateway.store.operators.audit import record

KINDS: tuple[AccountKind, ...] = ("anthropic", "openai", "claude-cli", "simulated")
DEFAULT_BASE_URLS: dict[str, str] = {"anthropic": "https://api.anthropic.com/v1", "openai": "https://api.openai.com/v1"}
# What an audit row names without its value: both can carry credentials.
_PRIVATE = ("extra_headers", "proxy")


class AccountChanges(Struct, frozen=True, kw_only=True):
    """What `add` can give and `set` can change, beside name, kind and secret."""

    name: str | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    discovered: tuple[str, ...] | UnsetType = UNSET
    model_map: dict[str, str] | UnsetType = UNSET
    dialects: tuple[DialectName, ...] | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    weight: int | UnsetType = UNSET
    max_concurrency: int | UnsetType | None = UNSET
    free: bool | UnsetType = UNSET
    cost_prices: dict[str, Rates] | UnsetType = UNSET
    proxy: str | UnsetType | None = UNSET
    extra_headers: dict[str, str] | UnsetType = UNSET
    on_cancel: Literal["stops", "continues", "unknown"] | UnsetType = UNSET
    options: dict[str, str | int | float | bool] | UnsetType = UNSET


def find(database: Database, name: str) -> records.Account:
    """Raises NotFound with the nearest name."""
    found = schema.fetch_one(schema.Account.select().where(schema.Account.name == name), database, records.Account)
    if found is None:
        raise validate.missing("account", name, (row[0] for row in rows(database, "SELECT name FROM accounts")))
    return found


def add(
    database: Database,
    actor: str,
    name: str,
    *,
    kind: AccountKind,
    sealed_secret: bytes = b"",
    fields: AccountChanges | None = None,
) -> records.Account:
    """`base_url` may be left out for the vendors' own endpoints and for kinds that have none."""
    validate.name(name, "account")
    validate.one_of(kind, KINDS, "kind")
    given = {} if fields is None else _checked(validate.changes_of(fields))
    given.setdefault("base_url", DEFAULT_BASE_URLS.get(kind, ""))
    defaults: dict[str, Any] = {"models": (), "discovered": (), "model_map": {}, "dialects": (), "extra_headers": {}}
    values = {**defaults, "options": {}, **given, "name": name, "kind": kind, "sealed_secret": sealed_secret}
    with operator_transaction(database):
        _refuse_taken(database, name)
        schema.Account.insert(**values, created_at=now_ms()).execute(database)
        record(database, actor, "accounts.add", name, {"kind": kind, **_public(given)})
        return find(database, name)


def change(database: Database, actor: str, name: str, changes: AccountChanges) -> records.Account:
    """Set what is given, leave the rest."""
    given = _checked(validate.changes_of(changes))
    with operator_transaction(database):
        if given.get("name", name) != name:
            _refuse_taken(database, given["name"])
        return _update(database, actor, "accounts.set", name, given, _public(given))


def rotate(database: Database, actor: str, name: str, sealed_secret: bytes) -> records.Account:
    """A new upstream credential. What was learned of the old one (cool-downs) no longer holds."""
    fields = {"sealed_secret": sealed_secret, "reset_at": now_ms()}
    with operator_transaction(database):
        return _update(database, actor, "accounts.rotate", name, fields)


def count_sealed(database: Database) -> int:
    """Accounts with a stored credential."""
    return int(rows(database, "SELECT count(*) FROM accounts WHERE length(sealed_secret) > 0")[0][0])


def reseal(database: Database, actor: str, reseal_one: Callable[[bytes], bytes]) -> list[str]:
    """Every stored credential sealed anew, all or none: `reseal_one` raises ConfigurationError for one it cannot open,
    which is raised again with the account's name. Returns the names. Cool-downs stay: the credentials are the same."""
    with operator_transaction(database):
        sealed = rows(
            database, "SELECT name, sealed_secret FROM accounts WHERE length(sealed_secret) > 0 ORDER BY name"
        )
        for name, secret in sealed:
            try:
                fields = {"sealed_secret": reseal_one(bytes(secret))}
            except ConfigurationError as error:
                raise ConfigurationError(f"{name}: {error.message} Nothing was changed.") from error
            _update(database, actor, "accounts.reseal", name, fields)
    return [name for name, _ in sealed]


def sync(database: Database, actor: str, name: str, discovered: tuple[str, ...]) -> records.Account:
    """Store the model ids that the upstream's own listing gave."""
    with operator_transaction(database):
        fields = {"discovered": tuple(dict.fromkeys(discovered))}
        return _update(database, actor, "accounts.sync", name, fields, {"models": len(fields["discovered"])})


def disable(database: Database, actor: str, name: str) -> records.Account:
    """No new attempts; open ones finish."""
    with operator_transaction(database):
        return _update(database, actor, "accounts.disable", name, {"enabled": False})


def enable(database: Database, actor: str, name: str) -> records.Account:
    with operator_transaction(database):
        return _update(database, actor, "accounts.enable", name, {"enabled": True})


def drain(database: Database, actor: str, name: str) -> records.Account:
    """Nothing new is bound to it; calls that already are bound go on."""
    with operator_transaction(database):
        return _update(database, actor, "accounts.drain", name, {"draining": True})


def undrain(database: Database, actor: str, name: str) -> records.Account:
    with operator_transaction(database):
        return _update(database, actor, "accounts.undrain", name, {"draining": False})


def reset(database: Database, actor: str, name: str) -> records.Account:
    """Forget every cool-down: state older than this moment is ignored."""
    with operator_transaction(database):
        return _update(database, actor, "accounts.reset", name, {"reset_at": now_ms()})


def remove(database: Database, actor: str, name: str) -> None:
    """Delete the account and its sealed secret. Calls it served keep its id, which is never given again."""
    with operator_transaction(database):
        account = find(database, name)
        schema.Account.delete().where(schema.Account.id == account.id).execute(database)
        record(database, actor, "accounts.remove", name, {"id": account.id, "kind": account.kind})


def _update(
    database: Database,
    actor: str,
    action: str,
    name: str,
    fields: dict[str, Any],
    details: dict[str, Any] | None = None,
) -> records.Account:
    account = find(database, name)
    schema.Account.update(**fields).where(schema.Account.id == account.id).execute(database)
    record(database, actor, action, name, details)
    return find(database, fields.get("name", name))


def _public(fields: dict[str, Any]) -> dict[str, Any]:
    return {field: "changed" if field in _PRIVATE else value for field, value in fields.items()}


def _refuse_taken(database: Database, name: str) -> None:
    if rows(database, "SELECT 1 FROM accounts WHERE name = ?", (name,)):
        raise UsageError(
            f"There is an account {name!r} already. Choose another name, or `trigate accounts set {name}`."
        )


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    checked = dict(fields)
    if "name" in fields:
        validate.name(fields["name"], "account")
    if fields.get("base_url"):
        checked["base_url"] = validate.url(fields["base_url"], "base URL")
    if fields.get("proxy"):
        checked["proxy"] = validate.url(fields["proxy"], "proxy", ("http", "https", "socks5"), credentials=True)
    for field in ("models", "discovered"):
        if field in fields:
            checked[field] = validate.globs(fields[field])
    if "model_map" in fields:
        _check_model_map(fields["model_map"])
    if "cost_prices" in fields:
        _check_cost_prices(fields["cost_prices"])
    if "dialects" in fields:
        checked["dialects"] = validate.dialects(fields["dialects"], empty=True)
    if "extra_headers" in fields:
        checked["extra_headers"] = validate.headers(fields["extra_headers"])
    if "on_cancel" in fields:
        validate.one_of(fields["on_cancel"], ("stops", "continues", "unknown"), "behaviour on cancel")
    validate.limit(fields.get("max_concurrency"), "The concurrency")
    validate.limit(fields.get("weight"), "The weight")
    if abs(fields.get("priority", 0)) > 1_000_000:
        raise UsageError("A priority is a number from -1000000 to 1000000; higher is tried first.")
    return checked


def _check_model_map(model_map: dict[str, str]) -> None:
    """One `*` at most on either side: what it stands for on the left is put in its place on the right."""
    validate.globs((*model_map, *model_map.values()), "A model in the map")
    for model, target in model_map.items():
        if set(model + target) & set("?[]") or model.count("*") > 1 or target.count("*") > model.count("*"):
            raise UsageError(
                f"The model map cannot take {model!r} to {target!r}: write MODEL=UPSTREAM, or with one * on each side, "
                "such as claude-*=anthropic/claude-*."
            )


def _check_cost_prices(cost_prices: dict[str, Rates]) -> None:
    validate.globs(cost_prices, "The model of a cost")
    for rates in cost_prices.values():
        for bucket in rates.__struct_fields__:
            rate = getattr(rates, bucket)
            if rate is not None:
                validate.amount(rate, f"cost of {bucket}")
