"""The operator's additions to the catalog: models, aliases, prices."""

from collections.abc import Iterable
from typing import Any

import msgspec
import peewee

from gateway.catalog import Catalog, Model, PriceTier, Rates
from gateway.clock import now_ms
from gateway.errors import UsageError
from gateway.store import schema
from gateway.store.database import Database, operator_transaction
from gateway.store.operators import validate
from gateway.store.operators.audit import record


def add(
    database: Database, actor: str, catalog: Catalog, fields: dict[str, Any], *, rates: Rates | None = None
) -> Model:
    """Add a model, or change some fields of one the catalog has. `fields` are those of `catalog.models.Model`.

    A new model needs id, vendor, dialects, context_tokens and max_output_tokens. `rates` are its price from now on, in
    the same transaction; every other price is set with `set_price`.
    """
    model_id = fields.get("id")
    if not isinstance(model_id, str) or not model_id or set(model_id) & set("*?[]!"):
        raise UsageError("A model needs an id without wildcards, such as llama-4-70b.")
    validate.globs([model_id], "A model id")
    if "prices" in fields:
        raise UsageError("Prices are versions of their own: `trigate models price` sets them.")
    known = catalog.models.get(model_id)
    base = {"display_name": model_id, "created_at": now_ms()} if known is None else msgspec.to_builtins(known)
    body = {**base, **fields}
    body.pop("prices", None)
    model = _convert(body)
    validate.dialects(model.dialects)
    if not 0 < model.max_output_tokens <= model.context_tokens:
        raise UsageError("context_tokens and max_output_tokens are above 0, and an answer fits into the context.")
    stored = msgspec.to_builtins(model)
    del stored["prices"]
    price = None if rates is None else _price_body(rates)
    with operator_transaction(database):
        _replace(database, schema.ModelOverride, id=model_id, body=stored)
        if price is not None:
            _replace(database, schema.PriceOverride, model=model_id, effective_at=now_ms(), body=price)
        record(database, actor, "models.add", model_id, fields if price is None else {**fields, "price": price})
    return model


def remove(database: Database, actor: str, model_id: str) -> None:
    """Take the operator's own model, or change of a shipped one, back. Its prices go with it."""
    with operator_transaction(database):
        overrides = schema.ModelOverride.delete().where(schema.ModelOverride.id == model_id).execute(database)
        prices = schema.PriceOverride.delete().where(schema.PriceOverride.model == model_id).execute(database)
        if not overrides and not prices:
            raise validate.missing("model", model_id, _own_models(database))
        record(database, actor, "models.remove", model_id)


def set_alias(database: Database, actor: str, catalog: Catalog, alias: str, model_id: str) -> None:
    """Let `alias` stand for a model of the catalog. Shipped aliases can be pointed elsewhere."""
    validate.globs([alias], "An alias")
    if alias in catalog.models:
        raise UsageError(f"{alias!r} is a model itself; an alias of that name would hide it.")
    if model_id not in catalog.models:
        raise validate.missing("model", model_id, catalog.models)
    with operator_transaction(database):
        _replace(database, schema.AliasOverride, name=alias, model=model_id)
        record(database, actor, "models.alias", alias, {"model": model_id})


def remove_alias(database: Database, actor: str, alias: str) -> None:
    """Take the operator's alias back; a shipped one of that name holds again."""
    with operator_transaction(database):
        if not schema.AliasOverride.delete().where(schema.AliasOverride.name == alias).execute(database):
            known = [row["name"] for row in schema.AliasOverride.select().dicts().execute(database)]
            raise validate.missing("alias", alias, known)
        record(database, actor, "models.unalias", alias)


def set_price(
    database: Database,
    actor: str,
    catalog: Catalog,
    model_id: str,
    rates: Rates,
    *,
    effective_at: int | None = None,
    tiers: Iterable[PriceTier] = (),
    variants_bp: dict[str, int] | None = None,
    web_search_micro: int = 0,
) -> int:
    """A price from `effective_at` (default now) on, in micro-dollars per million tokens; the instant it begins.

    Rates of 0 say on purpose that the model is free.
    """
    if model_id not in catalog.models:
        raise validate.missing("model", model_id, catalog.models)
    begins_at = now_ms() if effective_at is None else effective_at
    body = _price_body(rates, tuple(tiers), variants_bp, web_search_micro)
    with operator_transaction(database):
        _replace(database, schema.PriceOverride, model=model_id, effective_at=begins_at, body=body)
        record(database, actor, "models.price", model_id, {"effective_at": begins_at, **body})
    return begins_at


def _price_body(
    rates: Rates,
    tiers: tuple[PriceTier, ...] = (),
    variants_bp: dict[str, int] | None = None,
    web_search_micro: int = 0,
) -> dict[str, Any]:
    """A price as it is stored. Raises UsageError for one that makes no sense."""
    for bucket, rate in [pair for each in (rates, *(tier.rates for tier in tiers)) for pair in _rates(each)]:
        validate.amount(rate, f"{bucket} price")
    validate.amount(web_search_micro, "web search price")
    for variant, basis_points in (variants_bp or {}).items():
        if not 0 <= basis_points <= 1_000_000:
            raise UsageError(f"The factor of the variant {variant} is from 0 to 100; 1 is the price as it stands.")
    return {
        "rates": msgspec.to_builtins(rates),
        "tiers": msgspec.to_builtins(tiers),
        "variants_bp": variants_bp or {},
        "web_search_micro": web_search_micro,
    }


def _replace(database: Database, table: type[peewee.Model], /, **values: Any) -> None:
    table.insert(**values).on_conflict_replace().execute(database)


def _rates(rates: Rates) -> list[tuple[str, int]]:
    return [(bucket, rate) for bucket, rate in msgspec.structs.asdict(rates).items() if rate is not None]


def _convert(body: dict[str, Any]) -> Model:
    unknown = set(body) - set(Model.__struct_fields__)
    if unknown:
        raise UsageError(
            f"A model has no field {', '.join(sorted(unknown))}. It has {', '.join(Model.__struct_fields__)}."
        )
    try:
        return msgspec.convert(body, Model)
    except msgspec.ValidationError as error:
        raise UsageError(f"The model is not complete: {error}.") from error


def _own_models(database: Database) -> list[str]:
    return [row["id"] for row in schema.ModelOverride.select().dicts().execute(database)]
