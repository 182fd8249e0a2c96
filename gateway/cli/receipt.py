"""The receipt of one call: tokens times price, added up exactly, and the attempts behind it."""

from decimal import Decimal

import click
import msgspec

from gateway.billing.money import format_usd
from gateway.billing.prices import cost_micro
from gateway.billing.receipt import exact_usd, receipt_lines, why_charged_less
from gateway.catalog import Price
from gateway.cli import words
from gateway.cli.command import Session
from gateway.cli.lanes import lanes
from gateway.cli.output import Column, Facts, facts_of, paint_state, show_one, show_table
from gateway.records import Attempt, Call
from gateway.store.queries.calls import Story

_LINES = (
    Column("TOKENS", lambda each: words.limit(each["tokens"]), right=True),
    Column("OF", lambda each: each["words"]),
    Column("PER MILLION", lambda each: format_usd(each["rate"]), right=True),
    Column("COST", lambda each: f"${each['cost_usd']}", right=True),
)
_ATTEMPTS = (
    Column("#", lambda each: str(each["number"]), right=True),
    Column("ACCOUNT", lambda each: each["account"]),
    Column("REASON", lambda each: each["reason"]),
    Column("STARTED", lambda each: words.instant(each["started_at"])),
    Column("FIRST", lambda each: _span(each["first_frame_ms"]), right=True),
    Column("TOOK", lambda each: _span(each["duration_ms"]), right=True),
    Column("OUTCOME", lambda each: each["outcome"], paint=paint_state),
    Column("STATUS", lambda each: words.listed(filter(None, (each["status"], each["error_code"])))),
    Column("UPSTREAM COST", lambda each: words.usd(each["cost_micro"]), right=True),
    Column("BASIS", lambda each: each["usage_basis"].replace("_", " ")),
)


def receipt_facts(story: Story, price: bytes | None, call: Facts, accounts: dict[int, str]) -> Facts:
    """The call's fields, `lines` of tokens by price, `attempts`, the `price`, and whether it all adds up."""
    decoded = None if price is None else msgspec.json.decode(price, type=Price)
    return {
        **call,
        "lines": [] if decoded is None else _lines(story.call, decoded),
        "attempts": [_attempt_facts(attempt, accounts) for attempt in story.attempts],
        "price": None if decoded is None else facts_of(decoded),
        "computed_micro": _computed(story.call, decoded),
    }


def show_receipt(story: Story, facts: Facts) -> None:
    """For a reader: the call, its lines, the sum, the attempts, and those as lanes on an axis of time."""
    call = story.call
    head = [
        ("call", call.id),
        ("started", words.instant(call.started_at)),
        ("customer", facts["customer"]),
        ("key", facts["key_name"] or "none"),
        ("dialect", f"{call.dialect}, {'streamed' if call.stream else 'not streamed'}"),
        ("model", call.model if call.model == call.model_asked else f"{call.model} (asked for {call.model_asked})"),
        ("account", facts["account"]),
        ("outcome", _outcome(call)),
        ("first token", _span(call.ttft_ms)),
        ("took", words.span(call.duration_ms)),
        ("usage", _basis(call)),
        ("warnings", words.listed(call.warnings)),
    ]
    show_one(Session(), {}, head)
    if facts["lines"]:
        click.echo()
        show_table(_LINES, facts["lines"])
    click.echo()
    show_one(Session(), {}, _sum_lines(story, facts))
    if facts["attempts"]:
        click.echo()
        show_table(_ATTEMPTS, facts["attempts"])
        click.echo()
        for line in lanes(call, story.attempts, {each["account_id"]: each["account"] for each in facts["attempts"]}):
            click.echo(line)


def _sum_lines(story: Story, facts: Facts) -> list[tuple[str, str]]:
    call = story.call
    return [
        ("sum", exact_usd(sum(each["tokens"] * each["rate"] for each in facts["lines"])) if facts["lines"] else ""),
        ("variants", words.pairs(_factors(facts))),
        ("multiplier", f"×{Decimal(call.multiplier_bp) / 10_000:f}" if call.multiplier_bp != 10_000 else ""),
        ("cost", format_usd(call.cost_micro)),
        ("instead of", _difference(call, facts["computed_micro"])),
        ("price version", call.price_version or "none: free"),
        ("upstream cost", format_usd(call.upstream_cost_micro)),
        ("of that lost", _overhead(story.attempts)),
        ("beyond its hold", format_usd(call.overshoot_micro) if call.overshoot_micro else ""),
    ]


def _lines(call: Call, price: Price) -> list[Facts]:
    """Each bucket at its list price. `rate` is micro-dollars per million tokens, `cost_usd` exact."""
    return [
        {"words": name, "tokens": count, "rate": rate, "cost_usd": exact_usd(count * rate).removeprefix("$")}
        for name, count, rate in receipt_lines(call.usage, price)
        if rate is not None
    ]


def _computed(call: Call, price: Price | None) -> int | None:
    return None if price is None else cost_micro(call.usage, price, call.multiplier_bp)


def _factors(facts: Facts) -> dict[str, str]:
    """The variants the provider reported, as far as the price knows them."""
    if facts["price"] is None:
        return {}
    known = facts["price"]["variants_bp"]
    usage = facts["usage"]
    names = (usage["service_tier"], usage["speed"], f"geo:{usage['inference_geo']}")
    return {name: f"×{Decimal(known[name]) / 10_000:f}" for name in names if name in known}


def _overhead(attempts: list[Attempt]) -> str:
    """What attempts that did not answer cost, and whether that is the last word."""
    others = [each for each in attempts if each.outcome not in ("won", "open")]
    micro = sum(each.cost_micro for each in others)
    bounds = {each.usage_basis for each in others if each.cost_micro} & {"estimated", "upper_bound"}
    if not micro:
        return ""
    says = ", at most" if "upper_bound" in bounds else ", estimated" if bounds else ""
    return format_usd(micro) + says


def _difference(call: Call, computed_micro: int | None) -> str:
    """Why the customer does not pay what the lines come to."""
    if call.state == "open" or computed_micro is None or computed_micro == call.cost_micro:
        return ""
    return f"{format_usd(computed_micro)}: {why_charged_less(call)}"


def _attempt_facts(attempt: Attempt, accounts: dict[int, str]) -> Facts:
    return {**facts_of(attempt), "account": accounts.get(attempt.account_id, f"account {attempt.account_id}")}


def _outcome(call: Call) -> str:
    if call.state == "open":
        return "open"
    return words.listed(filter(None, (call.outcome, call.status, call.error_code)))


def _basis(call: Call) -> str:
    says = {"reported": "as the upstream reported it", "estimated": "estimated", "none": "none"}[call.usage_basis]
    reasoning = call.usage.reasoning_tokens
    return f"{says}; {reasoning:,} of the output was reasoning" if reasoning else says


def _span(ms: int | None) -> str:
    return "" if ms is None else words.span(ms)
