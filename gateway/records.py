"""The nouns of the product, as values. No behaviour beyond what follows from their own fields.

Money is integer micro-dollars (`_micro`), instants are integer milliseconds since the Unix epoch (`_at`), durations
say their unit (`_ms`, `_s`). Operator records come from the store as an immutable `Snapshot`; `Call`, `Attempt` and
`Settlement` go to it.
"""

from typing import Literal

from msgspec import Struct

from gateway.catalog import Catalog, Rates

DialectName = Literal["messages", "chat", "responses"]
AccountKind = Literal["anthropic", "openai", "claude-cli", "simulated"]
UsageBasis = Literal["reported", "estimated", "none"]
AttemptBasis = Literal["reported", "estimated", "upper_bound", "none"]
Outcome = Literal["completed", "partial", "failed", "cancelled", "lost"]
AttemptOutcome = Literal["open", "won", "lost", "failed", "cancelled", "draining"]
AttemptReason = Literal["first", "failover", "hedge", "race"]
RacePolicy = Literal["failover", "hedge", "race"]


class Customer(Struct, frozen=True):
    """Who pays. An unlimited customer is metered and never refused."""

    id: int
    name: str
    unlimited: bool = False
    enabled: bool = True
    day_limit_micro: int | None = None
    month_limit_micro: int | None = None


class Tier(Struct, frozen=True):
    """What its keys may do. `models` are globs over catalog ids; `spelling` is how listings write versions.

    `policy` says when a second account is tried, `model_policies` the same for globs over catalog ids: the first that
    matches wins.
    """

    name: str
    prefix: str
    dialects: tuple[DialectName, ...]
    models: tuple[str, ...] = ("*",)
    multiplier_bp: int = 10_000
    spelling: Literal["dash", "dot"] = "dash"
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    policy: RacePolicy = "failover"
    model_policies: dict[str, RacePolicy] = {}
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    forgive_partial: bool = False
    translation: Literal["normal", "strict", "lenient"] = "normal"


class Key(Struct, frozen=True):
    """An API key. The secret itself is never stored; `secret_hash` is SHA-256 of the whole string.

    After a rotation `previous_hash` is accepted until `previous_until`. `None` limits fall back to the tier's.
    """

    id: int
    public_id: str
    secret_hash: bytes
    customer_id: int
    tier: str
    name: str
    enabled: bool = True
    revoked_at: int | None = None
    expires_at: int | None = None
    previous_hash: bytes | None = None
    previous_until: int | None = None
    models: tuple[str, ...] = ()
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    day_limit_micro: int | None = None
    month_limit_micro: int | None = None
    ip_allow: tuple[str, ...] = ()


class Account(Struct, frozen=True):
    """An upstream credential and endpoint.

    `sealed_secret` opens with the vault. `models` are globs over *upstream* ids the account serves, empty meaning
    every catalog model of its vendor; `discovered` are the ids its own listing gave. `model_map` turns catalog ids
    or globs over them into upstream ids. `cost_prices` are what the operator pays here, by globs over catalog ids,
    where that is not the list price. `dialects` limits what it speaks (empty: all its kind can). `options` are the
    simulated kind's settings and per-account switches such as `include_usage: false`.
    """

    id: int
    name: str
    kind: AccountKind
    base_url: str
    sealed_secret: bytes = b""
    models: tuple[str, ...] = ()
    discovered: tuple[str, ...] = ()
    model_map: dict[str, str] = {}
    dialects: tuple[DialectName, ...] = ()
    priority: int = 0
    weight: int = 1
    max_concurrency: int | None = None
    enabled: bool = True
    draining: bool = False
    free: bool = False
    cost_prices: dict[str, Rates] = {}
    proxy: str | None = None
    extra_headers: dict[str, str] = {}
    on_cancel: Literal["stops", "continues", "unknown"] = "unknown"
    options: dict[str, str | int | float | bool] = {}
    reset_at: int = 0

    @property
    def shown_proxy(self) -> str | None:
        """The proxy's URL; of what stands before its host only that there is something."""
        if self.proxy is None or "@" not in self.proxy:
            return self.proxy
        scheme, _, rest = self.proxy.partition("://")
        return f"{scheme}://***@{rest.rpartition('@')[2]}"


