"""Bytes to and from one client's socket, every wait bounded, plain or TLS.

Waiting goes through trio, reading and writing through the socket itself: `trio.SocketStream` adds a failed `recv` and
a turn of the loop to each message, 6 µs of the 40 that a small request takes.
"""

import contextlib
import select
import socket
import struct

import trio

RECEIVE_BYTES = 64 * 1024

# A client that takes less than this within the write deadline counts as stalled.
_SEND_BYTES = 64 * 1024

# Sends that find room in the kernel's buffer do not wait, so every now and then one lets the other tasks run.
_SENDS_PER_TURN = 16

_LINGER_OFF = struct.pack("ii", 1, 0)


class ClientGone(OSError):
    """The client closed, reset or half-closed the connection, or took no bytes until the write deadline."""


class ClientStream:
    """A plain socket. `close` is idempotent, does not block, and wakes whoever waits on the stream."""

    scheme = "http"

    def __init__(self, trio_socket: trio.socket.SocketType, write_timeout_s: float) -> None:
        self._trio_socket = trio_socket
        self._socket = socket.socket(
            trio_socket.family, trio_socket.type, trio_socket.proto, fileno=trio_socket.fileno()
        )
        self._write_timeout_s = write_timeout_s
        self._sending = False
        self._sends = 0
        self.closed = False

    async def receive(self) -> bytes:
        """What is there, up to 64 KiB; empty once the client has gone."""
        while not self.closed:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except (OSError, trio.ClosedResourceError):
                break
        return b""

    async def turn(self) -> None:
        """To be awaited before a send: raises Cancelled where that is due."""
        self._sends += 1
        if self._sends % _SENDS_PER_TURN:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()

    async def send(self, data: bytes) -> None:
        """All of `data`, or ClientGone. Cancelled half-way it closes the connection: nothing could follow."""
        if self.closed:
            raise ClientGone
        if self._sending:
            raise trio.BusyResourceError("two tasks are sending one answer")
        sent = self._send_now(data)
        if sent == len(data):
            return
        self._sending = True
        try:
            await self._send_rest(memoryview(data)[sent:])
        except BaseException as error:
            self.reset()
            if isinstance(error, (OSError, trio.ClosedResourceError, trio.BrokenResourceError, trio.TooSlowError)):
                raise ClientGone from error
            raise
        finally:
            self._sending = False

    def _send_now(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientGone from error

    async def _send_rest(self, rest: memoryview) -> None:
        while rest:
            part = rest[:_SEND_BYTES]
            with trio.fail_after(self._write_timeout_s):
                while part:
                    await trio.lowlevel.wait_writable(self._socket)
                    with contextlib.suppress(BlockingIOError):
                        part = part[self._socket.send(part) :]
            rest = rest[_SEND_BYTES:]

    async def wait_hangup(self) -> None:
        """Return when the client has closed or half-closed, however many of its bytes are still unread."""
        if self.closed:
            return
        with select.epoll() as poller:
            poller.register(self._socket.fileno(), select.EPOLLRDHUP)
            try:
                await trio.lowlevel.wait_readable(poller.fileno())
            finally:
                trio.lowlevel.notify_closing(poller.fileno())

    async def linger(self, seconds: float) -> None:
        """Say that no more will be sent, then throw away what still comes until the client closes.

        Closing with bytes unread makes the kernel send RST, which can reach the client before it has read the answer.
        """
        with trio.move_on_after(seconds), contextlib.suppress(OSError, trio.ClosedResourceError):
            self._socket.shutdown(socket.SHUT_WR)
            while not self.closed:
                await trio.lowlevel.wait_readable(self._socket)
                with contextlib.suppress(BlockingIOError):
                    if not self._socket.recv(RECEIVE_BYTES):
                        return

    def reset(self) -> None:
        """Close so that nobody can take it for the end of an answer, dropping what the kernel still has to send."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._socket.detach()
            self._trio_socket.close()


class TlsClientStream(ClientStream):
    """TLS over the same socket; the handshake is the caller's."""

    scheme = "https"

    def __init__(self, tls: "trio.SSLStream[trio.SocketStream]", write_timeout_s: float) -> None:
        super().__init__(tls.transport_stream.socket, write_timeout_s)
        self._tls = tls

    async def receive(self) -> bytes:
        try:
            return bytes(await self._tls.receive_some(RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    def _send_now(self, data: bytes) -> int:
        return 0

    async def _send_rest(self, rest: memoryview) -> None:
        for start in range(0, len(rest), _SEND_BYTES):
            with trio.fail_after(self._write_timeout_s):
                await self._tls.send_all(rest[start : start + _SEND_BYTES])
