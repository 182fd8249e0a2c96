"""The load driver: an HTTP/1.1 keep-alive client on epoll, in a process of its own.

`run_load(plan)` starts `python -m tests.bench.driver`, which reads a `Plan` from its input and prints a `Result`. One
thread, bare sockets and llhttp: about 15 us a request, so that it takes little of the cores the server runs on.
"""

import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter

import httptools
import msgspec
from msgspec import Struct

_RECEIVE_BYTES = 262_144


class Plan(Struct):
    """`count` requests of the same bytes.

    Without `rate` each of `connections` sends its next request when it has its answer. With `rate` (requests a
    second) they leave on time, on an idle connection or a new one. `terminal` must be at the end of a body for its
    answer to be complete. After `limit_s` the driver gives up: what is open then counts as failed.
    """

    port: int
    request: bytes
    count: int
    connections: int = 1
    rate: float | None = None
    terminal: bytes = b""
    limit_s: float = 60


class Result(Struct):
    """What became of a plan. `ttfb_ms` runs from the decision to send to the first byte of the answer's body."""

    completed: int
    failed: int
    elapsed_s: float
    ttfb_ms: list[float]
    statuses: dict[str, int]
    first_failure: str = ""


class Load:
    """A driver at work on a plan. Its result goes to a file: a pipe would fill and stop it before anyone reads."""

    def __init__(self, plan: Plan) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - `result` closes it
        command = [sys.executable, "-m", "tests.bench.driver"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self._output)
        assert self._process.stdin is not None
        with self._process.stdin as plan_input:
            plan_input.write(msgspec.json.encode(plan))

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def result(self) -> Result:
        """Waits for the end. Raises RuntimeError if the driver died."""
        with self._output as output:
            if self._process.wait():
                raise RuntimeError(f"The load driver ended with {self._process.returncode}.")
            output.seek(0)
            return msgspec.json.decode(output.read(), type=Result)


def run_load(plan: Plan) -> Result:
    """Runs a plan to its end."""
    return Load(plan).result()


class _Connection:
    """One client connection and the answer it waits for."""

    __slots__ = ("begun_at", "first_at", "keep_alive", "left", "parser", "socket", "tail", "waiting")

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self.parser = httptools.HttpResponseParser(self)
        self.left = memoryview(b"")
        self.tail = b""
        self.begun_at = 0.0
        self.first_at = 0.0
        self.waiting = False

    def begin(self, request: bytes, now: float) -> None:
        self.left = memoryview(request)
        self.tail = b""
        self.begun_at = now
        self.first_at = 0.0
        self.waiting = True

    def on_body(self, body: bytes) -> None:
        if not self.first_at:
            self.first_at = time.perf_counter()
        self.tail = body if len(body) > 31 else self.tail[-32:] + body

    def on_message_complete(self) -> None:
        self.waiting = False
        # llhttp forgets its flags right after this call-back.
        self.keep_alive = self.parser.should_keep_alive()


class _Driver:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._poll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._idle: list[_Connection] = []
        self._begun = 0
        self._completed = 0
        self._failed = 0
        self._first_failure = ""
        self._ttfb_ms: list[float] = []
        self._statuses: Counter[str] = Counter()

    def run(self) -> Result:
        plan = self._plan
        start = time.perf_counter()
        if plan.rate is None:
            for _ in range(min(plan.connections, plan.count)):
                self._next(start)
        while self._completed + self._failed < plan.count:
            now = time.perf_counter()
            if now - start > plan.limit_s:
                self._give_up()
                break
            for number, _ in self._poll.poll(self._until_due(start, now)):
                self._handle(self._open[number])
        elapsed_s = time.perf_counter() - start
        return Result(
            self._completed, self._failed, elapsed_s, self._ttfb_ms, dict(self._statuses), self._first_failure
        )

    def _until_due(self, start: float, now: float) -> float:
        """Sends what is due under a rate; gives the seconds to the next."""
        rate = self._plan.rate
        if rate is None:
            return 1
        while self._begun < self._plan.count:
            due = start + self._begun / rate
            if due > now:
                return min(1, due - now)
            self._next(due)
        return 1

    def _next(self, now: float) -> None:
        """Begins one request on an idle connection or a new one."""
        self._begun += 1
        if self._idle:
            connection = self._idle.pop()
            connection.begin(self._plan.request, now)
            self._write(connection)
            return
        connection = _Connection(self._plan.port)
        connection.begin(self._plan.request, now)
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLOUT)

    def _handle(self, connection: _Connection) -> None:
        try:
            if connection.left:
                self._write(connection)
            else:
                self._read(connection)
        except (OSError, httptools.HttpParserError) as error:
            self._drop(connection, repr(error))

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.left)
        except BlockingIOError:
            sent = 0
        connection.left = connection.left[sent:]
        self._poll.modify(connection.socket, select.EPOLLOUT if connection.left else select.EPOLLIN)

    def _read(self, connection: _Connection) -> None:
        data = connection.socket.recv(_RECEIVE_BYTES)
        if not data:
            self._drop(connection, "the connection closed before the end of the answer")
            return
        connection.parser.feed_data(data)
        if not connection.waiting:
            self._finish(connection)

    def _finish(self, connection: _Connection) -> None:
        status = connection.parser.get_status_code()
        self._statuses[str(status)] += 1
        terminal = self._plan.terminal
        if status == 200 and connection.tail.rstrip().endswith(terminal):
            self._completed += 1
            self._ttfb_ms.append((connection.first_at - connection.begun_at) * 1000)
        else:
            self._fail(f"status {status}, ending {connection.tail[-200:]!r}")
        if connection.keep_alive:
            self._idle.append(connection)
        else:
            self._close(connection)
        if self._plan.rate is None and self._begun < self._plan.count:
            self._next(time.perf_counter())

    def _drop(self, connection: _Connection, reason: str) -> None:
        self._close(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.waiting:
            self._fail(reason)
            if self._plan.rate is None and self._begun < self._plan.count:
                self._next(time.perf_counter())

    def _give_up(self) -> None:
        self._fail(f"not finished after {self._plan.limit_s:g} s")
        self._failed = self._plan.count - self._completed

    def _fail(self, reason: str) -> None:
        self._failed += 1
        self._first_failure = self._first_failure or reason

    def _close(self, connection: _Connection) -> None:
        del self._open[connection.socket.fileno()]
        self._poll.unregister(connection.socket)
        connection.socket.close()


def main() -> None:
    """Reads a plan, runs it, prints its result."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(_Driver(plan).run()))


if __name__ == "__main__":
    main()
