"""A model in words and figures: who serves it, what it costs, under which names."""

from functools import cache
from typing import NamedTuple

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.widgets.facts import Fact
from gateway.billing.money import format_usd
from gateway.catalog import Catalog, Model, Price, Rates
from gateway.catalog.load import shipped_catalog
from gateway.catalog.resolve import price_at
from gateway.records import Account
from gateway.store import schema
from gateway.store.database import Database, read_transaction
from gateway.store.snapshot import load_overrides
from gateway.upstream.serving import Served, build_serving


class ModelRow(NamedTuple):
    """A model as of `now_at`.

    `accounts` serve it, the first tried first; `unpriced_at` would, had it a price. `own_aliases` are the operator's;
    `own` says what of it is the operator's, too: "model", "price". `known`: the catalog has it, and not only an
    account's own list.
    """

    model: Model
    price: Price | None
    aliases: tuple[str, ...]
    own_aliases: tuple[str, ...]
    accounts: tuple[str, ...]
    unpriced_at: tuple[str, ...]
    own: tuple[str, ...]
    known: bool
    now_at: int

    @property
    def word(self) -> str:
        """`served`, `no price` (an account has it, and may not serve it), `not served`, `retired`."""
        if self.accounts:
            return "served"
        if self.unpriced_at:
            return "no price"
        return "retired" if self.model.lifecycle == "retired" or self.model.served_by else "not served"

    @property
    def coming(self) -> list[Price]:
        """Prices that begin later."""
        return [price for price in self.model.prices if price.effective_at > self.now_at]


class Models(NamedTuple):
    """What the screen reads: what an account serves first, then what lacks a price, then the rest."""

    rows: list[ModelRow]
    own_aliases: dict[str, str]


@cache
def shipped() -> Catalog:
    """The shipped catalog, read once."""
    return shipped_catalog()


def current(database: Database) -> Catalog:
    """The catalog in force, for a change of it."""
    return load_overrides(database, shipped())


def read_models(database: Database, now_at: int) -> Models:
    """All of one state of the database."""
    with read_transaction(database):
        catalog = current(database)
        accounts = schema.fetch(schema.Account.select(), database, Account)
        own_aliases = {row["name"]: row["model"] for row in schema.AliasOverride.select().dicts().execute(database)}
        own_models = {row["id"] for row in schema.ModelOverride.select().dicts().execute(database)}
        own_prices = {row["model"] for row in schema.PriceOverride.select().dicts().execute(database)}
    named = build_serving(accounts, catalog, lambda model: True)
    served = build_serving(accounts, catalog, lambda model: price_at(model, now_at) is not None)
    models = catalog.models | {model_id: each.model for model_id, each in named.items()}
    rows = []
    for model_id, model in models.items():
        serving, unpriced = _names(served.get(model_id)), _names(named.get(model_id))
        own = [word for word, ids in (("model", own_models), ("price", own_prices)) if model_id in ids]
        rows.append(
            ModelRow(
                model,
                price_at(model, now_at),
                tuple(sorted(alias for alias, target in catalog.aliases.items() if target == model_id)),
                tuple(sorted(alias for alias, target in own_aliases.items() if target == model_id)),
                serving,
                tuple(name for name in unpriced if name not in serving),
                tuple(own),
                model_id in catalog.models,
                now_at,
            )
        )
    order = ("no price", "served", "not served", "retired")
    rows.sort(key=lambda row: (order.index(row.word), row.model.vendor, -row.model.created_at, row.model.id))
    return Models(rows, own_aliases)


def _names(served: Served | None) -> tuple[str, ...]:
    if served is None:
        return ()
    return tuple(dict.fromkeys(seat.account.name for seats in served.seats.values() for seat in seats))


# -- the list


def state(row: ModelRow) -> Cell:
    symbols: dict[str, Cell] = {
        "served": Cell(f"{format.ON} served", "good"),
        "no price": Cell(f"{format.OFF} no price", "bad"),
        "not served": Cell(f"{format.OPEN} not served", "dim"),
        "retired": Cell(f"{format.OPEN} retired", "dim"),
    }
    return symbols[row.word]


def rate(row: ModelRow, bucket: str) -> Cell:
    """What a million tokens of a bucket cost; `=in` where the vendor has no price for it and input's applies."""
    if row.price is None:
        return Cell(format.UNKNOWN, "dim")
    micro: int | None = getattr(row.price.rates, bucket)
    return Cell("=in", "dim") if micro is None else Cell(_short(micro))


def _short(micro: int) -> str:
    """`$3.00`, `$0.075`."""
    text = format_usd(micro)
    return text if len(text) <= 7 else format.usd(micro)


def served_by(row: ModelRow) -> Cell:
    if row.accounts:
        return Cell(", ".join(row.accounts))
    if row.unpriced_at:
        return Cell(", ".join(row.unpriced_at), "warn")
    return Cell(f"→ {row.model.served_by}" if row.model.served_by else format.UNKNOWN, "dim")


# -- the pane


def model_facts(row: ModelRow) -> list[Fact]:
    """Everything there is to know of a model."""
    model = row.model
    facts: list[Fact] = [
        (model.id, ""),
        ("state", state(row)),
        ("by", ", ".join(row.accounts)),
        ("", Cell(_unpriced_words(row), "warn")) if row.word == "no price" else ("", ""),
        ("calls go to", model.served_by),
        ("name", model.display_name if model.display_name != model.id else ""),
        ("vendor", model.vendor),
        ("retires", "" if model.retires_at is None else format.day(model.retires_at)),
        ("aliases", ", ".join(row.aliases)),
        ("of them yours", ", ".join(row.own_aliases)),
        ("spellings", ", ".join(model.spellings)),
        ("dialects", ", ".join(model.dialects)),
        ("context", f"{model.context_tokens:,} tokens" if model.context_tokens else ""),
        ("answers", f"{model.max_output_tokens:,} tokens" if model.max_output_tokens else ""),
        ("yours", " and ".join(row.own)),
        ("", ""),
    ]
    if row.price is None:
        facts.append(("price", Cell("none: only accounts marked free serve it", "dim")))
    else:
        facts += _price_facts(row.price)
    for price in row.coming:
        facts += [("", ""), ("later", f"{format.rates(price.rates)}, from {format.instant(price.effective_at)}")]
    return [facts[0], *((label, value) for label, value in facts[1:] if not label or format.plain(value))]


def _unpriced_words(row: ModelRow) -> str:
    return f"{', '.join(row.unpriced_at)} has it, and may not serve it before it has a price: p sets one."


def _price_facts(price: Price) -> list[Fact]:
    facts: list[Fact] = [("$ per million", f"since {format.instant(price.effective_at)}")]
    for bucket in Rates.__struct_fields__:
        micro: int | None = getattr(price.rates, bucket)
        if micro is not None:
            facts.append((bucket.replace("_", " "), format_usd(micro)))
    for tier in price.tiers:
        facts.append((f"above {format.tokens(tier.above_prompt_tokens)}", format.rates(tier.rates)))
    facts.append(("web search", format_usd(price.web_search_micro) if price.web_search_micro else ""))
    facts.append(("variants", ", ".join(f"{name} ×{bp / 10_000:g}" for name, bp in price.variants_bp.items())))
    facts.append(("version", price.version))
    return facts
