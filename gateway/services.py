"""Everything a call works with, as one value handed to whoever needs it. No globals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import trio

from gateway.billing.estimates import Corrections
from gateway.billing.holds import Wallets
from gateway.billing.ledger import Ledger
from gateway.billing.spend import Spending
from gateway.calibration import TokenCounter
from gateway.configuration import Configuration
from gateway.dialects.envelope import without_keys
from gateway.errors import CallError
from gateway.limits.gate import Gates
from gateway.limits.limiter import Limiter
from gateway.observe.metrics import Metrics
from gateway.open_calls import OpenCalls
from gateway.reasoning import ReasoningStore
from gateway.records import UpstreamObject
from gateway.settings import Settings
from gateway.translate.base import Signer
from gateway.upstream.affinity import Affinity
from gateway.upstream.drains import Drains
from gateway.upstream.hedging import Hedging
from gateway.upstream.latency import Latencies
from gateway.upstream.pool import Pool
from gateway.upstream.upstreams import Upstreams

WAIT_FOLLOWED_S = 1.0


class Reads(Protocol):
    """What the edge and the relay may ask of the store. Every read runs in a thread, off the loop."""

    async def receipt(self, call_id: str, customer_id: int) -> dict[str, Any] | None:
        """One of the customer's calls with its attempts, as GET /v1/usage/{id} answers it."""
        ...

    async def usage_summary(self, customer_id: int, days: int) -> dict[str, Any]:
        """The customer's roll-ups, as GET /v1/usage answers them."""
        ...

    async def object(self, customer_id: int, object_id: str) -> UpstreamObject | None:
        """Where an upstream id of this customer's lives; None if it has none of that id."""
        ...

    async def response(self, customer_id: int, response_id: str) -> tuple[bytes, bytes] | None:
        """A response the gateway keeps for this customer, and the items it was made of, as JSON."""
        ...

    def remember(self, objects: Iterable[UpstreamObject]) -> None:
        """Know ids of calls just settled, before the database can be asked for them."""
        ...

    def forget(self, customer_id: int, object_id: str) -> None:
        """An upstream no longer keeps this id."""
        ...


class KeyUses:
    """When each key was last used, and from where, until the database is told."""

    def __init__(self) -> None:
        self._uses: dict[int, tuple[int, int, str]] = {}

    def note(self, key_id: int, at: int, client_ip: str) -> None:
        self._uses[key_id] = (key_id, at, client_ip)

    def take(self) -> list[tuple[int, int, str]]:
        """(key id, instant, address) of every key used since the last time."""
        uses, self._uses = self._uses, {}
        return list(uses.values())


@dataclass
class Condition:
    """What readiness looks at, and the configuration in force. The only part of `Services` that changes."""

    configuration: Configuration
    draining: bool = False
    followed: trio.Event = field(default_factory=trio.Event)

    def note_followed(self) -> None:
        """What others wrote to the database until now is known."""
        followed, self.followed = self.followed, trio.Event()
        followed.set()

    async def wait_followed(self) -> None:
        """Until what others have written by now is known, or for a second at most. The look under way may have begun
        before they wrote, so it takes the end of the one after it."""
        with trio.move_on_after(WAIT_FOLLOWED_S):
            await self.followed.wait()
            await self.followed.wait()


@dataclass(frozen=True)
class Services:
    """The parts of a running gateway."""

    settings: Settings
    condition: Condition
    gateway_id: str
    boot_id: str
    upstreams: Upstreams
    pool: Pool
    wallets: Wallets
    spending: Spending
    ledger: Ledger
    open_calls: OpenCalls
    limiter: Limiter
    gates: Gates
    reads: Reads
    metrics: Metrics
    started_at: int
    signer: Signer
    drains: Drains
    hedging: Hedging
    latencies: Latencies = field(default_factory=Latencies)
    affinity: Affinity = field(default_factory=Affinity)
    reasoning: ReasoningStore = field(default_factory=lambda: ReasoningStore(trio.current_time))
    corrections: Corrections = field(default_factory=Corrections)
    counter: TokenCounter = field(default_factory=lambda: TokenCounter(Corrections()))
    key_uses: KeyUses = field(default_factory=KeyUses)

    @property
    def timeouts(self) -> dict[str, float]:
        """Deadlines of an attempt, as the transport takes them."""
        settings = self.settings
        return {
            "connect": settings.connect_timeout_s,
            "write": settings.upstream_write_timeout_s,
            "first_byte": settings.first_byte_timeout_s,
            "read": settings.chunk_timeout_s,
        }

    def worded(self, error: CallError) -> CallError:
        """An error as this gateway's callers are told of it."""
        return without_keys(error) if self.settings.auth == "none" else error

    @property
    def configuration(self) -> Configuration:
        return self.condition.configuration

    @property
    def state_word(self) -> str:
        """`ready`, or why not: what the heartbeat and readiness say."""
        if self.condition.draining:
            return "draining"
        return "ready" if self.ledger.healthy else "not ready: the ledger cannot commit"
