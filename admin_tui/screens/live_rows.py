"""The rows of Live: what stands in which column, for calls in flight and for those that ended."""

from collections.abc import Callable
from typing import NamedTuple

from admin_tui import format
from admin_tui.format import UNKNOWN, Cell
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.records import Attempt, Call, Usage
from gateway.store.queries.names import Names

_WIDE, _WIDER = 100, 130


class LiveRow(NamedTuple):
    """A call and what its ids are called. `attempts` are known of calls in flight alone."""

    call: Call
    names: Names
    attempts: tuple[Attempt, ...] = ()

    @property
    def key(self) -> str:
        return self.names.of("key", self.call.key_id) or self.customer

    @property
    def customer(self) -> str:
        return self.names.of("customer", self.call.customer_id)

    @property
    def account(self) -> str:
        return self.names.of("account", self.call.account_id) or UNKNOWN


def estimated(call: Call) -> bool:
    """Whether the figures may still change or were never reported."""
    return call.state == "open" or call.usage_basis == "estimated"


def _input(row: LiveRow) -> str:
    return format.tokens(_or_unknown(row.call, row.call.usage.prompt_tokens))


def _output(row: LiveRow) -> Cell | str:
    count = row.call.usage.output_tokens
    if row.call.state == "open":
        return format.tokens(count) if count else "…"
    return format.tokens(_or_unknown(row.call, count))


def _or_unknown(call: Call, count: int) -> int | None:
    """A failed call has no tokens that anybody knows of, which is not the same as none."""
    return None if call.usage_basis == "none" and not count else count


def _cost(row: LiveRow) -> str:
    if row.call.state == "open" and not row.call.cost_micro:
        return UNKNOWN
    return format.usd(row.call.cost_micro, estimated=estimated(row.call))


def outcome(call: Call) -> Cell:
    """`200`, `200 partial`, `529 overloaded`, `cancelled`."""
    if call.outcome == "completed":
        return Cell(f"{format.ON} {call.status or 200}", "good")
    status = f"{call.status} " if call.status else ""
    if call.outcome == "failed":
        return Cell(f"{format.OFF} {status}{call.error_code or 'failed'}", "bad")
    return Cell(f"{format.OPEN} {status if call.outcome == 'partial' else ''}{call.outcome}", "warn")


def lanes(row: LiveRow) -> Cell:
    """`◌ main`, or every account that a race still asks: `◌ main+spare`."""
    asked = [attempt for attempt in row.attempts if attempt.outcome == "open"]
    names = "+".join(row.names.of("account", attempt.account_id) for attempt in asked)
    if not names:
        names = row.account if row.call.account_id else "waiting"
    return Cell(f"{format.OPEN} {names}", "warn")


_BOTH = (
    Column[LiveRow]("KEY", lambda row: row.key),
    Column[LiveRow]("CUSTOMER", lambda row: row.customer, width=12, from_width=_WIDER),
    Column[LiveRow]("MODEL", lambda row: row.call.model or row.call.model_asked, width=17),
    Column[LiveRow]("IN", _input, width=5, right=True),
    Column[LiveRow](
        "CACHED",
        lambda row: format.tokens(row.call.usage.cache_read_tokens or None),
        width=6,
        right=True,
        from_width=_WIDER,
    ),
    Column[LiveRow]("OUT", _output, width=5, right=True),
    Column[LiveRow]("TTFT", lambda row: format.seconds(row.call.ttft_ms), width=5, right=True),
)
"""Columns of calls in flight and of those that ended, so that they stand in line."""

_COST = Column[LiveRow]("COST", _cost, width=8, right=True)

ENDED = (
    Column[LiveRow]("ENDED", lambda row: format.clock(row.call.started_at + row.call.duration_ms), width=8),
    *_BOTH,
    Column[LiveRow]("TOOK", lambda row: format.seconds(row.call.duration_ms), width=8, right=True, from_width=_WIDE),
    _COST,
    Column[LiveRow]("ACCOUNT", lambda row: row.account, width=12, from_width=_WIDE),
    Column[LiveRow]("STATUS", lambda row: outcome(row.call), width=12, below_width=_WIDER),
    Column[LiveRow]("STATUS", lambda row: outcome(row.call), width=20, from_width=_WIDER),
)


