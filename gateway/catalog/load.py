"""Reading `catalog.toml`, and laying the operator's overrides over it."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from gateway.catalog.models import Capabilities, Catalog, Model, Price, PriceTier, Rates, Thinking
from gateway.catalog.versions import with_versions
from gateway.errors import ConfigurationError

_MILLION = Decimal(1_000_000)
_BASIS_POINTS = Decimal(10_000)
_DEAREST = 10**12  # a million dollars per million tokens: above it the figure is a slip


class _VendorRow(Struct, forbid_unknown_fields=True):
    dialects: tuple[str, ...]
    web_search: Decimal = Decimal(0)


class _RatesRow(Struct, forbid_unknown_fields=True, kw_only=True):
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    cache_write_30m: Decimal | None = None
    cache_write_12h: Decimal | None = None


class _TierRow(_RatesRow, forbid_unknown_fields=True, kw_only=True):
    prompt: int


class _PriceRow(_RatesRow, forbid_unknown_fields=True, kw_only=True, rename={"since": "from"}):
    since: date | None = None
    variants: dict[str, Decimal] = {}
    above: tuple[_TierRow, ...] = ()
    web_search: Decimal | None = None


class _ModelRow(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    vendor: str
    created: date
    family: str = ""
    dialects: tuple[str, ...] = ()
    context: int = 0
    output: int = 0
    speed: int = 100
    spellings: tuple[str, ...] = ()
    retires: date | None = None
    served_by: str = ""
    thinking: tuple[Thinking, ...] = ()
    thinking_default: str = "off"
    efforts: tuple[str, ...] = ()
    default_effort: str = ""
    sampling: bool = True
    forced_tools: bool = True
    prefill: bool = False
    mid_system: bool = False
    structured_output: bool = True
    image_input: bool = True
    pdf_input: bool = True
    developer_role: bool = False
    cache_breakpoints: bool = False
    chat_tools_with_reasoning: bool = True
    stop_sequences: bool = True
    min_cache_tokens: int = 0
    prices: tuple[_PriceRow, ...] = ()


class _File(Struct, forbid_unknown_fields=True):
    vendors: dict[str, _VendorRow]
    models: dict[str, _ModelRow]
    aliases: dict[str, str] = {}


def load_catalog(source: str | Path) -> Catalog:
    """A catalog from TOML text or a file of it.

    Raises ConfigurationError for text that is not TOML, unknown or mistyped fields, names that clash or lead
    nowhere, a model on sale without limits, and prices that are not whole micro-dollars per million tokens.
    """
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        # Numbers become decimals before anything else sees them: 0.0125 as a float is not 0.0125.
        file = msgspec.convert(tomllib.loads(text, parse_float=Decimal), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"The catalog cannot be read: {error}") from error
    models = {model_id: _model(model_id, row, file.vendors) for model_id, row in file.models.items()}
    for model in models.values():
        _check(model, models)
    for alias, target in file.aliases.items():
        if target not in models or alias in models:
            raise ConfigurationError(f"Catalog alias {alias!r} -> {target!r}: not a model, or the alias is itself one.")
    _check_spellings(models, file.aliases)
    return Catalog({model_id: _complete(model, models) for model_id, model in models.items()}, dict(file.aliases))


def shipped_catalog() -> Catalog:
    """The catalog that comes with the product: package data of a wheel, `data/catalog.toml` of a checkout."""
    packaged = resources.files("gateway.catalog").joinpath("catalog.toml")
    if packaged.is_file():
        return load_catalog(packaged.read_text(encoding="utf-8"))
    return load_catalog(Path(__file__).resolve().parents[2] / "data" / "catalog.toml")


def with_overrides(
    catalog: Catalog,
    models: Iterable[Model] = (),
    aliases: Mapping[str, str] | None = None,
    prices: Mapping[str, Sequence[Price]] | None = None,
) -> Catalog:
    """The catalog with the operator's own on top.

    A model replaces the one of its id, keeping its prices unless it brings some, or adds one. An alias replaces or
    adds. Prices by model id end every shipped one that starts with the first of them or later: a vendor's new price
    in an upgrade does not replace what the operator set. What points at a model that is gone is ignored, or an upgrade
    could keep the gateway from starting. Versions are computed here, given ones do not matter.
    """
    merged = dict(catalog.models)
    for model in models:
        shipped = merged.get(model.id)
        keeps = shipped.prices if shipped is not None and not model.prices else model.prices
        merged[model.id] = with_versions(structs.replace(model, prices=keeps))
    for model_id, added in (prices or {}).items():
        if model_id in merged and added:
            first = min(price.effective_at for price in added)
            kept = [price for price in merged[model_id].prices if price.effective_at < first]
            merged[model_id] = with_versions(structs.replace(merged[model_id], prices=(*kept, *added)))
    return Catalog(merged, catalog.aliases | dict(aliases or {}))


def micro_per_million(usd: Decimal, what: str) -> int:
    """Dollars per million tokens as micro-dollars per million tokens, exactly. Raises ConfigurationError."""
    return _whole(usd * _MILLION, what, f"{usd} is not a whole number of micro-dollars")


def basis_points(factor: Decimal, what: str) -> int:
    """A factor as basis points, exactly: 1.67 -> 16700. Raises ConfigurationError."""
    return _whole(factor * _BASIS_POINTS, what, f"{factor} is not a whole number of basis points")


def _whole(value: Decimal, what: str, complaint: str) -> int:
    if not value.is_finite() or value != value.to_integral_value() or not 0 <= value <= _DEAREST:
        raise ConfigurationError(f"Catalog, {what}: {complaint} between 0 and {_DEAREST}.")
    return int(value)


def _model(model_id: str, row: _ModelRow, vendors: dict[str, _VendorRow]) -> Model:
    vendor = vendors.get(row.vendor)
    if vendor is None:
        raise ConfigurationError(f"Catalog model {model_id}: there is no vendor {row.vendor!r}.")
    on_sale = "active" if row.retires is None else "deprecated"
    capabilities = {name: getattr(row, name) for name in Capabilities.__struct_fields__}
    model = msgspec.convert(
        {
            "id": model_id,
            "vendor": row.vendor,
            "display_name": row.name,
            "dialects": row.dialects or vendor.dialects,
            "created_at": _midnight(row.created),
            "context_tokens": row.context,
            "max_output_tokens": row.output,
            "tokens_per_second": row.speed,
            "family": row.family,
            "spellings": row.spellings,
            "served_by": row.served_by,
            "lifecycle": "retired" if row.served_by else on_sale,
            "retires_at": None if row.retires is None else _midnight(row.retires),
            "capabilities": capabilities,
        },
        Model,
    )
    prices = tuple(_price(model_id, price, row.created, vendor) for price in row.prices)
    if len({price.effective_at for price in prices}) < len(prices):
        raise ConfigurationError(f"Catalog model {model_id}: two prices start on the same day.")
    return with_versions(structs.replace(model, prices=prices))


def _price(model_id: str, row: _PriceRow, created: date, vendor: _VendorRow) -> Price:
    searched = vendor.web_search if row.web_search is None else row.web_search
    tiers = (PriceTier(tier.prompt, _rates(model_id, tier)) for tier in row.above)
    return Price(
        version="",
        effective_at=_midnight(row.since or created),
        rates=_rates(model_id, row),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above_prompt_tokens)),
        variants_bp={name: basis_points(factor, f"{model_id} {name}") for name, factor in row.variants.items()},
        web_search_micro=micro_per_million(searched, f"{model_id} web_search"),
    )


def _rates(model_id: str, row: _RatesRow) -> Rates:
    given = {name: usd for name in Rates.__struct_fields__ if (usd := getattr(row, name)) is not None}
    micro = {name: micro_per_million(usd, f"{model_id} {name}") for name, usd in given.items()}
    return msgspec.convert(micro, Rates)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _check(model: Model, models: dict[str, Model]) -> None:
    if model.served_by:
        successor = models.get(model.served_by)
        if successor is None or successor.served_by:
            raise ConfigurationError(f"Catalog model {model.id}: served_by {model.served_by!r} is not a model on sale.")
    elif not 0 < model.max_output_tokens <= model.context_tokens or model.tokens_per_second <= 0:
        raise ConfigurationError(f"Catalog model {model.id}: context, output and speed must be given and fit together.")


def _check_spellings(models: dict[str, Model], aliases: dict[str, str]) -> None:
    owners = {name: name for name in models} | aliases
    for model in models.values():
        for spelling in model.spellings:
            if owners.setdefault(spelling, model.id) != model.id:
                raise ConfigurationError(f"Catalog: {spelling!r} names both {model.id} and {owners[spelling]}.")


def _complete(model: Model, models: dict[str, Model]) -> Model:
    """A retired model shows the limits and abilities of the one that serves it, unless it has limits of its own."""
    if not model.served_by:
        return model
    successor = models[model.served_by]
    return structs.replace(
        model,
        context_tokens=model.context_tokens or successor.context_tokens,
        max_output_tokens=successor.max_output_tokens,
        tokens_per_second=successor.tokens_per_second,
        capabilities=successor.capabilities,
    )
