"""The first account that answers a call, by the policy of its tier: one after the other, or several at once."""

import trio

from gateway.admission import COMPACT
from gateway.attempts import Try, WholeTry
from gateway.dialects.assembly import assembly_named
from gateway.dialects.base import Answer
from gateway.dialects.peek import DECODE_ERRORS
from gateway.open_calls import OpenCall
from gateway.racing import Asked, policy_named, policy_of
from gateway.records import AttemptReason
from gateway.services import Services
from gateway.upstream.affinity import is_transient
from gateway.upstream.attempt import AttemptFailed
from gateway.upstream.cooldown import Failure
from gateway.upstream.pool import Lease
from gateway.upstream.race import Policy, Tries, failover, race


async def first_stream(call: OpenCall, services: Services) -> Try:
    """The first account whose stream reaches a semantic frame."""
    tries, policy = _tries(call, services), _policy(call, services)
    if policy is None:

        async def attempt(lease: Lease, reason: AttemptReason) -> Try:
            return await Try(call, lease, reason, services).run()

        won = await failover(tries, attempt)
    else:
        won = await race(tries, lambda lease, reason: Try(call, lease, reason, services), policy, services.drains)
    won.won()
    return won


async def first_answer(call: OpenCall, services: Services) -> tuple[Try, Answer]:
    """The first account that answers whole. Where one of several begins its answer and breaks off, those not tried yet
    take over: nothing of it has gone out."""
    tries = _tries(call, services)
    policy = _policy(call, services) if _can_stream(call) else None
    if policy is not None:
        won = await race(tries, lambda lease, reason: WholeTry(call, lease, reason, services), policy, services.drains)
        won.won()
        try:
            return won, await won.rest()
        except AttemptFailed as error:
            if (fault := tries.failed(won.lease, error)) is not None:
                raise fault from None

    async def attempt(lease: Lease, reason: AttemptReason) -> tuple[Try, Answer]:
        this = Try(call, lease, reason, services)
        return this, await this.fetch()

    one, answer = await failover(tries, attempt)
    one.won()
    return one, answer


def _tries(call: OpenCall, services: Services) -> Tries:
    terms, affinity = call.terms, services.affinity
    binding, model_id = terms.binding, terms.model.id

    def learn(account_id: int, failure: Failure) -> None:
        affinity.failed(binding, model_id, account_id, is_transient(failure))
        services.hedging.failed(model_id, account_id, failure, trio.current_time())

    if binding is None:
        return Tries(services.pool, terms.seats, model_id, on_failure=learn)
    return Tries(
        services.pool,
        terms.seats,
        model_id,
        bound=affinity.bound(binding, model_id),
        borrowed=affinity.borrowed(binding, model_id),
        avoided=affinity.avoided(binding, model_id),
        on_failure=learn,
    )


def _policy(call: OpenCall, services: Services) -> Policy | None:
    """When further accounts join; None: only after one has failed."""
    terms = call.terms
    named = policy_named(terms.inbound.caller.tier, terms.model.id)
    if named == "failover":
        return None
    asked = Asked(
        call_id=call.id,
        model_id=terms.model.id,
        seats=terms.seats,
        input_tokens=terms.input_tokens,
        most_output_tokens=terms.most_output_tokens,
        price=terms.price,
        bound_state=terms.bound_state,
        cached_prompt=terms.cached_prompt,
        warm=lambda account_id: services.affinity.warm(terms.binding, terms.model.id, account_id),
    )
    return policy_of(named, asked, services)


def _can_stream(call: OpenCall) -> bool:
    """Whether a whole answer to this call can be made of a stream, at every account that may be asked."""
    terms, inbound = call.terms, call.terms.inbound
    if inbound.path == COMPACT:
        return False
    if not all(seat.dialect != "chat" or seat.account.options.get("include_usage", True) for seat in terms.seats):
        return False
    try:
        return assembly_named(terms.dialect_name).can_assemble(terms.peek.fields, inbound.headers)
    except DECODE_ERRORS:
        return False  # What cannot be read is the upstream's to refuse.
