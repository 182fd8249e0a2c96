"""From an upstream's error answer, or a broken connection, to a `Failure`. Pure.

Codes and messages are those of Anthropic, OpenAI and the servers that imitate them (vLLM, llama.cpp, Ollama,
OpenRouter, DeepSeek). Where a message alone decides that an account is out of money, it must *begin* with the
vendor's sentence: a 400 may quote the caller's own words further on.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import trio

from gateway.clock import now_ms
from gateway.dialects.base import UpstreamError
from gateway.upstream.cooldown import Cause, Failure, reset_after

MAX_PUBLIC_CHARACTERS = 1_000
GENERIC_CLIENT_MESSAGE = "The model's provider refused this request as invalid."

_QUOTA_CODES = frozenset(
    (
        "account_deactivated",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "contract_spend_limit_reached",
        "credit_balance_too_low",
        "enforced_spend_limit_reached",
        "insufficient_credits",
        "insufficient_quota",
        "linked_organization_billing_unavailable",
        "linked_organization_spend_limit_reached",
    )
)
_QUOTA_SENTENCE = re.compile(
    r"(?:your credit balance is too low|you exceeded your current quota|you have reached your specified api usage"
    r"|insufficient (?:balance|credits)|this organization has been disabled|billing hard limit)",
    re.IGNORECASE,
)
_OVERLOADED_CODES = frozenset(("overloaded_error", "overloaded", "slow_down", "model_overloaded"))
_CONTEXT_CODES = frozenset(("context_length_exceeded", "exceed_context_size_error"))
_CONTEXT_SENTENCE = re.compile(
    r"prompt is too long|context_length_exceeded|maximum context length|exceeds? (?:the )?context (?:limit|window)"
    r"|exceeds the context window|exceeds the available context size",
    re.IGNORECASE,
)
_MODEL_CODES = frozenset(("model_not_found", "model_not_available", "unknown_model"))
_MODEL_SENTENCE = re.compile(
    r"\Amodel: |\bmodel\b.{0,160}(?:not found|not exist|not available|not supported|no access|not loaded)"
    r"|not have access to (?:the )?model|no endpoints found|no such model",
    re.IGNORECASE | re.DOTALL,
)
_OBJECT_SENTENCE = re.compile(
    r"\b(?:response|item|conversation|file|container|message|batch)s?\b.{0,160}(?:not found|not exist|no .{0,40}found)",
    re.IGNORECASE | re.DOTALL,
)
_CLIENT_STATUSES = frozenset((400, 413, 422, 424, 451))


def classify_error(status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
    """What an error answer means. `headers` have lower-case names; `error` is the body as its dialect read it."""
    envelope = _envelope(error.raw)
    words = {error.code, *(str(envelope.get(name) or "") for name in ("type", "code"))}
    details = envelope.get("details")
    if isinstance(details, dict):
        words.add(str(details.get("error_code") or ""))
    message = error.message
    hint_s = reset_after(headers, now_ms())
    if _is_quota(status, words, message):
        return Failure(Cause.QUOTA, "account", hint_s, status=status, public_message=_PUBLIC[Cause.QUOTA])
    if status in (400, 404, 413, 422, 500) and (words & _CONTEXT_CODES or _CONTEXT_SENTENCE.search(message)):
        return _client(Cause.CONTEXT_TOO_LONG, 400, error, envelope)
    if status == 529 or words & _OVERLOADED_CODES:
        return _upstream(Cause.OVERLOADED, status, hint_s)
    if status in (401, 403, 404):
        return _refused(status, words, error, envelope)
    return _by_status(status, hint_s, words, error, envelope)


def _is_quota(status: int, words: set[str], message: str) -> bool:
    if status == 402:
        return True
    if status not in (400, 403, 429):
        return False
    return bool(words & _QUOTA_CODES) or _QUOTA_SENTENCE.match(message) is not None


def _refused(status: int, words: set[str], error: UpstreamError, envelope: dict[str, Any]) -> Failure:
    """401, 403 and 404: the credential, the model, an object the caller named, or a base URL that is wrong."""
    message = error.message
    if status != 401:
        if words & _MODEL_CODES or (envelope and _MODEL_SENTENCE.search(message)):
            return _upstream(Cause.MODEL_MISSING, status)
        if status == 404 and envelope and _OBJECT_SENTENCE.search(message):
            return _client(Cause.CLIENT, 404, error, envelope)
        if "flagged" in message and status == 403:
            return _client(Cause.CLIENT, 400, error, envelope)
        if status == 404 or not envelope:
            return _upstream(Cause.GARBAGE, status, scope="account")
    return _upstream(Cause.CREDENTIALS, status, scope="account")


def _by_status(
    status: int, hint_s: float | None, words: set[str], error: UpstreamError, envelope: dict[str, Any]
) -> Failure:
    if status == 429:
        # Concurrency and ramp-up limits are the organization's; requests and tokens are counted per model.
        scope = "account" if "ramp_limit_exceeded" in words else "model"
        return _upstream(Cause.RATE_LIMITED, status, hint_s, scope=scope)
    if status == 409 and "conversation" not in error.message and "response" not in error.message:
        return _upstream(Cause.SERVER_ERROR, status, hint_s)
    if status in _CLIENT_STATUSES or status == 409:
        # A refusal that is not an error envelope speaks of something between us and the provider, unless the
        # status itself is about the caller's body.
        if envelope or status == 413 or (error.message and not _is_markup(error.raw)):
            return _client(Cause.CLIENT, status, error, envelope)
        return _upstream(Cause.GARBAGE, status)
    if status in (408, 504, 522, 524):
        return _upstream(Cause.TIMEOUT, status)
    if 500 <= status <= 599:
        return _upstream(Cause.SERVER_ERROR, status, hint_s)
    return _upstream(Cause.GARBAGE, status)


_PUBLIC = {
    Cause.RATE_LIMITED: "The model's provider is limiting requests now.",
    Cause.QUOTA: "The model's provider is not available to this gateway now.",
    Cause.CREDENTIALS: "The model's provider is not available to this gateway now.",
    Cause.MODEL_MISSING: "The model's provider does not serve this model now.",
    Cause.OVERLOADED: "The model's provider is overloaded.",
    Cause.SERVER_ERROR: "The model's provider failed.",
    Cause.NETWORK: "The model's provider could not be reached.",
    Cause.GARBAGE: "The model's provider sent something that is not an answer.",
    Cause.TIMEOUT: "The model's provider did not answer in time.",
}


def _upstream(cause: Cause, status: int, hint_s: float | None = None, *, scope: Any = "model") -> Failure:
    return Failure(cause, scope, hint_s, status=status, public_message=_PUBLIC[cause])


def _client(cause: Cause, status: int, error: UpstreamError, envelope: dict[str, Any]) -> Failure:
    if status == 413:
        message = "The request is larger than the model's provider accepts."
    else:
        message = sanitise(error.message) or GENERIC_CLIENT_MESSAGE
    code = "context_length_exceeded" if cause is Cause.CONTEXT_TOO_LONG else _name(envelope.get("code"))
    return Failure(
        cause,
        "model",
        client_fault=True,
        status=status,
        public_message=message,
        code=code,
        field=_name(envelope.get("param")),
    )


def _name(value: object) -> str:
    """A code or a field path, if it looks like one."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.\[\]-]{0,119}", value) else ""


