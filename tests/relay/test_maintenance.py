"""What a gateway does between calls."""

from pathlib import Path

import pytest
import structlog
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from gateway import maintenance
from gateway.clock import now_ms
from gateway.errors import ConfigurationError
from gateway.maintenance import DAY_MS, adopt, open_accounts, prune_daily, tell_state
from gateway.records import Account
from gateway.store.jobs import Gauge, RememberState
from gateway.store.migrate import migrate
from gateway.upstream.upstreams import Upstreams
from tests.fakes.upstream import FakeUpstream
from tests.relay.world import Books, World, open_world


async def change_settings(world: World, **overrides: str) -> None:
    """The operator changes settings in the database, and the gateway follows."""
    snapshot = replace(world.services.configuration.snapshot, setting_overrides=overrides)
    await adopt(world.services, snapshot)


def share_percent(world: World) -> float:
    return world.services.configuration.hedging_rules.share_percent


async def test_a_changed_setting_is_in_force_for_the_next_question() -> None:
    async with open_world(FakeUpstream(), hedge_share_percent=9) as world:
        assert share_percent(world) == 9
        await change_settings(world, hedge_share_percent="2.5")
        assert share_percent(world) == 2.5
        await change_settings(world)
        assert share_percent(world) == 9


async def test_a_change_that_cannot_be_followed_changes_nothing() -> None:
    async with open_world(FakeUpstream()) as world:
        with pytest.raises(ConfigurationError, match="config unset hedge_colour"):
            await change_settings(world, hedge_colour="red", race_width="5")
        assert world.services.configuration.hedging_rules.race_width == 3


async def test_the_console_learns_how_long_accounts_take(autojump_clock: MockClock) -> None:
    books = Books()
    async with open_world(FakeUpstream(), books=books) as world, trio.open_nursery() as nursery:
        for seconds in (0.2, 0.4, 1.5):
            world.services.latencies.observe(1, "claude-sonnet-4-6", 100, seconds)
        nursery.start_soon(tell_state, world.services, [])
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    told = next(job for job in books.jobs if isinstance(job, RememberState))
    assert Gauge("ttft_p50_ms", 1, 400) in told.gauges
    assert Gauge("ttft_p95_ms", 1, 1_500) in told.gauges


async def test_old_calls_are_pruned_daily_and_when_the_operator_says_so(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_days: list[int | None] = []

    async def pruned(path: Path, older_than_at: int) -> None:
        kept_days.append(round((now_ms() - older_than_at) / DAY_MS) if older_than_at else None)

    monkeypatch.setattr(maintenance, "_prune_now", pruned)
    async with open_world(FakeUpstream(), prune_days=90) as world, trio.open_nursery() as nursery:
        nursery.start_soon(prune_daily, world.services, Path("unused"))
        await trio.sleep(3_600)
        assert kept_days == [90]
        await change_settings(world, prune_days="30")
        await trio.sleep(60)
        assert kept_days == [90, 30]
        await trio.sleep(86_400)
        assert kept_days == [90, 30, 30]
        await change_settings(world, prune_days="0")
        await trio.sleep(60)
        assert kept_days == [90, 30, 30, None]
        nursery.cancel_scope.cancel()


async def test_the_log_says_once_why_an_account_is_left_out() -> None:
    def no_key(sealed: bytes) -> str:
        raise ConfigurationError("The master key does not open this.")

    accounts = (Account(1, "main", "openai", "http://127.0.0.1:9", sealed_secret=b"x"),)
    async with Upstreams(no_key) as upstreams:
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                await open_accounts(upstreams, accounts)
    said = [(each["event"], each["account"], each["log_level"]) for each in logs]
    assert said == [("account_left_out", "main", "error")]


async def test_a_pruning_that_found_nothing_is_not_told(tmp_path: Path) -> None:
    migrate(tmp_path / "gateway.db")
    with structlog.testing.capture_logs() as logs:
        await maintenance._prune_now(tmp_path / "gateway.db", 0)
    assert logs == []
