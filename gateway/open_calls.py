"""The calls in flight: what each holds, what it has delivered, and how it ends - exactly once.

Timers of open calls are one service task over this registry rather than a task per call: a call costs no task switch
until something about it is due.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import trio
from msgspec.structs import replace

from gateway.billing.holds import Hold
from gateway.billing.ledger import Commit, Ledger
from gateway.billing.spend import SpendHold
from gateway.clock import now_ms
from gateway.dialects.base import StreamReader
from gateway.errors import CallError, OutOfCredit
from gateway.records import Attempt, Call, Outcome, Settlement, UpstreamObject, Usage, UsageBasis
from gateway.settlement import attempt_cost, charge, measured
from gateway.terms import Terms

OBJECT_LIFE_MS = 30 * 86_400_000
NOTHING = Usage()


class StreamClient(Protocol):
    """What an open call needs of its client: `gateway.edge.client.Client`."""

    started: bool
    finished: bool

    async def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None: ...
    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None: ...
    async def send(self, data: bytes) -> None: ...
    async def keep_alive(self, frame: Callable[[], bytes]) -> None: ...
    async def finish(self, data: bytes = b"") -> None: ...


class OpenCall:
    """One call between its hold and its settlement.

    `scope` ends it from outside: the client left, the key was revoked, the money or the time ran out, the gateway
    stops. `cut` says why in the caller's words; without it, a cancelled scope means the client left.
    """

    def __init__(
        self, terms: Terms, client: StreamClient, row: Call, hold: Hold, spend: SpendHold, timeout_s: float
    ) -> None:
        self.terms = terms
        self.client = client
        self.row = row
        self.started = trio.current_time()
        # Given at once: setting a scope's deadline later costs 3 us.
        self.scope = trio.CancelScope(deadline=self.started + timeout_s)
        self.kept_alive_at = float("-inf")
        self.attempts: list[Attempt] = []
        self.winner: Attempt | None = None
        self.reader: StreamReader | None = None
        self.translated = False
        self.cut_error: CallError | None = None
        self.commit: Commit | None = None
        self._hold = hold
        self._spend = spend
        self._heard_at = self.started
        self._heard_tokens = 0
        self._delivered_tokens = 0
        self._checkpointed: tuple[object, ...] = ()

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def settled(self) -> bool:
        return self.commit is not None

    def elapsed_ms(self) -> int:
        return round((trio.current_time() - self.started) * 1000)

    def cut(self, error: CallError) -> None:
        """End the call from outside, telling the client why."""
        if self.cut_error is None and not self.settled:
            self.cut_error = error
            self.scope.cancel()

    # The hold -------------------------------------------------------------------------------------------------------

    def rebase(self, usage: Usage) -> None:
        """The provider has counted the prompt: hold for that instead of the estimate. Raises OutOfCredit."""
        schedule = self.terms.schedule
        if schedule is None:
            return
        total_micro = schedule.rebase(usage)
        if total_micro < self._hold.amount_micro:
            self._hold.shrink_to(total_micro)
            self._spend.shrink_to(total_micro)
        elif not (self._hold.grow_to(total_micro) and self._spend.grow_to(total_micro, now_ms())):
            raise _out_of_credit()

    def deliver(self, output_tokens: int) -> None:
        """The client is about to have this much of the answer: it must be held for, and counts from here on as
        delivered. Raises OutOfCredit, and then it does not."""
        self.reserve(output_tokens)
        self._delivered_tokens = output_tokens

    def reserve(self, output_tokens: int) -> None:
        """Hold for at least this much output and what may come before the next look. Raises OutOfCredit."""
        schedule = self.terms.schedule
        if schedule is None or output_tokens < schedule.grow_at:
            return
        at = now_ms()
        if not schedule.grow(
            output_tokens, self._hold.grow_to, lambda total_micro: self._spend.grow_to(total_micro, at)
        ):
            raise _out_of_credit()

    def reserve_for_silence(self, silent_s: float) -> None:
        """A model that shows nothing may be thinking, and thinking is billed: hold at the speed it writes at."""
        schedule = self.terms.schedule
        if schedule is not None and self.reader is not None:
            self.reserve(self.reader.delivered_tokens() + schedule.silent_tokens(round(silent_s * 1000)))

    def heard_at(self, now: float) -> float:
        """When content last came. Pings are not content: Claude Code gives up after 300 s of nothing but pings."""
        tokens = 0 if self.reader is None else self.reader.delivered_tokens()
        if tokens != self._heard_tokens:
            self._heard_tokens = tokens
            self._heard_at = now
        return self._heard_at

    # The end --------------------------------------------------------------------------------------------------------

    def so_far(self) -> tuple[Usage, UsageBasis]:
        """What has been delivered, as it would be billed if the call ended now."""
        if self.reader is None or not self._delivered_tokens:
            return NOTHING, "none"
        return measured(self.reader.usage(), self._delivered_tokens, self.terms.input_tokens, complete=False)

    def needs_checkpoint(self, now: float) -> bool:
        """Calls shorter than a second leave no open row; later ones write again when cost or attempts have moved."""
        if self.settled or now - self.started < 1.0:
            return False
        usage, _ = self.so_far()
        cost_micro = charge(usage, self.terms.price, self.terms.multiplier_bp)
        now_known = (cost_micro, *((attempt.outcome, attempt.first_frame_ms) for attempt in self.attempts))
        if now_known == self._checkpointed:
            return False
        self._checkpointed = now_known
        return True

    def checkpoint(self) -> tuple[Call, list[Attempt]]:
        """The rows as the database should know them, should the process die now."""
        usage, basis = self.so_far()
        attempts = [self._as_of_now(attempt, usage) for attempt in self.attempts]
        call = replace(
            self.row,
            usage=usage,
            usage_basis=basis,
            cost_micro=charge(usage, self.terms.price, self.terms.multiplier_bp),
            upstream_cost_micro=sum(attempt.cost_micro for attempt in attempts),
            account_id=None if self.winner is None else self.winner.account_id,
            held_micro=self._hold.amount_micro,
            duration_ms=self.elapsed_ms(),
        )
        return call, attempts

    def _as_of_now(self, attempt: Attempt, delivered: Usage) -> Attempt:
        """An attempt under way has cost its input at least; the one that answers, what it has delivered."""
        if attempt.outcome != "open":
            return replace(attempt)
        answers = attempt is self.winner and delivered is not NOTHING
        usage = delivered if answers else Usage(input_tokens=self.terms.input_tokens)
        seat = next(seat for seat in self.terms.seats if seat.account.id == attempt.account_id)
        return replace(
            attempt,
            usage=usage,
            usage_basis="estimated",
            cost_micro=attempt_cost(usage, seat, self.terms.price),
            duration_ms=max(0, now_ms() - attempt.started_at),
        )

    def receipt(
        self,
        outcome: Outcome,
        status: int,
        error_code: str,
        usage: Usage,
        basis: UsageBasis,
        objects: list[tuple[str, str]] | None = None,
    ) -> Settlement:
        """The row in its final form and what goes with it. A tier may forgive what a broken answer would cost."""
        terms = self.terms
        row = self.row
        forgiven = outcome == "partial" and terms.inbound.caller.tier.forgive_partial
        row.state = "settled"
        row.outcome = outcome
        row.status = status
        row.error_code = error_code
        row.duration_ms = self.elapsed_ms()
        row.usage = usage
        row.usage_basis = basis
        row.cost_micro = 0 if forgiven else charge(usage, terms.price, terms.multiplier_bp)
        row.upstream_cost_micro = sum(attempt.cost_micro for attempt in self.attempts)
        row.held_micro = self._hold.amount_micro
        row.overshoot_micro = max(0, row.cost_micro - self._hold.amount_micro)
        if self.winner is not None:
            row.account_id = self.winner.account_id
        charged = None if basis == "none" else row.cost_micro
        return Settlement(row, self.attempts, charged, self._remembered(objects))

    def charge(self, settlement: Settlement) -> None:
        """Take the money out of the wallet and off the spend limits; what was held beyond it goes back."""
        cost_micro = settlement.charge_micro or 0
        self._hold.charge(cost_micro)
        self._spend.charge(cost_micro, now_ms())

    def release(self) -> None:
        self._hold.release()
        self._spend.release()

    def _remembered(self, objects: list[tuple[str, str]] | None) -> tuple[UpstreamObject, ...]:
        """The ids the upstream now knows, as this customer's and that account's."""
        if not objects or self.winner is None:
            return ()
        customer_id, account_id, at = self.row.customer_id, self.winner.account_id, now_ms()
        return tuple(
            UpstreamObject(object_id, kind, customer_id, account_id, at, at + OBJECT_LIFE_MS)
            for kind, object_id in objects
        )


class OpenCalls:
    """Every open call by id."""

    def __init__(self, ledger: Ledger) -> None:
        self._calls: dict[str, OpenCall] = {}
        self._ledger = ledger
        self._empty = trio.Event()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[OpenCall]:
        return iter(list(self._calls.values()))

    def add(self, call: OpenCall) -> None:
        self._calls[call.id] = call

    def settle(self, call: OpenCall, settlement: Settlement) -> Commit:
        """Charge the wallet and queue the receipt, without a checkpoint between: nothing can come in the way."""
        if call.commit is None:
            call.charge(settlement)
            call.commit = self._ledger.settle(settlement)
        return call.commit

    def remove(self, call: OpenCall) -> None:
        """The call is over; its hold, if anything is left of it, goes back."""
        call.release()
        del self._calls[call.id]
        if not self._calls:
            self._empty.set()

    async def emptied(self) -> None:
        """Returns when no call is open. The deadline is the caller's."""
        while self._calls:
            self._empty = trio.Event()
            await self._empty.wait()


def _out_of_credit() -> OutOfCredit:
    return OutOfCredit("The credit ran out while this answer was being written. Top up to continue.")
