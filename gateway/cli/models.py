"""`trigate models`: the catalog, shipped and as the operator changed it."""

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from gateway.catalog import Catalog, Model, Price, PriceTier, Rates
from gateway.catalog.load import shipped_catalog
from gateway.catalog.resolve import price_at, resolve
from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Column, Facts, confirm, facts_of, show_done, show_list, show_one, talk
from gateway.cli.tiers import as_basis_points
from gateway.cli.values import as_future, as_usd, list_option, pair_option
from gateway.clock import now_ms
from gateway.errors import UsageError
from gateway.records import Account
from gateway.store import schema
from gateway.store.operators import models as operators
from gateway.store.operators.validate import missing
from gateway.store.snapshot import load_overrides
from gateway.upstream.serving import Served, build_serving

if TYPE_CHECKING:
    from gateway.store.database import Database

_COLUMNS = (
    Column("MODEL", lambda each: each["id"]),
    Column("VENDOR", lambda each: each["vendor"]),
    Column("CONTEXT", lambda each: _tokens(each["context_tokens"]), right=True),
    Column("INPUT", lambda each: _rate(each, "input"), right=True),
    Column("OUTPUT", lambda each: _rate(each, "output"), right=True),
    Column("ALIASES", lambda each: words.listed(each["aliases"])),
    Column("STATE", lambda each: each["lifecycle"]),
)


@click.group(cls=Noun)
def models() -> None:
    """The catalog: models, aliases and prices."""


@models.command("list")
@click.option("--vendor", metavar="VENDOR", help="Only this vendor's.")
@click.option("--all", "every", is_flag=True, help="Retired models, too.")
@pass_session
def list_models(session: Session, vendor: str | None, every: bool) -> None:
    """The models, with prices in dollars per million tokens."""
    catalog, served = _offer(session)
    facts = [
        _facts(model, catalog, served)
        for model in catalog.models.values()
        if (every or model.lifecycle != "retired") and vendor in (None, model.vendor)
    ]
    show_list(session, facts, _COLUMNS, empty="No such models. `trigate models list` shows every vendor's.")


@models.command()
@click.argument("model")
@pass_session
def show(session: Session, model: str) -> None:
    """One model, by any of its names."""
    catalog, served = _offer(session)
    found = catalog.models.get(model) or resolve(catalog, model)
    if found is None:
        raise missing("model", model, catalog.models)
    facts = _facts(found, catalog, served)
    lines = [
        ("model", found.id),
        ("name", found.display_name),
        ("vendor", found.vendor),
        ("state", found.lifecycle),
        ("calls go to", found.served_by),
        ("accounts", words.listed(facts["accounts"])),
        ("retires", words.instant(found.retires_at)),
        ("aliases", words.listed(facts["aliases"])),
        ("other spellings", words.listed(found.spellings)),
        ("dialects", words.listed(found.dialects)),
        ("context tokens", _tokens(found.context_tokens)),
        ("output tokens", _tokens(found.max_output_tokens)),
        *_price_lines(price_at(found, now_ms())),
        *_coming_lines(found),
    ]
    show_one(session, facts, lines)


@models.command()
@click.argument("model")
@click.option("--vendor", metavar="VENDOR", help="Whose it is; `local` for a server of one's own.")
@click.option("--name", "display_name", metavar="TEXT", help="What it is called in lists.")
@list_option("--dialects", "Protocols it is served under: messages, chat, responses.", "DIALECT")
@click.option("--context", "context_tokens", type=int, metavar="TOKENS", help="What it can read.")
@click.option("--max-output", "max_output_tokens", type=int, metavar="TOKENS", help="What it can write.")
@click.option("--speed", "tokens_per_second", type=int, metavar="N", help="Typical output tokens per second.")
@list_option("--spellings", "Other ids of the same model.", "ID")
@click.option("--served-by", metavar="MODEL", help="Retire it: calls that name it go to this one.")
@pass_session
def add(session: Session, /, model: str, **fields: Any) -> None:
    """Add a model, or change some fields of one that is there."""
    given = {name: value for name, value in fields.items() if value is not None}
    if given.get("served_by"):
        given["lifecycle"] = "retired"
    with session.database(create=True) as database:
        catalog = _with_overrides(database)
        _refuse_incomplete(catalog, model, given)
        operators.add(database, session.actor, catalog, {"id": model, **given})
        catalog = _with_overrides(database)
    found = catalog.models[model]
    advice = "" if found.prices or found.served_by else " It has no price yet: `trigate models price`."
    show_done(session, _facts(found, catalog), f"Model {model} is in the catalog.{advice}")


