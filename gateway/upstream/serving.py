"""Which accounts can serve which model in which dialect, derived from one snapshot. Pure."""

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from gateway.catalog import Catalog, Model, Rates
from gateway.catalog.resolve import price_at
from gateway.records import Account, AccountKind, DialectName

ASKED_IN: dict[DialectName, tuple[DialectName, ...]] = {
    "messages": ("responses", "chat"),
    "chat": ("messages", "responses"),
    "responses": ("messages", "chat"),
}
"""What an account that does not speak the client's dialect is asked in. OpenAI's reasoning models take tools together
with reasoning under Responses only, so that comes before Chat."""

SPOKEN: dict[AccountKind, tuple[DialectName, ...]] = {
    "anthropic": ("messages",),
    "claude-cli": ("messages",),
    "openai": ("chat", "responses"),
    "simulated": ("messages", "chat", "responses"),
}
"""What accounts of a kind can speak, the first preferred."""

VENDOR_HOSTS = {"anthropic": "api.anthropic.com", "openai": "api.openai.com"}
VENDOR_OF_KIND = {"anthropic": "anthropic", "openai": "openai", "claude-cli": "anthropic"}


CLI_RATES = Rates(0, 0)
"""What a call through a `claude` command line costs the operator: it draws on a subscription, not on a price list."""


class Seat(Struct, frozen=True):
    """An account as the server of one model: what it calls the model, and the dialect it is asked in.

    `cost_rates` are what the operator pays there, None for the list price. `pinned` says that the call refers to what
    only this account has, so that it goes there even while the account takes nothing new.
    """

    account: Account
    upstream_model: str
    dialect: DialectName
    cost_rates: Rates | None = None
    pinned: bool = False


class Served(Struct, frozen=True):
    """A model and who serves it, per dialect of the client.

    `seats` are in order of priority (higher first), within it those asked in the client's own dialect before those
    that need translation. `around_chat` are the seats of Chat clients whose call the vendor takes under its other
    endpoint only.
    """

    model: Model
    seats: dict[DialectName, tuple[Seat, ...]]
    around_chat: tuple[Seat, ...] = ()


ORGANISATION = "openai-organization"
"""The header that tells OpenAI for which organisation a call is made; one of an account's extra headers."""


def build_serving(
    accounts: Iterable[Account],
    catalog: Catalog,
    priced: Callable[[Model], bool],
    pairs: Collection[tuple[DialectName, DialectName]] = (),
) -> dict[str, Served]:
    """Model id -> who serves it, for every model at least one enabled account serves. `pairs` are the (client,
    upstream) dialects that can be translated.

    Ids that only an account knows (a local server's) become models without a price; those, like every unpriced
    model, are served by accounts marked free alone.
    """
    found: dict[str, list[tuple[Account, str, tuple[DialectName, ...]]]] = {}
    models: dict[str, Model] = {}
    for account in sorted(accounts, key=lambda each: (-each.priority, each.id)):
        if not account.enabled:
            continue
        dialects = dialects_of(account)
        for model, upstream_model in _models_of(account, catalog):
            if not account.free and not priced(model):
                continue
            allowed = _dialects(account, model, dialects)
            if not allowed:
                continue
            models.setdefault(model.id, model)
            found.setdefault(model.id, []).append((account, upstream_model, allowed))
    return {model_id: _served(models[model_id], offers, pairs) for model_id, offers in found.items()}


def dialects_of(account: Account) -> tuple[DialectName, ...]:
    """What an account speaks: those it names of what its kind can. Most servers that imitate OpenAI have no
    /responses, so one that names nothing is taken to speak Chat Completions alone."""
    can = SPOKEN[account.kind]
    if account.dialects:
        return tuple(dialect for dialect in account.dialects if dialect in can)
    return ("chat",) if account.kind == "openai" and not is_vendor(account) else can


def cheapest(served: Iterable[Served], dialect: DialectName, at_ms: int) -> Served | None:
    """The model whose answers cost least among those on offer in a dialect, its vendor's own dialect preferred."""

    def rank(each: Served) -> tuple[bool, bool, int, str]:
        model, price = each.model, price_at(each.model, at_ms)
        retiring = model.lifecycle != "active"
        return dialect not in model.dialects, retiring, price.rates.output if price else 0, model.id

    return min((each for each in served if dialect in each.seats), key=rank, default=None)


def pinned_to(seats: Iterable[Seat], account_id: int) -> tuple[Seat, ...]:
    """The seats of the one account that has what a call refers to."""
    return tuple(replace(seat, pinned=True) for seat in seats if seat.account.id == account_id)


def same_organisation(seats: Iterable[Seat], account_id: int) -> tuple[Seat, ...]:
    """The seats of an account and of those which are known to belong to its organisation: they name the same one in
    their extra headers. Empty where the account serves no more; while it drains it still takes the call."""
    seats = tuple(seats)
    own = next((seat.account for seat in seats if seat.account.id == account_id), None)
    if own is None:
        return ()
    name = _organisation(own)
    others = tuple(
        seat
        for seat in seats
        if name is not None and _organisation(seat.account) == name and seat.account.id != account_id
    )
    return pinned_to(seats, account_id) + others


def _organisation(account: Account) -> tuple[str, str] | None:
    name = next((value for header, value in account.extra_headers.items() if header.lower() == ORGANISATION), "")
    return (account.base_url, name) if name else None


