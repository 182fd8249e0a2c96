"""Accounts of kind `anthropic`: Anthropic itself and servers that speak its Messages API.

The base URL is given as Anthropic's SDKs take it, without a version: `/v1` is added unless the URL ends in it.
"""

from collections.abc import Mapping

import httpx
import msgspec

from gateway.dialects.base import UpstreamError
from gateway.records import Account, AccountKind
from gateway.upstream.cooldown import Failure
from gateway.upstream.failures import classify_error
from gateway.upstream.providers.base import (
    MODELS_TIMEOUT,
    Timeouts,
    UpstreamOperation,
    allowed_query,
    build_request,
    endpoint,
    passed_on,
    read_model_ids,
    split_base_url,
)

DEFAULT_BASE_URL = "https://api.anthropic.com"
VERSION_WITH_SAMPLING = "2023-06-01"
"""The API version that takes `temperature`, `top_p` and `top_k`; 2026-10-21 answers 400 to their presence."""

_SAMPLING_NAMES = (b'"temperature"', b'"top_p"', b'"top_k"')


class _Sampling(msgspec.Struct):
    temperature: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    top_p: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    top_k: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_sampling = msgspec.json.Decoder(_Sampling).decode


class Anthropic:
    """Messages and count_tokens. The account option `auth: "bearer"` sends the secret as a Bearer token."""

    kind: AccountKind = "anthropic"

    def request(
        self,
        account: Account,
        secret: str,
        operation: UpstreamOperation,
        body: bytes,
        headers: Mapping[str, str],
        timeout: Timeouts,
    ) -> httpx.Request:
        query = "beta=true" if "beta=true" in operation.query.split("&") else ""
        sent = _credentials(account, secret)
        sent.append((b"anthropic-version", _version(headers, body).encode("latin-1", "replace")))
        sent += passed_on(headers, ("anthropic-beta",))
        return build_request(account, operation, _url(account, operation.path, query), sent, body, timeout)

    def classify(self, status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
        return classify_error(status, headers, error)

    def models_request(self, account: Account, secret: str) -> httpx.Request:
        operation = UpstreamOperation("messages", "/models", "GET", "limit=1000")
        headers = _credentials(account, secret)
        headers.append((b"anthropic-version", VERSION_WITH_SAMPLING.encode()))
        query = allowed_query(operation.query, frozenset(("limit",)))
        return build_request(account, operation, _url(account, operation.path, query), headers, b"", MODELS_TIMEOUT)

    def read_models(self, body: bytes) -> list[str]:
        return read_model_ids(body)


def _url(account: Account, path: str, query: str) -> httpx.URL:
    origin, base = split_base_url(account.base_url or DEFAULT_BASE_URL)
    return endpoint(f"{origin}{base}" if base.endswith("/v1") else f"{origin}{base}/v1", path, query)


def _credentials(account: Account, secret: str) -> list[tuple[bytes, bytes]]:
    if not secret:
        return []
    if account.options.get("auth") == "bearer":
        return [(b"authorization", b"Bearer " + secret.encode("ascii"))]
    return [(b"x-api-key", secret.encode("ascii"))]


def _version(headers: Mapping[str, str], body: bytes) -> str:
    """The caller's own version, but for a body with sampling fields, which newer versions refuse."""
    version = headers.get("anthropic-version") or VERSION_WITH_SAMPLING
    if version != VERSION_WITH_SAMPLING and _has_sampling(body):
        return VERSION_WITH_SAMPLING
    return version


def _has_sampling(body: bytes) -> bool:
    if not any(name in body for name in _SAMPLING_NAMES):
        return False
    try:
        found = _decode_sampling(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return any(field is not msgspec.UNSET for field in (found.temperature, found.top_p, found.top_k))


PROVIDER = Anthropic()
