"""Races in a whole gateway, its clients on sockets that hang up when they like, and what is in its database after."""

import os
import random
import signal
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from gateway.store.database import open_database
from gateway.store.operators import accounts, tiers
from gateway.store.operators.accounts import AccountChanges
from gateway.store.operators.tiers import TierChanges
from tests.fakes import Act, Asked
from tests.fakes.server import FakeServer, serve_fake
from tests.fakes.verbs import directive, hang, hang_after, stream
from tests.faults.harness import (
    OPENING_MICRO,
    Answer,
    GatewayProcess,
    Site,
    eventually,
    one_settled,
    run_gateway,
    stop,
)

CLIENTS = 12


def raced(site: Site, *others: tuple[FakeServer, str]) -> None:
    """Give the site's tier the policy `race`, and more accounts: their providers, and what those do when cancelled."""
    database = open_database(site.path)
    try:
        [(tier,)] = site.read("SELECT tier FROM keys")
        tiers.change(database, "test", tier, TierChanges(policy="race"))
        for fake, habit in others:
            fields = AccountChanges(base_url=fake.url, models=("claude-*",), on_cancel=habit)
            accounts.add(database, "test", f"other-{habit}", kind="anthropic", fields=fields)
    finally:
        database.close()


def attempts(site: Site) -> list[tuple[str, str]]:
    """(outcome, basis of its usage) of every attempt, in order."""
    return site.read("SELECT outcome, usage_basis FROM attempts ORDER BY call_id, number")


async def test_a_loser_is_disconnected_at_the_win_not_at_the_end(tmp_path):
    async with serve_fake(always=hang_after(1).but(first_delay=0.3)) as wins, serve_fake(always=hang()) as loses:
        site = Site(tmp_path / "data", wins.url)
        raced(site, (loses, "stops"))
        async with run_gateway(site) as gateway, await gateway.connect() as connection:
            # The winner says one word and nothing more, and does not end.
            await connection.send_all(gateway.request("any"))
            await Answer().read(connection, until=b"content_block_delta")
            with trio.fail_after(10):
                [loser] = await loses.wait_requests(1)
                await loser.wait_closed()
            assert wins.exchanges[0].open
            await connection.aclose()
            await one_settled(site)
            assert sorted(attempts(site))[1][0] == "lost"
            await stop(gateway, wins)


async def test_a_stop_ends_what_drains_at_its_upper_bound(tmp_path):
    async with serve_fake(always=stream("a", first=0.3)) as wins, serve_fake(always=hang()) as goes_on:
        site = Site(tmp_path / "data", wins.url)
        raced(site, (goes_on, "continues"))
        async with run_gateway(site) as gateway:
            answer = await gateway.call("any")
            assert answer.succeeded
            await one_settled(site)
            assert ("draining", "upper_bound") in attempts(site)
            assert goes_on.open_exchanges == 1
            await stop(gateway, goes_on)
            assert sorted(attempts(site)) == [("lost", "upper_bound"), ("won", "reported")]


async def test_a_gateway_that_is_killed_leaves_the_upper_bound(tmp_path):
    async with serve_fake(always=stream("a", first=0.3)) as wins, serve_fake(always=hang()) as goes_on:
        site = Site(tmp_path / "data", wins.url)
        raced(site, (goes_on, "continues"))
        async with run_gateway(site) as gateway:
            await gateway.call("any")
            await one_settled(site)
            gateway.signal(signal.SIGKILL)
            await gateway.exit_code()
        async with run_gateway(site) as gateway:
            assert sorted(attempts(site)) == [("lost", "upper_bound"), ("won", "reported")]
            await stop(gateway, wins)


# A crowd --------------------------------------------------------------------------------------------------------------

