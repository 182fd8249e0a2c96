"""An account of the Claude CLI on a stand-in for the program, with real processes."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from gateway.records import Account
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.upstreams import Upstream, Upstreams
from tests.fakes.claude_cli import install, log

TIMEOUTS = {"read": 20.0, "first_byte": 20.0}
WEATHER = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object", "properties": {}}}


def acts(*each: list[Any]) -> str:
    """A prompt that makes the stand-in do this, answer by answer."""
    return json.dumps({"acts": each})


def asking(content: Any, **fields: Any) -> dict[str, Any]:
    """A request with one message, or with the messages given."""
    messages = content if isinstance(content, list) and "role" in content[0] else [{"role": "user", "content": content}]
    return {"model": "claude-sonnet-5", "max_tokens": 100, "messages": messages, **fields}


def going_on(request: dict[str, Any], answer: bytes, **results: str) -> dict[str, Any]:
    """The request after an answer that called tools, with their results by id."""
    content = msgspec.json.decode(answer)["content"]
    blocks = [{"type": "tool_result", "tool_use_id": tool_id, "content": text} for tool_id, text in results.items()]
    more = [{"role": "assistant", "content": content}, {"role": "user", "content": blocks}]
    return {**request, "messages": [*request["messages"], *more]}


class Cli:
    """The account: `ask` for an answer, or `open` one to read it bit by bit."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.folder = folder
        self.upstream = upstream

    @property
    def sessions(self) -> str:
        return repr(self.upstream.transport)

    @property
    def started(self) -> list[dict[str, Any]]:
        """Each process: `args`, `env`, `system`."""
        return [entry for entry in log(self.folder) if "args" in entry]

    @property
    def conversations(self) -> list[list[dict[str, Any]]]:
        """What the model was asked, question by question."""
        return [entry["messages"] for entry in log(self.folder) if "messages" in entry]

    @property
    def tools(self) -> list[dict[str, Any]]:
        return next(entry["tools"] for entry in reversed(log(self.folder)) if "tools" in entry)

    @property
    def alive(self) -> list[int]:
        """Processes that run, or have ended without anybody's having waited for them."""
        return [entry["pid"] for entry in self.started if Path(f"/proc/{entry['pid']}").exists()]

    async def open(self, body: dict[str, Any], *, caller: str = "key", **timeouts: float) -> httpx.Response:
        operation = UpstreamOperation("messages", "/messages", caller=caller)
        request = self.upstream.request(operation, msgspec.json.encode(body), {}, {**TIMEOUTS, **timeouts})
        return await self.upstream.transport.handle_async_request(request)

    async def ask(self, body: dict[str, Any], *, caller: str = "key", **timeouts: float) -> tuple[int, bytes]:
        response = await self.open(body, caller=caller, **timeouts)
        try:
            return response.status_code, b"".join([chunk async for chunk in response.stream])
        finally:
            await response.stream.aclose()

    async def all_gone(self, within_s: float = 5.0) -> float:
        """How long it took until no process was left."""
        began = trio.current_time()
        await until(lambda: not self.alive, within_s)
        return trio.current_time() - began


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Look again and again: what another process does makes no event here."""
    with trio.fail_after(within_s):
        while True:
            if condition():
                return
            await trio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """True if it runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """`await start(mode="crash", park_s=1)` makes an account with these options."""
    async with Upstreams(lambda sealed: "sk-ant-oat01-token", data_dir=tmp_path / "data") as upstreams:

        async def start(mode: str = "", version: str = "", max_concurrency: int | None = None, **options: Any) -> Cli:
            folder = tmp_path / "stand-in"
            program = install(folder, mode=mode, **({"version": version} if version else {}))
            given = {"command": str(program), **options}
            account = Account(1, "cli", "claude-cli", "", b"sealed", max_concurrency=max_concurrency, options=given)
            await upstreams.refresh([account])
            assert not upstreams.problems, upstreams.problems
            upstream = upstreams.get(1)
            assert upstream is not None
            return Cli(folder, upstream)

        start.upstreams = upstreams
        yield start


@pytest.fixture
async def cli(start: Start) -> Cli:
    return await start()
