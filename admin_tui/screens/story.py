"""A call told as text: pure, for a given width."""

from decimal import Decimal

from rich.cells import cell_len
from textual.content import Content

from admin_tui import format
from admin_tui.format import UNKNOWN, Cell, clean
from admin_tui.screens import lanes
from admin_tui.screens.live_rows import estimated, outcome
from admin_tui.widgets.bars import styled
from gateway.billing.money import format_usd
from gateway.billing.prices import cost_micro
from gateway.billing.receipt import exact_usd, receipt_lines, why_charged_less
from gateway.catalog import Price
from gateway.records import Call
from gateway.store.queries.calls import CallDetail
from gateway.store.queries.names import Names

_BASES = {"reported": "as the upstream reported it", "estimated": "estimated", "none": "nothing was reported"}
_LABEL = 12


def told(detail: CallDetail, names: Names, now_at: int, width: int) -> Content:
    """The whole page."""
    call = detail.call
    parts = [
        *_head(call, names, now_at, width),
        Content(""),
        _heading("Attempts"),
        *lanes.drawn(detail.call, detail.attempts, names, now_at, width),
        Content(""),
        _heading("Tokens"),
        *_tokens(call, detail.price),
        Content(""),
        _heading("Receipt"),
        *_receipt(detail),
    ]
    return Content("\n").join(parts)


def _heading(text: str) -> Content:
    return Content.styled(text, "bold $primary")


def _line(label: str, value: Cell | str, more: str = "") -> Content:
    cell = value if isinstance(value, Cell) else Cell(value)
    shown = styled(clean(cell.text), cell.tone)
    return Content.assemble(
        styled(f"{label:<{_LABEL}}", "dim"), shown, styled(clean(f"  {more}" if more else ""), "dim")
    )


def _head(call: Call, names: Names, now_at: int, width: int) -> list[Content]:
    took = now_at - call.started_at if call.state == "open" else call.duration_ms
    model = call.model if call.model == call.model_asked else f"{call.model_asked} → {call.model}"
    customer = names.of("customer", call.customer_id)
    pace = [f"first token {format.seconds(call.ttft_ms)}", f"took {format.seconds(took)}", _speed(call, took)]
    return [
        _title(call, width),
        Content(""),
        _line("key", names.of("key", call.key_id) or "no key", f"of {customer}, tier {call.tier}"),
        _line("model", model),
        _line(
            "request",
            f"{call.dialect}, {'streamed' if call.stream else 'not streamed'}",
            f"from {call.client_ip or UNKNOWN}",
        ),
        _line("answered by", names.of("account", call.account_id) or UNKNOWN, ", ".join(filter(None, pace))),
        *(_line("warning", Cell(warning, "warn")) for warning in call.warnings),
    ]


def _title(call: Call, width: int) -> Content:
    state = format.state("open") if call.state == "open" else outcome(call)
    word = f"{state.text} completed" if call.state == "settled" and call.outcome == "completed" else state.text
    started = f"{format.instant(call.started_at)} UTC"
    gap = " " * max(2, width - cell_len(word) - len(started))
    return Content.assemble(styled(clean(word), state.tone).stylize("bold"), gap, styled(started, "dim"))


def _speed(call: Call, took_ms: int) -> str:
    if call.ttft_ms is None or took_ms <= call.ttft_ms or not call.usage.output_tokens:
        return ""
    return f"{call.usage.output_tokens * 1000 / (took_ms - call.ttft_ms):.0f} tokens/s"


# -- tokens and money


def _tokens(call: Call, price: Price | None) -> list[Content]:
    lines = [_bucket(*line) for line in receipt_lines(call.usage, price)]
    if call.usage.reasoning_tokens:
        lines.append(styled(f"{call.usage.reasoning_tokens:>12,}  of the output was reasoning", "dim"))
    if not lines:
        return [styled("None.", "dim")]
    head = styled(f"{'TOKENS':>12}  {'OF':<20} {'PER MILLION':>12} {'COST':>16}", "dim")
    return [head, *lines, styled(f"{'':>14}{_basis(call)}", "dim")]


def _basis(call: Call) -> str:
    return "so far" if call.state == "open" else _BASES[call.usage_basis]


def _bucket(name: str, count: int, rate: int | None) -> Content:
    per_million = UNKNOWN if rate is None else format_usd(rate)
    cost = UNKNOWN if rate is None else exact_usd(count * rate)
    return Content.assemble(f"{count:>12,}  ", f"{name:<20} ", styled(f"{per_million:>12} ", "dim"), f"{cost:>16}")


def _receipt(detail: CallDetail) -> list[Content]:
    call = detail.call
    mark = "~" if estimated(call) else ""
    overhead = sum(each.cost_micro for each in detail.attempts if each.outcome in ("lost", "draining"))
    entry = "" if detail.entry is None else f"ledger entry {detail.entry.id} of {format.instant(detail.entry.at)}"
    lines = [_line("pays", Cell(f"{mark}{format_usd(call.cost_micro)}", "strong"), entry)]
    if call.multiplier_bp != 10_000:
        lines.append(_line("multiplier", f"×{Decimal(call.multiplier_bp) / 10_000:f}", f"of tier {call.tier}"))
    lines += [_line("instead of", *each) for each in _not_charged(detail)]
    lost = f"of which {format_usd(overhead)} for attempts that lost" if overhead else ""
    lines += [
        _line("upstream", f"{mark}{format_usd(call.upstream_cost_micro)}", lost),
        _line("held", format_usd(call.held_micro)),
        _line("price", call.price_version or ("none: free" if call.state == "settled" else UNKNOWN)),
    ]
    if call.overshoot_micro:
        lines.append(_line("beyond hold", Cell(format_usd(call.overshoot_micro), "warn")))
    lines.append(_line("id", call.id))
    if call.upstream_response_id:
        lines.append(_line("upstream id", call.upstream_response_id))
    return lines


def _not_charged(detail: CallDetail) -> list[tuple[str, str]]:
    """What the tokens come to where the customer does not pay that, and why."""
    call = detail.call
    if detail.price is None or call.state == "open":
        return []
    computed = cost_micro(call.usage, detail.price, call.multiplier_bp)
    return [] if computed == call.cost_micro else [(format_usd(computed), why_charged_less(call))]
