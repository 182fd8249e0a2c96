"""However a call ends, there is one row and at most one charge for it, and nothing is left at the provider."""

import socket
import struct

import pytest
import trio

from tests.fakes.server import serve_fake
from tests.faults.harness import TERMINAL, Answer, Site, as_asked, eventually, one_settled, run_gateway, stop


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_normal_end(tmp_path, streamed):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            answer = await gateway.call("stream events=5 gap=0.01", stream=streamed)
            assert answer.succeeded
            call = await one_settled(site)
            assert (call["outcome"], call["id"]) == ("completed", answer.header("request-id"))
            assert call["charge_micro"] == call["cost_micro"] > 0
            await stop(gateway, fake)


async def test_an_error_before_content_is_free(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            answer = await gateway.call("status 500")
            assert answer.status == 502
            call = await one_settled(site)
            assert (call["outcome"], call["charge_micro"]) == ("failed", None)
            await stop(gateway, fake)


@pytest.mark.parametrize("act", ["error_midway 3 gap=0.01", "cut_after 3 gap=0.01"])
async def test_an_error_midway_is_told_and_what_came_is_charged(tmp_path, act):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            answer = await gateway.call(act)
            assert b"event: error" in answer.body
            assert not answer.succeeded
            call = await one_settled(site)
            assert call["outcome"] == "partial"
            assert call["charge_micro"] == call["cost_micro"] > 0
            await stop(gateway, fake)


async def test_a_client_gone_before_content_pays_nothing(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            async with await gateway.connect() as connection:
                await connection.send_all(gateway.request("hang"))
                [exchange] = await fake.wait_requests(1)
            with trio.fail_after(2):
                await exchange.wait_closed()
            call = await one_settled(site)
            assert (call["outcome"], call["charge_micro"]) == ("cancelled", None)
            await stop(gateway, fake)


@pytest.mark.parametrize("how", ["closes", "resets", "half-closes"])
async def test_a_client_gone_midway_pays_for_what_it_got(tmp_path, how):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            connection = await gateway.connect()
            await connection.send_all(gateway.request("stream events=4000 gap=0.02"))
            await Answer().read(connection, until=b"content_block_delta")
            if how == "half-closes":
                await connection.send_eof()
            else:
                if how == "resets":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await connection.aclose()
            with trio.fail_after(2):
                await fake.exchanges[0].wait_closed()
            call = await one_settled(site)
            assert call["outcome"] == "cancelled"
            assert call["charge_micro"] == call["cost_micro"] > 0
            await connection.aclose()
            await stop(gateway, fake)


async def test_a_client_that_stops_reading_is_cut_at_the_write_deadline(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site, settings={"write_timeout_s": 0.5}) as gateway:
            async with await gateway.connect(receive_buffer=4096) as connection:
                await connection.send_all(gateway.request("stream events=40 size=100000", max_tokens=64_000))
                call = await one_settled(site)
                assert call["outcome"] == "cancelled"
                assert call["charge_micro"] == call["cost_micro"] > 0
                answer = await Answer().read(connection)
                assert TERMINAL not in answer.body
            await stop(gateway, fake)


async def test_revoking_the_key_cuts_its_call(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        async with run_gateway(site) as gateway:
            answer = Answer()
            async with await gateway.connect() as connection, trio.open_nursery() as nursery:
                await connection.send_all(gateway.request("stream events=4000 gap=0.02"))
                await answer.read(connection, until=b"content_block_delta")
                nursery.start_soon(answer.read, connection)
                revoked_at = trio.current_time()
                site.revoke()
                await eventually(lambda: fake.open_exchanges == 0)
                assert trio.current_time() - revoked_at < 1
            assert b"event: error" in answer.body
            assert b"revoked" in answer.body
            call = await one_settled(site)
            assert call["outcome"] == "partial"
            await stop(gateway, fake)


async def test_an_answer_that_cannot_be_recorded_is_not_called_complete(tmp_path):
    async with serve_fake(always=as_asked) as fake:
        site = Site(tmp_path / "data", fake.url)
        command = ("-m", "tests.faults.slow_disk", "--failing-commits")
        async with run_gateway(site, command=command) as gateway:
            answer = await gateway.call("reply events=3")
            assert b"event: error" in answer.body
            assert not answer.succeeded
            assert (await gateway.call("reply")).status == 503
            (site.data_dir / "disk-is-fine").touch()
            call = await one_settled(site)
            assert call["id"] == answer.header("request-id")
            await eventually(lambda: site.read("SELECT count(*) FROM heartbeat WHERE state = 'ready'") == [(1,)])
            assert (await gateway.call("reply")).succeeded
            await stop(gateway, fake)
