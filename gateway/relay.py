"""One call's whole story, from an authenticated request to its settlement.

    admit       may this be done, by which accounts, for how much              gateway.admission
    begin       reserve what it may cost                                       gateway.admission, gateway.open_calls
    first_…     the first account that answers                                 gateway.first_answer
    deliver     its frames to the client, holding more money as they come
    settle      receipt, attempts, charge: one transaction                     gateway.billing.ledger
    finish      what the client takes for success, only after that commit

Whatever ends a call - an answer, an error, a client that left, a revoked key, an empty balance, a stop of the gateway -
ends in exactly one settlement.
"""

from collections.abc import Callable

import structlog
import trio

from gateway.admission import admit, begin, limits_of
from gateway.answers import (
    JSON_TYPE,
    STREAM_HEADERS,
    Headers,
    call_headers,
    error_headers,
    id_headers,
    money_headers,
)
from gateway.attempts import Try
from gateway.errors import CallError, InternalError, RequestTimeout
from gateway.first_answer import first_answer, first_stream
from gateway.kept_responses import keep_answer
from gateway.observe.logs import call_settled
from gateway.open_calls import OpenCall, StreamClient
from gateway.records import Outcome, Usage, UsageBasis
from gateway.services import Services
from gateway.settlement import measured
from gateway.terms import Inbound
from gateway.upstream.verdict import broken_stream

SAY_GOODBYE_S = 5.0
READ_ON_S = 60.0
CLIENT_GONE = 499
Watch = Callable[[trio.CancelScope | None], None]

logger = structlog.get_logger(__name__)


async def relay(inbound: Inbound, client: StreamClient, services: Services, watch: Watch) -> None:
    """Serve one call. Raises CallError only while nothing has been held or sent."""
    terms = await admit(inbound, services)
    async with services.gates.slot(inbound.caller.label, limits_of(inbound.caller)[2]):
        call = begin(terms, client, services)
        try:
            with call.scope:
                if terms.inbound.caller.tier.on_disconnect == "cancel":
                    watch(call.scope)
                await _serve(call, services)
            if call.scope.cancelled_caught:
                await _serve_cut(call, services)
        finally:
            watch(None)
            _end(call, services, "failed", 500, InternalError.code)
            services.open_calls.remove(call)
    if call.row.usage_basis == "reported":
        await services.counter.learn(inbound.body, terms.model, call.row.usage.prompt_tokens)


async def _serve(call: OpenCall, services: Services) -> None:
    """The answer, or the error that came in its place."""
    try:
        if call.terms.peek.stream:
            await _stream(call, services)
        else:
            await _answer(call, services)
    except CallError as error:
        await _fail(call, services, error)
    except OSError:
        _end(call, services, "cancelled", CLIENT_GONE, "client_gone")
    except Exception:
        logger.exception("call_failed", call_id=call.id)
        await _fail(call, services, InternalError("The gateway failed. The operator's log has the details."))


async def _answer(call: OpenCall, services: Services) -> None:
    """A call that is not streamed: the body leaves after the commit."""
    won, answer = await first_answer(call, services)
    try:
        usage, basis = measured(answer.usage, answer.delivered_tokens, call.terms.input_tokens, complete=True)
        won.settle(usage, basis)
        await keep_answer(call, services, answer.body)
        _complete(call, services, usage, basis, answer.object_ids)
    finally:
        await won.aclose()
    assert call.commit is not None
    await call.commit.wait(services.settings.commit_timeout_s)
    customer = call.terms.inbound.caller.customer
    balance = None if customer.unlimited else services.wallets.wallet(customer.id).balance_micro
    headers = [JSON_TYPE, *_call_headers(call), *money_headers(call.row.cost_micro, balance)]
    await call.client.respond(200, headers, answer.body)


async def _stream(call: OpenCall, services: Services) -> None:
    """A streamed call: frames as they come, the terminal after the commit."""
    won = await first_stream(call, services)
    reader = call.reader = won.stream.reader
    gone = False
    try:
        if (reported := reader.usage()) is not None:
            call.rebase(reported)
        if not call.client.started:
            await call.client.start(200, stream_headers(call))
        try:
            terminal = await _deliver(call, won, services)
        except OSError:
            if call.terms.inbound.caller.tier.on_disconnect == "cancel":
                raise
            terminal = await _read_on(call, won)
            gone = True
        usage, basis = measured(reader.usage(), reader.delivered_tokens(), call.terms.input_tokens, complete=True)
        await keep_answer(call, services, terminal)
        won.settle(usage, basis)
        _complete(call, services, usage, basis, reader.object_ids, gone=gone)
    finally:
        await won.aclose()
    if not gone:
        assert call.commit is not None
        await call.commit.wait(services.settings.commit_timeout_s)
        await call.client.finish(terminal)


