"""A gateway without sockets, threads or a database: the real relay between a fake client and fake upstreams.

On trio's clock; commits are acknowledged by `Books`, at once unless a test says otherwise.
"""

import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio
from msgspec.structs import replace

from gateway.attendance import attend_open_calls
from gateway.billing.holds import Wallets
from gateway.billing.ledger import Ledger
from gateway.billing.spend import Spending
from gateway.catalog.load import shipped_catalog
from gateway.clock import new_id, now_ms
from gateway.dialects import dialect_named
from gateway.limits.gate import Gates
from gateway.limits.limiter import Limiter
from gateway.maintenance import configuration_of
from gateway.observe.metrics import Metrics
from gateway.open_calls import OpenCalls
from gateway.records import Account, Customer, DialectName, Key, Settlement, Snapshot, Tier, UpstreamObject
from gateway.relay import relay
from gateway.services import Condition, Services
from gateway.settings import Settings
from gateway.store.jobs import Job, RememberResponses, Settle
from gateway.terms import Caller, Inbound
from gateway.translate.envelope import HmacSigner
from gateway.upstream.drains import open_drains
from gateway.upstream.hedging import Hedging
from gateway.upstream.pool import Pool
from gateway.upstream.upstreams import Upstreams
from tests.fakes.upstream import FakeUpstream

MODELS: dict[DialectName, str] = {"messages": "claude-sonnet-4-6", "chat": "gpt-5.5", "responses": "gpt-5.5"}
PATHS: dict[DialectName, str] = {"messages": "/messages", "chat": "/chat/completions", "responses": "/responses"}
CATALOG = shipped_catalog()
DOLLAR = 1_000_000


class Books:
    """A writer that keeps what it is given. `answer` may fail or delay the acknowledgement of a settlement."""

    def __init__(self) -> None:
        self.settlements: list[Settlement] = []
        self.jobs: list[Job] = []
        self.failing = False
        self.held_back: list[Callable[[BaseException | None], None]] | None = None

    def submit(self, job: Job, done: Callable[[BaseException | None], None]) -> None:
        if not isinstance(job, Settle):
            self.jobs.append(job)
            done(None)
        elif self.failing:
            done(OSError("disk full"))
        elif self.held_back is not None:
            self.held_back.append(done)
        else:
            self.settlements.append(msgspec.structs.replace(job.settlement))
            done(None)

    @property
    def last(self) -> Settlement:
        return self.settlements[-1]


