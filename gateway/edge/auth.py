"""Who is calling. A key on any route, in any of the headers real clients put it in; or nobody, where that is allowed.

Anthropic's SDKs send `x-api-key` or Bearer depending on their version, OpenAI's send Bearer, some editors `api-key`;
with both present Anthropic takes `x-api-key`, so that one is looked at first.
"""

from collections.abc import Mapping
from hmac import compare_digest
from ipaddress import ip_address, ip_network

from gateway.errors import Forbidden, RateLimited, Unauthenticated
from gateway.keys import hash_secret, public_id_of
from gateway.limits.limiter import Limiter
from gateway.records import Snapshot
from gateway.terms import Caller

_NO_HASH = bytes(32)
KEYLESS_CUSTOMER = "local"
KEYLESS_TIER = "all"


def credential_of(headers: Mapping[str, str]) -> str | None:
    """The key a request carries, if any."""
    value = headers.get("x-api-key")
    if value:
        return value.strip()
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if token and scheme.lower() == "bearer":
        return token.strip()
    return headers.get("api-key") or None


def identify(
    headers: Mapping[str, str],
    client_ip: str,
    snapshot: Snapshot,
    *,
    keyless: bool,
    now_ms: int,
) -> Caller:
    """The caller, or 401 / 403."""
    credential = credential_of(headers)
    caller = None if credential is None else _look_up(credential, snapshot, now_ms)
    if caller is not None:
        _check_address(caller, client_ip)
        return caller
    if keyless:
        caller = keyless_caller(snapshot)
        _check_address(caller, client_ip)
        return caller
    if credential is None:
        raise Unauthenticated("No API key. Send it as `x-api-key: KEY` or `Authorization: Bearer KEY`.")
    raise Unauthenticated("Invalid API key: it is unknown, expired, disabled or revoked.")


def has_valid_key(headers: Mapping[str, str], snapshot: Snapshot, now_ms: int) -> bool:
    """Whether a request carries a key that is served under its own limits."""
    credential = credential_of(headers)
    return credential is not None and _look_up(credential, snapshot, now_ms) is not None


def check_guessing(client_ip: str, limiter: Limiter, *, rate: int, now: float) -> None:
    """Count a key that was not found. Asked only then, so a valid key never suffers from somebody guessing behind the
    same address. Raises RateLimited."""
    decision = limiter.failed_lookup(client_ip, now=now, rate=rate)
    if not decision.allowed:
        raise RateLimited("Too many invalid API keys from this address.", retry_after_s=decision.retry_after_s)


def keyless_caller(snapshot: Snapshot) -> Caller:
    """The one unlimited customer that keyless calls are metered under."""
    for customer in snapshot.customers.values():
        if customer.name == KEYLESS_CUSTOMER:
            return Caller(customer, snapshot.tiers[KEYLESS_TIER])
    raise Unauthenticated("No API key, and the keyless customer does not exist. Restart the gateway with auth = none.")


def _look_up(credential: str, snapshot: Snapshot, now_ms: int) -> Caller | None:
    """One hash and one comparison whether or not the key exists, so that timing tells nothing."""
    public_id = public_id_of(credential)
    key = None if public_id is None else snapshot.keys.get(public_id)
    given = hash_secret(credential)
    matches = compare_digest(given, _NO_HASH if key is None else key.secret_hash)
    if key is None:
        return None
    if not matches and key.previous_hash is not None and (key.previous_until or 0) > now_ms:
        matches = compare_digest(given, key.previous_hash)
    if not matches or not key.enabled or key.revoked_at is not None:
        return None
    if key.expires_at is not None and key.expires_at <= now_ms:
        return None
    return Caller(snapshot.customers[key.customer_id], snapshot.tiers[key.tier], key)


def _check_address(caller: Caller, client_ip: str) -> None:
    if not caller.customer.enabled:
        raise Forbidden("This customer is disabled. Ask the operator of this gateway.")
    if caller.key is None or not caller.key.ip_allow:
        return
    try:
        address = ip_address(client_ip)
    except ValueError:
        raise Forbidden("This key may be used from listed addresses only.") from None
    if not any(address in ip_network(network, strict=False) for network in caller.key.ip_allow):
        raise Forbidden("This key may not be used from your address.")