# Failures are few: three in a row would have the account rest, and nothing would be raced.
ACTS = {
    "stream events=8 first=0.0 gap=0.005": 20,
    "stream events=8 first=0.02 gap=0.005": 20,
    "stream events=3 first=0.01": 20,
    "reply": 20,
    "slow_first 0.05": 10,
    "hang": 4,
    "hang_after 1": 2,
    "status 500": 2,
    "status 400": 1,
    "garbage": 1,
    "cut_after 1": 1,
}
SETTINGS = {
    "first_byte_timeout_s": 1,
    "chunk_timeout_s": 1,
    "loser_drain_s": 0.5,
    "loser_drains": 4,
    "hedge_day_cap_micro": OPENING_MICRO,
}


class Crowd:
    """Clients on connections of their own, of whom some hang up at a random moment, politely or not."""

    def __init__(self, gateway: GatewayProcess, seed: int) -> None:
        self._gateway = gateway
        self._random = random.Random(seed)
        self._left = 0

    async def make(self, calls: int) -> None:
        self._left = calls
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(self._client)

    async def _client(self) -> None:
        while self._left:
            self._left -= 1
            patience_s = self._random.choice((20.0, self._random.uniform(0, 0.06)))
            async with await self._gateway.connect() as connection:
                if self._random.random() < 0.5:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with trio.move_on_after(patience_s):
                    await connection.send_all(self._gateway.request("any", stream=self._random.random() < 0.6))
                    await Answer().read(connection)


def moods(seed: int) -> Callable[[Asked], Act]:
    """A provider that chooses at random what becomes of a request."""
    draw = random.Random(seed)
    return lambda asked: directive(*draw.choices([*ACTS], [*ACTS.values()]))


async def crowd_and_audit(folder: Path, calls: int) -> Counter[str]:
    """Race so many calls in a gateway; then, that neither it nor its database has anything left of them but sound
    books. How attempts ended."""
    async with (
        serve_fake(always=moods(1), recording=False) as one,
        serve_fake(always=moods(2), recording=False) as two,
        serve_fake(always=moods(3), recording=False) as three,
    ):
        fakes = (one, two, three)
        site = Site(folder / "data", one.url)
        raced(site, (two, "continues"), (three, "stops"))
        async with run_gateway(site, settings=SETTINGS) as gateway:
            await gateway.call("any")
            await eventually(lambda: nothing_open(site, fakes))
            files = other_files(gateway, fakes)
            await Crowd(gateway, seed=calls).make(calls)
            await eventually(lambda: nothing_open(site, fakes))
            await eventually(lambda: other_files(gateway, fakes) == files)
            await stop(gateway, one)
    ended = Counter(outcome for outcome, _ in attempts(site))
    assert ended["open"] == ended["draining"] == 0
    sums = "SELECT sum(a.cost_micro) FROM attempts a WHERE a.call_id = c.id"
    assert site.read(f"SELECT id FROM calls c WHERE upstream_cost_micro <> ({sums})") == []
    winners = "SELECT count(*) FROM attempts a WHERE a.call_id = c.id AND a.outcome = 'won'"
    assert site.read(f"SELECT id FROM calls c WHERE ({winners}) <> (outcome = 'completed')") == []
    return ended


def nothing_open(site: Site, fakes: tuple[FakeServer, ...]) -> bool:
    """Neither the providers nor the gateway itself see anything under way."""
    held = site.read("SELECT count(*) FROM gauges WHERE name IN ('in_flight', 'held_micro')")
    draining = site.read("SELECT count(*) FROM attempts WHERE outcome = 'draining'")
    return held == draining == [(0,)] and all(fake.open_exchanges == 0 for fake in fakes)


def other_files(gateway: GatewayProcess, fakes: tuple[FakeServer, ...]) -> int:
    """What the gateway has open, but for connections that wait for the next call."""
    return len(os.listdir(f"/proc/{gateway.pid}/fd")) - sum(fake.connections_open for fake in fakes)


async def test_raced_calls_whose_clients_hang_up_leave_nothing_behind(tmp_path):
    ended = await crowd_and_audit(tmp_path, 300)
    assert all(ended[how] for how in ("won", "lost", "failed", "cancelled"))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_many_raced_calls_whose_clients_hang_up_leave_nothing_behind(tmp_path):
    await crowd_and_audit(tmp_path, 3_000)
