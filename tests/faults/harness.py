"""A real gateway process on a folder of its own, clients on bare sockets, and the audit of the books afterwards."""

import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from gateway.store.database import open_database, rows
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, customers, keys
from gateway.store.operators.accounts import AccountChanges
from gateway.store.queries.ledger import verify
from tests.fakes import Act, Asked
from tests.fakes.server import FakeServer
from tests.fakes.verbs import directive

SERVE = ("-m", "gateway", "serve")
START_LIMIT_S = 30.0
ANSWER_LIMIT_S = 20.0
CUSTOMER = "alpha"
OPENING_MICRO = 1_000_000_000
TERMINAL = b"event: message_stop"


class Site:
    """A data folder with a funded customer, a key and one account at the fake provider."""

    def __init__(self, data_dir: Path, fake_url: str, *, opening_micro: int = OPENING_MICRO) -> None:
        self.data_dir = data_dir
        self.opening_micro = opening_micro
        data_dir.mkdir(parents=True)
        migrate(self.path)
        database = open_database(self.path)
        try:
            _, self.secret = keys.create(database, "test", CUSTOMER, balance_micro=opening_micro)
            fields = AccountChanges(base_url=fake_url, models=("claude-*",))
            accounts.add(database, "test", "fake", kind="anthropic", fields=fields)
        finally:
            database.close()

    @property
    def path(self) -> Path:
        return self.data_dir / "gateway.db"

    def add_key(self, name: str) -> str:
        """A key of a customer without money; its secret."""
        database = open_database(self.path)
        try:
            return keys.create(database, "test", name)[1]
        finally:
            database.close()

    def revoke(self) -> None:
        database = open_database(self.path)
        try:
            keys.revoke(database, "test", CUSTOMER)
        finally:
            database.close()

    def topup(self, name: str, amount_micro: int) -> None:
        database = open_database(self.path)
        try:
            customers.topup(database, "test", name, amount_micro)
        finally:
            database.close()

    def read(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        database = open_database(self.path, read_only=True)
        try:
            return rows(database, sql, parameters)
        finally:
            database.close()

    def settled(self) -> list[dict[str, Any]]:
        """Every settled call, oldest first."""
        names = ("id", "outcome", "status", "error_code", "usage_basis", "output_tokens", "cost_micro", "charge_micro")
        found = self.read(f"SELECT {', '.join(names)} FROM calls WHERE state = 'settled' ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in found]

    def audit(self) -> None:
        """The books add up: balances are sums of entries, every call is charged once, roll-ups count every call."""
        database = open_database(self.path, read_only=True)
        try:
            assert verify(database).problems == []
        finally:
            database.close()
        assert self.read("SELECT call_id FROM ledger WHERE kind = 'charge' GROUP BY call_id HAVING count(*) > 1") == []
        [(balance_micro,)] = self.read(
            "SELECT balance_micro FROM balances JOIN customers ON id = customer_id WHERE name = ?", (CUSTOMER,)
        )
        [(charged_micro,)] = self.read(
            "SELECT coalesce(sum(charge_micro), 0) FROM calls JOIN customers c ON c.id = customer_id WHERE c.name = ?",
            (CUSTOMER,),
        )
        assert balance_micro == self.opening_micro - charged_micro
        [(calls,)] = self.read("SELECT count(*) FROM calls WHERE state = 'settled'")
        [(counted,)] = self.read("SELECT coalesce(sum(calls), 0) FROM rollups WHERE period = 'day'")
        assert counted == calls


class GatewayProcess:
    """A gateway as an operator runs it. Every setting is given in the environment."""

    def __init__(self, site: Site, process: trio.Process, environment: dict[str, str], log: Path) -> None:
        self.site = site
        self.command = list(process.args)
        self.environment = environment
        self.port = 0
        self._process = process
        self._log = log

    async def listen(self) -> None:
        """Returns once the gateway says on which port it listens."""
        with trio.move_on_after(START_LIMIT_S):
            while self._process.returncode is None:
                found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.log)
                if found:
                    self.port = int(found[1])
                    return
                await trio.sleep(0.005)
        raise AssertionError(f"The gateway did not start. Its last words:\n{self.log[-3000:]}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self, limit_s: float = 20.0) -> int:
        with trio.fail_after(limit_s):
            return await self._process.wait()

    async def connect(self, *, receive_buffer: int | None = None) -> trio.SocketStream:
        connected = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await connected.connect(("127.0.0.1", self.port))
        except OSError:
            connected.close()
            raise
        return trio.SocketStream(connected)

    def request(self, act: str, *, stream: bool = True, secret: str | None = None, max_tokens: int = 2000) -> bytes:
        """A Messages call for which the fake provider is told what to do."""
        body = msgspec.json.encode(
            {
                "model": "claude-sonnet-4-6",
                "max_tokens": max_tokens,
                "stream": stream,
                "messages": [{"role": "user", "content": "Hello"}],
                "metadata": {"user_id": act},
            }
        )
        return (
            f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {secret or self.site.secret}\r\n"
            f"anthropic-version: 2023-06-01\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        ).encode() + body

    async def call(self, act: str, **options: Any) -> "Answer":
        """One whole call on a connection of its own."""
        answer = Answer()
        with trio.fail_after(ANSWER_LIMIT_S):
            async with await self.connect() as connection:
                await connection.send_all(self.request(act, **options))
                await answer.read(connection)
        return answer


class Answer:
    """What a client has received so far. A cut connection is the end of it."""

    def __init__(self) -> None:
        self._received = b""

    async def read(self, connection: trio.SocketStream, until: bytes | None = None) -> "Answer":
        """Read to the end of the connection, or until `until` has come."""
        try:
            while until is None or until not in self._received:
                data = await connection.receive_some(65_536)
                if not data:
                    break
                self._received += data
        except trio.BrokenResourceError:
            pass
        return self

    @property
    def head(self) -> str:
        return self._received.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        """As it is on the wire: a streamed one with its chunk sizes."""
        return self._received.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self._received[9:12] or 0)

    def header(self, name: str) -> str:
        found = re.search(rf"^{name}: (.*)$", self.head, re.MULTILINE | re.IGNORECASE)
        return found[1].strip() if found else ""

    @property
    def succeeded(self) -> bool:
        """Whether a client would take this for a complete answer."""
        if self.status != 200:
            return False
        if "text/event-stream" in self.header("content-type"):
            return TERMINAL in self.body
        return len(self.body) == int(self.header("content-length"))


@asynccontextmanager
async def run_gateway(
    site: Site, *, command: tuple[str, ...] = SERVE, settings: Mapping[str, object] | None = None
) -> AsyncIterator[GatewayProcess]:
    """A gateway that accepts connections. Whatever is left of it afterwards is killed."""
    given = {"bind": "127.0.0.1:0", "log_format": "json", **(settings or {})}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIGATE_")}
    environment |= {f"TRIGATE_{name.upper()}": str(value) for name, value in given.items()}
    environment["TRIGATE_DATA_DIR"] = str(site.data_dir)
    log = site.data_dir / "serve.log"
    with log.open("wb") as output:
        process = await trio.lowlevel.open_process(
            [sys.executable, *command], env=environment, stdout=output, stderr=output
        )
    try:
        gateway = GatewayProcess(site, process, environment, log)
        await gateway.listen()
        yield gateway
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def as_asked(asked: Asked) -> Act:
    """The act that the request itself names."""
    return directive(asked.json["metadata"]["user_id"])


async def eventually(condition: Callable[[], Any], within_s: float = 10.0) -> Any:
    """What `condition` gives once it is true. Fails after `within_s`."""
    with trio.move_on_after(within_s):
        while True:
            if found := condition():
                return found
            await trio.sleep(0.005)
    raise AssertionError(f"still not true after {within_s} s")


async def one_settled(site: Site) -> dict[str, Any]:
    """The only call there is, once it is settled."""
    [call] = await eventually(site.settled)
    return call


async def stop(gateway: GatewayProcess, fake: FakeServer) -> None:
    """SIGTERM, and the orderly end that follows."""
    gateway.signal(signal.SIGTERM)
    await stopped(gateway, fake)


async def stopped(gateway: GatewayProcess, fake: FakeServer) -> None:
    """The orderly end of a gateway that was told to stop: exit code 0, nothing left at the provider, sound books."""
    assert await gateway.exit_code() == 0, gateway.log
    await eventually(lambda: fake.open_exchanges == 0 and fake.connections_open == 0)
    gateway.site.audit()
    assert gateway.site.read("SELECT count(*) FROM calls WHERE state = 'open'") == [(0,)]
    assert "Traceback" not in gateway.log
