"""The process itself, and programs that are not what they should be: nothing is left of any of them."""

import errno
import os
from pathlib import Path

import msgspec
import pytest
import trio

from gateway.records import Account
from gateway.upstream.providers.claude_cli.process import CliProcess
from gateway.upstream.upstreams import Upstreams
from tests.claude_cli.conftest import Cli, Start, asking, is_alive, until
from tests.fakes.claude_cli import install


def script(folder: Path, text: str) -> Path:
    """An executable of a few lines of shell; `$HERE` is its folder."""
    program = folder / "script"
    program.write_text(f'#!/bin/sh\nHERE="{folder}"\n{text}\n')
    program.chmod(0o755)
    return program


def numbers(path: Path, many: int) -> list[int]:
    """Process ids that a script has written there; [] until there are so many."""
    found = [int(word) for word in path.read_text().split()] if path.exists() else []
    return found if len(found) == many else []


def message_of(body: bytes) -> str:
    return msgspec.json.decode(body)["error"]["message"]


async def test_a_process_that_cannot_be_watched_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started = []

    def refuse(pid: int) -> int:
        started.append(pid)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        CliProcess(["/bin/sleep", "600"], {}, tmp_path)
    assert not is_alive(started[0])


async def test_a_process_for_which_nothing_is_left_is_a_503_that_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    status, body = await cli.ask(asking("hello"))
    assert (status, message_of(body)) == (503, "The Claude CLI could not be started: Too many open files.")


async def test_a_call_cancelled_while_the_version_is_asked_for_leaves_nothing(start: Start, tmp_path: Path):
    deaf = script(tmp_path, 'trap "" TERM\nsleep 600 &\necho $$ $! > "$HERE/pids"\nwait')
    cli = await start(command=str(deaf))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cli.ask, asking("hello"))
        await until(lambda: numbers(tmp_path / "pids", 2) != [])
        cancelled_at = trio.current_time()
        nursery.cancel_scope.cancel()
    await until(lambda: not any(is_alive(pid) for pid in numbers(tmp_path / "pids", 2)))
    assert trio.current_time() - cancelled_at < 1


async def test_a_program_that_failed_once_is_asked_again(start: Start, tmp_path: Path):
    """In the middle of an update its file is there before all that it needs."""
    whole = install(tmp_path / "whole")
    half = script(tmp_path, f'[ -e "$HERE/complete" ] || exit 1\nexec "{whole}" "$@"')
    cli = await start(command=str(half))
    assert (await cli.ask(asking("hello")))[0] == 503
    (tmp_path / "complete").touch()
    assert (await cli.ask(asking("hello")))[0] == 200


async def test_calls_that_wait_for_the_version_share_what_is_found(start: Start, tmp_path: Path):
    odd = script(tmp_path, 'echo asked >> "$HERE/asked"\nsleep 0.3\necho "something else"')
    cli = await start(command=str(odd))
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(cli.ask, asking("hello"))
    assert (tmp_path / "asked").read_text() == "asked\n"


async def test_a_call_under_way_is_answered_though_its_account_is_taken_away_meanwhile(tmp_path: Path):
    whole = install(tmp_path / "stand-in")
    slow = script(tmp_path, f'[ "$1" = --version ] && touch "$HERE/asked" && sleep 0.5\nexec "{whole}" "$@"')
    async with Upstreams(lambda sealed: "", data_dir=tmp_path) as upstreams:
        await upstreams.refresh([Account(1, "cli", "claude-cli", "", options={"command": str(slow)})])
        cli = Cli(tmp_path / "stand-in", upstreams.get(1))
        statuses = []

        async def call() -> None:
            statuses.append((await cli.ask(asking("hello")))[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await until((tmp_path / "asked").exists)
            await upstreams.refresh([])
    assert statuses == [200]


async def test_what_a_program_says_after_it_has_closed_its_output_is_heard(start: Start, tmp_path: Path):
    late = script(tmp_path, 'exec >&-\nsleep 0.1\necho "out of paper" >&2\nexit 3')
    cli = await start(command=str(late), any_version=True)
    status, body = await cli.ask(asking("hello"))
    assert status == 503
    assert message_of(body).endswith("ended with status 3, saying: out of paper")


async def test_a_program_that_prints_no_json_is_ended(start: Start, tmp_path: Path):
    odd = script(tmp_path, "echo '{odd'\nsleep 600")
    cli = await start(command=str(odd), any_version=True)
    status, body = await cli.ask(asking("hello"))
    assert status == 503
    assert "what no Claude CLI prints" in message_of(body)


async def test_a_flood_of_lines_that_mean_nothing_ends_by_the_deadline_of_the_call(start: Start, tmp_path: Path):
    flood = script(tmp_path, 'echo $$ > "$HERE/pids"\nwhile true; do echo nothing; echo nothing >&2; done')
    cli = await start(command=str(flood), any_version=True)
    with pytest.raises(Exception, match="did not answer in time"):
        await cli.ask(asking("hello"), first_byte=0.5)
    await until(lambda: not is_alive(*numbers(tmp_path / "pids", 1)))