def _served(
    model: Model,
    offers: list[tuple[Account, str, tuple[DialectName, ...]]],
    pairs: Collection[tuple[DialectName, DialectName]],
) -> Served:
    seats: dict[DialectName, tuple[Seat, ...]] = {}
    for client, preferred in ASKED_IN.items():
        listed = [
            Seat(account, upstream_model, dialect, cost_rates_of(account, model.id))
            for account, upstream_model, spoken in offers
            if (dialect := _asked_in(client, preferred, spoken, pairs)) is not None
        ]
        if listed:
            # Sorting is stable: accounts of one priority and kind of seat stay in their order.
            seats[client] = tuple(sorted(listed, key=lambda seat: (-seat.account.priority, seat.dialect != client)))
    around_chat = tuple(
        Seat(account, upstream_model, "responses", cost_rates_of(account, model.id))
        for account, upstream_model, spoken in offers
        if "responses" in spoken and ("chat", "responses") in pairs
    )
    return Served(model, seats, () if model.capabilities.chat_tools_with_reasoning else around_chat)


def _asked_in(
    client: DialectName,
    preferred: tuple[DialectName, ...],
    spoken: tuple[DialectName, ...],
    pairs: Collection[tuple[DialectName, DialectName]],
) -> DialectName | None:
    """The dialect an account is asked in for a client of this one; None where there is no way."""
    if client in spoken:
        return client
    return next((dialect for dialect in preferred if dialect in spoken and (client, dialect) in pairs), None)


def _dialects(account: Account, model: Model, dialects: tuple[DialectName, ...]) -> tuple[DialectName, ...]:
    """A vendor serves some models under some of its endpoints only; other servers all of theirs under each."""
    if VENDOR_OF_KIND.get(account.kind) != model.vendor:
        return dialects
    return tuple(dialect for dialect in dialects if dialect in model.dialects)


def _models_of(account: Account, catalog: Catalog) -> Iterable[tuple[Model, str]]:
    """Pairs of a model and the upstream's id for it."""
    known = [model for model in catalog.models.values() if model.lifecycle != "retired" and not model.served_by]
    taken: set[str] = set()
    for model in known:
        upstream_model = _upstream_id(account, model)
        if upstream_model is not None:
            taken.update((model.id, upstream_model, *model.spellings))
            yield model, upstream_model
    for model_id in account.discovered + tuple(each for each in account.models if not set(each) & set("*?[")):
        if model_id not in taken and model_id not in catalog.models and model_id not in catalog.aliases:
            taken.add(model_id)
            yield _local_model(model_id), account.model_map.get(model_id, model_id)


def _upstream_id(account: Account, model: Model) -> str | None:
    """What this account calls the model; None where it does not serve it."""
    mapped = account.model_map.get(model.id)
    by_glob = None if mapped is not None else mapped_by_glob(account.model_map, model.id)
    names = tuple(dict.fromkeys(filter(None, (mapped or by_glob, model.id, *model.spellings))))
    if account.models and not any(fnmatchcase(name, pattern) for pattern in account.models for name in names):
        return None
    if mapped is not None:
        return mapped
    if account.discovered:
        return next((name for name in names if name in account.discovered), None)
    if by_glob is not None:
        return by_glob
    if account.models or account.kind == "simulated":
        return model.id
    return model.id if VENDOR_OF_KIND.get(account.kind) == model.vendor and is_vendor(account) else None


def models_words(account: Account) -> str:
    """What an account without patterns serves, for its operator."""
    if account.discovered:
        return "those of its own list"
    if account.kind == "simulated":
        return "all"
    return "every one of its vendor" if is_vendor(account) else "none named yet"


def mapped_by_glob(model_map: dict[str, str], model_id: str) -> str | None:
    """The upstream id by the first glob that matches. A `*` in it stands for what the glob's own stood for:
    `claude-*` -> `anthropic/claude-*`."""
    for glob, target in model_map.items():
        head, star, tail = glob.partition("*")
        fits = model_id.startswith(head) and model_id.endswith(tail) and len(model_id) >= len(head) + len(tail)
        if star and fits:
            return target.replace("*", model_id[len(head) : len(model_id) - len(tail)])
    return None


def cost_rates_of(account: Account, model_id: str) -> Rates | None:
    """What the operator pays for a model at this account: by its own id, else by the first glob that matches; None
    for the list price."""
    own = account.cost_prices.get(model_id)
    if own is None:
        own = next((rates for glob, rates in account.cost_prices.items() if fnmatchcase(model_id, glob)), None)
    return CLI_RATES if own is None and account.kind == "claude-cli" else own


def is_vendor(account: Account) -> bool:
    """True for the vendor's own endpoint. Anyone else's must say what it serves (`--models` or `--discover`)."""
    if account.kind == "claude-cli" or not account.base_url:
        return True
    host = urlsplit(account.base_url).hostname or ""
    vendor = VENDOR_HOSTS.get(account.kind)
    return vendor is not None and (host == vendor or host.endswith(f".{vendor}"))


def _local_model(model_id: str) -> Model:
    return Model(
        id=model_id,
        vendor="local",
        display_name=model_id,
        dialects=("messages", "chat", "responses"),
        created_at=0,
        context_tokens=0,
        max_output_tokens=0,
    )
