"""A key in words and figures, for the list and the pane."""

from typing import NamedTuple

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.screens.customer_facts import Payer, against, limit, read_payers, refused_why, runway
from admin_tui.widgets.facts import Fact
from gateway.billing.money import format_usd
from gateway.records import Key, Tier
from gateway.store.database import Database, read_transaction
from gateway.store.queries.figures import KeyFigures, key_figures
from gateway.store.queries.views import list_tiers

_SOON_MS = 7 * 86_400_000


class KeyRow(NamedTuple):
    """A key with who pays for it and what its tier allows, as of `now_at`."""

    figures: KeyFigures
    payer: Payer
    tier: Tier | None
    now_at: int

    @property
    def key(self) -> Key:
        return self.figures.view.key

    @property
    def state(self) -> Cell:
        return state_of(self)[0]

    @property
    def revoked(self) -> bool:
        return self.key.revoked_at is not None


class Keys(NamedTuple):
    """What the screen reads: keys by name, revoked ones last, and what a new one can be made of."""

    rows: list[KeyRow]
    payers: list[Payer]
    tiers: list[Tier]


def read_keys(database: Database, now_at: int, *, alive: bool) -> Keys:
    """All of it of one state of the database."""
    with read_transaction(database):
        payers = read_payers(database, now_at, alive=alive)
        tiers = list_tiers(database)
        figures = key_figures(database, now_at)
    by_customer = {payer.money.customer.id: payer for payer in payers}
    by_name = {tier.name: tier for tier in tiers}
    rows = [
        KeyRow(each, by_customer[each.view.key.customer_id], by_name.get(each.view.key.tier), now_at)
        for each in figures
    ]
    return Keys(rows, payers, tiers)


def state_of(row: KeyRow) -> tuple[Cell, str]:
    """Whether a call of this key would be served, and if not why, as a word and as a sentence."""
    key, spent, now_at = row.key, row.figures.view.spent, row.now_at
    if key.revoked_at is not None:
        return format.state("revoked"), f"since {format.instant(key.revoked_at)}, for good"
    if not key.enabled:
        return format.state("disabled"), "calls are refused; x enables it"
    if key.expires_at is not None and key.expires_at <= now_at:
        return format.state("expired"), f"since {format.instant(key.expires_at)}; e gives it longer"
    why = refused_why(row.payer)
    if why == "disabled":
        return Cell(f"{format.OFF} refused", "bad"), f"its customer {row.payer.name} is disabled"
    if why == "no credit":
        return Cell(f"{format.OFF} no credit", "bad"), f"{row.payer.name} has nothing left; $ tops up"
    over_day = key.day_limit_micro is not None and spent.day_micro >= key.day_limit_micro
    over_month = key.month_limit_micro is not None and spent.month_micro >= key.month_limit_micro
    if over_day or over_month:
        return Cell(f"{format.OFF} at limit", "bad"), f"its own {'daily' if over_day else 'monthly'} limit"
    if why:
        return Cell(f"{format.OFF} at limit", "bad"), f"a limit of its customer {row.payer.name}"
    return format.state("active"), ""


def limits_word(key: Key) -> str:
    """A key's own limits in a few cells: the one there is, or how many."""
    own = [
        _per(key.rpm, "rpm"),
        _per(key.tpm, "tpm"),
        _per(key.concurrency, "at once"),
        f"{format.usd(key.day_limit_micro)}/d" if key.day_limit_micro is not None else "",
        f"{format.usd(key.month_limit_micro)}/m" if key.month_limit_micro is not None else "",
        "models" if key.models else "",
        "IPs" if key.ip_allow else "",
    ]
    found = [each for each in own if each]
    return found[0] if len(found) == 1 else f"{len(found)} limits" if found else ""


def limits_words(key: Key) -> str:
    """All of a key's own limits in a line."""
    money = [
        f"{format.usd(micro)}/{unit}"
        for micro, unit in ((key.day_limit_micro, "day"), (key.month_limit_micro, "month"))
        if micro is not None
    ]
    rates = [_per(key.rpm, "rpm"), _per(key.tpm, "tpm"), _per(key.concurrency, "at once")]
    lists = ["models" if key.models else "", "IPs" if key.ip_allow else ""]
    return "  ".join(each for each in (*rates, *money, *lists) if each)


def key_facts(row: KeyRow) -> list[Fact]:
    """What there is to know of a key."""
    key, view, figures, now_at = row.key, row.figures.view, row.figures, row.now_at
    state, why = state_of(row)
    facts: list[Fact] = [
        (key.name, ""),
        ("state", state),
        ("why", why),
        ("id", key.public_id),
        ("expires", _expiry(key, now_at)),
        ("old secret", f"accepted until {format.instant(key.previous_until)}" if _two_secrets(key, now_at) else ""),
        ("", ""),
        ("customer", row.payer.name),
        ("balance", f"{format_usd(row.payer.money.balance_micro)}"),
        ("runway", runway(row.payer)),
        ("", ""),
        ("last use", f"{format.ago(view.last_used_at, now_at)}{f' from {view.last_ip}' if view.last_ip else ''}"),
        ("24 hours", used_in_a_day(figures)),
        ("today", against(view.spent.day_micro, key.day_limit_micro)),
        ("this month", against(view.spent.month_micro, key.month_limit_micro)),
        ("", ""),
        ("tier", key.tier),
        ("requests/min", _or_tier(key.rpm, row.tier.rpm if row.tier else None)),
        ("tokens/min", _or_tier(key.tpm, row.tier.tpm if row.tier else None)),
        ("at once", _or_tier(key.concurrency, row.tier.concurrency if row.tier else None)),
        ("limit a day", limit(key.day_limit_micro)),
        ("limit a month", limit(key.month_limit_micro)),
        ("models", ", ".join(key.models) or Cell("those of the tier", "dim")),
        ("addresses", ", ".join(key.ip_allow) or Cell("any", "dim")),
    ]
    return [(label, value) for label, value in facts if value or label in ("", key.name)]


def used_in_a_day(figures: KeyFigures) -> str:
    """`312 calls, 4 failed, $4.20`."""
    calls = f"{figures.calls_24h:,} call{'' if figures.calls_24h == 1 else 's'}"
    failed = f", {figures.failed_24h:,} failed" if figures.failed_24h else ""
    return f"{calls}{failed}, {format_usd(figures.charged_24h_micro)}"


def _two_secrets(key: Key, now_at: int) -> bool:
    return key.previous_until is not None and key.previous_until > now_at


def _expiry(key: Key, now_at: int) -> Cell | str:
    if key.expires_at is None:
        return "never"
    left_ms = key.expires_at - now_at
    text = format.instant(key.expires_at)
    if left_ms <= 0:
        return Cell(text, "bad")
    return Cell(f"{text}, in {format.seconds(left_ms)}", "warn") if left_ms < _SOON_MS else text


def _per(value: int | None, unit: str) -> str:
    return "" if value is None else f"{format.tokens(value)} {unit}"


def _or_tier(own: int | None, tiers: int | None) -> Cell | str:
    """A key's own limit, or its tier's."""
    if own is not None:
        return f"{own:,}"
    return Cell("none" if tiers is None else f"{tiers:,} (the tier's)", "dim")
