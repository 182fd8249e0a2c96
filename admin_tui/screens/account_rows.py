"""An account in words and figures, for the list and the pane."""

from collections.abc import Iterator
from typing import NamedTuple

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.widgets.facts import Fact
from gateway.billing.money import format_usd
from gateway.records import Account
from gateway.store import schema
from gateway.store.database import Database, read_transaction
from gateway.store.queries.account_states import Standing
from gateway.store.queries.figures import AccountFigures, account_figures
from gateway.upstream.serving import models_words


class AccountRow(NamedTuple):
    """An account with its last 24 hours, as of `now_at`. `account` holds no secret: that of its record is blanked.

    `alive`: a gateway runs, so that what is in flight is known.
    """

    figures: AccountFigures
    account: Account
    has_secret: bool
    now_at: int
    alive: bool

    @property
    def name(self) -> str:
        return self.account.name

    @property
    def standing(self) -> Standing:
        return self.figures.standing

    @property
    def in_flight(self) -> int | None:
        return self.figures.in_flight if self.alive else None


def read_accounts(database: Database, now_at: int, *, alive: bool) -> list[AccountRow]:
    """Every account, first tried first, all of one state of the database."""
    with read_transaction(database):
        figures = account_figures(database, now_at)
        records = {each.id: each for each in schema.fetch(schema.Account.select(), database, Account)}
    return [AccountRow(each, _blank(records[each.view.id]), each.view.has_secret, now_at, alive) for each in figures]


def _blank(account: Account) -> Account:
    """Without its credential: nothing that shows accounts needs it."""
    fields = {name: getattr(account, name) for name in account.__struct_fields__}
    return Account(**{**fields, "sealed_secret": b""})


# -- the list


def state(row: AccountRow) -> Cell:
    """`● ready`, `◌ cooling 41s, rate limited`: how long first, so that it stays where there is little room."""
    standing = row.standing
    tone = format.tone_of(standing.word)
    words = format.state(standing.word).text
    if standing.until_at is not None:
        words += f" {left(standing.until_at, row.now_at)}"
    if standing.why and standing.why != standing.word:
        words += f", {standing.why}"
    elif not standing.why and standing.models:
        count = len(standing.models)
        words += f", {count} model{'' if count == 1 else 's'} cooling"
        tone = "warn"
    return Cell(words, tone)


def left(until_at: int, now_at: int) -> str:
    """`41s`, `1m05s`: whole seconds, of which the last one is shown until it is over."""
    seconds = max(0, -(-(until_at - now_at) // 1000))
    return f"{seconds}s" if seconds < 60 else format.seconds(seconds * 1000)


def in_use(row: AccountRow) -> Cell:
    """`3 of 8`."""
    capacity = row.account.max_concurrency
    text = format.number(row.in_flight)
    if capacity is None:
        return Cell(text, "" if row.in_flight else "dim")
    full = row.in_flight is not None and row.in_flight >= capacity
    return Cell(f"{text} of {capacity}", "warn" if full else "" if row.in_flight else "dim")


def success(row: AccountRow) -> Cell:
    """The share of attempts in 24 hours that did not fail."""
    share = row.figures.success_24h
    if share is None:
        return Cell(format.UNKNOWN, "dim")
    # 100% is said of what never failed alone.
    text = f"{min(99.9, share * 100):.1f}%" if 0 < share < 1 else format.percent(share)
    return Cell(text, "bad" if share < 0.9 else "warn" if share < 0.99 else "")


def ttft(row: AccountRow, ms: int | None) -> Cell:
    """A time to first token as the running gateway measures it."""
    return Cell(format.seconds(ms if row.alive else None), "" if row.alive and ms is not None else "dim")


def spend(row: AccountRow) -> Cell:
    micro = row.figures.upstream_24h_micro
    return Cell(format.usd(micro), "" if micro else "dim")


# -- the pane


def account_facts(row: AccountRow) -> list[Fact]:
    """Everything there is to know of an account but its credential; the first fact is the heading."""
    heading, *facts = _facts(row)
    return [heading, *((label, value) for label, value in facts if not label or format.plain(value))]


def _facts(row: AccountRow) -> Iterator[Fact]:
    figures, account = row.figures, row.account
    yield (account.name, "")
    yield ("state", state(row)._replace(text=_state_words(row)))
    for cooling in row.standing.models:
        yield (cooling.model, Cell(f"cooling {left(cooling.until_at, row.now_at)}, {cooling.why}", "warn"))
    if account.draining and row.standing.word != "draining":
        yield ("", Cell("Draining as well: takes no new conversations.", "warn"))
    yield ("", "")
    yield ("in flight", in_use(row))
    yield ("first token", _speed(row))
    yield ("24 hours", f"{figures.calls_24h:,} call{'' if figures.calls_24h == 1 else 's'}")
    failed = f", {figures.failed_attempts_24h:,} failed" if figures.failed_attempts_24h else ""
    yield ("attempts", f"{figures.attempts_24h:,}{failed}")
    yield ("success", success(row))
    yield ("cost you", format_usd(figures.upstream_24h_micro))
    lost = figures.overhead_24h_micro
    yield ("lost races", f"{format_usd(lost)} of it" if lost else "")
    yield ("", "")
    yield ("kind", account.kind)
    yield ("base URL", account.base_url)
    yield ("credential", "stored, sealed" if row.has_secret else Cell("none", "dim"))
    yield ("priority", f"{account.priority}, higher is tried first")
    yield ("weight", str(account.weight))
    yield ("models", ", ".join(account.models) or Cell(models_words(account), "dim"))
    yield ("own list", f"{len(account.discovered)} models" if account.discovered else "")
    yield from (("as", f"{model} → {target}") for model, target in account.model_map.items())
    yield ("dialects", ", ".join(account.dialects) or Cell("all its kind can", "dim"))
    yield ("free", "yes: its models cost nothing" if account.free else "")
    yield from (("costs you", f"{glob}: {format.rates(rates)}") for glob, rates in account.cost_prices.items())
    yield ("on cancel", _ON_CANCEL[account.on_cancel])
    yield ("proxy", account.shown_proxy or "")
    yield ("headers", ", ".join(sorted(account.extra_headers)))
    yield ("options", ", ".join(f"{name}={value}" for name, value in account.options.items()))
    yield ("id", str(account.id))


_ON_CANCEL = {
    "stops": "the upstream stops billing",
    "continues": "the upstream bills on",
    "unknown": "not known: reckoned to the end",
}


def _state_words(row: AccountRow) -> str:
    """`◌ cooling, 41s left: rate limited`."""
    standing = row.standing
    parts = [format.state(standing.word).text]
    if standing.until_at is not None:
        parts.append(f", {left(standing.until_at, row.now_at)} left")
    if standing.why and standing.why != standing.word:
        parts.append(f": {standing.why}")
    return "".join(parts)


def _speed(row: AccountRow) -> str:
    if not row.alive or row.figures.ttft_p50_ms is None:
        return format.UNKNOWN
    return f"p50 {format.seconds(row.figures.ttft_p50_ms)}, p95 {format.seconds(row.figures.ttft_p95_ms)}"