class FakeReads:
    """Knows the objects that settlements recorded."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def object(self, customer_id: int, object_id: str) -> UpstreamObject | None:
        await trio.lowlevel.checkpoint()
        return next(
            (
                each
                for settlement in self._books.settlements
                for each in settlement.objects
                if each.object_id == object_id and each.customer_id == customer_id
            ),
            None,
        )

    async def receipt(self, call_id: str, customer_id: int) -> dict[str, Any] | None:
        raise NotImplementedError

    async def usage_summary(self, customer_id: int, days: int) -> dict[str, Any]:
        raise NotImplementedError

    async def response(self, customer_id: int, response_id: str) -> tuple[bytes, bytes] | None:
        await trio.lowlevel.checkpoint()
        for job in self._books.jobs:
            for each in job.responses if isinstance(job, RememberResponses) else ():
                if (each.customer_id, each.response_id) == (customer_id, response_id):
                    return zlib.decompress(each.response), zlib.decompress(each.items)
        return None

    def remember(self, objects: Any) -> None:
        return

    def forget(self, customer_id: int, object_id: str) -> None:
        return


class FakeClient:
    """Takes an answer, with the virtual instant of each piece. `leave_after` pieces it hangs up, which the gateway is
    told; `gone_after` so many it takes no more, which the next one shows."""

    def __init__(self, leave_after: int | None = None, gone_after: int | None = None, slow_s: float = 0) -> None:
        self.started = False
        self.finished = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[tuple[float, bytes]] = []
        self.scope: trio.CancelScope | None = None
        self.clean_end = False
        self._leave_after = leave_after
        self._gone_after = gone_after
        self._slow_s = slow_s

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def watch(self, scope: trio.CancelScope | None) -> None:
        self.scope = scope

    def leave(self) -> None:
        """Hang up."""
        if self.scope is not None:
            self.scope.cancel()

    async def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        await self._head(status, headers)
        self.finished = self.clean_end = True
        self.pieces.append((trio.current_time(), body))

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if not self.started:
            await self._head(status, headers)

    async def send(self, data: bytes) -> None:
        await trio.sleep(self._slow_s)
        if self._gone_after is not None and len(self.pieces) >= self._gone_after:
            raise ConnectionResetError
        self.pieces.append((trio.current_time(), data))
        if self._leave_after is not None and len(self.pieces) >= self._leave_after:
            self.leave()
            await trio.lowlevel.checkpoint()

    async def keep_alive(self, frame: Callable[[], bytes]) -> None:
        if not self.finished:
            await self.send(frame())

    async def finish(self, data: bytes = b"") -> None:
        await trio.lowlevel.checkpoint()
        self.finished = self.clean_end = True
        self.pieces.append((trio.current_time(), data))

    async def _head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await trio.lowlevel.checkpoint()
        self.started = True
        self.status = status
        self.headers = {name.decode(): value.decode() for name, value in headers}


class World:
    """One customer with one key of tier `all`, and the accounts of the fakes given, by priority."""

    def __init__(self, services: Services, books: Books, upstreams: dict[str, FakeUpstream]) -> None:
        self.services = services
        self.books = books
        self.upstreams = upstreams
        snapshot = services.configuration.snapshot
        key = next(iter(snapshot.keys.values()))
        self.caller = Caller(snapshot.customers[key.customer_id], snapshot.tiers[key.tier], key)

    @property
    def wallet(self) -> Any:
        return self.services.wallets.wallet(1)

    async def call(
        self, dialect: DialectName = "messages", *, client: FakeClient | None = None, **fields: Any
    ) -> FakeClient:
        """One call, from its body to its end."""
        client = client or FakeClient()
        await relay(self.inbound(dialect, **fields), client, self.services, client.watch)
        return client

    def inbound(self, dialect: DialectName = "messages", **fields: Any) -> Inbound:
        body = default_body(dialect) | fields
        return Inbound(
            new_id("req_"),
            self.caller,
            dialect_named(dialect),
            PATHS[dialect],
            {"anthropic-version": "2023-06-01"},
            "203.0.113.7",
            msgspec.json.encode({name: value for name, value in body.items() if value is not None}),
        )

    def change_caller(self, *, customer: dict[str, Any] | None = None, **key: Any) -> None:
        """Another set of limits for the key or its customer."""
        assert self.caller.key is not None
        self.caller = Caller(
            replace(self.caller.customer, **(customer or {})), self.caller.tier, replace(self.caller.key, **key)
        )

    def change_tier(self, **fields: Any) -> None:
        self.caller = Caller(self.caller.customer, replace(self.caller.tier, **fields), self.caller.key)

    def check_settled(self) -> None:
        """Nothing is left over: no open call, no hold, no attempt in flight, no upstream connection."""
        assert len(self.services.open_calls) == 0
        assert self.wallet.held_micro == 0
        assert self.services.pool.in_flight() == {}
        assert all(not upstream.open for upstream in self.upstreams.values())


def default_body(dialect: DialectName) -> dict[str, Any]:
    if dialect == "responses":
        return {"model": MODELS[dialect], "input": "Hello", "stream": True}
    body: dict[str, Any] = {
        "model": MODELS[dialect],
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }
    return body | ({"max_tokens": 1024} if dialect == "messages" else {})


@asynccontextmanager
async def open_world(
    *fakes: httpx.AsyncBaseTransport,
    balance_micro: int = 10 * DOLLAR,
    account: dict[str, Any] | None = None,
    each: dict[str, dict[str, Any]] | None = None,
    dialects: dict[str, tuple[DialectName, ...]] | None = None,
    books: Books | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """A world whose accounts are called `one`, `two`, … in order of priority. Every fake speaks all dialects, unless
    `dialects` says otherwise of its account. `account` are fields of all accounts, `each` of those named."""
    names = ("one", "two", "three", "four")
    by_name = dict(zip(names, fakes, strict=False))
    accounts = tuple(
        Account(
            id=number,
            name=name,
            kind="simulated",
            **(
                {"base_url": "", "priority": 10 - number, "dialects": (dialects or {}).get(name, ())}
                | (account or {})
                | (each or {}).get(name, {})
            ),
        )
        for number, name in enumerate(by_name, start=1)
    )
    tier = Tier("all", "cc_user_", ("messages", "chat", "responses"))
    key = Key(1, "abcdefghijkl", b"", 1, "all", "laptop")
    snapshot = Snapshot(1, {1: Customer(1, "alpha")}, {key.public_id: key}, {"all": tier}, accounts, CATALOG)
    books = books or Books()
    wallets = Wallets("boot_test")
    wallets.load({1: balance_micro}, 0)
    ledger = Ledger(books)
    used = Settings(data_dir=Path("unused"), **settings)
    condition = Condition(configuration_of(snapshot, used))
    async with Upstreams(lambda sealed: "", lambda opened: by_name[opened.name]) as upstreams, open_drains() as drains:
        await upstreams.refresh(accounts)
        services = Services(
            settings=used,
            condition=condition,
            gateway_id="gateway",
            boot_id="boot_test",
            upstreams=upstreams,
            pool=Pool(),
            wallets=wallets,
            spending=Spending(),
            ledger=ledger,
            open_calls=OpenCalls(ledger),
            limiter=Limiter(),
            gates=Gates(),
            reads=FakeReads(books),
            metrics=Metrics(),
            started_at=now_ms(),
            signer=HmacSigner({"test": bytes(32)}),
            drains=drains,
            hedging=Hedging(lambda: condition.configuration.hedging_rules, at=now_ms()),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attend_open_calls, services)
            nursery.start_soon(ledger.retry_failed)
            yield World(services, books, by_name)
            nursery.cancel_scope.cancel()
