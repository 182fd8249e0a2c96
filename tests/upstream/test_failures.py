"""What upstream errors mean, and what of them a caller may read."""

import httpx
import msgspec
import pytest
import trio

from gateway.dialects.base import UpstreamError
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.failures import GENERIC_CLIENT_MESSAGE, classify_error, failure_of_exception, sanitise


def anthropic(status: int, kind: str, message: str, headers: dict[str, str] | None = None, **details: str) -> Failure:
    inner = {"type": kind, "message": message, **({"details": details} if details else {})}
    raw = msgspec.json.encode({"type": "error", "error": inner})
    return classify_error(status, headers or {}, UpstreamError(status, kind, message, raw))


def openai(status: int, kind: str, code: str | None, message: str, param: str | None = None) -> Failure:
    raw = msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})
    return classify_error(status, {}, UpstreamError(status, code or kind, message, raw))


def page(status: int, body: bytes = b"<html><h1>gateway-17.internal</h1></html>") -> Failure:
    return classify_error(status, {}, UpstreamError(status, "", body.decode(), body))


@pytest.mark.parametrize(
    ("failure", "cause", "scope"),
    [
        (anthropic(429, "rate_limit_error", "This would exceed your rate limit"), Cause.RATE_LIMITED, "model"),
        (anthropic(429, "rate_limit_error", "slow", error_code="ramp_limit_exceeded"), Cause.RATE_LIMITED, "account"),
        (anthropic(429, "rate_limit_error", "x", error_code="enforced_spend_limit_reached"), Cause.QUOTA, "account"),
        (anthropic(400, "invalid_request_error", "Your credit balance is too low to access"), Cause.QUOTA, "account"),
        (
            anthropic(400, "invalid_request_error", "You have reached your specified API usage limits. You will"),
            Cause.QUOTA,
            "account",
        ),
        (anthropic(402, "billing_error", "Payment required"), Cause.QUOTA, "account"),
        (anthropic(529, "overloaded_error", "Overloaded"), Cause.OVERLOADED, "model"),
        (anthropic(503, "overloaded_error", "Overloaded"), Cause.OVERLOADED, "model"),
        (anthropic(500, "api_error", "Internal server error"), Cause.SERVER_ERROR, "model"),
        (anthropic(504, "timeout_error", "Timed out"), Cause.TIMEOUT, "model"),
        (anthropic(408, "timeout_error", "Timed out"), Cause.TIMEOUT, "model"),
        (anthropic(409, "conflict_error", "Conflict"), Cause.SERVER_ERROR, "model"),
        (anthropic(401, "authentication_error", "invalid x-api-key"), Cause.CREDENTIALS, "account"),
        (anthropic(403, "permission_error", "Your API key may not use this"), Cause.CREDENTIALS, "account"),
        (anthropic(404, "not_found_error", "model: claude-9"), Cause.MODEL_MISSING, "model"),
        (openai(429, "requests", "rate_limit_exceeded", "Rate limit reached"), Cause.RATE_LIMITED, "model"),
        (openai(429, "insufficient_quota", "insufficient_quota", "You exceeded"), Cause.QUOTA, "account"),
        (openai(503, "server_error", "slow_down", "Slow down"), Cause.OVERLOADED, "model"),
        (openai(401, "invalid_request_error", "invalid_api_key", "Incorrect API key"), Cause.CREDENTIALS, "account"),
        (openai(404, "invalid_request_error", "model_not_found", "The model `x`"), Cause.MODEL_MISSING, "model"),
        (openai(404, "NotFoundError", None, "The model `x` does not exist."), Cause.MODEL_MISSING, "model"),
        (openai(404, "api_error", None, 'model "x" not found, try pulling it first'), Cause.MODEL_MISSING, "model"),
        (openai(403, "invalid_request_error", "model_not_found", "no access"), Cause.MODEL_MISSING, "model"),
        (openai(404, "error", None, "Not Found"), Cause.GARBAGE, "account"),
        (openai(502, "server_error", None, "Bad gateway"), Cause.SERVER_ERROR, "model"),
        (page(502), Cause.SERVER_ERROR, "model"),
        (page(403), Cause.GARBAGE, "account"),
        (page(404), Cause.GARBAGE, "account"),
        (page(400), Cause.GARBAGE, "model"),
        (page(302), Cause.GARBAGE, "model"),
        (page(405), Cause.GARBAGE, "model"),
    ],
)
def test_failures_that_are_not_the_callers(failure: Failure, cause: Cause, scope: str) -> None:
    assert (failure.cause, failure.scope, failure.client_fault) == (cause, scope, False)


@pytest.mark.parametrize(
    "failure",
    [
        anthropic(401, "authentication_error", "invalid x-api-key sk-ant-api03-secret"),
        openai(429, "insufficient_quota", "insufficient_quota", "You exceeded your quota, org-abcdefgh123"),
        page(502),
    ],
)
def test_what_is_not_the_callers_fault_is_told_in_our_own_words(failure: Failure) -> None:
    assert failure.public_message.startswith("The model's provider ")


