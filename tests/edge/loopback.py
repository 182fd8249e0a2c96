"""A server on a real socket and a client that sends raw bytes: what the tests of the HTTP/1.1 edge are written with."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import trio

from gateway.edge.server import Drain, ServerSettings, serve

WAIT_S = 5.0
GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True  # the body ended as its framing says, and not because the connection did


class Client:
    """Raw bytes out, parsed answers in."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._data = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def closed(self) -> bool:
        """The server closed, with nothing more to say."""
        try:
            return self._data == b"" and await self.stream.receive_some() == b""
        except trio.BrokenResourceError:
            return True

    async def reset(self) -> bool:
        """The connection ends, and with RST."""
        try:
            async for _data in self.stream:
                pass
        except trio.BrokenResourceError:
            return True
        return False

    async def answer(self, *, to_head: bool = False) -> Answer:
        head = await self._until(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        answer = Answer(int(status_line.split(" ")[1]), headers, b"")
        if to_head or answer.status < 200 or answer.status in (204, 304):
            return answer
        if "content-length" in headers:
            answer.body = await self._exactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            answer.body, answer.whole = await self._chunks()
        else:
            answer.body = await self.rest()
        return answer

    async def rest(self) -> bytes:
        data, self._data = self._data, b""
        async for more in self.stream:
            data += more
        return data

    async def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            try:
                size = int(await self._until(b"\r\n"), 16)
                chunk = await self._exactly(size + 2)
            except (EOFError, trio.BrokenResourceError):
                return body, False
            body += chunk[:-2]
            if size == 0:
                return body, True

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            await self._more()
        found, _, self._data = self._data.partition(mark)
        return found

    async def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            await self._more()
        found, self._data = self._data[:size], self._data[size:]
        return found

    async def _more(self) -> None:
        more = await self.stream.receive_some()
        if not more:
            raise EOFError(f"the server closed after {self._data!r}")
        self._data += more


class Server:
    def __init__(self, addresses: list[str], drain: Drain) -> None:
        self.addresses = addresses
        self.drain = drain
        self.stopped = trio.Event()

    @property
    def port(self) -> int:
        return int(self.addresses[0].rsplit(":", 1)[1])

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        try:
            yield Client(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def ask(self, data: bytes) -> Answer:
        async with self.connect() as client:
            await client.send(data)
            return await client.answer()

    async def until_closed(self) -> None:
        """Until the server has no connection left."""
        while self.drain.connections:  # noqa: ASYNC110 - nothing tells, and serving() bounds it
            await trio.sleep(0.001)


@contextlib.asynccontextmanager
async def serving(app: Callable[..., Any], **settings: Any) -> AsyncIterator[Server]:
    """`app` on a free port of the loopback interface, everything bounded by WAIT_S, cancelled at the end."""
    settings.setdefault("binds", ("127.0.0.1:0",))
    settings.setdefault("linger_s", 0.05)
    drain = Drain()
    with trio.fail_after(WAIT_S):
        async with trio.open_nursery() as nursery:

            async def run(task_status: trio.TaskStatus[list[str]]) -> None:
                await serve(app, ServerSettings(**settings), stop=drain, task_status=task_status)
                server.stopped.set()

            server = Server(await nursery.start(run), drain)
            yield server
            drain.cancel()


def application(handle: Callable[..., Any]) -> Callable[..., Any]:
    """An ASGI application whose http requests go to `handle(scope, receive, send)`; it has no lifespan."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await handle(scope, receive, send)

    return app


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return body


async def respond(send: Any, body: bytes = b"", status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


@application
async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked, as JSON."""
    body = await read_body(receive)
    seen = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "http_version": scope["http_version"],
        "scheme": scope["scheme"],
        "client": scope["client"],
        "server": scope["server"],
        "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    await respond(send, msgspec.json.encode(seen), headers=[(b"content-type", b"application/json")])
