"""A call's attempts as lanes on one axis of time, in plain text: who was asked when, who answered, who was given up."""

from collections.abc import Mapping, Sequence

from gateway.cli import words
from gateway.records import Attempt, Call

WIDTH = 50
LEGEND = "[ sent   . waiting   > first token   = answering   ] end   x failed or given up   ~ read on"
_STEPS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000)
_MINUTE_MS = 60_000
_MOST_TICKS = 5
_BASES = {"estimated": " (estimated)", "upper_bound": " at most (upper bound)", "reported": "", "none": ""}


def lanes(call: Call, attempts: Sequence[Attempt], accounts: Mapping[int, str]) -> list[str]:
    """Lines to print: the axis, a lane for each attempt with what became of it, what the signs mean.

    Times count from the call's start. A lane without an end belongs to an attempt that is still under way.
    """
    names = [accounts.get(each.account_id, f"account {each.account_id}") for each in attempts]
    labels = [f"{each.number} {each.reason:<8} {name}" for each, name in zip(attempts, names, strict=True)]
    margin = max(len(label) for label in labels) + 2
    end_ms = max(1, call.duration_ms, *(_offset(call, each) + _took(call, each) for each in attempts))
    lines = [" " * margin + _axis(end_ms)]
    for label, attempt in zip(labels, attempts, strict=True):
        lane = _lane(call, attempt, end_ms)
        lines.append(f"{label.ljust(margin)}{lane.ljust(WIDTH)}  {story(attempt)}")
    return [*lines, LEGEND]


def story(attempt: Attempt) -> str:
    """What became of an attempt and what it cost, in words: an estimate and an upper bound are called so."""
    took = words.span(attempt.duration_ms)
    first = attempt.first_frame_ms
    silent = ", before its first token" if first is None else ""
    error = words.listed(filter(None, (attempt.status, attempt.error_code)))
    said = {
        "won": f"won, first token after {words.span(first or 0)}",
        "lost": f"lost after {took}{silent}",
        "failed": f"failed after {took}" + (f": {error}" if error else ""),
        "cancelled": f"cancelled after {took}{silent}",
        "draining": "draining: it lost, and is read on because its upstream goes on billing",
        "open": "under way",
    }[attempt.outcome]
    return f"{said}; {cost(attempt)}"


def cost(attempt: Attempt) -> str:
    """What an attempt cost the operator, with the label of a figure that nobody reported."""
    return words.usd(attempt.cost_micro) + _BASES[attempt.usage_basis]


def _axis(end_ms: int) -> str:
    step = _step(end_ms)
    line = ""
    for at in range(0, end_ms + 1, step):
        column = _column(at, end_ms)
        if column >= len(line) + (2 if line else 0):
            line = line.ljust(column) + words.span(at).replace(".0 s", " s")
    return line


def _step(end_ms: int) -> int:
    """A round number of milliseconds that cuts the axis into five parts or fewer."""
    fitting = [step for step in _STEPS_MS if end_ms <= step * _MOST_TICKS]
    minutes = -(-end_ms // (_MINUTE_MS * _MOST_TICKS))
    return fitting[0] if fitting else minutes * _MINUTE_MS


def _lane(call: Call, attempt: Attempt, end_ms: int) -> str:
    start = _column(_offset(call, attempt), end_ms)
    end = max(start + 1, _column(_offset(call, attempt) + _took(call, attempt), end_ms))
    cells = [" "] * start + ["."] * (end - start + 1)
    if attempt.first_frame_ms is not None:
        first = min(end, max(start + 1, _column(_offset(call, attempt) + attempt.first_frame_ms, end_ms)))
        cells[first + 1 :] = "=" * (end - first)
        cells[first] = ">"
    cells[start] = "["
    if attempt.outcome in ("won", "lost", "failed", "cancelled") and (cells[end] != ">" or attempt.outcome != "won"):
        cells[end] = "]" if attempt.outcome == "won" else "x"
    if attempt.outcome == "draining":
        cells[end] = "~"
    return "".join(cells)


def _offset(call: Call, attempt: Attempt) -> int:
    return max(0, attempt.started_at - call.started_at)


def _took(call: Call, attempt: Attempt) -> int:
    """An attempt under way has lasted until the call's last checkpoint."""
    if attempt.outcome in ("open", "draining"):
        return max(attempt.duration_ms, call.duration_ms - _offset(call, attempt))
    return attempt.duration_ms


def _column(at_ms: int, end_ms: int) -> int:
    return at_ms * (WIDTH - 1) // end_ms