@models.command()
@click.argument("alias")
@click.argument("model", required=False)
@click.option("--remove", is_flag=True, help="Take an alias of yours back.")
@pass_session
def alias(session: Session, alias: str, model: str | None, remove: bool) -> None:
    """Let a name stand for a model."""
    if remove == (model is not None):
        raise UsageError("Name the model the alias stands for, or give --remove.")
    with session.database(create=True) as database:
        if model is None:
            operators.remove_alias(database, session.actor, alias)
        else:
            catalog = _with_overrides(database)
            _refuse_unlisted(database, catalog, model)
            operators.set_alias(database, session.actor, catalog, alias, model)
        target = _with_overrides(database).aliases.get(alias)
    means = f"stands for {target}" if target else "is gone"
    show_done(session, {"alias": alias, "model": target}, f"{alias} {means}.")


@models.command()
@click.argument("model")
@click.option("--input", "input_", type=as_usd, metavar="USD", help="Per million tokens of input.")
@click.option("--output", type=as_usd, metavar="USD", help="Per million tokens of output.")
@click.option("--cache-read", type=as_usd, metavar="USD", help="Read from a cache.")
@click.option("--cache-write-5m", type=as_usd, metavar="USD", help="Written to a cache of 5 minutes.")
@click.option("--cache-write-1h", type=as_usd, metavar="USD", help="Written to a cache of 1 hour.")
@click.option("--cache-write-30m", type=as_usd, metavar="USD", help="Written to a cache of 30 minutes.")
@click.option("--cache-write-12h", type=as_usd, metavar="USD", help="Written to a cache of 12 hours.")
@click.option("--web-search", type=as_usd, default=0, metavar="USD", help="Per web search.")
@pair_option("--variant", "Times the price when served so, such as fast=2 or batch=0.5.", "NAME=FACTOR")
@click.option("--flat", is_flag=True, help="Long prompts, too; else the rates that the model has for them stay.")
@click.option("--free", is_flag=True, help="It costs nothing, on purpose.")
@click.option("--from", "from_", type=as_future, metavar="TIME", help="When the price begins; now if not given.")
@pass_session
def price(
    session: Session,
    /,
    model: str,
    input_: int | None,
    output: int | None,
    web_search: int,
    variant: dict[str, str],
    flat: bool,
    free: bool,
    from_: int | None,
    **caches: int | None,
) -> None:
    """Set a model's price, in dollars per million tokens. Calls are billed by the price of their moment."""
    if free:
        if input_ or output or any(caches.values()):
            raise UsageError("A model is --free or has prices, not both.")
        input_ = output = 0
    if input_ is None or output is None:
        raise UsageError("A price needs --input and --output, or --free.")
    variants = {name: as_basis_points(factor) for name, factor in variant.items()}
    with session.database(create=True) as database:
        catalog = _with_overrides(database)
        _refuse_unlisted(database, catalog, model)
        tiers = () if flat or free else _tiers_at(catalog, model, now_ms() if from_ is None else from_)
        begins_at = operators.set_price(
            database,
            session.actor,
            catalog,
            model,
            Rates(input_, output, **caches),
            effective_at=from_,
            tiers=tiers,
            variants_bp=variants,
            web_search_micro=web_search,
        )
        catalog = _with_overrides(database)
    facts = _facts(catalog.models[model], catalog)
    costs = f"{words.usd(input_)} in and {words.usd(output)} out per million tokens"
    if not free and not any(caches.values()):
        talk("No cache price was given: tokens read from and written to a cache cost what input costs.")
    if tiers:
        kept = "; ".join(": ".join(_tier_words(tier)) for tier in tiers)
        talk(f"Its rates for long prompts stay as they are, {kept}. With --flat the new ones hold for those, too.")
    show_done(session, facts, f"{model} costs {costs} from {words.instant(begins_at)}.")


@models.command()
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def remove(session: Session, model: str, yes: bool) -> None:
    """Take your own model, or changes and prices of a shipped one, back."""
    with session.database() as database:
        confirm(f"Take back everything you set for {model}, prices included?", yes=yes)
        operators.remove(database, session.actor, model)
        catalog = _with_overrides(database)
    left = catalog.models.get(model)
    facts = _facts(left, catalog) if left else {"id": model}
    show_done(session, facts, f"{model} is {'as shipped again' if left else 'gone'}.")


def _offer(session: Session) -> tuple[Catalog, dict[str, Served]]:
    """The catalog with the operator's overrides, and at its end what only accounts have on their own lists; and who
    serves what. The shipped catalog, served by nobody, where there is no database."""
    if not session.database_path.exists():
        return shipped_catalog(), {}
    with session.database(read_only=True) as database:
        catalog = _with_overrides(database)
        accounts = schema.fetch(schema.Account.select(), database, Account)
    at = now_ms()
    named = build_serving(accounts, catalog, lambda model: True)
    served = build_serving(accounts, catalog, lambda model: price_at(model, at) is not None)
    return replace(catalog, models={**catalog.models, **_unlisted(named, catalog)}), served


