"""Random days in the life of one customer: calls of every ending, another writer's top-ups, a writer with troubles.

`live` plays a list of acts on virtual time against the real relay and billing, and then audits the books. The books
are a `Bank`: in memory here, in a real database in `tests.properties.test_money_store`.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

import structlog
import trio
from hypothesis import strategies as st
from trio.testing import MockClock

from gateway.billing.prices import cost_micro
from gateway.errors import CallError, Unauthenticated
from gateway.records import DialectName, LedgerEntry, Settlement
from gateway.store.jobs import Job, Settle
from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import (
    Act,
    cut_after,
    error_in_200,
    error_midway,
    garbage,
    hang_after,
    refuse,
    reply,
    slow_first,
    status,
    stream,
)
from tests.relay.world import CATALOG, Books, FakeClient, World, open_world

BOOT = "boot_test"
CUSTOMER = 1
TERMINALS = {"messages": b"event: message_stop", "chat": b"data: [DONE]", "responses": b"event: response.completed"}
COMMIT_EVERY_S = 0.2
PATIENCE_S = 3_000.0
Done = Callable[[BaseException | None], None]
Mode = Literal["at once", "late", "failing", "deaf"]

ANSWERS: tuple[Act, ...] = (
    reply("hi", tokens=Tokens(input=900, output=40)),
    reply("hi", after=3, tokens=Tokens(input=40, cache_read=800, cache_write_5m=90, output=500, reasoning=100)),
    stream(*("word " * 60 for _ in range(20)), gap=0.3, tokens=Tokens(input=30, output=1300)),
    stream("a", "b", "c", gap=2, tokens=Tokens(input=30, output=3)),
    slow_first(12, "late", gap=1),
    cut_after(3, gap=0.5),
    hang_after(2, gap=0.2),
    error_midway(2, gap=0.4),
)
REFUSALS: tuple[Act, ...] = (
    status(429, retry_after=5),
    status(500),
    status(529, after=1),
    status(400),
    refuse(),
    garbage(),
    error_in_200(),
    cut_after(0),
)


class Start(NamedTuple):
    """A call begins. After `leave_after` pieces the client hangs up, after `gone_after` it is found gone."""

    dialect: DialectName
    streamed: bool
    max_tokens: int
    leave_after: int | None
    gone_after: int | None
    slow_s: float


class Wait(NamedTuple):
    seconds: float


class Entry(NamedTuple):
    """Another process writes to the ledger: a top-up, or a correction downwards."""

    amount_micro: int


class Follow(NamedTuple):
    """The wallets look at the ledger."""


class Revoke(NamedTuple):
    """The key is revoked: its calls are cut. (It serves again at once, so that the day goes on.)"""


class Commits(NamedTuple):
    """How the writer does from now on. A deaf one commits, and then says that it failed."""

    mode: Mode


Step = Start | Wait | Entry | Follow | Revoke | Commits

DIALECTS: tuple[DialectName, ...] = ("messages", "chat", "responses")
STARTS = st.builds(
    Start,
    st.sampled_from(DIALECTS),
    st.booleans(),
    st.sampled_from((64, 1500, 8000)),
    st.sampled_from((None, None, None, 1, 3)),
    st.sampled_from((None, None, None, 0, 2)),
    st.sampled_from((0.0, 0.0, 1.5)),
)
STEPS = st.lists(
    st.one_of(
        STARTS,
        STARTS,
        st.builds(Wait, st.sampled_from((0.01, 0.25, 1.0, 5.0))),
        st.builds(Entry, st.one_of(st.integers(1, 200_000), st.integers(-50_000, -1))),
        st.builds(Follow),
        st.builds(Revoke),
        st.builds(Commits, st.sampled_from(("at once", "late", "failing", "deaf", "deaf"))),
    ),
    min_size=3,
    max_size=30,
)


class Day(NamedTuple):
    """Everything that is random about one run. `answers` go to the attempts in the order in which they are made."""

    opening_micro: int
    multiplier_bp: int
    on_disconnect: Literal["cancel", "drain"]
    forgive_partial: bool
    answers: list[Act]
    steps: list[Step]


DAYS = st.builds(
    Day,
    st.sampled_from((5_000, 60_000, 400_000, 3_000_000)),
    st.sampled_from((10_000, 12_345)),
    st.sampled_from(("cancel", "drain")),
    st.booleans(),
    st.lists(st.one_of(st.sampled_from(ANSWERS), st.sampled_from(REFUSALS)), max_size=25),
    STEPS,
)


class Bank(Protocol):
    """Where settlements and entries end up. `commit` is durable when it returns, and may be repeated."""

    def commit(self, job: Job) -> None: ...
    def enter(self, amount_micro: int) -> None: ...
    def since(self, ledger_id: int) -> tuple[list[LedgerEntry], int]: ...
    def charges_micro(self) -> dict[str, int]: ...
    def balance_micro(self) -> int: ...


class MemoryBank:
    """A ledger as a list. A call is charged once however often it is committed."""

    def __init__(self, opening_micro: int) -> None:
        self.entries = [LedgerEntry(1, CUSTOMER, "topup", opening_micro, 0)]

    def commit(self, job: Job) -> None:
        if not isinstance(job, Settle) or job.settlement.charge_micro is None:
            return
        call_id = job.settlement.call.id
        if call_id not in self.charges_micro():
            self._add("charge", -job.settlement.charge_micro, call_id, BOOT)

    def enter(self, amount_micro: int) -> None:
        self._add("adjust", amount_micro, None, "")

    def since(self, ledger_id: int) -> tuple[list[LedgerEntry], int]:
        # With the wallets' own charges among them, and one entry too many: both are theirs to leave out.
        return self.entries[max(0, ledger_id - 1) :], len(self.entries)

    def charges_micro(self) -> dict[str, int]:
        return {entry.call_id: -entry.amount_micro for entry in self.entries if entry.call_id is not None}

    def balance_micro(self) -> int:
        return sum(entry.amount_micro for entry in self.entries)

    def _add(self, kind: Any, amount_micro: int, call_id: str | None, boot_id: str) -> None:
        self.entries.append(
            LedgerEntry(len(self.entries) + 1, CUSTOMER, kind, amount_micro, 0, call_id, boot_id=boot_id)
        )


class TroubledBooks(Books):
    """A writer in front of a bank, in one of four moods. `submitted` has every settlement by the id of its call."""

    def __init__(self, bank: Bank) -> None:
        super().__init__()
        self.bank = bank
        self.mode: Mode = "at once"
        self.submitted: dict[str, Settlement] = {}
        self.committed: set[str] = set()
        self.settled_twice = False
        self.on_submit: Callable[[], None] = lambda: None
        self._late: list[tuple[Job, Done]] = []

    def submit(self, job: Job, done: Done) -> None:
        if isinstance(job, Settle):
            known = self.submitted.setdefault(job.settlement.call.id, job.settlement)
            self.settled_twice |= known is not job.settlement
        self.on_submit()
        if self.mode == "late":
            self._late.append((job, done))
        else:
            self._write(job, done)

    async def run(self) -> None:
        """Service task: what was put off is written every now and then."""
        while True:
            await trio.sleep(COMMIT_EVERY_S)
            late, self._late = self._late, []
            for job, done in late:
                self._write(job, done)

    def _write(self, job: Job, done: Done) -> None:
        if self.mode == "failing":
            done(OSError("disk full"))
            return
        self.bank.commit(job)
        if isinstance(job, Settle):
            self.committed.add(job.settlement.call.id)
            self.settlements.append(job.settlement)
        done(OSError("nobody heard that it was written") if self.mode == "deaf" else None)


class HonestClient(FakeClient):
    """Notes the calls for which it was told of a success before their charge was on disk."""

    def __init__(self, books: TroubledBooks, terminal: bytes, **options: Any) -> None:
        super().__init__(**options)
        self.told_too_early = False
        self.succeeded = False
        self._books = books
        self._terminal = terminal

    async def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._hear_success(status == 200, dict(headers).get(b"request-id", b"").decode())
        await super().respond(status, headers, body)

    async def send(self, data: bytes) -> None:
        self._hear_success(self._terminal in data, self.headers.get("request-id", ""))
        await super().send(data)

    async def finish(self, data: bytes = b"") -> None:
        self._hear_success(self._terminal in data, self.headers["request-id"])
        await super().finish(data)

    def _hear_success(self, success: bool, call_id: str) -> None:
        if success:
            self.succeeded = True
            self.told_too_early |= call_id not in self._books.committed


def live(day: Day, bank: Bank, audit: Callable[[World], None] = lambda world: None) -> None:
    """Play the day and audit it. `audit` looks further once everything is over."""
    with structlog.testing.capture_logs():
        trio.run(lambda: _live(day, bank, audit), clock=MockClock(autojump_threshold=0))


async def _live(day: Day, bank: Bank, audit: Callable[[World], None]) -> None:
    answers = list(day.answers)
    fakes = [FakeUpstream(always=lambda _: answers.pop(0) if answers else ANSWERS[0]) for _ in range(2)]
    books = TroubledBooks(bank)
    life = _Life(day, bank, books)
    async with (
        open_world(*fakes, balance_micro=day.opening_micro, books=books, slice_tokens=256, chunk_timeout_s=30) as world,
        trio.open_nursery() as services,
    ):
        world.services.wallets.last_ledger_id = bank.since(0)[1]
        world.change_tier(
            multiplier_bp=day.multiplier_bp, on_disconnect=day.on_disconnect, forgive_partial=day.forgive_partial
        )
        services.start_soon(books.run)
        with trio.fail_after(PATIENCE_S):
            await life.play(world)
        services.cancel_scope.cancel()
        life.audit(world)
        audit(world)


class _Life:
    def __init__(self, day: Day, bank: Bank, books: TroubledBooks) -> None:
        self._day = day
        self._bank = bank
        self._books = books
        self._clients: list[HonestClient] = []
        self._taken_micro = 0
        self._given_micro = 0
        self._uncovered_micro = 0

    async def play(self, world: World) -> None:
        books = self._books
        books.on_submit = lambda: self._check_holds(world)
        async with trio.open_nursery() as calls:
            for step in self._day.steps:
                await self._do(step, world, calls)
                self._check_holds(world)
            books.mode = "at once"
        await world.services.ledger.drained()
        self._follow(world)

    async def _do(self, step: Step, world: World, calls: trio.Nursery) -> None:
        match step:
            case Start():
                # Cool-downs last for wall time, which does not pass here.
                world.services.pool.restore(())
                calls.start_soon(self._call, step, world)
            case Wait(seconds):
                await trio.sleep(seconds)
            case Entry(amount_micro):
                self._given_micro += amount_micro
                self._taken_micro += max(0, -amount_micro)
                self._bank.enter(amount_micro)
            case Follow():
                self._follow(world)
            case Revoke():
                for call in world.services.open_calls:
                    call.cut(Unauthenticated("This key has been revoked."))
            case Commits(mode):
                self._books.mode = mode

    async def _call(self, start: Start, world: World) -> None:
        client = HonestClient(
            self._books,
            TERMINALS[start.dialect],
            leave_after=start.leave_after,
            gone_after=start.gone_after,
            slow_s=start.slow_s,
        )
        self._clients.append(client)
        limit = "max_output_tokens" if start.dialect == "responses" else "max_tokens"
        try:
            await world.call(start.dialect, client=client, stream=start.streamed, **{limit: start.max_tokens})
        except (CallError, OSError):
            return

    def _follow(self, world: World) -> None:
        wallets = world.services.wallets
        entries, newest_id = self._bank.since(wallets.last_ledger_id)
        wallets.apply(entries)
        wallets.last_ledger_id = max(wallets.last_ledger_id, newest_id)

    def _check_holds(self, world: World) -> None:
        """Holds are covered by the balance, but for what corrections took away under them and charges overshot."""
        overshot = sum(each.call.overshoot_micro for each in self._books.submitted.values())
        uncovered = -world.wallet.available_micro - self._taken_micro - overshot
        self._uncovered_micro = max(self._uncovered_micro, uncovered)

    def audit(self, world: World) -> None:
        world.check_settled()
        assert world.services.ledger.healthy
        assert self._uncovered_micro == 0
        assert not self._books.settled_twice
        assert not any(client.told_too_early for client in self._clients)
        settlements = self._books.submitted
        charges = {each.call.id: each.charge_micro for each in settlements.values() if each.charge_micro is not None}
        assert self._bank.charges_micro() == charges
        assert self._bank.balance_micro() == self._day.opening_micro + self._given_micro - sum(charges.values())
        assert world.wallet.balance_micro == self._bank.balance_micro()
        succeeded = sum(client.succeeded for client in self._clients)
        assert succeeded <= sum(each.call.outcome in ("completed", "cancelled") for each in settlements.values())
        for each in settlements.values():
            self._audit_call(each)

    def _audit_call(self, settlement: Settlement) -> None:
        """The customer pays for what the winner delivered, the operator for every attempt."""
        call = settlement.call
        price = next(price for price in CATALOG.models[call.model].prices if price.version == call.price_version)
        forgiven = call.outcome == "partial" and self._day.forgive_partial
        assert call.cost_micro == (0 if forgiven else cost_micro(call.usage, price, self._day.multiplier_bp))
        assert settlement.charge_micro == (None if call.usage_basis == "none" else call.cost_micro)
        assert call.upstream_cost_micro == sum(attempt.cost_micro for attempt in settlement.attempts)
        assert all(each.cost_micro == cost_micro(each.usage, price, 10_000) for each in settlement.attempts)
        assert call.overshoot_micro == max(0, call.cost_micro - call.held_micro)
        won = [attempt for attempt in settlement.attempts if attempt.outcome == "won"]
        if call.outcome == "completed":
            assert [attempt.usage for attempt in won] == [call.usage]