def test_a_hint_of_the_provider_is_kept() -> None:
    assert anthropic(429, "rate_limit_error", "x", {"retry-after": "17"}).retry_after_s == 17


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (
            anthropic(400, "invalid_request_error", "messages.0.content: Field required"),
            400,
            "messages.0.content: Field required",
        ),
        (openai(422, "invalid_request_error", None, "bad tool"), 422, "bad tool"),
        (page(413), 413, "The request is larger than the model's provider accepts."),
        (openai(404, "invalid_request_error", None, "Response with id 'resp_1' not found."), 404,
         "Response with id 'resp_1' not found."),
    ],
)  # fmt: skip
def test_the_callers_own_mistake_is_told(failure: Failure, status: int, message: str) -> None:
    assert (failure.cause, failure.client_fault, failure.status) == (Cause.CLIENT, True, status)
    assert failure.public_message == message


def test_the_field_and_code_of_a_mistake_are_kept() -> None:
    failure = openai(400, "invalid_request_error", "unsupported_value", "no", "messages[0].role")
    assert (failure.code, failure.field) == ("unsupported_value", "messages[0].role")


@pytest.mark.parametrize(
    "failure",
    [
        anthropic(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        anthropic(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9 > 10"),
        openai(400, "invalid_request_error", "context_length_exceeded", "too many"),
        openai(400, "BadRequestError", None, "This model's maximum context length is 8192 tokens."),
        openai(400, "exceed_context_size_error", None, "the request exceeds the available context size"),
        openai(500, "server_error", None, "prompt is too long"),
    ],
)
def test_a_prompt_that_does_not_fit_is_recognised(failure: Failure) -> None:
    assert (failure.cause, failure.client_fault, failure.status) == (Cause.CONTEXT_TOO_LONG, True, 400)
    assert failure.code == "context_length_exceeded"


def test_a_caller_who_quotes_a_billing_sentence_does_not_stop_the_account() -> None:
    failure = anthropic(400, "invalid_request_error", "tool name 'your credit balance is too low' is invalid")
    assert failure.client_fault


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-AbCdEf123456",
        "sk-proj-abcdefghijkl",
        "Bearer abc.def.ghi",
        "org-AbCdEf123456",
        "proj_AbCdEf123456",
        "https://api.example.com/v1/x?key=1",
        "llm-7.prod.internal:8080",
        "10.1.2.3:8000",
        "localhost:11434",
        "ops@example.com",
        "api.openai.com",
    ],
)
def test_credentials_and_addresses_are_removed(secret: str) -> None:
    assert sanitise(f"Bad request at {secret} today") in (
        "Bad request at [removed] today",
        "Bad request at [removed]:8080 today",
    )


@pytest.mark.parametrize(
    "harmless",
    [
        "messages.0.content.1.text: Field required",
        "model claude-sonnet-4.6 takes no prefill",
        "tools.3.input_schema: JSON schema is invalid (draft 2020-12)",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_01AbCdEfGh",
    ],
)
def test_ordinary_messages_are_left_alone(harmless: str) -> None:
    assert sanitise(harmless) == harmless


def test_markup_is_never_shown() -> None:
    raw = msgspec.json.encode({"error": {"message": "<html><body>nginx</body></html>"}})
    failure = classify_error(400, {}, UpstreamError(400, "", "<html><body>nginx</body></html>", raw))
    assert failure.public_message == GENERIC_CLIENT_MESSAGE


def test_messages_are_one_bounded_line() -> None:
    message = sanitise("a\x1b[31m\n" * 100_000)
    assert len(message) <= 1_000
    assert message.isprintable()


@pytest.mark.parametrize(
    ("error", "cause", "scope", "status"),
    [
        (httpx.ConnectTimeout("x"), Cause.NETWORK, "account", 504),
        (httpx.ConnectError("x"), Cause.NETWORK, "account", 502),
        (httpx.ReadTimeout("x"), Cause.TIMEOUT, "model", 504),
        (httpx.WriteTimeout("x"), Cause.TIMEOUT, "model", 504),
        (trio.TooSlowError(), Cause.TIMEOUT, "model", 504),
        (httpx.ReadError("x"), Cause.NETWORK, "account", 502),
        (httpx.ProxyError("x"), Cause.NETWORK, "account", 502),
        (httpx.RemoteProtocolError("x"), Cause.GARBAGE, "model", 502),
        (ConnectionResetError(), Cause.NETWORK, "account", 502),
    ],
)
def test_a_broken_exchange_is_a_failure_of_the_upstream(
    error: Exception, cause: Cause, scope: str, status: int
) -> None:
    failure = failure_of_exception(error)
    assert (failure.cause, failure.scope, failure.status, failure.client_fault) == (cause, scope, status, False)


def test_a_bug_of_our_own_is_not_taken_for_a_failure() -> None:
    with pytest.raises(KeyError):
        failure_of_exception(KeyError("x"))
