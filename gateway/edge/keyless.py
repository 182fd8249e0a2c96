"""Callers without a key, where `auth = none` lets them in: how often each address may ask, and which pages may not.

A web page in a browser on this machine reaches the loopback interface, too, and a browser sends a form's POST to it
without asking anybody. So a request that names an `Origin` must come from a page of this machine or from one that
`cors_origins` lists; programs send no `Origin`.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import trio

from gateway.clock import now_ms
from gateway.edge.client import Client
from gateway.edge.routing import Operation
from gateway.errors import Forbidden, RateLimited
from gateway.limits.headers import ip_headers
from gateway.limits.limiter import Limiter
from gateway.settings import Settings, is_loopback

FREE = {
    Operation.ROOT,
    Operation.PAGE,
    Operation.PREFLIGHT,
    Operation.RESPONSES_SOCKET,
    Operation.COUNT_TOKENS,
    Operation.INPUT_TOKENS,
}
"""What no limit counts: pages that are open to everybody, and token counts. Everything else is the API."""


class KeylessCallers:
    """Admits one request at a time. Whatever it gets for an answer says how many are left."""

    def __init__(self, settings: Settings, limiter: Limiter) -> None:
        self._settings = settings
        self._limiter = limiter

    def admit(self, operation: Operation, headers: Mapping[str, str], address: str, client: Client) -> None:
        """Count a request of this address. Raises RateLimited, Forbidden."""
        self._take(address, client, 0 if operation in FREE else 1)
        if operation not in (Operation.ROOT, Operation.PAGE, Operation.PREFLIGHT) and self._is_foreign(headers):
            raise Forbidden(
                f"Pages of {headers['origin'][:200]} may not use this gateway, which asks for no key. "
                "The operator can list their origin in cors_origins."
            )

    def tell(self, address: str, client: Client) -> None:
        """Say what is left, in the answer to a request that is not counted."""
        self._take(address, client, 0)

    def _take(self, address: str, client: Client, cost: int) -> None:
        settings = self._settings
        decision = self._limiter.check_ip(
            address, now=trio.current_time(), rate=settings.ip_rpm, burst=settings.ip_burst, cost=cost
        )
        client.headers = [*client.headers, *ip_headers(decision, settings.ip_burst, now_ms())]
        if not decision.allowed:
            raise RateLimited("Too many requests from this address.", retry_after_s=decision.retry_after_s)

    def _is_foreign(self, headers: Mapping[str, str]) -> bool:
        """A page of another machine. Its own address does not make it one of ours: whoever owns a name can have it
        point at the loopback interface."""
        origin, allowed = headers.get("origin"), self._settings.cors_origins
        if origin is None or origin in allowed or "*" in allowed:
            return False
        try:
            host = urlsplit(origin).hostname or ""
        except ValueError:
            return True
        if self._settings.allow_open_auth and urlsplit(f"//{headers.get('host', '')}").hostname == host:
            return False
        return not is_loopback(f"[{host}]:0" if ":" in host else f"{host}:0")
