"""The console beside a busy gateway: `python -m tests.tui.soak [--seconds N] [--rate N] [--calls N]`, `make soak-tui`.

A second process writes calls through the gateway's own writer, 200 a second, one in five of them long enough to be seen
in flight. This one runs the console without a terminal and presses keys all the while. Printed are how long each kind
of interaction took until the screen was drawn anew, the console's processor time and its memory over the run.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from textual.events import Key
from textual.pilot import Pilot

from admin_tui import pauses
from admin_tui.app import ConsoleApp
from gateway.clock import now_ms
from gateway.records import Call
from gateway.settings import DATABASE
from gateway.store.jobs import Checkpoint, Gauge, Heartbeat, Job, RememberState
from gateway.store.writer import Writer
from tests.store.making import make_attempt, make_call, settle
from tests.tui.history import ACCOUNTS, CUSTOMERS, KEYS_EACH, MODELS, write_history

_CHARACTERS = {"slash": "/", "colon": ":"}
_TICK_S = 0.05
_LONG_CALL_S = 4.0
# What an operator does, over and over. What is measured bears the name.
_SCRIPT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("move in Live", ("k", "k", "k", "j", "pageup", "pagedown")),
    ("filter Live", ("slash", *"status", "colon", *"200", "enter")),
    ("clear the filter", ("escape",)),
    ("follow", ("f",)),
    ("open a call", ("k", "enter")),
    ("back", ("escape",)),
    ("Keys", ("2",)),
    ("move in Keys", ("j", "j", "pagedown", "G", "home")),
    ("Accounts", ("3",)),
    ("Money", ("4",)),
    ("Usage", ("5",)),
    ("another view", ("b", "b")),
    ("Models", ("6",)),
    ("Audit", ("7",)),
    ("Live", ("1",)),
)


# The writing side --------------------------------------------------------------------------------------------------


def write_calls(path: Path, rate: int, seconds: float) -> None:
    """Calls at an even pace through a real writer, as a gateway would; ends by itself."""
    writer = Writer(path, gateway_id="soak", boot_id="soak")
    writer.start()
    open_calls: deque[tuple[float, Call]] = deque()
    failures: list[BaseException] = []
    begun, written, told_at = time.monotonic(), 0, 0.0
    while (elapsed := time.monotonic() - begun) < seconds and not failures:
        jobs: list[Job] = []
        for number in range(written, int(elapsed * rate)):
            call = _call(number)
            if number % 5:
                jobs.append(_ended(call, 0.4))
            else:
                open_calls.append((elapsed, call))
        written = int(elapsed * rate)
        while open_calls and elapsed - open_calls[0][0] > _LONG_CALL_S:
            jobs.append(_ended(open_calls.popleft()[1], _LONG_CALL_S))
        if elapsed - told_at >= 1:
            told_at = elapsed
            in_flight = [call for begun_at, call in open_calls if elapsed - begun_at > 1]
            going_on = [make_attempt(call, account_id=call.account_id, outcome="open") for call in in_flight]
            jobs += [Checkpoint(in_flight, going_on), _state(len(open_calls))]
        for job in jobs:
            writer.submit(job, lambda error: failures.append(error) if error else None)
        threading.Event().wait(_TICK_S)
    writer.close(10)
    if failures:
        raise failures[0]
    print(f"{written:,} calls written, {written / seconds:.0f} a second")


def _call(number: int) -> Call:
    customer = number % CUSTOMERS + 1
    return make_call(
        number,
        at=now_ms(),
        customer_id=customer,
        key_id=(customer - 1) * KEYS_EACH + number % KEYS_EACH + 1,
        account_id=number % ACCOUNTS + 1,
        model=MODELS[number % len(MODELS)],
        ttft_ms=300 + number % 500,
    )


def _ended(call: Call, took_s: float) -> Job:
    call.duration_ms = int(took_s * 1000)
    return settle(call, attempts=[make_attempt(call, account_id=call.account_id, duration_ms=call.duration_ms)])


def _state(open_calls: int) -> RememberState:
    gauges = [Gauge("in_flight", account, open_calls // ACCOUNTS) for account in range(1, ACCOUNTS + 1)]
    beat = Heartbeat(os.getpid(), "soak", "0", "http://127.0.0.1:8000", "ready", open_calls, now_ms())
    return RememberState([], [], gauges, beat)


# The console -------------------------------------------------------------------------------------------------------


class Memory:
    """Resident memory of this process in MiB, once a second."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._page = os.sysconf("SC_PAGE_SIZE")

    def sample(self) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.samples.append(pages * self._page / 2**20)

    def report(self) -> str:
        """Where it stood after each fifth of the run, and what it grew by in the second half."""
        count = len(self.samples)
        fifths = [self.samples[max(0, count * part // 5 - 1)] for part in range(1, 6)]
        half = self.samples[count // 2 :]
        quarter = max(1, len(half) // 4)
        growth = statistics.median(half[-quarter:]) - statistics.median(half[:quarter])
        shown = ", ".join(f"{each:.0f}" for each in fifths)
        return f"memory after each fifth: {shown} MiB; second half {growth:+.1f} MiB"


async def run_console(data_dir: Path, seconds: float) -> None:
    app = ConsoleApp(data_dir, config_dir=data_dir / "config", read_only=True)
    app.animation_level = "none"
    pauses.shorten()
    times: dict[str, list[Taken]] = {}
    memory = Memory()
    begun, cpu = time.monotonic(), time.process_time()
    async with app.run_test(size=(120, 36)) as pilot:
        app.set_interval(1.0, memory.sample)
        script: Iterator[tuple[str, tuple[str, ...]]] = cycle(_SCRIPT)
        while app.is_running and time.monotonic() - begun < seconds:
            name, keys = next(script)
            for key in keys:
                times.setdefault(name, []).append(await _press(pilot, key))
                await asyncio.sleep(0.1)
    wall = time.monotonic() - begun
    _print(times, memory, (time.process_time() - cpu) / wall, wall)


class Taken(NamedTuple):
    """Milliseconds from a key until what it led to has been read and drawn, by the clock and of this process."""

    wall_ms: float
    cpu_ms: float


async def _press(pilot: Pilot[Any], key: str) -> Taken:
    """Press a key and wait for what comes of it.

    Not `pilot.press`: that waits until the process is idle, 40 ms at least and a second beside a busy gateway.
    """
    app = pilot.app
    assert app._driver is not None
    begun, cpu = time.perf_counter(), time.process_time()
    app._driver.send_message(Key(key, _CHARACTERS.get(key, key if len(key) == 1 else None)))
    # The key passes the app, the widget with the focus and the screen; each has a queue.
    for _ in range(3):
        await pilot.pause(0)
    reads = [worker for worker in app.workers if worker.group == "reload"]
    await asyncio.gather(*(worker.wait() for worker in reads), return_exceptions=True)
    await pilot.pause(0)
    return Taken((time.perf_counter() - begun) * 1000, (time.process_time() - cpu) * 1000)


def _print(times: dict[str, list[Taken]], memory: Memory, cpu_share: float, wall: float) -> None:
    print(f"{'interaction':<20}{'times':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'CPU p50':>9}{'CPU p95':>9}")
    for name, found in times.items():
        _print_line(name, found)
    _print_line("all", [each for found in times.values() for each in found])
    print(f"processor {cpu_share:.0%} of one core over {wall:.0f} s, the pressing of keys included")
    print(memory.report())


def _print_line(name: str, found: list[Taken]) -> None:
    walls, cpus = sorted(each.wall_ms for each in found), sorted(each.cpu_ms for each in found)
    figures = (statistics.median(walls), _p95(walls), walls[-1], statistics.median(cpus), _p95(cpus))
    print(f"{name:<20}{len(found):>7}" + "".join(f"{figure:>9.0f}" for figure in figures))


def _p95(ordered: list[float]) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long")
    parser.add_argument("--rate", type=int, default=200, help="calls a second")
    parser.add_argument("--calls", type=int, default=100_000, help="how many there were before")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write is not None:
        write_calls(asked.write, asked.rate, asked.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        # Elsewhere: 90 MiB of what it needed would count as the console's memory.
        with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            elsewhere.submit(write_history, path, asked.calls, until_at=now_ms() - 1_000, open_calls=0).result()
        command = [sys.executable, "-m", "tests.tui.soak", "--write", str(path)]
        command += ["--rate", str(asked.rate), "--seconds", str(asked.seconds)]
        with subprocess.Popen(command) as writing:
            try:
                asyncio.run(run_console(Path(folder), asked.seconds))
            except BaseException:
                writing.terminate()
                raise
            writing.wait(30)


if __name__ == "__main__":
    main()
