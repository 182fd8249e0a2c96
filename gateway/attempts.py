"""The attempts of one call, each with its row: what was sent to which account, and what it came to."""

from typing import Self

import trio
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.dialects.base import Answer, StreamReader, UpstreamError
from gateway.dialects.usage import add
from gateway.errors import CallError
from gateway.open_calls import OpenCall
from gateway.passages import passage
from gateway.records import Attempt, AttemptBasis, AttemptOutcome, AttemptReason, Usage
from gateway.services import Services
from gateway.settlement import attempt_cost, lost, measured
from gateway.upstream.assembling import OpenAnswer, assembler_for, open_answer
from gateway.upstream.attempt import AttemptFailed, Exchange, OpenStream, Passage, fetch, open_stream
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.pool import Lease
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.race import Ending

CANNOT_BE_OPENED = Failure(Cause.CREDENTIALS, "account", status=503)
UNHEARD = frozenset((Cause.NETWORK, Cause.TIMEOUT))
"""Failures after which nobody knows what the upstream has done; any other is its own word that it refused."""

_TICK_S = 1e-6  # An instant that a deadline was set for, less its beginning, is off by less.


class Try:
    """One try of a call at one account. Its row is concluded exactly once, and closing it twice is harmless."""

    def __init__(self, call: OpenCall, lease: Lease, reason: AttemptReason, services: Services) -> None:
        self._call = call
        self.lease = lease
        self._services = services
        self._stream: OpenStream | None = None
        self._reader: StreamReader | None = None
        self._way: Passage | None = None
        self._broken = False
        self._late = False
        self._counted_at = 0
        self._began = trio.current_time()
        self.row = Attempt(call.id, len(call.attempts) + 1, lease.seat.account.id, now_ms(), reason)
        call.attempts.append(self.row)

    @property
    def stream(self) -> OpenStream:
        assert self._stream is not None
        return self._stream

    # In a race ------------------------------------------------------------------------------------------------------

    async def run(self) -> Self:
        """Send the call and read up to its first semantic frame."""
        try:
            self._stream = await self._open(self._exchange())
        except BaseException as error:
            self._failed(error)
            raise
        if self.row.outcome in ("open", "draining"):
            # Otherwise another has won in this very tick, and what this one took is noted.
            self._first_frame(self._stream.upstream_request_id)
            self._late = self._is_late()
            terms, elapsed_s = self._call.terms, trio.current_time() - self._began
            self._services.latencies.observe(self.row.account_id, terms.model.id, terms.input_tokens, elapsed_s)
        return self

    async def _open(self, exchange: Exchange) -> OpenStream:
        self._reader = exchange.passage.reader()
        return await open_stream(exchange, self._reader)

    def end(self, how: Ending) -> None:
        """Another has won, or the call is over: the row says now what this attempt cost, or may have cost."""
        if self.row.outcome != "open":
            return
        if how != "cancelled" and self.row.first_frame_ms is None:
            if self._is_late():
                self._services.affinity.slow(self._call.terms.binding, self._call.row.model, self.row.account_id)
            if how == "lost":
                self._given_up()
        self._give_up(how)

    async def drain(self) -> None:
        """It lost, but its upstream goes on billing: read the rest, so that its cost is known."""
        try:
            if self.row.outcome == "draining":
                usage, basis = await self._read_on()
                self._finish_drain(usage, basis)
        finally:
            if self.row.outcome == "draining":
                self._finish_drain(self.row.usage, self.row.usage_basis)
            await self.aclose()

    # The winner -----------------------------------------------------------------------------------------------------

    def won(self) -> None:
        """The client gets this answer."""
        call, services = self._call, self._services
        call.winner = self.row
        call.row.ttft_ms = call.elapsed_ms()
        self._put_on_call()
        services.affinity.answered(call.terms.binding, call.row.model, self.row.account_id, late=self._late)
        services.hedging.succeeded()
        if self.row.reason in ("hedge", "race"):
            services.metrics.hedge_won(call.row.model)

    def settle(self, usage: Usage, basis: AttemptBasis) -> None:
        """The answer is complete: this is what it cost."""
        self._conclude("won", usage, basis)

    def broke(self, error: UpstreamError) -> None:
        """The upstream broke off after it had begun to answer; the account hears of it."""
        self._broken = True
        self.row.status = error.status
        self.row.error_code = error.code
        self._services.pool.broke_off(self.lease)
        self._services.affinity.failed(self._call.terms.binding, self._call.row.model, self.row.account_id, True)

    async def aclose(self) -> None:
        """End the attempt: its row, its connection, its place at the account."""
        if self.row.outcome == "open":
            self._cut_off()
        try:
            if self._stream is not None:
                await self._stream.aclose()
        finally:
            self.lease.release()

    async def fetch(self) -> Answer:
        """Send the call and read its whole answer."""
        try:
            answer, upstream_request_id = await fetch(self._exchange())
        except BaseException as error:
            self._failed(error)
            raise
        self._first_frame(upstream_request_id)
        return answer

    # Inside ---------------------------------------------------------------------------------------------------------

    def _exchange(self) -> Exchange:
        """The call as this account wants it."""
        call, services, seat = self._call, self._services, self.lease.seat
        inbound = call.terms.inbound
        upstream = services.upstreams.get(seat.account.id)
        if upstream is None:
            raise AttemptFailed(CANNOT_BE_OPENED)
        self._way = way = passage(call.terms, seat, services)
        self._put_on_call()
        operation = UpstreamOperation(way.dialect.name, way.path, query=inbound.query, caller=inbound.caller.label)
        return Exchange(upstream, way, operation, inbound.headers, services.timeouts)

    def _put_on_call(self) -> None:
        """What had to be changed for this account is a warning of the whole call: while nobody has answered, that of
        the attempt that began last."""
        call, way = self._call, self._way
        if way is not None:
            call.translated = self.lease.seat.dialect != call.terms.dialect_name
            call.row.warnings = (*call.terms.warnings, *way.warnings)

    def _first_frame(self, upstream_request_id: str) -> None:
        self.row.first_frame_ms = self._since()
        self.row.upstream_request_id = upstream_request_id

    def _seen(self) -> tuple[Usage | None, int]:
        """What the upstream has reported so far, and how much of its answer was read."""
        reader = self._reader
        return (None, 0) if reader is None else (reader.usage(), reader.delivered_tokens())

    def _since(self) -> int:
        return max(0, now_ms() - self.row.started_at)

    def _conclude(self, outcome: AttemptOutcome, usage: Usage, basis: AttemptBasis) -> None:
        """Complete the row. Its cost is the operator's: at the account's own price, else at list price. What came of
        asking several at once is paid from the day's cap."""
        row = self.row
        row.outcome = outcome
        row.status = row.status or (200 if outcome == "won" else 0)
        row.duration_ms = self._since()
        row.usage = usage
        row.usage_basis = basis
        row.cost_micro = attempt_cost(usage, self.lease.seat, self._call.terms.price)
        joined = row.reason in ("hedge", "race") and row is not self._call.winner
        if outcome in ("lost", "draining") or (joined and outcome != "won"):
            self._counted_at = now_ms()
            self._services.hedging.spent(row.cost_micro, self._counted_at)

    def _cut_off(self) -> None:
        """The answer is not read on. The client's own costs what came of it; any other, what it may have come to."""
        if self.row is not self._call.winner:
            self._give_up("cancelled")
            return
        reported, delivered_tokens = self._seen()
        usage, basis = measured(reported, delivered_tokens, self._call.terms.input_tokens, complete=False)
        self._conclude("failed" if self._broken else "cancelled", usage, basis)

    def _give_up(self, how: Ending) -> None:
        """Nobody waits for this attempt any more. What it costs is decided by what its upstream does then."""
        terms, (reported, delivered_tokens) = self._call.terms, self._seen()
        stops = self.lease.seat.account.on_cancel == "stops"
        usage, basis = lost(reported, delivered_tokens, terms.input_tokens, terms.most_output_tokens, stops=stops)
        self._conclude(how, usage, basis)

    def _failed(self, error: BaseException) -> None:
        """A refused or failed attempt costs what the provider said before it failed."""
        row = self.row
        reported, _ = self._seen()
        cancelled = is_cancelled(error)
        if isinstance(error, AttemptFailed):
            row.status = error.failure.status
            row.error_code = error.failure.cause.value
        elif isinstance(error, CallError):
            row.error_code = error.code
        elif not cancelled:
            row.error_code = "internal_error"
        if row.outcome == "draining":
            if cancelled and row.first_frame_ms is None:
                self._given_up()
            if isinstance(error, AttemptFailed) and error.failure.cause not in UNHEARD and reported is None:
                self._finish_drain(Usage(), "none")
            else:
                self._finish_drain(row.usage, row.usage_basis)
        elif row.outcome == "open" and cancelled:
            self._give_up("cancelled")
        elif row.outcome == "open":
            self._conclude("failed", reported or Usage(), "none" if reported is None else "reported")

    def _given_up(self) -> None:
        """It had not begun to answer when it was ended: it would have taken longer than this."""
        terms, elapsed_s = self._call.terms, trio.current_time() - self._began
        if self._is_late():
            self._services.pool.overtaken(self.lease)
        self._services.latencies.censored(self.row.account_id, terms.model.id, terms.input_tokens, elapsed_s)

    def _is_late(self) -> bool:
        """Whether it has taken so long that another was asked meanwhile, or would have been."""
        terms, elapsed_s = self._call.terms, trio.current_time() - self._began
        delay_s = self._services.latencies.delay_s(self.row.account_id, terms.model.id, terms.input_tokens)
        return elapsed_s >= delay_s - _TICK_S

    async def _read_on(self) -> tuple[Usage, AttemptBasis]:
        """The usage of the answer read to its end. Where that does not come, the upper bound stands."""
        stream, batch = self.stream, self.stream.newest
        most_bytes = stream.received_bytes + self._services.drains.limits.bytes
        while not (batch.terminal or stream.paused or batch.error) and stream.received_bytes < most_bytes:
            batch = await stream.next(go_on=False)
        reported, delivered_tokens = self._seen()
        if batch.terminal or stream.paused:
            return measured(reported, delivered_tokens, self._call.terms.input_tokens, complete=True)
        return self.row.usage, self.row.usage_basis

    def _finish_drain(self, usage: Usage, basis: AttemptBasis) -> None:
        """The final figure replaces the upper bound: in the row, or in the database if the call is settled."""
        final = replace(
            self.row,
            outcome="lost",
            usage=usage,
            usage_basis=basis,
            cost_micro=attempt_cost(usage, self.lease.seat, self._call.terms.price),
            duration_ms=self._since(),
        )
        services, settled = self._services, self._call.commit
        services.hedging.corrected(final.cost_micro - self.row.cost_micro, self._counted_at)
        if settled is not None:
            services.ledger.finish_drain(final, settled)
            services.metrics.race_overhead(self._call.row.model, final.cost_micro)
            self.row = final
        else:
            for name in final.__struct_fields__:
                setattr(self.row, name, getattr(final, name))


class WholeTry(Try):
    """A try whose answer is wanted whole, and fetched as a stream so that it can race."""

    _answer: OpenAnswer

    async def _open(self, exchange: Exchange) -> OpenStream:
        self._reader = reader = assembler_for(exchange)
        self._answer = await open_answer(exchange, reader)
        return self._answer.stream

    async def rest(self) -> Answer:
        """The answer, read to its end. Raises AttemptFailed, and the attempt has ended then."""
        try:
            answer = await self._answer.rest()
        except BaseException as error:
            if isinstance(error, AttemptFailed):
                self._call.winner = self._call.row.ttft_ms = None
            self._failed(error)
            await self.aclose()
            raise
        self.row.upstream_request_id = self._answer.upstream_request_id
        return answer

    def settle(self, usage: Usage, basis: AttemptBasis) -> None:
        """What a stream cost that could not be made an answer of is the operator's, like the answer itself."""
        given_up = self._answer.refetched
        super().settle(usage if given_up is None else add(given_up, usage), basis)


def is_cancelled(error: BaseException) -> bool:
    """Whether this is nothing but a cancellation. One that struck inside a nursery comes as a group."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
