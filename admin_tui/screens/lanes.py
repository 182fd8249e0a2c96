"""The attempts of a call, each a lane on one axis of time. Pure, for a given width."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from admin_tui import format
from admin_tui.format import Tone, clean
from admin_tui.widgets.bars import styled
from gateway.records import Attempt, Call
from gateway.store.queries.names import Names

# What stands at the end of a lane. Attempts that go on have no end yet.
_ENDS: dict[str, tuple[str, Tone]] = {
    "won": (format.ON, "good"),
    "failed": (format.OFF, "bad"),
    "open": ("▸", "warn"),
    "draining": ("▸", "dim"),
}
_WIDEST_LABEL, _NARROWEST_AXIS = 24, 20


def drawn(call: Call, attempts: Sequence[Attempt], names: Names, now_at: int, width: int) -> list[Content]:
    """The axis, then two lines for each attempt: its lane, and what became of it."""
    if not attempts:
        return [styled("None: it was refused before any account was asked.", "dim")] if call.state == "settled" else []
    whole_ms = max(1, call.duration_ms, *(_end_at(each, now_at) - call.started_at for each in attempts))
    labels = [clean(f"{each.number} {names.of('account', each.account_id)}") for each in attempts]
    margin = min(_WIDEST_LABEL, max(map(cell_len, labels)) + 2)
    room = max(_NARROWEST_AXIS, width - margin)
    lines = [Content.assemble(" " * margin, styled(_axis(whole_ms, room), "dim"))]
    for attempt, label in zip(attempts, labels, strict=True):
        shown = format.cut(label, margin - 1)
        lane = _lane(attempt, call.started_at, (room - 1) / whole_ms, room, now_at)
        lines.append(Content.assemble(shown + " " * (margin - cell_len(shown)), lane))
        lines += [Content.assemble(" " * margin, line) for line in _said_of(attempt, room)]
    return lines


def _end_at(attempt: Attempt, now_at: int) -> int:
    return now_at if attempt.outcome == "open" else attempt.started_at + attempt.duration_ms


def _axis(whole_ms: int, width: int) -> str:
    """`0·········2.1s·········4.2s`."""
    middle, last = format.seconds(whole_ms // 2), format.seconds(whole_ms)
    text = "0" + "·" * max(1, width // 2 - 1 - len(middle) // 2) + middle
    return text + "·" * max(1, width - len(text) - len(last)) + last


def _lane(attempt: Attempt, began_at: int, cells_per_ms: float, width: int, now_at: int) -> Content:
    """Waiting for the first frame is thin, what came after it thick, its end a sign."""
    started_ms = max(0, attempt.started_at - began_at)
    start = min(width - 1, round(started_ms * cells_per_ms))
    end = max(start, min(width - 1, round((_end_at(attempt, now_at) - began_at) * cells_per_ms)))
    first = end
    if attempt.first_frame_ms is not None:
        first = max(start, min(end, round((started_ms + attempt.first_frame_ms) * cells_per_ms)))
    sign, tone = _ENDS.get(attempt.outcome, (format.OPEN, "dim"))
    waited, streamed = styled("┄" * (first - start), "dim"), styled("━" * (end - first), tone)
    return Content.assemble(" " * start, waited, streamed, styled(sign, tone))


def _said_of(attempt: Attempt, width: int) -> list[Content]:
    """Its outcome and figures; the upstream's id on a line of its own where there is no room beside them."""
    tone: Tone = _ENDS.get(attempt.outcome, ("", "dim"))[1]
    facts = [
        attempt.reason if attempt.reason != "first" else "",
        " ".join(filter(None, (str(attempt.status or ""), attempt.error_code))),
        f"first frame {format.seconds(attempt.first_frame_ms)}",
        f"cost {_cost(attempt)}",
    ]
    said = "  ".join(filter(None, facts))
    upstream_id = clean(attempt.upstream_request_id)
    head = Content.assemble(styled(attempt.outcome, tone), styled(clean(f"  {said}"), "dim"))
    if not upstream_id:
        return [head]
    if cell_len(head.plain) + 2 + cell_len(upstream_id) <= width:
        return [Content.assemble(head, styled(f"  {upstream_id}", "dim"))]
    return [head, styled(format.cut(upstream_id, width), "dim")]


def _cost(attempt: Attempt) -> str:
    if attempt.usage_basis == "upper_bound":
        return f"at most {format.usd(attempt.cost_micro)}"
    approximate = attempt.usage_basis == "estimated" or attempt.outcome == "open"
    return format.usd(attempt.cost_micro, estimated=approximate and attempt.cost_micro > 0)