async def _deliver(call: OpenCall, won: Try, services: Services) -> bytes:
    """Pass frames on until the one that the client takes for success, which is returned."""
    stream, client = won.stream, call.client
    batch = stream.newest
    while True:
        if batch.forward:
            call.deliver(stream.reader.delivered_tokens())
            await client.send(batch.forward)
        if batch.terminal:
            return batch.terminal
        if batch.error is not None:
            won.broke(batch.error)
            raise broken_stream(batch.error)
        batch = await stream.next()


async def _read_on(call: OpenCall, won: Try) -> bytes:
    """The client has left, and its tier has the answer read to its end, so that what it cost is known exactly."""
    stream = won.stream
    batch = stream.newest  # what the client was not there to take may have been the end
    with trio.move_on_after(READ_ON_S):
        while batch.error is None:
            call.deliver(stream.reader.delivered_tokens())
            if batch.terminal:
                return batch.terminal
            batch = await stream.next()
    raise ConnectionResetError("The client left, and the answer did not end in time.")


def _complete(
    call: OpenCall,
    services: Services,
    usage: Usage,
    basis: UsageBasis,
    objects: list[tuple[str, str]],
    *,
    gone: bool = False,
) -> None:
    """Settle a complete answer, and learn from it how well the prompt was estimated."""
    if gone:
        _settle(call, services, "cancelled", CLIENT_GONE, "client_gone", usage, basis, objects)
    else:
        _settle(call, services, "completed", 200, "", usage, basis, objects)
    if basis == "reported":
        services.corrections.observe(call.row.model, call.terms.peek.input_estimate, usage.prompt_tokens)


def _end(call: OpenCall, services: Services, outcome: Outcome, status: int, error_code: str) -> None:
    """Settle a call that did not complete: what was delivered is billed and labelled; nothing, if nothing was."""
    if call.settled:
        return
    usage, basis = call.so_far()
    if outcome == "failed" and basis != "none":
        outcome = "partial"
    _settle(call, services, outcome, status, error_code, usage, basis, [])


def _settle(
    call: OpenCall,
    services: Services,
    outcome: Outcome,
    status: int,
    error_code: str,
    usage: Usage,
    basis: UsageBasis,
    objects: list[tuple[str, str]],
) -> None:
    receipt = call.receipt(outcome, status, error_code, usage, basis, objects)
    services.open_calls.settle(call, receipt)
    if receipt.objects:
        services.reads.remember(receipt.objects)
    _correct_rate(call, services, usage)
    services.metrics.call_settled(receipt.call, receipt.attempts)
    call_settled(receipt.call, receipt.attempts)


def _correct_rate(call: OpenCall, services: Services, usage: Usage) -> None:
    """Tokens per minute were debited by estimate; now they are known."""
    caller = call.terms.inbound.caller
    tpm = limits_of(caller)[1]
    if tpm and caller.key is not None:
        services.limiter.correct_tokens(
            caller.key.id,
            tpm=tpm,
            estimated=call.terms.input_tokens,
            actual=usage.prompt_tokens + usage.output_tokens,
            now=trio.current_time(),
        )


async def _fail(call: OpenCall, services: Services, error: CallError) -> None:
    """Settle what was delivered, then say what happened in the caller's dialect."""
    dialect = call.terms.inbound.dialect
    status, body = dialect.error_body(services.worded(error), call.id)
    _end(call, services, "failed", status, error.code)
    client = call.client
    try:
        if not client.started:
            await client.respond(status, [*error_headers(error, call.id), *_tried_headers(call)], body)
        elif not client.finished:
            frame = (call.reader or dialect).error_frame(error, call.id)
            await client.finish(frame)
    except OSError:
        return


async def _serve_cut(call: OpenCall, services: Services) -> None:
    """The call was ended from outside. A client that is still there is told why, within a bounded time."""
    error = call.cut_error
    if error is None and trio.current_time() >= call.scope.deadline:
        error = RequestTimeout("The call took longer than this gateway allows.")
    if error is None:
        _end(call, services, "cancelled", CLIENT_GONE, "client_gone")
        return
    with trio.CancelScope(shield=True, deadline=trio.current_time() + SAY_GOODBYE_S):
        await _fail(call, services, error)


def stream_headers(call: OpenCall) -> Headers:
    """The head of a streamed answer."""
    return [*STREAM_HEADERS, *_call_headers(call)]


def _call_headers(call: OpenCall) -> Headers:
    return [*id_headers(call.id), *_tried_headers(call), *call.terms.limit_headers]


def _tried_headers(call: OpenCall) -> Headers:
    return call_headers(len(call.attempts), call.row.warnings)
