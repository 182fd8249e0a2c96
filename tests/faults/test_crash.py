"""`kill -9` at random instants under load: what a client took for complete is in the books, and nothing twice."""

import random
import signal
from pathlib import Path

import pytest
import trio

from tests.fakes.server import serve_fake
from tests.faults.harness import SERVE, Answer, GatewayProcess, Site, as_asked, eventually, run_gateway, stop

CLIENTS = 12
# Most are short. Those of seconds are checkpointed, and are lost when their gateway dies.
ACTS = ("reply", "stream events=4", "stream events=20 gap=0.01", "stream events=2000 gap=0.005", "status 400", "hang")
WEIGHTS = (6, 6, 4, 2, 1, 1)


class Load:
    """Clients that call one after the other until their gateway is gone. `completed` are the ids of the answers that
    a client would take for complete."""

    def __init__(self, gateway: GatewayProcess, random_numbers: random.Random) -> None:
        self.completed: list[str] = []
        self._gateway = gateway
        self._random = random_numbers

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(self._client)

    async def _client(self) -> None:
        while True:
            [act] = self._random.choices(ACTS, WEIGHTS)
            try:
                connection = await self._gateway.connect()
            except OSError:
                return
            answer = Answer()
            async with connection:
                try:
                    await connection.send_all(self._gateway.request(act, stream=self._random.random() < 0.7))
                except trio.BrokenResourceError:
                    return
                await answer.read(connection)
            if not answer.head:
                return
            if answer.succeeded:
                self.completed.append(answer.header("request-id"))


async def crash_and_audit(
    folder: Path, rounds: int, seed: int, command: tuple[str, ...], longest_s: float = 1.6
) -> tuple[int, int]:
    """Kill a gateway and start the next one on the same folder, so many times. (calls completed, calls lost)."""
    random_numbers = random.Random(seed)
    completed: set[str] = set()
    async with serve_fake(always=as_asked, recording=False) as fake:
        site = Site(folder / "data", fake.url)
        for _ in range(rounds):
            async with run_gateway(site, command=command) as gateway:
                await check_restart(site, completed)
                load = Load(gateway, random_numbers)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(load.run)
                    await trio.sleep(random_numbers.uniform(0.02, longest_s))
                    gateway.signal(signal.SIGKILL)
                    assert await gateway.exit_code() == -signal.SIGKILL
                completed.update(load.completed)
                await eventually(lambda: fake.open_exchanges == 0 and fake.connections_open == 0)
        async with run_gateway(site) as gateway:
            await check_restart(site, completed)
            assert (await gateway.call("reply")).succeeded
            await stop(gateway, fake)
    [(lost,)] = site.read("SELECT count(*) FROM calls WHERE outcome = 'lost'")
    return len(completed), lost


async def check_restart(site: Site, completed: set[str]) -> None:
    """What a gateway that has just started makes of what the one before it left."""
    assert site.read("SELECT count(*) FROM calls WHERE state = 'open'") == [(0,)]
    check_completed(site, completed)
    site.audit()
    assert site.read("SELECT count(*) FROM calls WHERE outcome = 'lost' AND usage_basis <> 'estimated'") == [(0,)]
    # Written once a second, so for a moment what the dead one held can still be read.
    await eventually(lambda: not site.read("SELECT 1 FROM gauges WHERE name = 'held_micro' AND value <> 0"))


def check_completed(site: Site, completed: set[str]) -> None:
    """Every call that a client saw complete is there as completed, and was charged what it cost."""
    charged = {
        call_id
        for (call_id,) in site.read(
            "SELECT c.id FROM calls c JOIN ledger l ON l.call_id = c.id AND l.kind = 'charge' "
            "WHERE c.outcome = 'completed' AND c.cost_micro > 0 AND l.amount_micro = -c.cost_micro"
        )
    }
    assert completed <= charged


# On a slow disk most calls are waiting for their commit when the gateway dies.
DISKS = pytest.mark.parametrize(
    "command", [SERVE, ("-m", "tests.faults.slow_disk", "--commit-takes", "0.04")], ids=["this disk", "a slow disk"]
)


@DISKS
async def test_killed_at_a_random_instant(tmp_path, command):
    completed, _ = await crash_and_audit(tmp_path, 5, 1, command)
    assert completed > 10


@DISKS
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3])
async def test_killed_at_many_random_instants(tmp_path, command, seed):
    completed, lost = await crash_and_audit(tmp_path, 50, seed, command, longest_s=3.0)
    assert completed > 500
    assert lost > 0


async def test_calls_a_dead_gateway_left_open_are_settled_as_lost(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway, await gateway.connect() as connection:
            await connection.send_all(gateway.request("stream events=4000 size=400 gap=0.01"))
            checkpoint = "SELECT cost_micro FROM calls WHERE state = 'open' AND cost_micro > 0"
            await eventually(lambda: site.read(checkpoint))
            gateway.signal(signal.SIGKILL)
            await gateway.exit_code()
            [(cost_micro,)] = site.read(checkpoint)
            await eventually(lambda: fake.connections_open == 0)
        async with run_gateway(site) as gateway:
            [call] = site.settled()
            assert (call["outcome"], call["usage_basis"]) == ("lost", "estimated")
            assert call["charge_micro"] == cost_micro
            await stop(gateway, fake)
