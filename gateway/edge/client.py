"""The client's side of one call, over ASGI: one answer, whole or streamed, from the first byte to the last."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

Headers = list[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Client:
    """Where an answer goes. Frames are sent whole and one at a time; keep-alives come from another task, so a lock
    keeps them between frames."""

    __slots__ = ("_lock", "_send", "finished", "headers", "started")

    def __init__(self, send: Send, headers: Headers) -> None:
        """`headers` go out with whatever answer there will be."""
        self._send = send
        self.headers = headers
        self._lock = trio.Lock()
        self.started = False
        self.finished = False

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer in one write."""
        self.started = self.finished = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *self.headers, (b"content-length", b"%d" % len(body))],
            }
        )
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, status: int, headers: Headers) -> None:
        """The head of a streamed answer; it leaves with the first frame."""
        await self._take_turn()
        try:
            if not self.started:
                self.started = True
                await self._send(
                    {"type": "http.response.start", "status": status, "headers": [*headers, *self.headers]}
                )
        finally:
            self._lock.release()

    async def send(self, data: bytes) -> None:
        """Complete frames. Returns when the client's socket took them, raises OSError when it is gone."""
        await self._take_turn()
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self._lock.release()

    async def keep_alive(self, frame: Callable[[], bytes]) -> None:
        """One frame between others, made when its turn has come; nothing once the answer has ended."""
        await self._take_turn()
        try:
            if not self.finished:
                await self._send({"type": "http.response.body", "body": frame(), "more_body": True})
        finally:
            self._lock.release()

    async def finish(self, data: bytes = b"") -> None:
        """The last frames and the clean end of the stream: what a client takes for success, or an error frame."""
        await self._take_turn()
        try:
            self.finished = True
            await self._send({"type": "http.response.body", "body": data, "more_body": False})
        finally:
            self._lock.release()

    async def _take_turn(self) -> None:
        """The lock, without the pass of the loop that trio's own `acquire` makes of a free one (8 us an event): every
        send has a checkpoint already."""
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def abort(self) -> None:
        """Close the connection without a clean end."""
        self.finished = True
        await self._send({"type": "trigate.abort"})
