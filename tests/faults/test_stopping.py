"""SIGTERM lets open calls finish, tells those that do not, and stops; a second one does not wait."""

import signal

import trio

from tests.fakes.server import serve_fake
from tests.faults.harness import (
    Answer,
    GatewayProcess,
    Site,
    as_asked,
    eventually,
    one_settled,
    run_gateway,
    stop,
    stopped,
)

ENDLESS = "stream events=4000 gap=0.02"


async def test_an_open_call_finishes_and_its_connection_closes(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            answer = Answer()
            async with await gateway.connect() as connection:
                await connection.send_all(gateway.request("stream events=50 gap=0.02"))
                await answer.read(connection, until=b"content_block_delta")
                gateway.signal(signal.SIGTERM)
                with trio.fail_after(10):
                    await answer.read(connection)
            assert answer.succeeded
            await stopped(gateway, fake)
            assert (await one_settled(site))["outcome"] == "completed"


async def test_while_it_drains_nobody_new_is_served(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            readiness = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n"
            half_a_call = gateway.request("reply")[:40]
            async with (
                await gateway.connect() as streaming,
                await gateway.connect() as asking,
                await gateway.connect() as calling,
            ):
                await streaming.send_all(gateway.request("stream events=150 gap=0.01"))
                await Answer().read(streaming, until=b"content_block_delta")
                # Both requests have begun when the signal comes: their connections are not idle, and are kept.
                await asking.send_all(readiness[:20])
                await calling.send_all(half_a_call)
                await eventually(lambda: readable_bytes(gateway.port) == 0)
                gateway.signal(signal.SIGTERM)
                await eventually(lambda: "draining" in gateway.log)
                await asking.send_all(readiness[20:])
                await calling.send_all(gateway.request("reply")[40:])
                with trio.fail_after(10):
                    ready, refused = await Answer().read(asking), await Answer().read(calling)
                assert (ready.status, ready.header("connection")) == (503, "close")
                assert (refused.status, refused.header("connection")) == (503, "close")
                with trio.fail_after(5):
                    await turned_away(gateway)
            await stopped(gateway, fake)


async def turned_away(gateway: GatewayProcess) -> None:
    """Returns once connections are refused."""
    while True:
        try:
            connection = await gateway.connect()
        except ConnectionResetError:
            # It was waiting to be accepted when the listener closed.
            continue
        except ConnectionRefusedError:
            return
        await connection.aclose()


def readable_bytes(port: int) -> int:
    """Bytes that have arrived at connections of a listening port and were not read yet (/proc/net/tcp)."""
    with open("/proc/net/tcp") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    return sum(int(line[4].partition(":")[2], 16) for line in lines if line[1].endswith(f":{port:04X}"))


async def test_a_call_that_does_not_end_is_told_after_the_drain(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site, settings={"drain_s": 0.5}) as gateway:
            answer = Answer()
            async with await gateway.connect() as connection:
                await connection.send_all(gateway.request(ENDLESS))
                await answer.read(connection, until=b"content_block_delta")
                gateway.signal(signal.SIGTERM)
                with trio.fail_after(5):
                    await answer.read(connection)
            assert b"event: error" in answer.body
            assert b"stopping" in answer.body
            assert answer.body.endswith(b"0\r\n\r\n")
            await stopped(gateway, fake)
            call = await one_settled(site)
            assert call["outcome"] == "partial"
            assert call["charge_micro"] == call["cost_micro"] > 0


async def test_a_second_signal_does_not_wait(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site, settings={"drain_s": 60}) as gateway, await gateway.connect() as connection:
            await connection.send_all(gateway.request(ENDLESS))
            await Answer().read(connection, until=b"content_block_delta")
            gateway.signal(signal.SIGTERM)
            await eventually(lambda: "draining" in gateway.log)
            gateway.signal(signal.SIGTERM)
            assert await gateway.exit_code(limit_s=5) == 0
            await stopped(gateway, fake)
            call = await one_settled(site)
            assert call["outcome"] == "partial"
            assert call["charge_micro"] == call["cost_micro"] > 0


async def test_a_client_that_does_not_read_does_not_hold_up_the_stop(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with (
            run_gateway(site, settings={"drain_s": 0.2, "write_timeout_s": 60}) as gateway,
            await gateway.connect(receive_buffer=4096) as connection,
        ):
            await connection.send_all(gateway.request("stream events=40 size=100000", max_tokens=64_000))
            await eventually(lambda: fake.exchanges and fake.exchanges[0].sent_bytes)
            gateway.signal(signal.SIGTERM)
            assert await gateway.exit_code(limit_s=10) == 0
            await stopped(gateway, fake)
            assert (await one_settled(site))["charge_micro"] > 0


async def test_what_could_not_be_recorded_is_recorded_before_the_end(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        command = ("-m", "tests.faults.slow_disk", "--failing-commits")
        async with run_gateway(site, command=command) as gateway:
            answer = await gateway.call("reply")
            assert not answer.succeeded
            (site.data_dir / "disk-is-fine").touch()
            gateway.signal(signal.SIGTERM)
            assert await gateway.exit_code() == 0
            assert (await one_settled(site))["id"] == answer.header("request-id")
            await stopped(gateway, fake)


async def test_a_second_gateway_is_refused_and_told_who_holds_the_folder(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            second = await trio.run_process(
                [*gateway.command], env=gateway.environment, capture_stderr=True, check=False
            )
            assert second.returncode == 6
            assert f"process {gateway.pid} on ".encode() in second.stderr
            assert (await gateway.call("reply")).succeeded
            await stop(gateway, fake)
