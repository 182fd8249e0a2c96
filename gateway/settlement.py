"""What a call's end amounts to: tokens, their basis, the charge. Pure."""

from msgspec.structs import replace

from gateway.billing.prices import cost_micro
from gateway.catalog import Price
from gateway.records import Usage, UsageBasis

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


def charge(usage: Usage, price: Price | None, multiplier_bp: int) -> int:
    """Micro-dollars for a usage; a model without a price was declared free by the operator."""
    return 0 if price is None else cost_micro(usage, price, multiplier_bp)