class Snapshot(Struct, frozen=True):
    """Everything the operator configured, as of one revision. Swapped whole, never changed."""

    revision: int
    customers: dict[int, Customer]
    keys: dict[str, Key]
    tiers: dict[str, Tier]
    accounts: tuple[Account, ...]
    catalog: Catalog
    setting_overrides: dict[str, str] = {}


class Usage(Struct, frozen=True):
    """Tokens in disjoint buckets: `input_tokens` is what was neither read from nor written to a cache.

    `reasoning_tokens` is a labelled part of `output_tokens`, not an addition to it. The variant fields say under
    which price the provider served the call, as the provider reported it.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_write_30m_tokens: int = 0
    cache_write_12h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    web_search_requests: int = 0
    service_tier: str = ""
    speed: str = ""
    inference_geo: str = ""

    @property
    def prompt_tokens(self) -> int:
        """Everything the model read: what long-context price thresholds look at."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
            + self.cache_write_30m_tokens
            + self.cache_write_12h_tokens
        )


class Attempt(Struct):
    """One try of a call at one account. Its cost is the operator's, whoever won.

    `open` is the outcome while it lasts; `draining` that of one that lost and is read to its end because its upstream
    goes on billing: until then its cost is an upper bound.
    """

    call_id: str
    number: int
    account_id: int
    started_at: int
    reason: AttemptReason = "first"
    first_frame_ms: int | None = None
    duration_ms: int = 0
    outcome: AttemptOutcome = "open"
    status: int = 0
    error_code: str = ""
    upstream_request_id: str = ""
    usage: Usage = Usage()
    usage_basis: AttemptBasis = "none"
    cost_micro: int = 0


class UpstreamObject(Struct, frozen=True):
    """An id that names state at an upstream (a response, a container, a file): whose it is and where it lives."""

    object_id: str
    kind: str
    customer_id: int
    account_id: int
    created_at: int
    expires_at: int


class Call(Struct):
    """One client request: the row, the receipt. `state` is `open` until it is settled, exactly once.

    `cost_micro` is what the customer pays, `upstream_cost_micro` what all attempts cost the operator,
    `overshoot_micro` how far the charge went beyond the hold.
    """

    id: str
    customer_id: int
    key_id: int | None
    tier: str
    dialect: DialectName
    model_asked: str
    model: str
    stream: bool
    started_at: int
    client_ip: str = ""
    state: Literal["open", "settled"] = "open"
    outcome: Outcome = "failed"
    status: int = 0
    error_code: str = ""
    account_id: int | None = None
    duration_ms: int = 0
    ttft_ms: int | None = None
    usage: Usage = Usage()
    usage_basis: UsageBasis = "none"
    cost_micro: int = 0
    upstream_cost_micro: int = 0
    held_micro: int = 0
    overshoot_micro: int = 0
    price_version: str = ""
    multiplier_bp: int = 10_000
    warnings: tuple[str, ...] = ()
    upstream_response_id: str = ""
    gateway_id: str = ""
    boot_id: str = ""


class Settlement(Struct):
    """What one transaction writes when a call ends: the receipt, its attempts, the charge, the ids it made.

    `charge_micro` is None where nothing is to be charged at all (an unserved call); 0 still leaves a ledger entry.
    """

    call: Call
    attempts: list[Attempt]
    charge_micro: int | None = None
    objects: tuple[UpstreamObject, ...] = ()
    forgotten_objects: tuple[str, ...] = ()


class LedgerEntry(Struct, frozen=True):
    """One line of a customer's statement. `amount_micro` is negative for charges. Never changed, never pruned."""

    id: int
    customer_id: int
    kind: Literal["topup", "adjust", "charge"]
    amount_micro: int
    at: int
    call_id: str | None = None
    note: str = ""
    actor: str = ""
    boot_id: str = ""
