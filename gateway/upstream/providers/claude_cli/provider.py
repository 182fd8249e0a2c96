"""Accounts of kind `claude-cli`: the operator's own installed CLI, asked like Anthropic."""

from collections.abc import Mapping

import httpx
from msgspec.structs import replace

from gateway.dialects.base import UpstreamError
from gateway.errors import ConfigurationError
from gateway.records import Account, AccountKind
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.failures import classify_error
from gateway.upstream.providers import anthropic
from gateway.upstream.providers.base import Timeouts, UpstreamOperation
from gateway.upstream.providers.claude_cli.refusals import PUBLIC

BASE_URL = "http://claude-cli.invalid"


class ClaudeCli:
    """Messages only; other clients by translation. The request never leaves the process: the transport reads it."""

    kind: AccountKind = "claude-cli"

    def request(
        self,
        account: Account,
        secret: str,
        operation: UpstreamOperation,
        body: bytes,
        headers: Mapping[str, str],
        timeout: Timeouts,
    ) -> httpx.Request:
        addressed = replace(account, base_url=BASE_URL, extra_headers={}, options={})
        request = anthropic.PROVIDER.request(addressed, secret, operation, body, headers, timeout)
        request.extensions["caller"] = operation.caller
        return request

    def classify(self, status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
        if error.code in PUBLIC:
            return Failure(Cause.UNAVAILABLE, "account", status=503, public_message=PUBLIC[error.code])
        return classify_error(status, headers, error)

    def models_request(self, account: Account, secret: str) -> httpx.Request:
        return anthropic.PROVIDER.models_request(replace(account, base_url=BASE_URL, extra_headers={}), secret)

    def read_models(self, body: bytes) -> list[str]:
        raise ConfigurationError("The Claude CLI gives no list of models. Name them with --models.")


PROVIDER = ClaudeCli()
