"""The rows of the table. Each measures the gateway, and beside it what stands for comparison, round by round."""

import base64
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.bench import history
from tests.bench.driver import Load, Plan, Result, run_load
from tests.bench.duel import Duel
from tests.bench.figures import DIRECT, GATEWAY, Figure
from tests.bench.gateway import Gateway
from tests.bench.measure import cpu_s, quantile, rss_kib
from tests.bench.mock import Mock, chat_request, messages_request
from tests.bench.peers import Nginx

DONE = b"[DONE]"
MESSAGE_STOP = b'{"type":"message_stop"}'
NGINX = "nginx"


class Sizes(Struct, frozen=True):
    """How much of everything one run measures: about six minutes of it on two cores."""

    rounds: int = 3
    json_calls: int = 4000
    paced_streams: int = 100
    burst_streams: int = 150
    ttfb_calls: int = 300
    slow_streams: int = 5000
    large_calls: int = 20
    raced_calls: int = 500
    starts: int = 5
    history_calls: int = 1_000_000


QUICK = Sizes(
    rounds=1,
    json_calls=1000,
    paced_streams=50,
    burst_streams=30,
    ttfb_calls=50,
    slow_streams=500,
    large_calls=5,
    raced_calls=50,
    starts=1,
    history_calls=50_000,
)


class Bench(Struct):
    """What every row works with. `nginx` is None where it is not installed."""

    mock: Mock
    gateway: Gateway
    nginx: Nginx | None
    folder: Path
    sizes: Sizes
    say: Callable[[str], None]

    def targets(self) -> Iterator[tuple[str, int, int]]:
        """Name, process and port of what stands before the mock."""
        yield GATEWAY, self.gateway.pid, self.gateway.port
        if self.nginx is not None:
            yield NGINX, self.nginx.pid, self.nginx.port

    def request(self, directive: str, *, stream: bool, content: object = "Hi") -> bytes:
        return chat_request(directive, secret=self.gateway.secret, stream=stream, content=content)


def json_call(bench: Bench) -> list[Figure]:
    """A call that is not streamed, 32 at a time: CPU of the server per request."""
    figure = Figure("JSON request, same dialect, CPU", "us", must=180, aim=96)
    rate = Figure("JSON requests, 32 at a time", "1/s")
    plan = Plan(0, bench.request("reply size=200", stream=False), bench.sizes.json_calls, connections=32)
    _warm_up(bench, plan)
    for _ in range(bench.sizes.rounds):
        for name, pid, port in bench.targets():
            spent, result = _measured(pid, plan, port)
            figure.add(name, spent / result.completed * 1e6)
            rate.add(name, result.completed / result.elapsed_s)
    return [figure, rate]


def paced_stream(bench: Bench) -> list[Figure]:
    """200 events 10 ms apart, 50 streams at a time: CPU per event, the call's own share included."""
    figure = Figure("SSE event, same dialect, paced 10 ms, CPU", "us", must=35, aim=29)
    _per_event(bench, figure, "stream events=200 gap=0.01 first=0", 200, bench.sizes.paced_streams, 50)
    return [figure]


def burst_stream(bench: Bench) -> list[Figure]:
    """1,000 events without gaps, 8 streams at a time: CPU per event, the call's own share included."""
    figure = Figure("SSE event, same dialect, burst, CPU", "us", must=4, aim=2)
    _per_event(bench, figure, "stream events=1000", 1000, bench.sizes.burst_streams, 8)
    return [figure]


def translated(bench: Bench) -> list[Figure]:
    """A Messages client on a Chat account: a call that is not streamed, and events 10 ms apart and without gaps."""
    whole = Figure("JSON request, translated, CPU", "us")
    paced = Figure("SSE event, translated, paced 10 ms, CPU", "us", must=90, aim=60)
    burst = Figure("SSE event, translated, burst, CPU", "us")
    secret, sizes = bench.gateway.secret, bench.sizes
    plans = (
        (whole, Plan(0, messages_request("reply size=200", secret=secret, stream=False), sizes.json_calls, 32), 1),
        (paced, _translated_stream(secret, "stream events=200 gap=0.01 first=0", sizes.paced_streams, 50), 200),
        (burst, _translated_stream(secret, "stream events=1000", sizes.burst_streams, 8), 1000),
    )
    for figure, plan, events in plans:
        _load(_few(plan, 100), bench.gateway.port)
        for _ in range(sizes.rounds):
            spent, result = _measured(bench.gateway.pid, plan, bench.gateway.port)
            figure.add(GATEWAY, spent / (result.completed * events) * 1e6)
    return [whole, paced, burst]


def _translated_stream(secret: str, directive: str, streams: int, at_once: int) -> Plan:
    request = messages_request(directive, secret=secret, stream=True)
    return Plan(0, request, streams, connections=at_once, terminal=MESSAGE_STOP)


