"""A gateway under full write load on a slow disk, and a second process that writes beside it."""

import subprocess
import sys

import msgspec
import trio

from tests.fakes.server import serve_fake
from tests.faults.harness import Answer, GatewayProcess, Site, as_asked, eventually, run_gateway, stop

CLIENTS = 16
TIMES = 15
AMOUNT_MICRO = 1_000_000
SLOW_DISK = ("-m", "tests.faults.slow_disk", "--commit-takes", "0.02")


class Load:
    """Clients that call one after the other until they are told to stop."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.answers: list[Answer] = []
        self.running = True
        self._gateway = gateway

    async def client(self) -> None:
        while self.running:
            self.answers.append(await self._gateway.call("reply", stream=False))


async def balance_micro(gateway: GatewayProcess, secret: str) -> int:
    """What the gateway takes the balance to be."""
    async with await gateway.connect() as connection:
        await connection.send_all(
            f"GET /v1/balance HTTP/1.1\r\nhost: localhost\r\nx-api-key: {secret}\r\nconnection: close\r\n\r\n".encode()
        )
        answer = await Answer().read(connection)
    return msgspec.json.decode(answer.body)["balance_micro"]


async def top_up_and_watch(site: Site, gateway: GatewayProcess, secret: str) -> None:
    """A second process tops up again and again, and each time the money is there within a second."""
    command = [sys.executable, "-m", "tests.faults.topups", str(site.path), "beta", str(TIMES), str(AMOUNT_MICRO)]
    other = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert other.stdout is not None
    done = 0
    with trio.fail_after(60):
        async with other.stdout:
            async for lines in other.stdout:
                done += lines.count(b"\n")
                with trio.fail_after(1):
                    while await balance_micro(gateway, secret) < done * AMOUNT_MICRO:
                        continue
        assert await other.wait() == 0
    assert done == TIMES


async def test_topups_beside_a_busy_gateway_on_a_slow_disk(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        secret = site.add_key("beta")
        async with run_gateway(site, command=SLOW_DISK) as gateway:
            load = Load(gateway)
            async with trio.open_nursery() as nursery:
                for _ in range(CLIENTS):
                    nursery.start_soon(load.client)
                await eventually(lambda: len(load.answers) > CLIENTS)
                await top_up_and_watch(site, gateway, secret)
                load.running = False
            assert [answer.status for answer in load.answers if not answer.succeeded] == []
            await stop(gateway, fake)


async def test_a_customer_who_tops_up_is_served_within_a_second(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        secret = site.add_key("beta")
        async with run_gateway(site) as gateway:
            assert (await gateway.call("reply", secret=secret)).status == 402
            site.topup("beta", AMOUNT_MICRO)
            with trio.fail_after(1):
                while (await gateway.call("reply", secret=secret)).status != 200:
                    continue
            await stop(gateway, fake)
