"""The attempts of one call, each with its row: what was sent to which account, and what it came to."""

import trio

from gateway.clock import now_ms
from gateway.dialects.base import Answer, StreamReader, UpstreamError
from gateway.errors import CallError
from gateway.open_calls import OpenCall
from gateway.passages import passage
from gateway.records import Attempt, AttemptOutcome, Usage, UsageBasis
from gateway.services import Services
from gateway.settlement import charge, measured
from gateway.upstream.attempt import AttemptFailed, Exchange, OpenStream, fetch, open_stream
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.pool import Lease
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.race import failover

CANNOT_BE_OPENED = Failure(Cause.CREDENTIALS, "account", status=503)


class Won:
    """The attempt whose answer the client gets. Closing it twice is harmless."""

    def __init__(self, call: OpenCall, lease: Lease, attempt: Attempt, stream: OpenStream | None = None) -> None:
        self._call = call
        self._lease = lease
        self._attempt = attempt
        self._settled = False
        self._broken = False
        self._stream = stream
        call.winner = attempt

    @property
    def stream(self) -> OpenStream:
        assert self._stream is not None
        return self._stream

    def settle(self, usage: Usage, basis: UsageBasis) -> None:
        """The answer is complete: this is what it cost."""
        self._settled = True
        conclude(self._call, self._lease, self._attempt, "won", usage, basis)

    def broke(self, error: UpstreamError, services: Services) -> None:
        """The upstream broke off after it had begun to answer; the account hears of it."""
        self._broken = True
        self._attempt.status = error.status
        self._attempt.error_code = error.code
        services.pool.broke_off(self._lease)

    async def aclose(self) -> None:
        """End the attempt: its row, its connection, its place at the account."""
        if not self._settled:
            self._settled = True
            reader = self.stream.reader
            usage, basis = measured(
                reader.usage(), reader.delivered_tokens(), self._call.terms.input_tokens, complete=False
            )
            outcome: AttemptOutcome = "failed" if self._broken else "cancelled"
            conclude(self._call, self._lease, self._attempt, outcome, usage, basis)
        if self._stream is not None:
            await self._stream.aclose()
        self._lease.release()


async def first_stream(call: OpenCall, services: Services) -> Won:
    """The first account whose stream reaches a semantic frame."""

    async def attempt(lease: Lease) -> Won:
        row = _begin(call, lease)
        reader: StreamReader | None = None
        try:
            exchange = _prepare(call, lease, services)
            reader = exchange.passage.reader()
            stream = await open_stream(exchange, reader)
        except BaseException as error:
            _conclude_failed(call, lease, row, error, None if reader is None else reader.usage())
            raise
        row.first_frame_ms = _since(row)
        row.upstream_request_id = stream.upstream_request_id
        call.row.ttft_ms = call.elapsed_ms()
        return Won(call, lease, row, stream)

    terms = call.terms
    return await failover(services.pool, terms.seats, terms.model.id, attempt)


async def first_answer(call: OpenCall, services: Services) -> tuple[Won, Answer]:
    """The first account that answers whole."""

    async def attempt(lease: Lease) -> tuple[Won, Answer]:
        row = _begin(call, lease)
        try:
            answer, row.upstream_request_id = await fetch(_prepare(call, lease, services))
        except BaseException as error:
            _conclude_failed(call, lease, row, error, None)
            raise
        row.first_frame_ms = _since(row)
        call.row.ttft_ms = call.elapsed_ms()
        return Won(call, lease, row), answer

    terms = call.terms
    return await failover(services.pool, terms.seats, terms.model.id, attempt)


def conclude(
    call: OpenCall, lease: Lease, row: Attempt, outcome: AttemptOutcome, usage: Usage, basis: UsageBasis
) -> None:
    """Complete an attempt's row. Its cost is the operator's, at list price; a free account costs nothing."""
    row.outcome = outcome
    row.status = row.status or (200 if outcome == "won" else 0)
    row.duration_ms = _since(row)
    row.usage = usage
    row.usage_basis = basis
    row.cost_micro = 0 if lease.seat.account.free else charge(usage, call.terms.price, 10_000)


def _prepare(call: OpenCall, lease: Lease, services: Services) -> Exchange:
    """The call as this account wants it. What had to be changed for it is a warning of the whole call."""
    seat, inbound = lease.seat, call.terms.inbound
    upstream = services.upstreams.get(seat.account.id)
    if upstream is None:
        raise AttemptFailed(CANNOT_BE_OPENED)
    way = passage(call.terms, seat, services)
    call.translated = seat.dialect != inbound.dialect.name
    call.row.warnings = (*call.terms.warnings, *way.warnings)
    operation = UpstreamOperation(way.dialect.name, way.path, query=inbound.query)
    return Exchange(upstream, way, operation, inbound.headers, services.timeouts)


def _begin(call: OpenCall, lease: Lease) -> Attempt:
    row = Attempt(call.id, len(call.attempts) + 1, lease.seat.account.id, now_ms())
    call.attempts.append(row)
    return row


def _since(row: Attempt) -> int:
    return max(0, now_ms() - row.started_at)


def _conclude_failed(call: OpenCall, lease: Lease, row: Attempt, error: BaseException, usage: Usage | None) -> None:
    """A refused or failed attempt costs what the provider said before it failed; a cancelled one at least its input."""
    if isinstance(error, AttemptFailed):
        row.status = error.failure.status
        row.error_code = error.failure.cause.value
        basis: UsageBasis = "none" if usage is None else "reported"
        conclude(call, lease, row, "failed", usage or Usage(), basis)
    elif isinstance(error, CallError):
        row.error_code = error.code
        conclude(call, lease, row, "failed", Usage(), "none")
    elif isinstance(error, trio.Cancelled):
        spent = usage or Usage(input_tokens=call.terms.input_tokens)
        conclude(call, lease, row, "cancelled", spent, "estimated" if usage is None else "reported")
    else:
        row.error_code = "internal_error"
        conclude(call, lease, row, "failed", usage or Usage(), "none")
