"""No process outlives what it was started for, and there are never more than there may be."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
from msgspec import structs

from gateway.records import Account
from gateway.upstream.upstreams import Upstreams
from tests.claude_cli.conftest import WEATHER, Cli, Start, acts, asking, going_on, is_alive, until
from tests.fakes.claude_cli import install, log

TOOL = ["tools", ["t1", "weather", {}]]


@pytest.mark.parametrize("mode", ["hang", ""], ids=["while it starts", "while the model thinks"])
async def test_a_call_cancelled_before_its_first_event_kills_the_process(start: Start, mode: str):
    cli = await start(mode=mode)
    with trio.move_on_after(20) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cli.ask, asking(acts(["hang", 0]), tools=[WEATHER]))
            await until(lambda: len(cli.started) == 1)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    assert not scope.cancelled_caught
    assert await cli.all_gone() < 1


async def test_a_call_cancelled_while_its_history_is_told_kills_the_process(cli: Cli):
    messages = [{"role": "user", "content": "x" * 200_000}, {"role": "assistant", "content": "y"}] * 20
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cli.ask, asking([*messages, {"role": "user", "content": "z"}]))
        await until(lambda: len(cli.started) == 1)
        nursery.cancel_scope.cancel()
    assert await cli.all_gone() < 1


async def test_a_stream_closed_in_the_middle_kills_the_process(cli: Cli):
    response = await cli.open(asking(acts(["hang", 2]), stream=True))
    assert b"message_start" in await anext(aiter(response.stream))
    await response.stream.aclose()
    assert await cli.all_gone() < 1


async def test_a_process_deaf_to_sigterm_is_killed_all_the_same(start: Start):
    cli = await start(mode="deaf")
    response = await cli.open(asking(acts(["hang", 2]), stream=True))
    await response.stream.aclose()
    assert await cli.all_gone() < 1


async def test_a_finished_answer_leaves_no_process(cli: Cli):
    await cli.ask(asking("hello"))
    assert await cli.all_gone() < 1


async def test_a_stream_that_falls_silent_ends_by_the_deadline_of_the_call(cli: Cli):
    response = await cli.open(asking(acts(["hang", 1]), stream=True), read=0.2)
    with pytest.raises(httpx.ReadTimeout):
        async for _ in response.stream:
            pass
    await response.stream.aclose()
    await cli.all_gone()


async def test_a_first_event_that_does_not_come_ends_by_the_deadline_of_the_call(cli: Cli):
    with pytest.raises(httpx.ReadTimeout):
        await cli.ask(asking(acts(["hang", 0])), first_byte=1.0)
    await cli.all_gone()


async def test_fifty_calls_at_once_are_answered_by_four_processes_at_a_time(start: Start):
    cli = await start()
    most = 0
    statuses: list[int] = []

    async def call(number: int) -> None:
        status, body = await cli.ask(asking(acts(["slow", 0.2, f"answer {number}"])), first_byte=100)
        assert msgspec.json.decode(body)["content"][0]["text"] == f"answer {number}"
        statuses.append(status)

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(cli.alive))
            await trio.sleep(0.01)

    async with trio.open_nursery() as watching:
        watching.start_soon(watch)
        async with trio.open_nursery() as calls:
            for number in range(50):
                calls.start_soon(call, number)
        watching.cancel_scope.cancel()
    assert statuses == [200] * 50
    assert most == 4


async def test_a_call_for_which_no_process_comes_free_is_told_that_all_are_busy(start: Start):
    cli = await start(max_concurrency=1, wait_s=0.1)
    response = await cli.open(asking(acts(["hang", 1]), stream=True))
    status, body = await cli.ask(asking("me too"))
    assert (status, msgspec.json.decode(body)["error"]["type"]) == (529, "overloaded_error")
    await response.stream.aclose()


async def test_one_that_waits_for_a_tool_does_not_keep_others_from_work(start: Start):
    cli = await start(max_concurrency=1)
    await cli.ask(asking(acts(TOOL), tools=[WEATHER]))
    status, _ = await cli.ask(asking("hello"))
    assert status == 200
    assert "parked=1" in cli.sessions


async def test_one_that_waits_too_long_is_ended(start: Start):
    cli = await start(park_s=0.2)
    await cli.ask(asking(acts(TOOL), tools=[WEATHER]))
    assert len(cli.alive) == 1
    await cli.all_gone()


async def test_of_too_many_that_wait_the_oldest_is_ended(start: Start):
    cli = await start(parked=2)
    for number in range(3):
        await cli.ask(asking(acts(["tools", [f"t{number}", "weather", {}]]), tools=[WEATHER]))
    oldest, *others = [entry["pid"] for entry in cli.started]
    await until(lambda: not is_alive(oldest))
    assert [is_alive(pid) for pid in others] == [True, True]


async def test_one_that_takes_too_much_memory_is_ended_and_the_stream_says_so(start: Start):
    cli = await start(memory_mb=100)
    status, stream = await cli.ask(asking(acts(["grow", 200]), stream=True))
    assert status == 200
    assert b"event: error" in stream
    assert b"more than 100 MB" in stream
    await cli.all_gone()


async def test_closing_the_accounts_ends_every_process(tmp_path: Path):
    program = install(tmp_path / "stand-in")
    async with Upstreams(lambda sealed: "", data_dir=tmp_path) as upstreams:
        account = Account(1, "cli", "claude-cli", "", options={"command": str(program), "warm": 1})
        await upstreams.refresh([account])
        cli = Cli(tmp_path / "stand-in", upstreams.get(1))
        await cli.ask(asking(acts(TOOL), tools=[WEATHER]))
        response = await cli.open(asking(acts(["hang", 1]), stream=True))
        assert len(cli.alive) >= 2
    assert cli.alive == []
    await response.stream.aclose()


async def test_an_account_taken_away_finishes_its_answers_and_ends_what_waits(tmp_path: Path):
    program = install(tmp_path / "stand-in")
    async with Upstreams(lambda sealed: "", data_dir=tmp_path) as upstreams:
        await upstreams.refresh([Account(1, "cli", "claude-cli", "", options={"command": str(program)})])
        cli = Cli(tmp_path / "stand-in", upstreams.get(1))
        await cli.ask(asking(acts(TOOL), tools=[WEATHER]))
        waiting = cli.started[0]["pid"]
        response = await cli.open(asking(acts(["say", *"abcdef"]), stream=True))
        await upstreams.refresh([])
        assert b"message_stop" in b"".join([chunk async for chunk in response.stream])
        await cli.all_gone()
        assert not is_alive(waiting)


async def test_calls_that_wait_for_a_process_are_served_though_the_account_is_changed_meanwhile(tmp_path: Path):
    program = install(tmp_path / "stand-in")
    async with Upstreams(lambda sealed: "", data_dir=tmp_path) as upstreams:
        account = Account(1, "cli", "claude-cli", "", max_concurrency=1, options={"command": str(program)})
        await upstreams.refresh([account])
        cli = Cli(tmp_path / "stand-in", upstreams.get(1))
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(cli.ask, asking(acts(["slow", 0.1, f"answer {number}"])))
            await until(lambda: len(cli.started) == 1)
            await upstreams.refresh([structs.replace(account, max_concurrency=2)])
        assert len(cli.conversations) == 3
        await cli.all_gone()


async def test_a_change_that_is_not_the_programs_keeps_what_waits(start: Start, tmp_path: Path):
    cli = await start()
    upstreams = start.upstreams
    await cli.ask(asking(acts(TOOL), tools=[WEATHER]))
    await upstreams.refresh([structs.replace(cli.upstream.account, priority=5)])
    assert "parked=1" in repr(upstreams.get(1).transport)


async def test_results_for_a_process_that_died_meanwhile_are_told_to_another(cli: Cli):
    request = asking(acts(TOOL, ["say", "Sun."]), tools=[WEATHER])
    _, first = await cli.ask(request)
    os.kill(cli.started[0]["pid"], signal.SIGKILL)
    status, answer = await cli.ask(going_on(request, first, t1="sun"))
    assert (status, msgspec.json.decode(answer)["content"][0]["text"]) == (200, "Sun.")


_HOLDER = """
import sys, trio
from pathlib import Path
from gateway.records import Account
from gateway.upstream.upstreams import Upstreams
from tests.claude_cli.conftest import Cli, acts, asking

async def main():
    folder = Path(sys.argv[1])
    async with Upstreams(lambda sealed: "", data_dir=folder) as upstreams:
        await upstreams.refresh([Account(1, "cli", "claude-cli", "", options={"command": str(folder / "claude")})])
        cli = Cli(folder, upstreams.get(1))
        await cli.open(asking(acts(["hang", 1]), stream=True))
        print("open", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


def test_a_gateway_that_is_killed_takes_its_processes_with_it(tmp_path: Path):
    """Not by the end of its input: this one sleeps and reads nothing."""
    install(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "open\n"
        pid = log(tmp_path)[0]["pid"]
        assert is_alive(pid)
        holder.kill()
        deadline = time.monotonic() + 5
        while is_alive(pid):
            assert time.monotonic() < deadline, "it outlived the gateway"
