"""Two upstreams for one call at a time: one answers, the other never does and notes when it is hung up on.

`python -m tests.bench.duel` prints both URLs and serves until its input ends. Then it prints, as JSON, for every call
how many milliseconds after the first frame of the answer had been sent the other connection was seen closed.
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import msgspec
import trio

from tests.bench.mock import MODEL
from tests.fakes import chat
from tests.fakes.content import Content

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_STOP_LIMIT_S = 15


class Duel:
    """The process, from `with` to its end. `delays_ms` is there after it."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.bench.duel"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if len(words) != 2:
            self._process.kill()
            raise RuntimeError("The two upstreams did not start.")
        self.answering_url, self.silent_url = words
        self.delays_ms: list[float] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            output, _ = self._process.communicate(timeout=_STOP_LIMIT_S)
            self.delays_ms = msgspec.json.decode(output, type=list[float])
        finally:
            self._process.kill()
            self._process.wait()


class _Match:
    """The answer begins when both have the call, and goes on when the other has been hung up on."""

    def __init__(self) -> None:
        self.delays_ms: list[float] = []
        self._asked = trio.Event()
        self._left = trio.Event()
        self._left_at = 0.0
        beats = chat.beats(Content(text=("one ", "two ")), MODEL, "duel", include_usage=True)
        self._first = _HEAD + _chunk(beats.preamble + beats.deltas[0])
        self._rest = _chunk(beats.deltas[1] + beats.ending) + b"0\r\n\r\n"

    async def answer(self, connection: trio.SocketStream) -> None:
        while await _request(connection):
            await self._asked.wait()
            self._asked, self._left = trio.Event(), trio.Event()
            sent_at = time.perf_counter()
            await connection.send_all(self._first)
            await self._left.wait()
            self.delays_ms.append((self._left_at - sent_at) * 1e3)
            await connection.send_all(self._rest)

    async def be_silent(self, connection: trio.SocketStream) -> None:
        if await _request(connection):
            self._asked.set()
            with contextlib.suppress(trio.BrokenResourceError):
                await connection.receive_some()
            self._left_at = time.perf_counter()
            self._left.set()


async def _request(connection: trio.SocketStream) -> bool:
    """Read one request; False at the end of the connection."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= int(length[1] if length else 0):
            return True
        data = await connection.receive_some()
        if not data:
            return False
        received += data


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _main() -> None:
    match = _Match()
    async with trio.open_nursery() as nursery:
        urls = []
        for serve in (match.answer, match.be_silent):
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            urls.append(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1")
            nursery.start_soon(trio.serve_listeners, serve, [listener])
        print(*urls, flush=True)
        async with trio.lowlevel.FdStream(os.dup(0)) as commands:
            await commands.receive_some()
        nursery.cancel_scope.cancel()
    print(msgspec.json.encode(match.delays_ms).decode())


if __name__ == "__main__":
    trio.run(_main)
