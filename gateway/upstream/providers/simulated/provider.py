"""Accounts of kind `simulated`: addressed like the vendors' own, so that a call takes the same path to them."""

from collections.abc import Mapping

import httpx
from msgspec.structs import replace

from gateway.dialects.base import UpstreamError
from gateway.records import Account, AccountKind
from gateway.upstream.cooldown import Failure
from gateway.upstream.providers import anthropic, openai
from gateway.upstream.providers.base import Provider, Timeouts, UpstreamOperation

BASE_URL = "http://simulated.invalid"


class Simulated:
    """All three protocols. Requests are built, errors and lists read, by the provider of the vendor who speaks them."""

    kind: AccountKind = "simulated"

    def request(
        self,
        account: Account,
        secret: str,
        operation: UpstreamOperation,
        body: bytes,
        headers: Mapping[str, str],
        timeout: Timeouts,
    ) -> httpx.Request:
        vendor: Provider = anthropic.PROVIDER if operation.dialect == "messages" else openai.PROVIDER
        return vendor.request(_addressed(account), secret, operation, body, headers, timeout)

    def classify(self, status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
        return openai.PROVIDER.classify(status, headers, error)

    def models_request(self, account: Account, secret: str) -> httpx.Request:
        return openai.PROVIDER.models_request(_addressed(account), secret)

    def read_models(self, body: bytes) -> list[str]:
        return openai.PROVIDER.read_models(body)


def _addressed(account: Account) -> Account:
    """The account with an address: without one of its own it would be the vendor's."""
    return account if account.base_url else replace(account, base_url=BASE_URL)


PROVIDER = Simulated()
