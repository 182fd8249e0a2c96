"""May this call be made, by which accounts, and for how much at most. Nothing is reserved until all of it is known."""

from collections.abc import Iterable
from typing import Any

import msgspec
import trio
from msgspec.structs import replace

from gateway.billing.estimates import Plan, plan_call
from gateway.billing.prices import variant_names
from gateway.catalog import Model, Price
from gateway.clock import now_ms
from gateway.conversations import conversation_of
from gateway.dialects.base import ObjectReference, Peek
from gateway.errors import BadRequest, OutOfCredit, RateLimited, Unavailable, Unsupported, WrongEndpoint
from gateway.kept_responses import kept_history
from gateway.limits.headers import Headers, anthropic_headers, openai_headers
from gateway.open_calls import OpenCall, StreamClient
from gateway.records import Call, DialectName
from gateway.services import Services
from gateway.terms import Caller, Inbound, Terms
from gateway.translate.response_store import previous_not_found
from gateway.upstream.serving import Seat, pinned_to

ENDPOINTS: dict[DialectName, str] = {
    "messages": "POST /v1/messages",
    "chat": "POST /v1/chat/completions",
    "responses": "POST /v1/responses",
}
NOT_SERVED_RETRY_S = 30.0
PREVIOUS = "previous_response_id"
COMPACT = "/responses/compact"
RESPONSES_LEAST_TOKENS = 16


async def admit(inbound: Inbound, services: Services) -> Terms:
    """The terms of a call, its rate limits debited. Raises the CallError that says why not."""
    check_open(services)
    caller, dialect = inbound.caller, inbound.dialect
    check_dialect(caller, dialect.name)
    peek = dialect.peek(inbound.body, limit_required=inbound.limit_required, fields=inbound.fields)
    at = now_ms()
    model, seats = who_serves(inbound, peek, services)
    history: tuple[dict[str, Any], ...] = ()
    if peek.references:
        seats, history = await pinned(peek.references, seats, caller, services)
    home = conversation_of(inbound, peek, model, seats, history, services)
    estimate = peek.input_estimate + len(msgspec.json.encode(history)) // 3 if history else peek.input_estimate
    estimate = min(estimate, model.context_tokens) if model.context_tokens else estimate
    input_tokens = services.corrections.corrected(model.id, estimate)
    limit_headers = check_rate(inbound, input_tokens, services)
    terms = Terms(
        inbound,
        peek,
        model,
        home.seats,
        services.configuration.price(model, at),
        input_tokens,
        limit_headers=limit_headers,
        history=history,
        binding=home.binding,
        bound_state=home.bound_state,
        cached_prompt=home.cached_prompt,
    )
    _set_limits(terms, services, at)
    return terms


