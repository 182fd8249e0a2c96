"""What is neither a billed call nor a page: token counts, and responses that an upstream keeps."""

import httpx
import msgspec
import trio

from gateway.admission import check_dialect, who_serves
from gateway.answers import JSON_TYPE, STREAM_HEADERS, Headers, id_headers
from gateway.catalog import Model
from gateway.dialects import dialect_named
from gateway.dialects.base import Peek
from gateway.errors import CallError, Unavailable
from gateway.kept_responses import answer_kept
from gateway.open_calls import StreamClient
from gateway.passages import context_of
from gateway.records import DialectName
from gateway.relay import Watch
from gateway.services import Services
from gateway.terms import Caller, Inbound
from gateway.translate import translator
from gateway.translate.response_store import not_found
from gateway.upstream.attempt import MAX_ANSWER_BYTES, AttemptFailed, close_response, read_bounded, send
from gateway.upstream.failures import failure_of_exception
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.serving import Seat
from gateway.upstream.verdict import client_error, no_answer

ESTIMATED: tuple[bytes, bytes] = (b"x-gateway-token-count", b"estimate")
COUNT_DEADLINE_S = 10.0
COUNT_PATHS: dict[DialectName, str] = {"messages": "/messages/count_tokens", "responses": "/responses/input_tokens"}


async def count_tokens(inbound: Inbound, client: StreamClient, services: Services, watch: Watch) -> None:
    """How large a prompt is: the provider's own count where an account gives one, else an estimate that says so.

    Never billed and outside the rate limits: Claude Code sends fourteen at once, and without an answer the same
    fourteen as paid calls.
    """
    check_dialect(inbound.caller, inbound.dialect.name)
    peek = inbound.dialect.peek(inbound.body, limit_required=False)
    model, seats = who_serves(inbound, peek, services)
    headers = [JSON_TYPE, *id_headers(inbound.id)]
    with trio.CancelScope() as scope:
        watch(scope)
        for seat in services.pool.healthy(seats, model.id):
            counted = await _count_at(seat, inbound, peek, model, services)
            if counted is not None:
                await client.respond(200, headers, _count_answer(inbound, counted))
                return
        tokens = await _estimate(inbound, peek, model, seats[0], services)
        await client.respond(200, [*headers, ESTIMATED], _count_answer(inbound, tokens))


async def _count_at(seat: Seat, inbound: Inbound, peek: Peek, model: Model, services: Services) -> int | None:
    """The account's count; None where it cannot count. A prompt the provider refuses is the caller's to mend."""
    upstream = services.upstreams.get(seat.account.id)
    path = COUNT_PATHS.get(seat.dialect)
    if upstream is None or path is None:
        return None
    if seat.dialect == inbound.dialect.name:
        body = inbound.dialect.count_body(peek, model=seat.upstream_model)
    else:
        body = _converted(inbound, peek, model, seat, services)
    request = upstream.request(UpstreamOperation(seat.dialect, path), body, inbound.headers, services.timeouts)
    with trio.move_on_after(COUNT_DEADLINE_S):
        try:
            response = await send(upstream, request, dialect_named(seat.dialect))
            try:
                answer = await read_bounded(response, MAX_ANSWER_BYTES)
            finally:
                await close_response(response)
            counted = msgspec.json.decode(answer, type=_Count).input_tokens
        except AttemptFailed as failed:
            if failed.failure.client_fault and failed.failure.status == 400:
                raise client_error(failed.failure) from None
            return None
        except (httpx.HTTPError, OSError, msgspec.DecodeError):
            return None
        else:
            return counted
    return None


async def _estimate(inbound: Inbound, peek: Peek, model: Model, seat: Seat, services: Services) -> int:
    """What the request as the account would get it comes to, counted with a vocabulary of our own."""
    if seat.dialect == inbound.dialect.name:
        body = inbound.dialect.count_body(peek, model=seat.upstream_model)
    else:
        body = _converted(inbound, peek, model, seat, services)
    return await services.counter.count(body, model)


def _converted(inbound: Inbound, peek: Peek, model: Model, seat: Seat, services: Services) -> bytes:
    context = context_of(inbound, peek, model, seat, services)
    return translator(inbound.dialect.name, seat.dialect).count_body(peek.fields, context)


class _Count(msgspec.Struct):
    input_tokens: int


def _count_answer(inbound: Inbound, tokens: int) -> bytes:
    if inbound.dialect.name == "messages":
        return msgspec.json.encode({"input_tokens": tokens})
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})


async def stored_response(
    inbound: Inbound, method: str, object_id: str, client: StreamClient, services: Services, watch: Watch
) -> None:
    """GET, DELETE, cancel and input_items of a stored response, at the account that made it, for its owner alone."""
    check_dialect(inbound.caller, "responses")
    if await answer_kept(inbound, method, object_id, client, services):
        return
    account_id = await _account_of(object_id, inbound.caller, services)
    upstream = services.upstreams.get(account_id)
    if upstream is None:
        raise Unavailable("The account that holds this response is not available now.", retry_after_s=30)
    request = upstream.request(
        UpstreamOperation("responses", inbound.path, method, inbound.query),
        inbound.body,
        inbound.headers,
        services.timeouts,
    )
    with trio.CancelScope() as scope:
        watch(scope)
        try:
            response = await send(upstream, request, inbound.dialect)
        except AttemptFailed as failed:
            raise _refusal(failed, object_id) from None
        try:
            await _pass_on(response, id_headers(inbound.id), client)
        except httpx.HTTPError as error:
            raise no_answer(failure_of_exception(error)) from None
        finally:
            await close_response(response)
        if method == "DELETE":
            services.reads.forget(inbound.caller.customer.id, object_id)
            services.ledger.forget_object(inbound.caller.customer.id, object_id)


async def _pass_on(response: httpx.Response, headers: Headers, client: StreamClient) -> None:
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        await client.respond(200, [JSON_TYPE, *headers], await read_bounded(response, MAX_ANSWER_BYTES))
        return
    await client.start(200, [*STREAM_HEADERS, *headers])
    async for chunk in response.aiter_raw():
        await client.send(chunk)
    await client.finish()


async def _account_of(object_id: str, caller: Caller, services: Services) -> int:
    known = await services.reads.object(caller.customer.id, object_id)
    if known is None:
        raise not_found(object_id)
    return known.account_id


def _refusal(failed: AttemptFailed, object_id: str) -> CallError:
    failure = failed.failure
    if failure.status == 404:
        return not_found(object_id)
    return client_error(failure) if failure.client_fault else no_answer(failure)
