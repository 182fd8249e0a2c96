"""The bytes under an upstream connection: a plain socket, or TLS over one.

Everything that waits can be cancelled; closing never waits.
"""

import select
import socket
import ssl
import struct
from typing import Protocol

import trio

RECEIVE_BYTES = 65_536


class Link(Protocol):
    """The bytes under a connection."""

    def send_now(self, data: bytes) -> int:
        """Send what can go without waiting; how many bytes that was. Raises OSError."""
        ...

    async def send_all(self, data: memoryview) -> None:
        """Send up to `RECEIVE_BYTES`. Raises OSError or trio.BrokenResourceError."""
        ...

    async def receive(self) -> bytes:
        """Whatever one read brings; b"" at the end. Raises OSError or trio.BrokenResourceError."""
        ...

    def quiet(self) -> bool:
        """One poll: True if nothing has happened on the idle socket, neither bytes nor a close."""
        ...

    def acknowledged_bytes(self) -> int | None:
        """How many bytes the peer's TCP has acknowledged so far; None where the system cannot tell."""
        ...

    def close(self) -> None: ...


class PlainLink:
    """A connected socket, driven directly: trio's own socket costs a pass through the run loop for every send."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._poll = _poll_for_input(sock.fileno())

    def send_now(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    async def send_all(self, data: memoryview) -> None:
        while data:
            await trio.lowlevel.wait_writable(self._socket)
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                continue

    async def receive(self) -> bytes:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue

    def quiet(self) -> bool:
        return not self._poll.poll(0)

    def acknowledged_bytes(self) -> int | None:
        return _acknowledged_bytes(self._socket)

    def close(self) -> None:
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class TlsLink:
    """TLS over trio's stream. Closed without a goodbye: the upstream sees the end at once, nobody waits."""

    def __init__(self, stream: "trio.SSLStream[trio.SocketStream]") -> None:
        self._stream = stream
        self._socket = stream.transport_stream.socket
        self._poll = _poll_for_input(self._socket.fileno())

    def send_now(self, data: bytes) -> int:
        return 0

    async def send_all(self, data: memoryview) -> None:
        await self._stream.send_all(data)

    async def receive(self) -> bytes:
        return bytes(await self._stream.receive_some(RECEIVE_BYTES))

    def quiet(self) -> bool:
        return not self._poll.poll(0)

    def acknowledged_bytes(self) -> int | None:
        return _acknowledged_bytes(self._socket)

    def close(self) -> None:
        self._socket.close()


def _poll_for_input(descriptor: int) -> "select.poll":
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll


def _acknowledged_bytes(sock: "socket.socket | trio.socket.SocketType") -> int | None:
    """`tcpi_bytes_acked` of Linux's struct tcp_info, 120 bytes in (since Linux 4.1)."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, 128)
    except OSError:
        return None
    return int(struct.unpack_from("=Q", info, 120)[0]) if len(info) == 128 else None


async def open_tcp(host: str, port: int) -> PlainLink:
    """Connect, trying a name's addresses side by side. Raises OSError."""
    stream = await trio.open_tcp_stream(host, port)
    return PlainLink(_plain_socket(stream))


async def open_unix(path: str) -> PlainLink:
    """Connect to a Unix socket. Raises OSError."""
    stream = await trio.open_unix_socket(path)
    return PlainLink(_plain_socket(stream))


async def open_tls(host: str, port: int, context: ssl.SSLContext) -> TlsLink:
    """Connect and shake hands. Raises OSError or trio.BrokenResourceError, and closes the socket on any failure."""
    stream = await trio.open_tcp_stream(host, port)
    try:
        _tune(stream.socket)
        secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        await secure.do_handshake()
        return TlsLink(secure)
    except BaseException:
        stream.socket.close()
        raise


def _plain_socket(stream: trio.SocketStream) -> socket.socket:
    _tune(stream.socket)
    family, kind, protocol = stream.socket.family, stream.socket.type, stream.socket.proto
    return socket.socket(family, kind, protocol, fileno=stream.socket.detach())


def _tune(sock: trio.socket.SocketType) -> None:
    """Notice a peer that vanished while a model thinks in silence; let a long prompt go out in few sends.

    trio lowers the threshold of unsent bytes to 16 KiB, which cuts a 1 MB prompt into more than sixty sends; 0 means
    the system's own.
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if sock.family != socket.AF_UNIX:
        wanted = (("TCP_NOTSENT_LOWAT", 0), ("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
        options += [(socket.IPPROTO_TCP, getattr(socket, n), v) for n, v in wanted if hasattr(socket, n)]
    for level, option, value in options:
        sock.setsockopt(level, option, value)
