"""An upstream made of a plain listening socket: each accepted connection runs one scripted act, byte by byte."""

import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.upstream.transport import TrioTransport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TIMEOUT = {"connect": 2.0, "write": 2.0, "read": 2.0}


class Peer:
    """The server's end of one connection."""

    def __init__(self, stream: trio.abc.Stream, sock: trio.socket.SocketType) -> None:
        self._stream = stream
        self._socket = sock
        self._received = b""

    async def request(self) -> bytes:
        """The next whole request (with a content-length), or b"" if the client closed first."""
        while True:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if found:
                length = int(_header(head, b"content-length") or 0)
                if len(rest) >= length:
                    self._received = rest[length:]
                    return head + found + rest[:length]
            data = await self.receive()
            if not data:
                return b""
            self._received += data

    async def receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(65536))
        except trio.BrokenResourceError:
            return b""

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def closed_by_client(self) -> None:
        while await self.receive():
            pass

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


Act = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Listens on loopback. Connection n runs `acts[n]`, every later one the last act."""

    def __init__(self, acts: tuple[Act, ...], context: ssl.SSLContext | None) -> None:
        self.acts = acts
        self.connections = 0
        self._open = 0
        self._none_left = trio.Event()
        self._none_left.set()
        self.url = ""
        self._context = context

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        self.url = f"https://localhost:{port}" if self._context else f"http://127.0.0.1:{port}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._run, listeners)
            task_status.started()

    async def _run(self, stream: trio.SocketStream) -> None:
        act = self.acts[min(self.connections, len(self.acts) - 1)]
        self.connections += 1
        self._open += 1
        if self._open == 1:
            self._none_left = trio.Event()
        peer: trio.abc.Stream = stream
        try:
            if self._context is not None:
                peer = trio.SSLStream(stream, self._context, server_side=True)
            await act(Peer(peer, stream.socket))
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass
        finally:
            stream.socket.close()
            self._open -= 1
            if self._open == 0:
                self._none_left.set()

    async def settled(self) -> None:
        """Wait until no connection is left."""
        with trio.fail_after(2):
            await self._none_left.wait()


@asynccontextmanager
async def raw_server(*acts: Act, context: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    server = RawServer(acts, context)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        await wait_all_tasks_blocked()
        try:
            yield server
        except Exception as error:  # Raised below, outside the nursery that would wrap it in a group.
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def answering(*pieces: bytes, gap: float = 0.0, keep: bool = True) -> Act:
    """Reads requests and answers each with these pieces; closes after the first unless `keep`."""

    async def act(peer: Peer) -> None:
        while await peer.request():
            for number, piece in enumerate(pieces):
                if number and gap:
                    await trio.sleep(gap)
                await peer.send(piece)
            if not keep:
                return

    return act


def post(
    url: str, body: bytes = b"{}", *, timeout: dict[str, float] | None = None, method: str = "POST"
) -> httpx.Request:
    return httpx.Request(method, f"{url}/v1/messages", content=body, extensions={"timeout": timeout or TIMEOUT})


async def exchange(transport: TrioTransport, request: httpx.Request) -> tuple[int, bytes]:
    """Status and whole body."""
    response = await transport.handle_async_request(request)
    return response.status_code, await rest_of(response)


async def rest_of(response: httpx.Response) -> bytes:
    try:
        return b"".join([chunk async for chunk in response.stream])
    finally:
        await response.stream.aclose()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return None
