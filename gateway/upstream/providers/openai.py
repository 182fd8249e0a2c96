"""Accounts of kind `openai`: OpenAI itself and servers that speak its APIs.

The base URL is given as OpenAI's SDKs take it, with its version (`https://api.openai.com/v1`, `…/api/v1`,
`…/v1beta/openai`). One without any path (`http://localhost:11434`) gets `/v1`; any other is taken as it is.
"""

from collections.abc import Mapping

import httpx

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

DEFAULT_BASE_URL = "https://api.openai.com/v1"

_QUERY = frozenset(
    ("include", "include[]", "stream", "starting_after", "include_obfuscation", "limit", "order", "after")
)
"""The query parameters of GET /responses/{id} and …/input_items."""


class OpenAI:
    """Chat Completions and Responses. Organization and project come from the account's `extra_headers`."""

    kind: AccountKind = "openai"

    def request(
        self,
        account: Account,
        secret: str,
        operation: UpstreamOperation,
        body: bytes,
        headers: Mapping[str, str],
        timeout: Timeouts,
    ) -> httpx.Request:
        query = allowed_query(operation.query, _QUERY) if operation.method == "GET" else ""
        sent = _credentials(secret) + passed_on(headers, ("openai-beta", "idempotency-key"))
        return build_request(account, operation, _url(account, operation.path, query), sent, body, timeout)

    def classify(self, status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
        return classify_error(status, headers, error)

    def models_request(self, account: Account, secret: str) -> httpx.Request:
        operation = UpstreamOperation("chat", "/models", "GET")
        return build_request(
            account, operation, _url(account, operation.path, ""), _credentials(secret), b"", MODELS_TIMEOUT
        )

    def read_models(self, body: bytes) -> list[str]:
        return read_model_ids(body)


def _url(account: Account, path: str, query: str) -> httpx.URL:
    origin, base = split_base_url(account.base_url or DEFAULT_BASE_URL)
    return endpoint(origin + (base or "/v1"), path, query)


def _credentials(secret: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + secret.encode("ascii"))] if secret else []


PROVIDER = OpenAI()
