"""The fake provider on a real loopback socket, in a test's nursery or as a process of its own.

`serve_fake` opens it beside a test. `python -m tests.fakes.server --mode "stream events=200 gap=0.01"` prints
`http://127.0.0.1:PORT` and serves until it is killed. There, a request may choose its own act: a `user` field
(Messages: `metadata.user_id`) that reads `fake:` and a directive (see `verbs.directive`). `GET /_fake` answers the
counters.
"""

import argparse
import math
import re
import resource
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httptools
import msgspec
import trio

from tests.fakes.play import Asked, Cut, Performance, Send, Wait
from tests.fakes.stage import Answer, Exchange, Stage
from tests.fakes.verbs import Act, directive

_DIRECTIVE = re.compile(rb'"user(?:_id)?"\s*:\s*"fake:([^"\\]*)"')


class FakeServer(Stage):
    """`Stage` on a TCP socket. `url` is where a provider's API begins (`http://127.0.0.1:PORT/v1`)."""

    port = 0
    connections_open = 0
    connections_accepted = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def performance(self, asked: Asked) -> Performance:
        if asked.path != "/_fake":
            return super().performance(asked)
        body = msgspec.json.encode(
            {
                "connections_open": self.connections_open,
                "connections_accepted": self.connections_accepted,
                "exchanges_open": self.open_exchanges - 1,
                "most_exchanges_open": self.most_open_exchanges,
                "answers_started": self.answers_started,
                "answers_finished": self.answers_finished,
            }
        )
        headers = (("content-type", "application/json"), ("content-length", str(len(body))))
        return Performance(200, headers, (Send(body),))

    async def run(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        """Accepts until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(listener)
            while True:
                try:
                    connected, _ = listener.accept()
                except BlockingIOError:
                    break
                connected.setblocking(False)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                nursery.start_soon(_Connection(self, connected).run)


class _Connection:
    """One keep-alive connection. It talks to the bare socket: a trio stream costs three times as much per answer."""

    def __init__(self, server: FakeServer, connected: socket.socket) -> None:
        self._server = server
        self._socket = connected
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._asked: list[Asked] = []
        self._continue = False

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._continue = self._headers.get("expect", "").lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        path = self._target.decode("latin-1").partition("?")[0]
        self._asked.append(Asked(method, path, self._headers, b"".join(self._body)))
        self._target, self._headers, self._body = b"", {}, []

    async def run(self) -> None:
        self._server.connections_open += 1
        self._server.connections_accepted += 1
        try:
            while await self._receive():
                while self._asked:
                    if not await self._serve(self._asked.pop(0)):
                        return
        except (OSError, httptools.HttpParserError):
            return
        finally:
            self._server.connections_open -= 1
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def _receive(self) -> bool:
        """Feeds the parser what arrives next; False at the end of the connection."""
        while True:
            try:
                data = self._socket.recv(262_144)
                break
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._socket)
        if not data:
            return False
        self._parser.feed_data(data)
        if self._continue:
            self._continue = False
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    async def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket)

    async def _serve(self, asked: Asked) -> bool:
        """Answers one request; False if the connection is spent."""
        exchange = self._server.begin(asked, self._server.url)
        try:
            performance = self._server.performance(asked)
            if performance.refused:
                return False
            if performance.at_once is not None:
                exchange.head_at = exchange.opened_at
                await self._send(performance.at_once)
                exchange.finished = True
                return True
            return await self._play_watched(performance, exchange)
        finally:
            self._server.end(exchange)

    async def _play_watched(self, performance: Performance, exchange: Exchange) -> bool:
        """Plays with an eye on the client: one that has gone ends the performance at once."""
        alive = False
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                try:
                    while await self._receive():
                        pass
                except (OSError, httptools.HttpParserError):
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            try:
                alive = await self._play(performance, exchange)
            except OSError:
                alive = False
            nursery.cancel_scope.cancel()
        return alive

    async def _play(self, performance: Performance, exchange: Exchange) -> bool:
        await _pause(performance.head_delay)
        exchange.head_at = trio.current_time()
        pending = performance.head
        chunked = performance.chunked
        for step in performance.steps:
            if isinstance(step, Wait):
                if pending:
                    await self._send(pending)
                    pending = b""
                await _pause(step.seconds)
            elif isinstance(step, Send):
                exchange.sent_bytes += len(step.data)
                await self._send(pending + (_chunk(step.data) if chunked else step.data))
                pending = b""
            elif isinstance(step, Cut):
                await self._send(pending)
                return False
        await self._send(pending + (b"0\r\n\r\n" if chunked else b""))
        exchange.finished = True
        return True


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _pause(seconds: float) -> None:
    if seconds == math.inf:
        await trio.sleep_forever()
    elif seconds:
        await trio.sleep(seconds)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


@asynccontextmanager
async def serve_fake(
    *acts: Answer,
    name: str = "fake",
    models: tuple[str, ...] = (),
    always: Answer | None = None,
    port: int = 0,
    recording: bool = True,
) -> AsyncIterator[FakeServer]:
    """A fake provider on a loopback port, scripted as `Stage` is. Leaving the block closes every connection."""
    server = FakeServer(*acts, name=name, models=models, always=always, recording=recording)
    with _listen("127.0.0.1", port) as listener:
        server.port = listener.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run, listener, nursery)
            yield server
            nursery.cancel_scope.cancel()


class _Directed(FakeServer):
    """Lets a request choose its act, and remembers the performances of short requests it has seen before.

    But for Responses, whose ids must differ: they name state that belongs to one customer.
    """

    _KEPT = 256
    _SHORT_BYTES = 65_536

    def __init__(self, mode: Act, **options: object) -> None:
        super().__init__(always=self._act, recording=False, **options)
        self._mode = mode
        self._seen: dict[tuple[str, bytes], Performance] = {}

    def performance(self, asked: Asked) -> Performance:
        if len(asked.body) > self._SHORT_BYTES or not asked.generates or asked.dialect == "responses":
            return super().performance(asked)
        performance = self._seen.get((asked.path, asked.body))
        if performance is None:
            if len(self._seen) >= self._KEPT:
                self._seen.clear()
            performance = self._seen[asked.path, asked.body] = super().performance(asked)
        else:
            self.answers_started += 1
        return performance

    def _act(self, asked: Asked) -> Act:
        found = _DIRECTIVE.search(asked.body[:1024]) or _DIRECTIVE.search(asked.body[-1024:])
        return directive(found[1].decode()) if found else self._mode


async def _run(port: int, mode: Act) -> None:
    server = _Directed(mode, name="fake", models=("gpt-5.5", "claude-sonnet-5"))
    with _listen("127.0.0.1", port) as listener:
        server.port = listener.getsockname()[1]
        sys.stdout.write(f"http://127.0.0.1:{server.port}\n")
        sys.stdout.flush()
        async with trio.open_nursery() as nursery:
            await server.run(listener, nursery)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mode", type=directive, default=directive("reply"), help="what requests get (default: reply)")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    trio.run(_run, arguments.port, arguments.mode)


if __name__ == "__main__":
    main()
