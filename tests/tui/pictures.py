"""Pictures of the console for the documentation: `python -m tests.tui.pictures`, `make pictures`.

The real application on a database with ninety days of made-up calls; every run draws the same. They are SVG without
a font of their own, so that they look like the reader's terminal.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

import apsw
import msgspec

from gateway.records import Call, Usage
from gateway.settings import DATABASE
from gateway.store.jobs import Checkpoint, Gauge, RememberPrices
from tests.store.making import make_attempt, make_call, settle
from tests.tui.history import MODELS, write_history
from tests.tui.making import Console, Gateway, console_on
from tests.tui.test_call import PRICE

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screens"
SIZE = (120, 36)
AT = 1_795_151_167_890
"""2026-11-20 05:06 UTC: when every model of the catalog has its price."""
_CALLS = 60_000
_CUSTOMERS = ("acme", "team-alpha", "lab", "ci", "desk", "alice", "batch", "docs")
_KEYS = ("{}", "{}-bot", "{}-ci")
_ACCOUNTS = ("anthropic-main", "anthropic-2", "openai-main", "openrouter", "local-llama")
# Name -> the keys that lead to it from Live.
SHOTS: dict[str, tuple[str, ...]] = {
    "live": (),
    "call": ("k", "enter"),
    "keys": ("2",),
    "accounts": ("3",),
    "money": ("4",),
    "usage": ("5",),
    "models": ("6",),
    "audit": ("7",),
}


def make_database(folder: Path) -> None:
    """Ninety days, then the last minute call by call, with two in flight, one of them a race."""
    path = folder / DATABASE
    write_history(path, _CALLS, until_at=AT - 60_000, open_calls=0)
    _name(path)
    gateway = Gateway(folder)
    jobs = [settle(_recent(number)) for number in range(1, 24)]
    hedged = _hedged()
    racing, streaming = _open(1, "gpt-5.5", 6_400, 3), _open(2, "claude-opus-5-5", 31_000, 1)
    lanes = [
        make_attempt(racing, 1, account_id=3, outcome="open", status=0, usage=Usage()),
        make_attempt(racing, 2, account_id=4, outcome="open", status=0, reason="hedge", usage=Usage()),
        make_attempt(streaming, 1, account_id=1, outcome="open", status=0, first_frame_ms=900, usage=Usage()),
    ]
    gateway.write(RememberPrices([(PRICE.version, "claude-sonnet-4-6", msgspec.json.encode(PRICE))]), at=AT)
    gateway.write(
        *jobs,
        settle(hedged, attempts=_attempts(hedged)),
        settle(_recent(25)),
        Checkpoint([streaming, racing], lanes),
        at=AT,
    )
    figures = (("in_flight", (1, 0, 1, 1, 0)), ("ttft_p50_ms", (820, 910, 640, 1_150, 310)))
    tails = ("ttft_p95_ms", (2_400, 2_900, 1_800, 4_200, 700))
    gauges = [Gauge(name, at + 1, value) for name, values in (*figures, tails) for at, value in enumerate(values)]
    gateway.beat(at=AT, open_calls=2, gauges=gauges)
    gateway.close()


def _name(path: Path) -> None:
    """Names that read like an operator's."""
    connection = apsw.Connection(str(path))
    for number, name in enumerate(_CUSTOMERS, 1):
        connection.execute("UPDATE customers SET name = ? WHERE id = ?", (name, number))
        for place, key in enumerate(_KEYS, 1):
            connection.execute("UPDATE keys SET name = ? WHERE id = ?", (key.format(name), (number - 1) * 3 + place))
    for number, name in enumerate(_ACCOUNTS, 1):
        connection.execute("UPDATE accounts SET name = ?, priority = ? WHERE id = ?", (name, 50 - number, number))
    connection.execute("DELETE FROM gauges")
    connection.close()


def _recent(number: int) -> Call:
    """One of the last minute's calls, of every outcome."""
    customer, model = number * 5 % 8 + 1, MODELS[number * 3 % 5]
    call = make_call(
        number,
        at=AT - 62_000 + number * 2_300,
        customer_id=customer,
        key_id=(customer - 1) * 3 + number % 3 + 1,
        model=model,
        model_asked=model,
        account_id=3 if model.startswith("gpt") else number % 2 + 1,
        ttft_ms=400 + number * 137 % 1_500,
        duration_ms=1_500 + number * 311 % 4_000,
        usage=Usage(input_tokens=300 + number * 977 % 9_000, output_tokens=40 + number * 331 % 1_800),
        cost_micro=900 + number * 7_919 % 60_000,
        client_ip="203.0.113.7",
    )
    if number % 9 == 0:
        call.outcome, call.status, call.error_code, call.ttft_ms = "failed", 529, "overloaded", None
        call.usage, call.usage_basis, call.cost_micro = Usage(), "none", 0
    elif number % 11 == 0:
        call.outcome, call.usage_basis = "cancelled", "estimated"
    return call


def _hedged() -> Call:
    call = _recent(24)
    call.model, call.model_asked, call.price_version = "claude-sonnet-4-6", "sonnet", PRICE.version
    call.usage = Usage(input_tokens=1_200, cache_read_tokens=18_000, output_tokens=640, reasoning_tokens=100)
    call.cost_micro, call.upstream_cost_micro, call.held_micro = 18_600, 19_300, 90_000
    call.ttft_ms, call.duration_ms, call.account_id = 2_300, 4_200, 2
    return call


def _attempts(call: Call) -> list[object]:
    failed = make_attempt(
        call, 1, outcome="failed", status=529, error_code="overloaded", duration_ms=600, usage=Usage(), cost_micro=0
    )
    lost = make_attempt(call, 2, reason="failover", outcome="lost", status=0, duration_ms=1_700, cost_micro=700)
    won = make_attempt(call, 3, account_id=2, reason="hedge", first_frame_ms=500, duration_ms=2_400, cost_micro=18_600)
    lost.started_at, lost.account_id, won.started_at = call.started_at + 620, 4, call.started_at + 1_800
    return [failed, lost, won]


def _open(number: int, model: str, age_ms: int, customer: int) -> Call:
    return make_call(
        900 + number,
        at=AT - age_ms,
        customer_id=customer,
        key_id=customer * 3 - 1,
        model=model,
        account_id=None if number == 1 else 1,
        state="open",
        outcome="failed",
        status=0,
        usage=Usage(input_tokens=18_000 * number, output_tokens=0 if number == 1 else 1_450),
        ttft_ms=None if number == 1 else 900,
        cost_micro=number * 210_000,
        held_micro=number * 240_000,
    )


async def draw(folder: Path, names: list[str]) -> None:
    """Every picture, each from a console of its own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        async with console_on(folder, SIZE, at=AT) as console:
            await console.press(*SHOTS[name])
            path = FOLDER / f"{name}.svg"
            path.write_text(_plain(_picture(console, name)), encoding="utf-8")
            print(f"wrote {path}")


def _picture(console: Console, name: str) -> str:
    return console.app.export_screenshot(title=f"trigate tui: {name}")


def _plain(svg: str) -> str:
    """Without fonts from elsewhere, and with ids that are the same each time."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: monospace")
    return re.sub(r"terminal-\d+", "terminal", svg)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_database(folder)
        asyncio.run(draw(folder, sys.argv[1:] or list(SHOTS)))


if __name__ == "__main__":
    main()