def first_byte(bench: Bench) -> list[Figure]:
    """50 streams begun a second: time to the first byte of the answer, less what the mock alone takes."""
    added = {
        0.5: Figure("added time to first byte, 50/s, p50", "ms", must=1, aim=0.5),
        0.99: Figure("added time to first byte, 50/s, p99", "ms", must=3, aim=1),
    }
    request = bench.request("stream events=10 gap=0.01 first=0", stream=True)
    plan = Plan(0, request, bench.sizes.ttfb_calls, rate=50, terminal=DONE)
    for _ in range(bench.sizes.rounds):
        direct = _load(plan, bench.mock.port)
        for share, figure in added.items():
            figure.add(DIRECT, quantile(direct.ttfb_ms, share))
        for name, _, port in bench.targets():
            result = _load(plan, port)
            for share, figure in added.items():
                figure.add(name, quantile(result.ttfb_ms, share) - quantile(direct.ttfb_ms, share))
    return list(added.values())


def slow_streams(bench: Bench) -> list[Figure]:
    """Thousands of streams open at once, an event a second each, on a fresh server every round."""
    number = bench.sizes.slow_streams
    left = Figure(f"{number:,} slow streams: not completed", "", must=0)
    memory = Figure(f"{number:,} slow streams: memory each", "KiB", must=40, aim=25)
    late = Figure(f"{number:,} slow streams: added TTFB p99", "ms", must=1500)
    # Every stream is open once the last has begun, five seconds after the first.
    request = bench.request("stream events=9 gap=1.0 first=0", stream=True)
    plan = Plan(0, request, number, rate=number / 5, terminal=DONE, limit_s=60)
    direct = run_load(_on(plan, bench.mock.port))
    late.add(DIRECT, quantile(direct.ttfb_ms, 0.99))
    for _ in range(bench.sizes.rounds):
        with bench.gateway as gateway:
            before = rss_kib(gateway.pid)
            load = Load(_on(plan, gateway.port))
            most = _most_memory(load, gateway.pid)
            result = load.result()
        left.add(GATEWAY, result.failed)
        memory.add(GATEWAY, (most - before) / number)
        late.add(GATEWAY, quantile(result.ttfb_ms, 0.99) - late.rounds[DIRECT][0])
        if result.failed:
            bench.say(f"  {result.failed} failed, the first because: {result.first_failure}")
    return [left, memory, late]


