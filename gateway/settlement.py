"""What a call's end amounts to: tokens, their basis, the charge. Pure."""

from msgspec.structs import replace

from gateway.billing.prices import cost_micro
from gateway.catalog import Price
from gateway.records import AttemptBasis, Usage, UsageBasis
from gateway.upstream.serving import Seat

NOTHING = Usage()


def measured(
    reported: Usage | None, delivered_tokens: int, input_tokens: int, *, complete: bool
) -> tuple[Usage, UsageBasis]:
    """The usage an answer is billed by, and where it comes from.

    A complete answer counts as the provider reported it. A cut one counts the input the provider reported, or the
    estimate of it, and as output whichever is more: what was reported so far or what was delivered.
    """
    if complete and reported is not None:
        return reported, "reported"
    if reported is None:
        if not delivered_tokens and not complete:
            return NOTHING, "none"
        return Usage(input_tokens=input_tokens, output_tokens=delivered_tokens), "estimated"
    if delivered_tokens > reported.output_tokens:
        return replace(reported, output_tokens=delivered_tokens), "estimated"
    return reported, "reported"


def lost(
    reported: Usage | None, delivered_tokens: int, input_tokens: int, output_limit: int, *, stops: bool
) -> tuple[Usage, AttemptBasis]:
    """What an attempt that lost a race is taken to have used.

    Where the upstream `stops` with the connection it is what was seen of it. Otherwise nobody can know, and it counts
    with all the output it was allowed to write.
    """
    seen = reported or Usage(input_tokens=input_tokens)
    output_tokens = max(seen.output_tokens, delivered_tokens)
    if not stops:
        return replace(seen, output_tokens=max(output_tokens, output_limit)), "upper_bound"
    basis: AttemptBasis = "reported" if reported is not None and output_tokens == seen.output_tokens else "estimated"
    return replace(seen, output_tokens=output_tokens), basis


def attempt_cost(usage: Usage, seat: Seat, price: Price | None) -> int:
    """Micro-dollars an attempt cost the operator: at the account's own rates, or else at list price."""
    if seat.account.free:
        return 0
    if seat.cost_rates is not None:
        return cost_micro(usage, Price("", 0, seat.cost_rates))
    return charge(usage, price, 10_000)


def charge(usage: Usage, price: Price | None, multiplier_bp: int) -> int:
    """Micro-dollars for a usage; a model without a price was declared free by the operator."""
    return 0 if price is None else cost_micro(usage, price, multiplier_bp)
