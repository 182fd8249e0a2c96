"""Cross-origin calls from browsers: refused unless the operator lists the origins. Pure."""

from collections.abc import Mapping, Sequence

Headers = list[tuple[bytes, bytes]]
_EXPOSED = (
    b"request-id, x-request-id, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, "
    b"x-gateway-cost-micro, x-gateway-balance-micro, x-gateway-warnings"
)


def cors_headers(headers: Mapping[str, str], allowed: Sequence[str]) -> Headers:
    """What lets a browser read the answer; nothing for other clients and other origins."""
    origin = headers.get("origin")
    if not origin or not allowed or ("*" not in allowed and origin not in allowed):
        return []
    return [
        (b"access-control-allow-origin", b"*" if "*" in allowed else origin.encode("latin-1")),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"origin"),
    ]


def preflight_headers(headers: Mapping[str, str], allowed: Sequence[str]) -> Headers:
    """The answer to OPTIONS, with the request's own wishes granted where the origin is allowed."""
    allow = cors_headers(headers, allowed)
    if not allow:
        return [(b"allow", b"GET, HEAD, POST, DELETE, OPTIONS")]
    wanted = headers.get("access-control-request-headers", "authorization, content-type, x-api-key")
    return [
        *allow,
        (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
        (b"access-control-allow-headers", wanted.encode("latin-1")),
        (b"access-control-max-age", b"3600"),
    ]