def in_flight(now: Callable[[], int]) -> tuple[Column[LiveRow], ...]:
    """The columns of calls in flight, under which those of the ended ones stand in line."""
    return (
        Column[LiveRow]("AGE", lambda row: format.seconds(max(0, now() - row.call.started_at)), width=8),
        *_BOTH,
        Column[LiveRow]("HELD", lambda row: format.usd(row.call.held_micro), width=8, right=True, from_width=_WIDE),
        _COST,
        Column[LiveRow]("TIER", lambda row: row.call.tier, width=12, from_width=_WIDE),
        Column[LiveRow]("ACCOUNT", lanes, width=12, below_width=_WIDER),
        Column[LiveRow]("ACCOUNT", lanes, width=20, from_width=_WIDER),
    )


def summary(row: LiveRow, now_at: int) -> list[Fact]:
    """The call in short, for the pane beside the list."""
    call, usage = row.call, row.call.usage
    took = now_at - call.started_at if call.state == "open" else call.duration_ms
    asked = "" if call.model_asked == call.model else call.model_asked
    facts: list[Fact] = [
        ("", Cell(call.id, "dim")),
        ("", format.state("open") if call.state == "open" else outcome(call)),
        ("", ""),
        ("key", row.key),
        ("customer", row.customer),
        ("tier", call.tier),
        ("model", call.model),
        ("asked for", asked or call.model),
        ("dialect", f"{call.dialect}, {'streamed' if call.stream else 'not streamed'}"),
        ("account", lanes(row) if call.state == "open" else row.account),
        ("from", call.client_ip or UNKNOWN),
        ("", ""),
        ("started", format.instant(call.started_at)),
        ("first token", format.seconds(call.ttft_ms)),
        ("took", format.seconds(took)),
        ("", ""),
        *tokens(usage),
        ("", ""),
        ("cost", Cell(_exact(call, call.cost_micro), "strong")),
        ("upstream", _exact(call, call.upstream_cost_micro)),
        ("held", format_usd(call.held_micro)),
        *[("warning", Cell(warning, "warn")) for warning in call.warnings],
        ("", ""),
        ("", Cell("enter opens its story", "dim")),
    ]
    return facts


def tokens(usage: Usage) -> list[Fact]:
    """The buckets that have any."""
    buckets = (
        ("input", usage.input_tokens),
        ("cache read", usage.cache_read_tokens),
        ("written 5 min", usage.cache_write_5m_tokens),
        ("written 30 min", usage.cache_write_30m_tokens),
        ("written 1 h", usage.cache_write_1h_tokens),
        ("written 12 h", usage.cache_write_12h_tokens),
        ("output", usage.output_tokens),
        ("reasoning", usage.reasoning_tokens),
        ("web searches", usage.web_search_requests),
    )
    return [(name, format.number(count)) for name, count in buckets if count or name in ("input", "output")]


def _exact(call: Call, micro: int) -> str:
    return f"{'~' if estimated(call) else ''}{format_usd(micro)}"


def how_to_begin(url: str) -> str:
    """What an empty list says. Markup."""
    return (
        "[b]No calls yet.[/b] They appear here the moment they begin.\n\n"
        "[dim]Make one with a key of yours:[/dim]\n\n"
        f"  curl {url}/v1/messages -H 'x-api-key: KEY' \\\n"
        "    -H 'content-type: application/json' \\\n"
        '    -d \'{"model": "sonnet", "max_tokens": 100, \\\n'
        '         "messages": \\[{"role": "user", "content": "Hello"}]}\'\n\n'
        "[dim]No key? Press[/dim] [b]2[/b][dim], then[/dim] [b]n[/b][dim]. "
        "No account to answer? Press[/dim] [b]3[/b][dim], then[/dim] [b]n[/b][dim].[/dim]"
    )