def _unlisted(named: dict[str, Served], catalog: Catalog) -> dict[str, Model]:
    """The models that accounts have on their own lists and the catalog has not."""
    return {model_id: each.model for model_id, each in named.items() if model_id not in catalog.models}


def _refuse_unlisted(database: "Database", catalog: Catalog, model_id: str) -> None:
    """Raises UsageError for a model that only an account's own list has: what does not stand in the catalog can have
    no alias and no price."""
    accounts = schema.fetch(schema.Account.select(), database, Account)
    if model_id in _unlisted(build_serving(accounts, catalog, lambda model: True), catalog):
        raise UsageError(
            f"{model_id} is on an account's own list, not in the catalog. Put it there first: trigate models add "
            f"{model_id} --vendor local --dialects messages,chat,responses --context TOKENS --max-output TOKENS"
        )


def _refuse_incomplete(catalog: Catalog, model_id: str, given: dict[str, Any]) -> None:
    """Raises UsageError for a new model without what it needs."""
    needed = {
        "vendor": "--vendor",
        "dialects": "--dialects",
        "context_tokens": "--context",
        "max_output_tokens": "--max-output",
    }
    lacking = [option for field, option in needed.items() if field not in given]
    if model_id not in catalog.models and lacking:
        raise UsageError(f"{model_id} is not in the catalog yet. A new model needs {', '.join(lacking)} as well.")


def _with_overrides(database: "Database") -> Catalog:
    return load_overrides(database, shipped_catalog())


def _facts(model: Model, catalog: Catalog, served: dict[str, Served] | None = None) -> Facts:
    """A model's fields, its aliases, and the price in force (micro-dollars per million tokens); with `served` also the
    accounts that serve it, first tried first."""
    price = price_at(model, now_ms())
    accounts = {} if served is None else {"accounts": _accounts(served.get(model.id))}
    return {
        **facts_of(model),
        **accounts,
        "aliases": sorted(alias for alias, target in catalog.aliases.items() if target == model.id),
        "price": None if price is None else facts_of(price),
    }


def _accounts(served: Served | None) -> list[str]:
    seats = [] if served is None else [seat for seats in served.seats.values() for seat in seats]
    return list(dict.fromkeys(seat.account.name for seat in seats))


def _rate(facts: Facts, bucket: str) -> str:
    """Without a price a model is served by accounts marked free alone."""
    if facts["price"] is None:
        return "free" if facts["accounts"] else "no price"
    return words.usd(facts["price"]["rates"][bucket])


def _tokens(limit: int) -> str:
    """A server's own list does not say what its models can read and write."""
    return words.limit(limit or None, "unknown")


def _price_lines(price: Price | None) -> list[tuple[str, str]]:
    if price is None:
        return [("price", "none: only accounts marked free serve it")]
    lines = [(_bucket_words(bucket), words.usd(getattr(price.rates, bucket))) for bucket in Rates.__struct_fields__]
    lines += [_tier_words(tier) for tier in price.tiers]
    factors = {name: f"×{factor / 10_000:g}" for name, factor in price.variants_bp.items()}
    return [
        ("per million tokens", f"version {price.version}, since {words.instant(price.effective_at)}"),
        *lines,
        ("web search", words.usd(price.web_search_micro) if price.web_search_micro else ""),
        ("variants", words.pairs(factors)),
    ]


def _tiers_at(catalog: Catalog, model_id: str, at_ms: int) -> tuple[PriceTier, ...]:
    """The rates for long prompts in force at an instant; none for a model without a price, or that there is not."""
    model = catalog.models.get(model_id)
    price = None if model is None else price_at(model, at_ms)
    return () if price is None else price.tiers


def _tier_words(tier: PriceTier) -> tuple[str, str]:
    rates = f"{words.usd(tier.rates.input)} in, {words.usd(tier.rates.output)} out"
    return f"prompts above {tier.above_prompt_tokens:,}", rates


def _coming_lines(model: Model) -> list[tuple[str, str]]:
    coming = [price for price in model.prices if price.effective_at > now_ms()]
    return [
        (
            f"from {words.instant(price.effective_at)}",
            f"{words.usd(price.rates.input)} in, {words.usd(price.rates.output)} out",
        )
        for price in coming
    ]


def _bucket_words(bucket: str) -> str:
    return bucket.replace("_", " ")
