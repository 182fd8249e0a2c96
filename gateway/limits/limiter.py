"""Every rate limit of the gateway, in bounded memory.

Synchronous; `now` is `trio.current_time()`. A bucket that is full again needs no entry, so idle keys and addresses
cost nothing; while an attack brings new addresses faster than that, the oldest entries go first.
"""

from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from gateway.limits.gcra import Decision, gcra, give_back

IP_RATE, IP_BURST = 60, 10
"""Keyless callers: 60 requests a minute, and 10 more in a burst."""

FAILED_RATE, FAILED_BURST = 10, 20
"""Wrong keys one address may try: twenty, then one in six seconds."""

MOST_ENTRIES = 65_536
_FIRST_SWEEP = 1024


class KeyDecision(NamedTuple):
    """What a key's limits say to one call. A part is None where that limit is not set."""

    allowed: bool
    requests: Decision | None
    tokens: Decision | None

    @property
    def retry_after_s(self) -> float:
        """How long until the limit that refused would let the call through; 0 if none did."""
        return max((part.retry_after_s for part in (self.requests, self.tokens) if part), default=0.0)


class _Buckets:
    """TATs by name. Full buckets are swept out whenever the table has doubled since the last sweep."""

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._tats: dict[int | str, float] = {}
        self._most = most
        self._sweep_at = min(_FIRST_SWEEP, most)

    def __len__(self) -> int:
        return len(self._tats)

    def get(self, name: int | str) -> float:
        return self._tats.get(name, 0.0)

    def set(self, name: int | str, tat: float, now: float) -> None:
        self._tats[name] = tat
        if len(self._tats) > self._sweep_at:
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        self._tats = {name: tat for name, tat in self._tats.items() if tat > now}
        # Half of what is left goes when still too many are busy: the oldest, in one piece, not one at each insertion.
        if len(self._tats) >= self._most:
            kept = list(self._tats.items())[-self._most // 2 :]
            self._tats = dict(kept)
        self._sweep_at = min(self._most, max(_FIRST_SWEEP, 2 * len(self._tats)))


class Limiter:
    """Requests and tokens per key, requests per address, wrong keys per address."""

    def __init__(self, most_entries: int = MOST_ENTRIES) -> None:
        self._requests = _Buckets(most_entries)
        self._tokens = _Buckets(most_entries)
        self._addresses = _Buckets(most_entries)
        self._failures = _Buckets(most_entries)

    def check_key(self, key_id: int, *, rpm: int | None, tpm: int | None, tokens: int, now: float) -> KeyDecision:
        """Admit a call of a key: one request and its estimated `tokens`, both or neither. A refused call costs
        nothing. The bucket of each holds a minute's worth."""
        requests_tat, tokens_tat = self._requests.get(key_id), self._tokens.get(key_id)
        requests = gcra(requests_tat, now, rpm, rpm) if rpm else None
        spent = gcra(tokens_tat, now, tpm, tpm, tokens) if tpm else None
        if requests is not None and not requests.allowed:
            return KeyDecision(False, requests, gcra(tokens_tat, now, tpm, tpm, 0) if tpm else None)
        if spent is not None and not spent.allowed:
            return KeyDecision(False, gcra(requests_tat, now, rpm, rpm, 0) if rpm else None, spent)
        if requests is not None:
            self._requests.set(key_id, requests.tat, now)
        if spent is not None:
            self._tokens.set(key_id, spent.tat, now)
        return KeyDecision(True, requests, spent)

    def correct_tokens(self, key_id: int, *, tpm: int | None, estimated: int, actual: int, now: float) -> None:
        """At a call's end, put what it really used in the place of what was debited. Never refuses: what is too much
        is waited for by the calls to come."""
        if tpm and estimated != actual:
            tat = max(self._tokens.get(key_id), now)
            self._tokens.set(key_id, give_back(tat, tpm, estimated - actual), now)

    def check_ip(
        self, address: str, *, now: float, rate: int = IP_RATE, burst: int = IP_BURST, cost: int = 1
    ) -> Decision:
        """Admit a request of a keyless caller: a bucket of `rate + burst`, refilled at `rate` a minute. With a cost of
        0 it only says what is left."""
        return self._take(self._addresses, address, now, rate, rate + burst, cost)

    def failed_lookup(
        self, address: str, *, now: float, rate: int = FAILED_RATE, burst: int = FAILED_BURST
    ) -> Decision:
        """Count a key that was not found. Asked only then, so that a valid key never waits for what its neighbours
        behind the same address try. Not allowed means: answer 429 in the place of 401."""
        return self._take(self._failures, address, now, rate, burst)

    def entries(self) -> int:
        """Buckets in memory, for the metrics."""
        return len(self._requests) + len(self._tokens) + len(self._addresses) + len(self._failures)

    @staticmethod
    def _take(buckets: _Buckets, address: str, now: float, rate: int, size: int, cost: int = 1) -> Decision:
        name = network_of(address)
        decision = gcra(buckets.get(name), now, rate, size, cost)
        if decision.allowed and cost:
            buckets.set(name, decision.tat, now)
        return decision


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, which is what one subscriber gets. Anything else
    (a Unix socket's peer) counts as itself."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"{int(parsed) >> 64:016x}"