def _set_limits(terms: Terms, services: Services, at: int) -> None:
    """What goes upstream as output limit, and what is held for the call."""
    inbound, peek = terms.inbound, terms.peek
    if terms.price is None:
        terms.output_limit = services.settings.default_output_tokens if _must_set_limit(inbound, peek) else None
        return
    plan = _plan(inbound, peek, terms.model, terms.price, terms.input_tokens, services, at)
    limit = None if plan.output_limit is None else max(1, plan.output_limit // peek.choices)
    terms.output_limit = None if limit == peek.output_limit else limit
    terms.hold_micro, terms.schedule, terms.warnings = plan.hold_micro, plan.schedule, plan.warnings


def begin(terms: Terms, client: StreamClient, services: Services) -> OpenCall:
    """Reserve what the call may cost, and enter it among the open ones. Raises OutOfCredit."""
    inbound = terms.inbound
    caller = inbound.caller
    customer = caller.customer
    spend = services.spending.open(caller.key, customer, terms.hold_micro, now_ms())
    try:
        hold = services.wallets.hold(customer.id, terms.hold_micro, unlimited=customer.unlimited or terms.price is None)
    except OutOfCredit:
        spend.release()
        raise
    row = Call(
        id=inbound.id,
        customer_id=customer.id,
        key_id=None if caller.key is None else caller.key.id,
        tier=caller.tier.name,
        dialect=inbound.dialect.name,
        model_asked=terms.peek.model,
        model=terms.model.id,
        stream=terms.peek.stream,
        started_at=now_ms(),
        client_ip=inbound.client_ip,
        price_version=terms.price.version if terms.price else "free",
        multiplier_bp=caller.tier.multiplier_bp,
        warnings=terms.warnings,
        gateway_id=services.gateway_id,
        boot_id=services.boot_id,
    )
    call = OpenCall(terms, client, row, hold, spend, services.settings.call_timeout_s)
    if caller.key is not None:
        services.key_uses.note(caller.key.id, row.started_at, inbound.client_ip)
    services.open_calls.add(call)
    return call


def check_open(services: Services) -> None:
    """New calls wait outside while the gateway stops or cannot record what they would cost."""
    if services.condition.draining:
        raise Unavailable("The gateway is stopping. Retry shortly.", retry_after_s=5)
    if not services.ledger.healthy:
        raise Unavailable("The gateway cannot record calls at the moment. Retry shortly.", retry_after_s=5)


def check_dialect(caller: Caller, dialect: DialectName) -> None:
    """400 rather than 403 or 404: those make Claude Code hide the message."""
    if dialect not in caller.tier.dialects:
        served = " and ".join(ENDPOINTS[name] for name in caller.tier.dialects)
        raise WrongEndpoint(
            f"{ENDPOINTS[dialect]} is not served for {caller.tier.name} keys. Use {served} with this key."
        )


def who_serves(inbound: Inbound, peek: Peek, services: Services) -> tuple[Model, tuple[Seat, ...]]:
    """The model, and the accounts that serve it in the dialect of the call."""
    configuration = services.configuration
    model = configuration.model(peek.model)
    configuration.permit(inbound.caller, model)
    served = configuration.served.get(model.id)
    if served is None:
        raise Unavailable(
            f"No account of this gateway serves {model.id} at the moment.", retry_after_s=NOT_SERVED_RETRY_S
        )
    seats = served.seats.get(inbound.dialect.name)
    if served.around_chat and inbound.dialect.name == "chat" and reasons_with_tools(peek):
        seats = served.around_chat
    if seats and inbound.path == COMPACT:
        seats = tuple(seat for seat in seats if seat.dialect == "responses")
        if not seats:
            raise Unsupported(f"No account that serves {model.id} can compact a conversation.", field="model")
    if not seats:
        others = [ENDPOINTS[name] for name in served.seats if name in inbound.caller.tier.dialects]
        use = f"Use {' or '.join(others)} for it." if others else "GET /v1/models lists what this key can call."
        raise WrongEndpoint(f"{model.id} is not served under {ENDPOINTS[inbound.dialect.name]}. {use}", field="model")
    return model, seats


def reasons_with_tools(peek: Peek) -> bool:
    """Tools in a Chat call whose reasoning is not switched off: some models take the two under Responses only."""
    return "tools" in peek.fields and _text(peek, "reasoning_effort") != "none"


async def pinned(
    references: Iterable[ObjectReference], seats: tuple[Seat, ...], caller: Caller, services: Services
) -> tuple[tuple[Seat, ...], tuple[dict[str, Any], ...]]:
    """Only the account that made what the request refers to can answer it; only its owner may ask.

    A response that the gateway keeps itself goes to accounts that are asked by translation, with its history.
    """
    history: tuple[dict[str, Any], ...] = ()
    for reference in references:
        customer_id = caller.customer.id
        known = await services.reads.object(customer_id, reference.object_id)
        kept = None
        if known is None and reference.field == PREVIOUS:
            kept = await kept_history(customer_id, reference.object_id, services)
        if known is None and kept is None:
            raise unknown_reference(reference)
        if kept is not None:
            history = kept
            seats = tuple(seat for seat in seats if seat.dialect != "responses")
        elif known is not None:
            seats = pinned_to(seats, known.account_id)
        if not seats:
            raise Unavailable(
                f"{reference.field}: the account that holds {reference.object_id} does not serve this model now.",
                retry_after_s=NOT_SERVED_RETRY_S,
            )
    return seats, history


def unknown_reference(reference: ObjectReference) -> BadRequest:
    """The same words whether it does not exist or is somebody else's."""
    if reference.field == PREVIOUS:
        return previous_not_found(reference.object_id)
    return BadRequest(f"{reference.field}: {reference.object_id!r} was not found.", field=reference.field)


def limits_of(caller: Caller) -> tuple[int | None, int | None, int | None]:
    """(requests a minute, tokens a minute, concurrency) of a caller: the key's own, or its tier's."""
    key, tier = caller.key, caller.tier
    if key is None:
        return None, None, tier.concurrency
    return (
        key.rpm if key.rpm is not None else tier.rpm,
        key.tpm if key.tpm is not None else tier.tpm,
        key.concurrency if key.concurrency is not None else tier.concurrency,
    )


def check_rate(inbound: Inbound, input_tokens: int, services: Services) -> Headers:
    """Debit a request and its estimated tokens, or raise RateLimited. Returns the headers that say what is left."""
    caller = inbound.caller
    rpm, tpm, _ = limits_of(caller)
    if caller.key is None or not (rpm or tpm):
        return []
    decision = services.limiter.check_key(caller.key.id, rpm=rpm, tpm=tpm, tokens=input_tokens, now=trio.current_time())
    if inbound.dialect.name == "messages":
        headers = anthropic_headers(decision.requests, decision.tokens, now_ms())
    else:
        headers = openai_headers(decision.requests, decision.tokens)
    if not decision.allowed:
        which = "requests" if decision.requests is not None and not decision.requests.allowed else "tokens"
        raise RateLimited(
            f"This key's limit of {which} per minute is reached.",
            retry_after_s=decision.retry_after_s,
            headers=headers,
        )
    return headers


def _must_set_limit(inbound: Inbound, peek: Peek) -> bool:
    return inbound.dialect.name == "messages" and peek.output_limit is None


def _plan(
    inbound: Inbound, peek: Peek, model: Model, price: Price, input_tokens: int, services: Services, at: int
) -> Plan:
    caller = inbound.caller
    customer = caller.customer
    limited = not customer.unlimited
    asked = peek.output_limit
    room = services.spending.room(caller.key, customer, at)
    if asked is None and (limited or room is not None or _must_set_limit(inbound, peek)):
        asked = min(services.settings.default_output_tokens, model.max_output_tokens)
    if peek.choices > 1:
        model = replace(model, max_output_tokens=model.max_output_tokens * peek.choices)
        asked = None if asked is None else asked * peek.choices
    return plan_call(
        model=model,
        price=price,
        multiplier_bp=caller.tier.multiplier_bp,
        input_tokens=input_tokens,
        asked_limit=asked,
        stream=peek.stream,
        wallet=services.wallets.wallet(customer.id) if limited else None,
        room=room,
        thinking_budget=peek.thinking_budget,
        minimum_output=RESPONSES_LEAST_TOKENS if inbound.dialect.name == "responses" else 1,
        variants=variant_names(*(_text(peek, name) for name in ("service_tier", "speed", "inference_geo"))),
        cache_writes=peek.cache_writes,
        slice_tokens=services.settings.slice_tokens,
    )


def _text(peek: Peek, name: str) -> str:
    raw = peek.fields.get(name)
    if raw is None:
        return ""
    value = msgspec.json.decode(raw)
    return value if isinstance(value, str) else ""