def _envelope(raw: bytes) -> dict[str, Any]:
    """The `error` object of an answer; {} if the body is not an error envelope."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error}
    return body if isinstance(body.get("message"), str) else {}


def _is_markup(raw: bytes) -> bool:
    return raw.lstrip()[:1] == b"<"


_SECRETS = re.compile(
    r"(?:bearer\s+|x-api-key:?\s*)\S+"
    r"|\b(?:sk|pk|rk|key|gsk|xai|hf|org|proj|user|acct|wrkspc|workspace|project)[-_][A-Za-z0-9*_\-.]{6,}"
    r"|\borganization\s+\S{8,}",
    re.IGNORECASE,
)
_ADDRESSES = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+"
    r"|\b[\w.+-]+@[\w-]+\.[\w.-]+"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|\blocalhost(?::\d+)?\b"
    r"|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|ai|dev|app|cloud|local|internal|lan|svc|co|cn|eu)"
    r"(?::\d+)?(?:/\S*)?\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<\s*(?:!doctype|html|head|body|title|h1|center|script)\b", re.IGNORECASE)


def sanitise(message: str, forbidden: tuple[str, ...] = ()) -> str:
    """An upstream's sentence, fit for the caller: no addresses, credentials, organizations or markup; one line.

    `forbidden` are further words that must not appear (an account's name, its host). "" if nothing fit is left.
    """
    message = message[: 4 * MAX_PUBLIC_CHARACTERS]
    if _MARKUP.search(message):
        return ""
    message = "".join(character if character.isprintable() else " " for character in message)
    message = _SECRETS.sub("[removed]", _ADDRESSES.sub("[removed]", message))
    for word in sorted((word for word in forbidden if word), key=len, reverse=True):
        message = re.sub(re.escape(word), "[removed]", message, flags=re.IGNORECASE)
    return " ".join(message.split())[:MAX_PUBLIC_CHARACTERS]


def failure_of_exception(error: BaseException) -> Failure:
    """What a broken exchange means. Anything that is not the network's or the upstream's doing is raised again."""
    if isinstance(error, httpx.ConnectTimeout):
        return Failure(Cause.NETWORK, "account", status=504, public_message=_PUBLIC[Cause.NETWORK])
    if isinstance(error, (httpx.TimeoutException, trio.TooSlowError)):
        return Failure(Cause.TIMEOUT, "model", status=504, public_message=_PUBLIC[Cause.TIMEOUT])
    if isinstance(error, (httpx.NetworkError, httpx.ProxyError, OSError, trio.BrokenResourceError)):
        return Failure(Cause.NETWORK, "account", public_message=_PUBLIC[Cause.NETWORK])
    if isinstance(error, httpx.HTTPError):
        return Failure(Cause.GARBAGE, "model", public_message=_PUBLIC[Cause.GARBAGE])
    raise error