def watched_calls(bench: Bench) -> list[Figure]:
    """Calls of a tier that hedges, at accounts that answer before a hedge is due; beside them those of a tier that
    does not hedge. 32 at a time: CPU of the server per call."""
    whole = Figure("JSON request of a tier that hedges, CPU", "us")
    streamed = Figure("stream of 20 events of a tier that hedges, CPU", "us")
    gateway = Gateway(bench.folder / "hedged")
    gateway.prepare(bench.mock.url)
    gateway.add_account("spare", bench.mock.url, "--priority", "-1")
    plans = (
        (whole, Plan(0, _short_call(gateway), bench.sizes.json_calls, connections=32)),
        (streamed, _stream_of(gateway, "stream events=20", bench.sizes.json_calls // 2)),
    )
    for _ in range(bench.sizes.rounds):
        for policy, target in (("failover", "failover"), ("hedge", GATEWAY)):
            gateway.set_policy(policy)
            with gateway:
                for figure, plan in plans:
                    _load(_few(plan, 500), gateway.port)
                    spent, result = _measured(gateway.pid, plan, gateway.port)
                    figure.add(target, spent / result.completed * 1e6)
    return [whole, streamed]


def losers_close(bench: Bench) -> list[Figure]:
    """Raced streams, one at a time: from the winner's first frame leaving its upstream until the loser's upstream
    sees its connection closed."""
    shares = {0.5: "p50", 0.99: "p99"}
    figures = {
        share: Figure(f"loser's connection closed after the win, {name}", "ms") for share, name in shares.items()
    }
    gateway = Gateway(bench.folder / "raced")
    calls = bench.sizes.raced_calls
    with Duel() as duel:
        gateway.prepare(duel.answering_url)
        gateway.add_account("silent", duel.silent_url, "--on-cancel", "stops")
        gateway.set_policy("race")
        with gateway:
            for _ in range(bench.sizes.rounds):
                _load(_stream_of(gateway, "", calls, at_once=1), gateway.port)
    for number in range(bench.sizes.rounds):
        for share, figure in figures.items():
            figure.add(GATEWAY, quantile(duel.delays_ms[number * calls : (number + 1) * calls], share))
    return list(figures.values())


def large_bodies(bench: Bench) -> list[Figure]:
    """A prompt of 1 MB of text and an image of 10 MB (13.3 MB as base64), one call at a time."""
    prompt = Figure("1 MB prompt, CPU", "ms", must=3)
    image = Figure("10 MB image, CPU", "ms", must=15)
    text = "The quick brown fox jumps over the lazy dog. " * 23_000
    data_url = "data:image/png;base64," + base64.b64encode(os.urandom(10_000_000)).decode()
    picture = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": data_url}}]
    for figure, content in ((prompt, text), (image, picture)):
        plan = Plan(0, bench.request("reply size=20", stream=False, content=content), bench.sizes.large_calls)
        _warm_up(bench, _few(plan, 2))
        for _ in range(bench.sizes.rounds):
            for name, pid, port in bench.targets():
                spent, result = _measured(pid, plan, port)
                figure.add(name, spent / result.completed * 1e3)
    return [prompt, image]


def start_and_idle(bench: Bench) -> list[Figure]:
    """From the start of the process to its first answer to a key, and its memory two seconds later."""
    start = Figure("start to first answer", "s", must=0.6, aim=0.4)
    idle = Figure("idle memory", "MiB", must=80, aim=60)
    for _ in range(bench.sizes.starts):
        with bench.gateway as gateway:
            time.sleep(2)
            start.add(GATEWAY, gateway.started_s)
            idle.add(GATEWAY, rss_kib(gateway.pid) / 1024)
    return [start, idle]


def long_history(bench: Bench) -> list[Figure]:
    """The JSON row on a database of 1,000 calls and on a large one, in turns."""
    sizes = (1000, bench.sizes.history_calls)
    figures = [Figure(f"JSON request with {size:,} calls of history, CPU", "us") for size in sizes]
    growth = Figure(f"growth of that from {sizes[0]:,} to {sizes[1]:,} calls", "%", must=10)
    gateways = [_aged(bench, size) for size in sizes]
    for _ in range(bench.sizes.rounds):
        for gateway, figure in zip(gateways, figures, strict=True):
            with gateway:
                plan = Plan(gateway.port, _short_call(gateway), bench.sizes.json_calls, connections=32)
                _load(_few(plan, 500), gateway.port)
                spent, result = _measured(gateway.pid, plan, gateway.port)
                figure.add(GATEWAY, spent / result.completed * 1e6)
        small, large = (figure.rounds[GATEWAY][-1] for figure in figures)
        growth.add(GATEWAY, (large / small - 1) * 100)
    return [*figures, growth]


class Row(Struct, frozen=True):
    """A row's function, and whether it runs beside the others on one server or starts its own."""

    measure: Callable[[Bench], list[Figure]]
    shares_server: bool


ROWS = {
    "json": Row(json_call, shares_server=True),
    "paced": Row(paced_stream, shares_server=True),
    "burst": Row(burst_stream, shares_server=True),
    "translated": Row(translated, shares_server=True),
    "ttfb": Row(first_byte, shares_server=True),
    "large": Row(large_bodies, shares_server=True),
    "hedge": Row(watched_calls, shares_server=False),
    "loser": Row(losers_close, shares_server=False),
    "slow": Row(slow_streams, shares_server=False),
    "start": Row(start_and_idle, shares_server=False),
    "history": Row(long_history, shares_server=False),
}


def _on(plan: Plan, port: int) -> Plan:
    return msgspec.structs.replace(plan, port=port)


def _few(plan: Plan, count: int) -> Plan:
    return msgspec.structs.replace(plan, count=min(plan.count, count))


def _load(plan: Plan, port: int) -> Result:
    """Runs a plan on a port. A single failed answer spoils a figure: raises RuntimeError."""
    result = run_load(_on(plan, port))
    if result.failed:
        raise RuntimeError(f"{result.failed} of {plan.count} answers failed, the first because: {result.first_failure}")
    return result


def _measured(pid: int, plan: Plan, port: int) -> tuple[float, Result]:
    """A plan's result and the CPU seconds of the process it went through."""
    before = cpu_s(pid)
    result = _load(plan, port)
    return cpu_s(pid) - before, result


def _warm_up(bench: Bench, plan: Plan) -> None:
    for _, _, port in bench.targets():
        _load(_few(plan, 500), port)


def _per_event(bench: Bench, figure: Figure, directive: str, events: int, streams: int, at_once: int) -> None:
    plan = Plan(0, bench.request(directive, stream=True), streams, connections=at_once, terminal=DONE)
    _warm_up(bench, _few(plan, at_once))
    for _ in range(bench.sizes.rounds):
        for name, pid, port in bench.targets():
            spent, result = _measured(pid, plan, port)
            figure.add(name, spent / (result.completed * events) * 1e6)


def _most_memory(load: Load, pid: int) -> int:
    """The most memory a process has, looked at four times a second, until the load ends."""
    most = rss_kib(pid)
    while load.running:
        time.sleep(0.25)
        most = max(most, rss_kib(pid))
    return most


def _short_call(gateway: Gateway) -> bytes:
    return chat_request("reply size=200", secret=gateway.secret, stream=False)


def _stream_of(gateway: Gateway, directive: str, count: int, at_once: int = 32) -> Plan:
    request = chat_request(directive, secret=gateway.secret, stream=True)
    return Plan(0, request, count, connections=at_once, terminal=DONE)


def _aged(bench: Bench, calls: int) -> Gateway:
    """A gateway of its own with so many calls behind it."""
    bench.say(f"  writing {calls:,} calls of history")
    gateway = Gateway(bench.folder / f"history-{calls}")
    gateway.prepare(bench.mock.url)
    with gateway:
        _load(Plan(gateway.port, _short_call(gateway), 1), gateway.port)
    history.grow(gateway.database, calls - 1)
    return gateway
