"""What the catalog holds, as values."""

import re
from functools import cached_property
from typing import Literal

from msgspec import Struct

Vendor = str
Thinking = Literal["adaptive", "enabled", "disabled", "between_tools"]


class Rates(Struct, frozen=True):
    """Micro-dollars per million tokens, per usage bucket. None: the vendor has no price for it, so `input` applies."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    cache_write_30m: int | None = None
    cache_write_12h: int | None = None


class PriceTier(Struct, frozen=True):
    """Rates of the whole request once its prompt has more than `above_prompt_tokens`."""

    above_prompt_tokens: int
    rates: Rates


class Price(Struct, frozen=True):
    """One version of a model's price, valid from `effective_at` until the next version begins.

    `variants_bp` multiplies every token price by basis points when the provider reports that variant
    (`fast`, `priority`, `flex`, `batch`, `geo:us`). `version` is reproducible from the content.
    """

    version: str
    effective_at: int
    rates: Rates
    tiers: tuple[PriceTier, ...] = ()
    variants_bp: dict[str, int] = {}
    web_search_micro: int = 0


class Capabilities(Struct, frozen=True):
    """What a model takes. Names follow the vendors' fields."""

    thinking: tuple[Thinking, ...] = ()
    thinking_default: Literal["off", "on", "always"] = "off"
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


class Model(Struct, frozen=True):
    """One model. `dialects` are those its vendor serves it under. A retired id is `served_by` its successor."""

    id: str
    vendor: Vendor
    display_name: str
    dialects: tuple[str, ...]
    created_at: int
    context_tokens: int
    max_output_tokens: int
    tokens_per_second: int = 100
    family: str = ""
    spellings: tuple[str, ...] = ()
    served_by: str = ""
    lifecycle: Literal["active", "deprecated", "retired"] = "active"
    retires_at: int | None = None
    capabilities: Capabilities = Capabilities()
    prices: tuple[Price, ...] = ()


class Catalog(Struct, frozen=True, dict=True):
    """Every model by id, and alias -> id. Looked up with `gateway.catalog.resolve`."""

    models: dict[str, Model]
    aliases: dict[str, str]

    @cached_property
    def names(self) -> dict[str, str]:
        """Every name that stands for a model -> its id: ids, aliases, the vendors' other spellings, and each of
        these with dashes for dots in its version. Where two claim a name, an id wins over an alias over a spelling."""
        exact = {model_id: model_id for model_id in self.models}
        aliased = {alias: target for alias, target in self.aliases.items() if target in self.models}
        spelled = {spelling: model.id for model in self.models.values() for spelling in model.spellings}
        names = spelled | aliased | exact
        return {dashed(name): target for name, target in names.items()} | names

    @cached_property
    def resolved(self) -> dict[tuple[str, bool], "Model | None"]:
        """What `resolve` has answered so far. It bounds it; nothing else touches it."""
        return {}


def dashed(name: str) -> str:
    """`claude-sonnet-4.6` -> `claude-sonnet-4-6`: the dots between digits become dashes."""
    return re.sub(r"(?<=\d)\.(?=\d)", "-", name)
