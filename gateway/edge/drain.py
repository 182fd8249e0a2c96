"""The open connections, and how a server stops without cutting anybody off."""

from typing import Protocol

import trio


class OpenConnection(Protocol):
    """What the drain asks of a connection. None of it blocks."""

    def begin_drain(self) -> None:
        """Use the connection for no further request; close it if it was used and is idle."""

    def close_idle(self) -> None: ...

    def check_deadline(self, now: float) -> None: ...


class Drain:
    """One per `serve`. The application root drives it: `begin`, `stop_listening`, `wait_idle`, `cancel`.

    Each step implies those before it, and may come before the server is up.
    """

    def __init__(self) -> None:
        self.draining = False
        self.open_requests = 0
        self.connections: set[OpenConnection] = set()
        self.idle: dict[OpenConnection, None] = {}  # the longest idle first
        self.listening = trio.CancelScope()
        self.serving = trio.CancelScope()
        self._waiters: list[trio.Event] = []

    def begin(self) -> None:
        """Answers say `Connection: close` and idle connections close. New ones are still accepted: a load balancer
        may need a moment to see that readiness fails."""
        self.draining = True
        for connection in list(self.connections):
            connection.begin_drain()

    def stop_listening(self) -> None:
        """Close the listeners; `serve` returns when the last connection has ended."""
        self.begin()
        self.listening.cancel()
        for connection in list(self.idle):
            connection.close_idle()

    async def wait_idle(self) -> None:
        """Until no request is being answered. No deadline of its own."""
        while self.open_requests:
            event = trio.Event()
            self._waiters.append(event)
            await event.wait()

    def cancel(self) -> None:
        """Cancel what is still being answered and close every connection."""
        self.stop_listening()
        self.serving.cancel()

    # What the connections tell

    def request_started(self) -> None:
        self.open_requests += 1

    def request_ended(self) -> None:
        self.open_requests -= 1
        if not self.open_requests and self._waiters:
            waiters, self._waiters = self._waiters, []
            for event in waiters:
                event.set()

    def make_room(self) -> bool:
        """Close the connection that has been idle longest, if any is."""
        for connection in self.idle:
            connection.close_idle()
            return True
        return False

    async def watch_deadlines(self, interval_s: float) -> None:
        """One task looks at every connection's deadline: arming one per request with trio costs 3 µs."""
        while True:
            await trio.sleep(interval_s)
            now = trio.current_time()
            for connection in list(self.connections):
                connection.check_deadline(now)
