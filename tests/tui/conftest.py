"""A data folder with a real database, a gateway's hand, and the console; everything at one instant, `NOW`."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import DATABASE
from gateway.store.database import Database, open_database
from gateway.store.jobs import AccountState, Gauge, KeyState
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, audit, customers, keys, models
from gateway.store.rollups import DAY_MS, HOUR_MS
from tests.store.making import NOW, make_attempt, make_call, settle
from tests.tui.making import Gateway, expire

_WITH_A_CLOCK = (accounts, audit, customers, keys, models)


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Coroutine tests here run on Textual's loop, asyncio. Marked before pytest-asyncio makes its items."""
    if collector.funcnamefilter(name) and inspect.iscoroutinefunction(obj):
        pytest.mark.asyncio(obj)


@pytest.fixture(autouse=True)
def _one_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """What operators do happens at `NOW`, and their secrets are not random: snapshots stay as they are."""
    for module in _WITH_A_CLOCK:
        monkeypatch.setattr(module, "now_ms", lambda: NOW)
    numbers = iter(range(1, 1_000_000))

    def secret(prefix: str, public_id: str | None = None) -> str:
        number = next(numbers)
        return f"{prefix}{public_id or f'{number:012d}'}{'S' * 37}{number:06d}"

    monkeypatch.setattr(keys, "new_secret", secret)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A migrated database with nothing in it."""
    migrate(tmp_path / DATABASE)
    return tmp_path


@pytest.fixture
def database(data_dir: Path) -> Iterator[Database]:
    """A connection of the test's own, which may write."""
    database = open_database(data_dir / DATABASE)
    yield database
    database.close()


@pytest.fixture
def gateway_(data_dir: Path) -> Iterator[Gateway]:
    """The hand of a running gateway."""
    gateway = Gateway(data_dir)
    yield gateway
    gateway.close()


@pytest.fixture
def seeded(database: Database) -> None:
    """Two customers with a key each, two accounts: enough for every screen to have something to show."""
    customers.create(database, "cli:op", "team-alpha", balance_micro=50_000_000)
    customers.create(database, "cli:op", "ci", balance_micro=5_000_000, day_limit_micro=2_000_000)
    keys.create(database, "cli:op", "alpha", customer="team-alpha")
    keys.create(database, "cli:op", "ci-bot", customer="ci", tier="codex", limits=keys.KeyChanges(rpm=60))
    accounts.add(database, "cli:op", "main", kind="simulated", fields=accounts.AccountChanges(priority=10))
    accounts.add(database, "cli:op", "spare", kind="simulated")


@pytest.fixture
def busy(database: Database, seeded: None, gateway_: Gateway) -> None:
    """Seven accounts, one in every state, and calls that two of them served."""
    for name, priority in (("anthropic-eu", 20), ("quota", 8), ("key-gone", 7), ("leaving", 6), ("old", -5)):
        accounts.add(
            database,
            "cli:op",
            name,
            kind="simulated",
            fields=accounts.AccountChanges(priority=priority, max_concurrency=8),
        )
    accounts.drain(database, "cli:op", "leaving")
    accounts.disable(database, "cli:op", "old")
    gateway_.beat(
        open_calls=9,
        states=[
            AccountState(1, "", NOW + 41_000, "rate_limited", 1, False, NOW - 1_000),
            AccountState(2, "claude-opus-5-5", NOW + 8_000, "overloaded", 1, False, NOW - 1_000),
            AccountState(4, "", NOW + 3_720_000, "quota", 1, False, NOW - 1_000),
            AccountState(5, "", NOW + 600_000, "credentials", 1, False, NOW - 1_000),
        ],
        gauges=[
            Gauge("in_flight", 1, 2),
            Gauge("in_flight", 3, 8),
            Gauge("ttft_p50_ms", 3, 720),
            Gauge("ttft_p95_ms", 3, 2_400),
        ],
    )
    calls = []
    for number in range(1, 31):
        call = make_call(number, account_id=3, upstream_cost_micro=41_000)
        calls.append(settle(call, attempts=[make_attempt(call, account_id=3, cost_micro=41_000)]))
    failed = make_call(40, account_id=1, outcome="failed", status=429, cost_micro=0, upstream_cost_micro=0)
    calls.append(settle(failed, attempts=[make_attempt(failed, outcome="failed", status=429, cost_micro=0)]))
    gateway_.write(*calls)


@pytest.fixture
def keys_in_use(seeded: None, database: Database, gateway_: Gateway) -> None:
    """A gateway that runs, keys of every state, some calls."""
    keys.create(database, "cli:op", "laptop", customer="team-alpha")
    expire(database, "laptop", NOW - 1)
    keys.create(database, "cli:op", "broke", balance_micro=0)
    keys.create(database, "cli:op", "gone", customer="ci")
    keys.revoke(database, "cli:op", "gone")
    gateway_.beat(uses=[KeyState(1, NOW - 40_000, "10.0.0.7")])
    gateway_.write(
        settle(make_call(1, cost_micro=1_200_000)), settle(make_call(2, cost_micro=300_000, at=NOW - HOUR_MS))
    )
    gateway_.write(settle(make_call(3, cost_micro=90_000, at=NOW - 2 * DAY_MS)))


@pytest.fixture
def earning(seeded: None, database: Database, gateway_: Gateway) -> None:
    """A gateway that runs and holds money, calls over some days, one counted by estimate, one that lost a race."""
    customers.create(database, "cli:op", "own", unlimited=True)
    customers.create(database, "cli:op", "new")
    gateway_.beat(gauges=[Gauge("held_micro", 1, 420_000)])
    jobs = []
    for number, (customer, days, cost_micro) in enumerate(
        [(1, 0, 2_000_000), (1, 1, 1_000_000), (1, 3, 500_000), (2, 0, 900_000), (2, 2, 300_000), (3, 3, 40_000)]
    ):
        call = make_call(
            number,
            customer_id=customer,
            at=NOW - days * DAY_MS,
            cost_micro=cost_micro,
            upstream_cost_micro=cost_micro // 2,
            usage_basis="estimated" if number == 1 else "reported",
        )
        jobs.append(settle(call, attempts=[make_attempt(call, cost_micro=cost_micro // 2)]))
    raced = make_call(9, at=NOW - 20 * DAY_MS, cost_micro=800_000, upstream_cost_micro=500_000)
    lost = make_attempt(raced, 2, account_id=2, outcome="lost", cost_micro=100_000)
    jobs.append(settle(raced, attempts=[make_attempt(raced, cost_micro=400_000), lost]))
    gateway_.write(*jobs)
