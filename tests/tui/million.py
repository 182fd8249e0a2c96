"""The console on a long history, opening and reading: `python -m tests.tui.million [FILE] [--calls N]`.

Without FILE the database is made in a temporary folder and removed; a FILE that exists is measured as it is. Opening
counts from the start of the process to Live drawn with its calls; it runs without a terminal, several times.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.screen import Screen

from admin_tui.filters import parse
from admin_tui.screens.live import LiveScreen
from gateway.clock import now_ms
from gateway.store.database import Database, open_database, rows
from gateway.store.queries import audit, calls, figures, ledger, live, money, names, usage
from gateway.store.rollups import DAY_MS
from tests.tui.history import write_history

_ROUNDS = 7
_OPENINGS = 5
_SIZE = (120, 36)
_FILTERS = (
    "key:key-007",
    "customer:customer-1",
    "model:sonnet",
    "status:5xx",
    "status:429",
    "account:account-3 outcome:failed",
    "key:key-007 outcome:lost",
    ">0.10",
    "!model:claude !model:gpt",
    "nowhere",
)


def reads(database: Database, now_at: int) -> dict[str, Callable[[], object]]:
    """What the screens read, by what an operator would call it."""
    called = names.load_names(database)
    page = calls.call_page(database)
    old = calls.id_floor(now_at - 60 * DAY_MS)
    cursor = live.live_cursor(database)
    open_ids = live.follow_calls(database, cursor).open_ids
    month = {"since_at": now_at - 30 * DAY_MS, "until_at": now_at}
    quarter = {"since_at": now_at - 90 * DAY_MS, "until_at": now_at}
    found: dict[str, Callable[[], object]] = {
        "header": lambda: live.header(database, now_at),
        "live: newest page": lambda: calls.call_page(database, limit=500),
        "live: page 60 days back": lambda: calls.call_page(database, before_id=old, limit=100),
        "live: attempts of a page": lambda: calls.attempts_of(database, [call.id for call in page.calls]),
        "live: follow, nothing new": lambda: live.follow_calls(database, cursor, open_ids),
        "live: follow, 200 new": lambda: live.follow_calls(database, cursor - 200, open_ids),
        "call: its page": lambda: calls.call_detail(database, page.calls[0].id),
        "keys": lambda: figures.key_figures(database, now_at),
        "accounts": lambda: figures.account_figures(database, now_at),
        "money: customers": lambda: money.customer_money(database, now_at),
        "money: statement": lambda: ledger.statement_page(database, 7),
        "money: 30 days": lambda: money.daily_money(database, **month),
        "money: 90 days": lambda: money.daily_money(database, **quarter),
        "money: drift of a month": lambda: money.upstream_drift(database, 1, now_at - 31 * DAY_MS, 1),
        "usage: 30 days by model": lambda: usage.totals(database, "model", **month),
        "usage: 30 days by key": lambda: usage.totals(database, "key", **month),
        "usage: 30 days by account": lambda: usage.totals(database, "account", **month),
        "usage: 30 days by customer": lambda: usage.totals(database, "customer", **month),
        "usage: 90 days by day": lambda: usage.totals(database, "day", **quarter),
        "usage: 90 days by model": lambda: usage.totals(database, "model", **quarter),
        "usage: 90 days by account": lambda: usage.totals(database, "account", **quarter),
        "usage: 30 days of hours": lambda: usage.hourly(database, **month),
        "usage: 90 days of hours": lambda: usage.hourly(database, **quarter),
        "audit": lambda: audit.audit_page(database),
        "names": lambda: names.load_names(database),
    }
    for text in _FILTERS:
        wanted = parse(text).resolve(called)
        found[f"filter {text}"] = lambda wanted=wanted: calls.call_page(database, wanted)
    return found


def measure(path: Path) -> None:
    database = open_database(path, read_only=True)
    try:
        (newest_at,) = rows(database, "SELECT max(at) FROM heartbeat")[0]
        print(f"{'read':<36}{'first ms':>10}{'median ms':>11}")
        for name, read in reads(database, newest_at).items():
            times = []
            for _ in range(_ROUNDS):
                begin = time.perf_counter()
                read()
                times.append((time.perf_counter() - begin) * 1000)
            print(f"{name:<36}{times[0]:>10.1f}{statistics.median(times):>11.1f}")
    finally:
        database.close()


def measure_opening(path: Path) -> None:
    """Open it in processes of their own, one after the other."""
    found = [_opened(path) for _ in range(_OPENINGS)]
    print(f"{'opening, 120x36':<36}{'first ms':>10}{'median ms':>11}")
    stages = ("Python and what it imports", "until Live is drawn", "from the process's start", "its processor time")
    for stage, times in zip(stages, zip(*found, strict=True), strict=True):
        print(f"{stage:<36}{times[0]:>10.0f}{statistics.median(times):>11.0f}")


def _opened(path: Path) -> tuple[float, float, float, float]:
    begin = time.monotonic()
    command = [sys.executable, "-m", "tests.tui.million", str(path), "--open"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # The clock is the machine's, the same in every process.
    imported, drawn, processor = map(float, done.stdout.split())
    return (imported - begin) * 1000, (drawn - imported) * 1000, (drawn - begin) * 1000, processor * 1000


async def open_console(path: Path) -> None:
    """Print when everything was imported, when Live was drawn and the processor time until then, in seconds."""
    from admin_tui import pauses
    from admin_tui.app import ConsoleApp

    imported = time.monotonic()
    drawn = asyncio.Event()
    with tempfile.TemporaryDirectory() as settings:
        console = ConsoleApp(path.parent, config_dir=Path(settings), read_only=True)
        pauses.shorten()

        def look() -> None:
            if _is_drawn(console.screen):
                drawn.set()

        async with console.run_test(size=_SIZE):
            console.set_interval(0.005, look)
            await drawn.wait()
            print(imported, time.monotonic(), time.process_time())


def _is_drawn(screen: Screen[Any]) -> bool:
    """Whether the newest call is in the last line of the list."""
    if not isinstance(screen, LiveScreen) or screen.table.selected is None:
        return False
    region = screen.table.region
    lines = screen._compositor.render_strips()[region.y : region.bottom]
    return bool(lines) and screen.table.selected.call.model in lines[-1].text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--open", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.open:
        asyncio.run(open_console(asked.file))
        return
    with tempfile.TemporaryDirectory() as folder:
        path: Path = asked.file or Path(folder) / "gateway.db"
        if not path.exists():
            begin = time.perf_counter()
            write_history(path, asked.calls, until_at=now_ms())
            size = os.stat(path).st_size / 1e6
            print(f"{asked.calls:,} calls written in {time.perf_counter() - begin:.0f} s, {size:,.0f} MB")
        measure_opening(path)
        measure(path)


if __name__ == "__main__":
    main()
