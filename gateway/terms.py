"""The terms a call runs under, settled before anything is reserved or sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw, Struct

from gateway.billing.estimates import HoldSchedule
from gateway.catalog import Model, Price
from gateway.dialects.base import Dialect, Peek
from gateway.records import Customer, DialectName, Key, Tier
from gateway.upstream.serving import Seat


class Caller(Struct, frozen=True):
    """The customer who pays, the tier that applies, and the key, if one was used."""

    customer: Customer
    tier: Tier
    key: Key | None = None

    @property
    def label(self) -> str:
        """Names this caller's buckets and gates: its key, or the one keyless customer."""
        return self.key.public_id if self.key is not None else self.customer.name


class Inbound(Struct):
    """One client request, as the edge understood it. `path` is the upstream's, below the API's root; `query` is the
    client's, of which providers pass on what means something to them. `fields` are the body's members where the edge
    had to read them."""

    id: str
    caller: Caller
    dialect: Dialect
    path: str
    headers: Mapping[str, str]
    client_ip: str
    body: bytes
    query: str = ""
    limit_required: bool = True
    fields: dict[str, Raw] | None = None


class Terms(Struct):
    """What was asked, who answers, what it may cost.

    `output_limit` is what goes upstream (None: the body's own stays as it is). `schedule` is None where nothing is to
    be paid. `input_tokens` is the corrected estimate of the prompt. `history` are the items that go in front of the
    input, where the gateway keeps the response that the call goes on from.

    `binding` names the conversation (`gateway.dialects.affinity`), None where nothing does or one account alone serves
    the call. `bound_state` says that it refers to what only one account can read, so that no second one may be asked
    beside it; `cached_prompt` that the beginning of the prompt may be in a provider's cache, and is long enough to be.
    """

    inbound: Inbound
    peek: Peek
    model: Model
    seats: tuple[Seat, ...]
    price: Price | None
    input_tokens: int
    output_limit: int | None = None
    hold_micro: int = 0
    schedule: HoldSchedule | None = None
    warnings: tuple[str, ...] = ()
    limit_headers: Sequence[tuple[bytes, bytes]] = ()
    history: tuple[dict[str, Any], ...] = ()
    binding: bytes | None = None
    bound_state: bool = False
    cached_prompt: bool = False

    @property
    def dialect_name(self) -> DialectName:
        return self.inbound.dialect.name

    @property
    def most_output_tokens(self) -> int:
        """What the whole answer may come to, all choices together."""
        limit = self.output_limit or self.peek.output_limit or self.model.max_output_tokens
        return limit * self.peek.choices

    @property
    def multiplier_bp(self) -> int:
        return self.inbound.caller.tier.multiplier_bp
