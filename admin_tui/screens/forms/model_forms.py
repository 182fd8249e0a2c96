"""What is done to the catalog: prices, aliases, models of one's own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from admin_tui import format
from admin_tui.actions import Change, Undo
from admin_tui.screens.forms import typed
from admin_tui.screens.forms.changes import tell_done
from admin_tui.screens.forms.pairs import factor_bp, pairs, written_factor, written_pairs
from admin_tui.screens.model_rows import ModelRow, current
from admin_tui.widgets.form import Field, Form, Values
from gateway.catalog import Price, Rates
from gateway.errors import UsageError
from gateway.store.operators import models, validate

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

_DIALECTS = "messages chat responses"
_VARIANT_EXAMPLE = "fast=2 batch=0.5"


def ask_price(console: "ConsoleApp", row: ModelRow) -> None:
    """A price from an instant on, per bucket. The one in force is offered to be changed."""
    price, model_id = row.price, row.model.id
    fields = [_rate_field(bucket, price) for bucket in Rates.__struct_fields__]
    fields += [
        Field("web_search", "Per web search", "usd", (price.web_search_micro or None) if price else None,
              check=_amount("web search price")),
        Field("variants", "Variants", value=_written_variants(price), check=_read_variants,
              help=f"Times the price when served so: {_VARIANT_EXAMPLE}"),
        Field("since", "From", check=lambda text: typed.future_at(text, console.now()),
              help="Empty: now. Or 2026-12-31T18:00 (UTC), or 30d."),
    ]  # fmt: skip
    if price is not None and price.tiers:
        dearer = "; ".join(f"above {tier.above_prompt_tokens:,}: {format.rates(tier.rates)}" for tier in price.tiers)
        fields.append(Field("tiers", "Keep long prompts", "bool", True, help=f"As they are, {dearer}."))

    async def save(values: Values) -> None:
        since = typed.future_at(values["since"], console.now()) if values["since"] else None
        rates = Rates(**{bucket: values[bucket] for bucket in Rates.__struct_fields__})
        begins_at = await console.actions.write(
            lambda database, actor: models.set_price(
                database,
                actor,
                current(database),
                model_id,
                rates,
                effective_at=since,
                tiers=price.tiers if price is not None and values.get("tiers") else (),
                variants_bp=_read_variants(values["variants"]),
                web_search_micro=values["web_search"] or 0,
            )
        )
        tell_done(console, f"{model_id} costs {format.rates(rates)} from {format.instant(begins_at)} UTC on.")

    note = "USD per million tokens. Calls are billed by the price of their moment; 0 says that it is free."
    console.push_screen(Form(f"Price of {model_id}", fields, save, verb="Set", note=note))


def ask_alias(console: "ConsoleApp", row: ModelRow, own: Mapping[str, str]) -> None:
    """Another name for a model."""
    fields = [
        Field("alias", "Alias", required=True, check=lambda text: validate.globs([text], "An alias")),
        Field("model", "Stands for", value=row.model.id, required=True),
    ]

    async def save(values: Values) -> None:
        alias, model_id = values["alias"], values["model"]
        await console.actions.write(
            lambda database, actor: models.set_alias(database, actor, current(database), alias, model_id)
        )
        undo = Undo(alias_as_it_was(alias, own.get(alias)), f"{alias} is as it was.")
        tell_done(console, f"{alias} stands for {model_id}.", undo)

    console.push_screen(Form(f"Another name for {row.model.id}", fields, save, verb="Add"))


def ask_unalias(console: "ConsoleApp", row: ModelRow, own: Mapping[str, str]) -> None:
    """Take one of the operator's aliases back; those of the selected model are offered first."""
    names = sorted(own, key=lambda alias: (own[alias] != row.model.id, alias))
    choices = tuple((alias, f"{alias} → {own[alias]}") for alias in names)
    field = Field("alias", "Alias", "choice", names[0], choices=choices)

    async def save(values: Values) -> None:
        alias = values["alias"]
        await console.actions.write(lambda database, actor: models.remove_alias(database, actor, alias))
        undo = Undo(alias_as_it_was(alias, own[alias]), f"{alias} stands for {own[alias]} again.")
        tell_done(console, f"{alias} is taken back.", undo)

    note = "Calls that name it are refused then, unless the catalog has an alias of that name itself."
    console.push_screen(Form("Take an alias back", [field], save, verb="Take back", note=note))


def alias_as_it_was(alias: str, model_id: str | None) -> Change[object]:
    """The operator's alias pointing there again; None: there was none."""
    if model_id is None:
        return lambda database, actor: models.remove_alias(database, actor, alias)
    return lambda database, actor: models.set_alias(database, actor, current(database), alias, model_id)


def ask_new_model(console: "ConsoleApp", model_id: str = "") -> None:
    """A model that the catalog lacks; with a price, if one is given."""
    fields = [
        Field("id", "Id", value=model_id, required=True, check=lambda text: validate.globs([text], "A model id")),
        Field("vendor", "Vendor", value="local", required=True, help="local: a server of your own."),
        Field("dialects", "Dialects", value=_DIALECTS, required=True, check=typed.dialects),
        Field("context_tokens", "Context", "int", 32_768, required=True, check=_count, help="Tokens it can read."),
        Field("max_output_tokens", "Answers", "int", 8_192, required=True, check=_count, help="Tokens it can write."),
        Field("input", "Input, $ a million", "usd", check=_amount("input price"), help="Empty: no price yet."),
        Field("output", "Output, $ a million", "usd", check=_amount("output price"), help="0 says that it is free."),
    ]

    async def save(values: Values) -> None:
        input_, output = values.pop("input"), values.pop("output")
        if (input_ is None) != (output is None):
            raise UsageError("A price needs both input and output.")
        values["dialects"] = list(typed.dialects(values["dialects"]))
        name = values["id"]
        rates = None if input_ is None or output is None else Rates(input_, output)
        await console.actions.write(
            lambda database, actor: models.add(database, actor, current(database), values, rates=rates)
        )
        advice = "" if rates else " It has no price yet: p sets one."
        tell_done(console, f"{name} is in the catalog.{advice}")

    console.push_screen(Form("New model", fields, save, verb="Add"))


def _rate_field(bucket: str, price: Price | None) -> Field:
    label = bucket.replace("_", " ").capitalize()
    needed = bucket in ("input", "output")
    value: Any = getattr(price.rates, bucket) if price else None
    help_text = "" if needed else "Empty: as input."
    return Field(bucket, label, "usd", value, required=needed, check=_amount(f"{label.lower()} price"), help=help_text)


def _amount(what: str) -> Any:
    return lambda micro: validate.amount(micro, what)


def _count(value: int) -> None:
    validate.limit(value, "Tokens")


def _written_variants(price: Price | None) -> str:
    return written_pairs(price.variants_bp, written_factor) if price else ""


def _read_variants(text: str) -> dict[str, int]:
    return pairs(text, factor_bp, _VARIANT_EXAMPLE.split()[0])
