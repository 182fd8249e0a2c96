"""Where a call's conversation is at home, and what of it only some accounts can read.

Costs next to nothing where one account alone serves the call: then there is nothing to choose, and a name that the
client gives the conversation is noted only for the day when the account drains.
"""

from typing import Any

from msgspec import Struct

from gateway.catalog import Model
from gateway.dialects.affinity import LEAST_CACHED_TOKENS, binding_of, thread_of
from gateway.dialects.base import Peek
from gateway.dialects.bound_state import asks_for_sealed, has_bound_state, is_sealed
from gateway.records import DialectName, Tier
from gateway.services import Services
from gateway.terms import Inbound
from gateway.upstream.serving import Seat, same_organisation


class Conversation(Struct, frozen=True):
    """The part of a call's terms that follows from its conversation: see `gateway.terms.Terms`."""

    seats: tuple[Seat, ...]
    binding: bytes | None
    bound_state: bool
    cached_prompt: bool


def conversation_of(
    inbound: Inbound,
    peek: Peek,
    model: Model,
    seats: tuple[Seat, ...],
    history: tuple[dict[str, Any], ...],
    services: Services,
) -> Conversation:
    """The conversation of a call that these seats could serve, and those of them that can read it."""
    dialect = inbound.dialect.name
    cacheable = peek.input_estimate >= (model.capabilities.min_cache_tokens or LEAST_CACHED_TOKENS) or bool(history)
    if len(seats) == 1:
        binding = binding_of(inbound.headers, peek, dialect, inbound.caller.customer.id, several=False)
        return Conversation(seats, binding, seats[0].pinned, cacheable and peek.cache_writes)
    binding = _binding(inbound, peek, model, seats, history)
    affinity = services.affinity
    if _sealed(peek, dialect, seats) and affinity.avoided(binding, model.id) is None:
        # Elsewhere it would be refused as unreadable, which a client takes for the end of the conversation; a 429 or
        # a 503 it tries again.
        origin = affinity.origin(binding, model.id)
        seats = seats if origin is None else same_organisation(seats, origin) or seats
    bound_state = _may_race(inbound.caller.tier) and has_bound_state(peek, dialect)
    cached_prompt = cacheable and (peek.cache_writes or affinity.bound(binding, model.id) is not None)
    return Conversation(seats, binding, bound_state, cached_prompt)


def _binding(
    inbound: Inbound, peek: Peek, model: Model, seats: tuple[Seat, ...], history: tuple[dict[str, Any], ...]
) -> bytes | None:
    dialect = inbound.dialect.name
    name = thread_of if _any_under_responses(seats) and asks_for_sealed(peek, dialect) else binding_of
    return name(
        inbound.headers,
        peek,
        dialect,
        inbound.caller.customer.id,
        least_tokens=model.capabilities.min_cache_tokens,
        history=history,
    )


def _sealed(peek: Peek, dialect: DialectName, seats: tuple[Seat, ...]) -> bool:
    """Reasoning that one of these would be asked to read, and another could not."""
    return _any_under_responses(seats) and is_sealed(peek, dialect)


def _any_under_responses(seats: tuple[Seat, ...]) -> bool:
    """One of them is asked in the dialect in which OpenAI gives its reasoning, and takes it back."""
    return any(seat.dialect == "responses" for seat in seats)


def _may_race(tier: Tier) -> bool:
    """Whether calls of this tier are ever made at two accounts at once."""
    return tier.policy != "failover" or bool(tier.model_policies)
