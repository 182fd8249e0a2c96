"""What the gateway asks its writer to make durable."""

from msgspec import Struct

from gateway.records import Attempt, Call, Settlement, UpstreamObject
from gateway.store.affinity import BindingRow
from gateway.store.responses import StoredResponse


class AccountState(Struct, frozen=True):
    """What the gateway learned of an account (`model` empty) or of one model at it. Older than a reset: ignored."""

    account_id: int
    model: str
    until_at: int
    reason: str
    strikes: int
    half_open: bool
    changed_at: int


class KeyState(Struct, frozen=True):
    key_id: int
    last_used_at: int
    last_ip: str = ""


class Gauge(Struct, frozen=True):
    """A figure of this moment: `held_micro` of a customer; `in_flight`, `ttft_p50_ms`, `ttft_p95_ms` of an account."""

    name: str
    subject_id: int
    value: int


class Heartbeat(Struct, frozen=True):
    """This process, alive. `state` is a word for people: `ready`, `draining`, `not ready: …`."""

    pid: int
    host: str
    version: str
    address: str
    state: str
    open_calls: int
    started_at: int


class Settle(Struct, frozen=True):
    """The end of a call. Applied twice it changes nothing the second time."""

    settlement: Settlement


class Checkpoint(Struct, frozen=True):
    """Open calls as they stand, and their attempts. What was settled meanwhile is left alone."""

    calls: list[Call]
    attempts: list[Attempt] = []


class FinishDrain(Struct, frozen=True):
    """The final figures of an attempt that was settled as `draining` at its upper bound. The customer pays nothing."""

    attempt: Attempt


class RememberState(Struct, frozen=True):
    """Once a second: changed states and bindings, and every gauge (those not named are gone)."""

    account_states: list[AccountState]
    key_states: list[KeyState]
    gauges: list[Gauge]
    heartbeat: Heartbeat | None = None
    bindings: list[BindingRow] = []


class RememberPrices(Struct, frozen=True):
    """Price versions that calls were or will be billed by: (version, model id, the price as JSON)."""

    prices: list[tuple[str, str, bytes]]


class RememberObjects(Struct, frozen=True):
    """Ids learned or forgotten outside a settlement: `forgotten` holds (customer id, object id)."""

    objects: list[UpstreamObject]
    forgotten: list[tuple[int, str]] = []


class RememberResponses(Struct, frozen=True):
    """Responses the gateway keeps itself, and those deleted: `forgotten` holds (customer id, response id)."""

    responses: list[StoredResponse]
    forgotten: list[tuple[int, str]] = []


Job = Settle | Checkpoint | FinishDrain | RememberState | RememberPrices | RememberObjects | RememberResponses
