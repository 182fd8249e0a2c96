"""The scripted providers behind the gateway under test: one per script, each with a model of its own name.

Each is an account of its own at a path of its own, so that what one script does to its account's health touches no
other test. They run on real sockets, in a thread of the test process.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trio

from tests.fakes.content import Tokens, ToolCall
from tests.fakes.play import Asked
from tests.fakes.server import FakeServer, serve_fake
from tests.fakes.verbs import (
    Act,
    cut_after,
    error_in_200,
    error_midway,
    garbage,
    hang_after,
    refuse,
    reply,
    status,
    stream,
)

SECRET = "upstream-secret-which-no-client-may-see"
TOKENS = Tokens(input=12, cache_read=100, cache_write_5m=20, output=7)
PLAIN = stream("Good ", "morning", ", world.", tokens=TOKENS)
WEATHER = (ToolCall("get_weather", ('{"city":', '"Tokyo"}')), ToolCall("get_weather", ('{"city":"Oslo"}',)))

# Long enough for what came before to reach the client; a break in the same packet is a failure before any content.
PAUSE_S = 0.02

# Several times what the gateway of test_silence.py lets pass before a keep-alive.
SILENCE_S = 0.5

SCRIPTS: dict[str, Act] = {
    "plain": PLAIN,
    "tools": stream("Let me look.", tools=WEATHER),
    "thinking": stream("42.", thinking=("Six times ", "seven."), tokens=Tokens(output=20, reasoning=13)),
    "person": stream('{"name":"Ada",', '"age":36}'),
    "renamed": PLAIN.but(model="the-name-upstream"),
    "bytewise": PLAIN.but(split=7),
    "quiet": hang_after(1),
    "unauthorized": status(401, message="Invalid bearer token sk-upstream-123456789"),
    "out-of-quota": status(402, message="Your credit balance is too low"),
    "limited": status(429, retry_after=7),
    "overloaded": status(529),
    "failing": status(500),
    "late": PLAIN.but(first_delay=SILENCE_S),
    "pausing": stream("Good ", "morning.", first=0, gap=SILENCE_S, tokens=TOKENS),
    "late-failure": status(500, after=SILENCE_S),
    "invalid": status(400, message="messages: roles must alternate"),
    "too-large": status(413),
    "html": garbage(),
    "truncated": garbage(b'{"id": "msg_1", "content": [', "application/json"),
    "wrong-type": garbage(b'{"object": "something.else"}', "application/json"),
    "error-inside": error_in_200(500, message="Internal server error"),
    "refused": refuse(),
    "error-midway": error_midway(2, gap=PAUSE_S, message="The provider's own words"),
    "cut": cut_after(2, gap=PAUSE_S),
    "ended": cut_after(2, gap=PAUSE_S, clean=True),
}
"""What each provider does with every request."""

FAILURES = (
    "unauthorized",
    "out-of-quota",
    "limited",
    "overloaded",
    "failing",
    "html",
    "truncated",
    "wrong-type",
    "error-inside",
    "refused",
)
"""Scripts after which an account rests. Each has two accounts of each kind, so that two tests can meet it fresh."""

BROKEN_FIRST = "broken-first"
"""A script that two accounts serve: the one tried first fails, the other answers."""


class Upstream:
    """The providers, running. `base_url(script)` is what an account of that script is given.

    `act` decides what a request gets; if it is not given, the first part of the path names one of `SCRIPTS`.
    """

    def __init__(self, act: Callable[[Asked], Act] | None = None) -> None:
        self._act = act or _act
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="scripted-providers", daemon=True)

    async def _serve(self) -> None:
        async with serve_fake(always=self._act) as server:
            self._server: FakeServer = server
            self._stop = trio.Event()
            self._token = trio.lowlevel.current_trio_token()
            self._ready.set()
            await self._stop.wait()

    def base_url(self, script: str) -> str:
        return f"http://127.0.0.1:{self._server.port}/{script}/v1"

    def requests(self, script: str) -> list[Asked]:
        """What has been asked of the providers of this script, in the order of arrival."""
        return [asked for asked in list(self._server.requests) if asked.path.split("/")[1] == script]

    @property
    def open_exchanges(self) -> int:
        """Requests whose answer is neither complete nor given up."""
        return len(self._server.open)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), "the scripted providers did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join(10)


def _act(asked: Asked) -> Act:
    script = asked.path.split("/")[1]
    if script == BROKEN_FIRST:
        return status(500) if asked.headers.get("x-broken") else reply("Second try.")
    return SCRIPTS[script]
