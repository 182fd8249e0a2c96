"""What a provider kind knows: how a call is addressed to it, and what its refusals mean."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import msgspec
from msgspec import Struct

from gateway.dialects.base import UpstreamError
from gateway.errors import ConfigurationError, UnknownObject
from gateway.records import Account, AccountKind, DialectName
from gateway.upstream.cooldown import Failure
from gateway.upstream.failures import failure_of_exception

__all__ = ["Provider", "Timeouts", "UpstreamOperation", "failure_of_exception"]

Timeouts = Mapping[str, float | None]
"""Seconds for `connect`, `write`, `read` and, if it differs from `read`, `first_byte`. None or absent: no deadline."""

USER_AGENT = b"trigate"

_NEVER_EXTRA = frozenset(("content-length", "transfer-encoding", "connection", "host", "accept-encoding"))


class UpstreamOperation(Struct, frozen=True):
    """What is asked of an upstream: `path` is relative to the API's version (`/messages`, `/responses/resp_1`).

    `query` is the caller's raw query string; of it only what the provider allows goes on. `caller` names the key that
    asks, for upstreams that keep a conversation of its own; it is never sent.
    """

    dialect: DialectName
    path: str
    method: str = "POST"
    query: str = ""
    caller: str = ""


class Provider(Protocol):
    """One kind of account. Stateless: everything comes with the call."""

    kind: AccountKind

    def request(
        self,
        account: Account,
        secret: str,
        operation: UpstreamOperation,
        body: bytes,
        headers: Mapping[str, str],
        timeout: Timeouts,
    ) -> httpx.Request:
        """The call as this account wants it. `headers` are the caller's, lower-case; few of them go on."""
        ...

    def classify(self, status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
        """What an error answer means. `headers` are the upstream's, lower-case."""
        ...

    def models_request(self, account: Account, secret: str) -> httpx.Request:
        """A request for the account's own list of models."""
        ...

    def read_models(self, body: bytes) -> list[str]:
        """The ids in that list, in its order. Raises ConfigurationError if the body is no such list."""
        ...


def build_request(
    account: Account,
    operation: UpstreamOperation,
    url: httpx.URL,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    timeout: Timeouts,
) -> httpx.Request:
    """The request, with the account's extra headers last: they replace what has the same name."""
    headers.append((b"host", url.netloc))
    headers.append((b"accept-encoding", b"identity"))
    headers.append((b"user-agent", USER_AGENT))
    if body:
        headers.append((b"content-type", b"application/json"))
    if body or operation.method == "POST":
        headers.append((b"content-length", b"%d" % len(body)))
    if account.extra_headers:
        extra = {
            name.lower().encode("latin-1"): value.encode("latin-1")
            for name, value in account.extra_headers.items()
            if name.lower() not in _NEVER_EXTRA
        }
        headers = [pair for pair in headers if pair[0] not in extra] + list(extra.items())
    # Given as a stream, httpx takes body and headers as they are; given as content it makes three Headers objects and
    # works out again what is known here: 13 us more.
    request = httpx.Request(
        operation.method,
        url,
        headers=httpx.Headers(headers),
        stream=httpx.ByteStream(body),
        extensions={"timeout": timeout},
    )
    request.read()
    return request


def passed_on(headers: Mapping[str, str], names: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Those of the caller's headers that may go upstream."""
    return [(name.encode(), headers[name].encode("latin-1", "replace")) for name in names if name in headers]


def allowed_query(query: str, names: frozenset[str]) -> str:
    """Those of the caller's query parameters that may go upstream, encoded anew."""
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=32)
    return urlencode([(name, value) for name, value in pairs if name in names])


@lru_cache(maxsize=1024)
def endpoint(root: str, path: str, query: str = "") -> httpx.URL:
    """`root` and `path` as one URL. Raises UnknownObject for a path that would leave the root.

    Parsing costs 20 µs, so the few in use are kept.
    """
    if any(segment in (".", "..", "") for segment in path.split("/")[1:]) or not path.startswith("/"):
        raise UnknownObject("There is nothing at this path.")
    text = root + quote(path, safe="/:-._~")
    return httpx.URL(f"{text}?{query}" if query else text)


@lru_cache(maxsize=256)
def split_base_url(base_url: str) -> tuple[str, str]:
    """Origin and path without a trailing slash. Raises ConfigurationError for what is no http(s) URL."""
    parts = urlsplit(base_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"The base URL {base_url!r} must look like https://host/path.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("A base URL takes no credentials, query or fragment; use the account's secret.")
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")


def read_model_ids(body: bytes) -> list[str]:
    """Ids from `{"data": [{"id": …}]}`, which both vendors and the servers that imitate them answer."""
    try:
        listing: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        listing = None
    entries = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(entries, list):
        raise ConfigurationError("The account's model list could not be read: is its base URL right?")
    ids = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return list(dict.fromkeys(each for each in ids if isinstance(each, str) and each))


MODELS_TIMEOUT: Timeouts = {"connect": 10.0, "write": 10.0, "read": 30.0}
