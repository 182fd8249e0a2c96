"""How much to hold: before a call from its estimate, during a stream slice by slice.

A stream holds its prompt and one slice of output, and takes the next slice before it is used. A call that is not
streamed cannot be cut half-way, so it holds the whole output limit that is sent upstream.
"""

from collections.abc import Callable

from msgspec import Struct, structs

from gateway.billing.holds import Wallet, out_of_credit
from gateway.billing.prices import affordable_output_tokens, cost_micro, input_cost_micro, output_cost_micro
from gateway.billing.spend import Room
from gateway.catalog.models import Model, Price
from gateway.errors import OutOfCredit
from gateway.records import Usage

SLICE_TOKENS = 4096
CLAMPED = "clamped:max_tokens"

_SMALLEST_SLICE = 64
_UNIT_BP = 10_000
_LEAST_BP, _MOST_BP = 3_000, 30_000
_LEAST_SAMPLE = 64  # below it the constant overhead of a request says nothing about the text


class Corrections:
    """Actual over estimated prompt tokens, per model, as a running average in basis points.

    Estimates are bytes / 3; what a tokenizer makes of them differs by model and by what people write to it.
    """

    def __init__(self) -> None:
        self._factors_bp: dict[str, int] = {}

    def corrected(self, model_id: str, estimated_tokens: int) -> int:
        """The estimate times the model's factor, rounded up; as it is for a model not seen yet."""
        return -(-estimated_tokens * self._factors_bp.get(model_id, _UNIT_BP) // _UNIT_BP)

    def observe(self, model_id: str, estimated_tokens: int, actual_tokens: int) -> None:
        """Learn from a finished call: its uncorrected estimate, and what the provider counted. The average forgets
        half of what it knows in eleven calls, and stays between 0.3 and 3 whatever it is told."""
        if estimated_tokens < _LEAST_SAMPLE or actual_tokens <= 0:
            return
        sample = min(_MOST_BP, max(_LEAST_BP, actual_tokens * _UNIT_BP // estimated_tokens))
        known = self._factors_bp.get(model_id)
        # The first sample moves half the way: one odd prompt must not set the factor alone.
        change = (sample - _UNIT_BP) // 2 if known is None else (sample - known) // 16
        self._factors_bp[model_id] = (known or _UNIT_BP) + change


class Plan(Struct, frozen=True):
    """What a call will hold and ask for.

    `output_limit` is what goes upstream (None: leave the request's own, which there is none of). `warnings` holds
    `clamped:max_tokens` if the limit is lower than the caller's, or than the model's where the caller gave none.
    """

    input_tokens: int
    output_limit: int | None
    hold_micro: int
    warnings: tuple[str, ...]
    schedule: "HoldSchedule"


def plan_call(
    *,
    model: Model,
    price: Price,
    multiplier_bp: int,
    input_tokens: int,
    asked_limit: int | None,
    stream: bool,
    wallet: Wallet | None,
    room: Room | None = None,
    thinking_budget: int = 0,
    minimum_output: int = 1,
    variants: frozenset[str] = frozenset(),
    cache_writes: bool = False,
    slice_tokens: int = SLICE_TOKENS,
) -> Plan:
    """Decide the output limit and the first hold.

    `input_tokens` is the corrected estimate, `wallet` None for an unlimited customer, `room` the tightest spend limit.
    The limit is lowered to the model's, then to what the money buys. Raises OutOfCredit if that is less than
    `minimum_output` (Responses takes no less than 16) or does not exceed the thinking budget, which is part of it.
    """
    wanted = model.max_output_tokens if asked_limit is None else asked_limit
    limit = min(wanted, model.max_output_tokens)
    input_micro = input_cost_micro(input_tokens, price, multiplier_bp, variants=variants, cache_writes=cache_writes)
    available = _available(wallet, room)
    if available is not None:
        bought = affordable_output_tokens(
            available, input_tokens, price, multiplier_bp, variants=variants, cache_writes=cache_writes
        )
        # A budget above the caller's own limit is a mistake for the upstream to explain, not a matter of money.
        least = min(limit, max(minimum_output, thinking_budget + 1 if thinking_budget else 0))
        if input_micro > available or bought < least:
            least_micro = output_cost_micro(least, price, multiplier_bp, prompt_tokens=input_tokens, variants=variants)
            raise _refusal(wallet, room, input_micro + least_micro, bought)
        limit = min(limit, bought)
    schedule = HoldSchedule(
        price=price,
        multiplier_bp=multiplier_bp,
        variants=variants,
        tokens_per_second=model.tokens_per_second,
        input_micro=input_micro,
        prompt_tokens=input_tokens,
        output_limit=limit,
        covered_tokens=min(slice_tokens, limit) if stream else limit,
        slice_tokens=slice_tokens,
    )
    return Plan(
        input_tokens=input_tokens,
        output_limit=None if asked_limit is None and available is None else limit,
        hold_micro=schedule.total_micro,
        warnings=(CLAMPED,) if limit < wanted else (),
        schedule=schedule,
    )


def _available(wallet: Wallet | None, room: Room | None) -> int | None:
    if wallet is None:
        return None if room is None else room.micro
    return wallet.available_micro if room is None else min(wallet.available_micro, room.micro)


def _refusal(wallet: Wallet | None, room: Room | None, needed_micro: int, bought: int) -> OutOfCredit:
    """The 402 of whichever stands in the way: the spend limit if it is tighter than the balance."""
    if room is not None and (wallet is None or room.micro < wallet.available_micro):
        return room.refusal()
    return out_of_credit(wallet or Wallet(), needed_micro, affordable_tokens=bought)


class HoldSchedule:
    """How one call's hold follows its output. `total_micro` is what should be held now; `grow_at` the token count
    from which `grow` has to be asked, so that the hot path is one comparison."""

    __slots__ = (
        "_input_micro",
        "_multiplier_bp",
        "_output_limit",
        "_price",
        "_prompt_tokens",
        "_slice_tokens",
        "_tokens_per_second",
        "_variants",
        "covered_tokens",
        "grow_at",
        "total_micro",
    )

    def __init__(
        self,
        *,
        price: Price,
        multiplier_bp: int,
        variants: frozenset[str],
        tokens_per_second: int,
        input_micro: int,
        prompt_tokens: int,
        output_limit: int,
        covered_tokens: int,
        slice_tokens: int,
    ) -> None:
        self._price = price
        self._multiplier_bp = multiplier_bp
        self._variants = variants
        self._tokens_per_second = tokens_per_second
        self._input_micro = input_micro
        self._prompt_tokens = prompt_tokens
        self._output_limit = output_limit
        self._slice_tokens = slice_tokens
        self._cover(covered_tokens)

    def silent_tokens(self, silent_ms: int) -> int:
        """What the model may have produced in a time in which nothing visible arrived: its catalogued pace."""
        return silent_ms * self._tokens_per_second // 1000

    def grow(self, output_tokens: int, *holds: Callable[[int], bool]) -> bool:
        """Cover the slice after `output_tokens`, before the present one is used up.

        Each of `holds` is asked to grow to a total in micro-dollars and says whether it did. Where a whole slice is
        not to be had, smaller ones are tried. False once what has been produced is no longer covered: cut the call.
        """
        while output_tokens >= self.grow_at:
            step = self._slice_tokens
            while step >= _SMALLEST_SLICE:
                covered = min(max(self.covered_tokens, output_tokens) + step, self._output_limit)
                if covered > self.covered_tokens and all(hold(self._total(covered)) for hold in holds):
                    self._cover(covered)
                    break
                step //= 4
            else:
                return output_tokens < self.covered_tokens
        return True

    def rebase(self, usage: Usage) -> int:
        """The provider has counted the prompt: put its real cost in the place of the estimate. Returns the new total;
        grow or shrink the holds to it."""
        self._prompt_tokens = usage.prompt_tokens
        self._input_micro = cost_micro(structs.replace(usage, output_tokens=0), self._price, self._multiplier_bp)
        self._cover(self.covered_tokens)
        return self.total_micro

    def _cover(self, tokens: int) -> None:
        self.covered_tokens = tokens
        self.total_micro = self._total(tokens)
        # Ask when half a slice is left: between two looks a fast model must not outrun what is held.
        reached = tokens >= self._output_limit
        self.grow_at = 1 << 62 if reached else max(1, tokens - self._slice_tokens // 2)

    def _total(self, output_tokens: int) -> int:
        return self._input_micro + output_cost_micro(
            output_tokens,
            self._price,
            self._multiplier_bp,
            prompt_tokens=self._prompt_tokens,
            variants=self._variants,
        )
