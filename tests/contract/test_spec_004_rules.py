"""A gateway without keys: what it says of failures, whom it lets in, how often, and what it writes down."""

import time

import httpx
import openai
import pytest

from tests.contract.clients import hello, openai_client
from tests.contract.gateway import Gateway
from tests.contract.spec_004 import ANTHROPIC_BODY, MODELS, STREAMING_BODY

SONNET = MODELS[0]
CHAT, OPENAI_CHAT = "/v1/chat/completions", "/openai/v1/chat/completions"
on_both_bases = pytest.mark.parametrize("path", [CHAT, OPENAI_CHAT])
RATE_LIMIT = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"


# Errors.


@on_both_bases
def test_an_unknown_model_is_a_404_in_the_printed_shape(keyless: Gateway, path: str) -> None:
    answer = keyless.http.post(path, json={**ANTHROPIC_BODY, "model": "nobody-1"}, headers=keyless.somewhere())
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (404, "validation_error")
    assert (error["details"]["field"], error["details"]["issue"]) == ("model", "Model not found")
    assert "nobody-1" in error["message"]


WRONG = {
    "no model": ({"messages": hello()}, "model"),
    "model of another type": ({**ANTHROPIC_BODY, "model": 5}, "model"),
    "no messages": ({"model": SONNET}, "messages"),
    "limit below nothing": ({**ANTHROPIC_BODY, "max_tokens": -1}, "max_tokens"),
    "not an object": (["Hello"], "body"),
}


@on_both_bases
@pytest.mark.parametrize(("body", "field"), WRONG.values(), ids=[name.replace(" ", "-") for name in WRONG])
def test_a_wrong_request_is_a_400_in_the_printed_shape(keyless: Gateway, path: str, body: object, field: str) -> None:
    answer = keyless.http.post(path, json=body, headers=keyless.somewhere())
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (400, "validation_error", "validation_error")
    assert error["details"]["field"] == field
    assert error["details"]["issue"]
    assert error["message"]


def test_what_a_provider_says_of_a_wrong_request_has_the_shape_too(keyless: Gateway) -> None:
    body = {**ANTHROPIC_BODY, "model": "claude-invalid"}
    error = keyless.http.post(CHAT, json=body, headers=keyless.somewhere()).json()["error"]
    assert (error["type"], "roles must alternate" in error["message"]) == ("validation_error", True)


def test_the_openai_sdk_raises_for_the_shape_what_it_raises_for_openais(keyless: Gateway) -> None:
    with (
        openai_client(keyless, "dummy", default_headers=keyless.somewhere()) as client,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        client.chat.completions.create(model="nobody-1", messages=hello())
    assert (caught.value.type, caught.value.code, caught.value.param) == (
        "validation_error",
        "model_not_found",
        "model",
    )


@on_both_bases
def test_an_account_that_fails_is_a_500(keyless: Gateway, path: str) -> None:
    body = {**ANTHROPIC_BODY, "model": _model("failing", path)}
    answer = keyless.http.post(path, json=body, headers=keyless.somewhere())
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "upstream_error")


@on_both_bases
def test_no_healthy_account_is_a_503_with_retry_after(keyless: Gateway, path: str) -> None:
    body = {**ANTHROPIC_BODY, "model": _model("unauthorized", path)}
    answer = keyless.http.post(path, json=body, headers=keyless.somewhere())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_an_endpoint_that_is_not_there_is_a_404(keyless: Gateway) -> None:
    answer = keyless.http.get("/v1/nowhere")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_an_error_on_the_shared_path_speaks_the_dialect_of_the_answer(keyless: Gateway) -> None:
    without, with_key = (
        keyless.http.get(CHAT, headers=keyless.somewhere() | extra) for extra in ({}, {"authorization": "Bearer dummy"})
    )
    assert without.json()["error"]["details"]["error_code"] == "method_not_allowed"
    assert "details" not in with_key.json()["error"]


def _model(script: str, path: str) -> str:
    """Of an account that both bases meet fresh: what failed rests."""
    return f"claude-{script}" if path == CHAT else f"gpt-{script}"


# The limit of requests.


def test_the_first_answer_says_that_fifty_nine_are_left(keyless: Gateway) -> None:
    before = int(time.time())
    answer = keyless.http.post(CHAT, json=ANTHROPIC_BODY, headers=keyless.somewhere())
    limit, remaining, reset = (answer.headers[name] for name in RATE_LIMIT)
    assert (limit, remaining) == ("60", "59")
    assert before < int(reset) <= time.time() + 2


FIRST_REQUESTS = {
    "streamed": ("POST", CHAT, STREAMING_BODY, 200),
    "openai": ("POST", OPENAI_CHAT, ANTHROPIC_BODY, 200),
    "messages": ("POST", "/v1/messages", ANTHROPIC_BODY, 200),
    "responses": ("POST", "/v1/responses", {"model": "gpt-5.5", "input": "Hello"}, 200),
    "invalid": ("POST", CHAT, {}, 400),
    "unknown-model": ("POST", CHAT, {**ANTHROPIC_BODY, "model": "nobody-1"}, 404),
    "failed": ("POST", CHAT, {**ANTHROPIC_BODY, "model": "claude-out-of-quota"}, 503),
    "models": ("GET", "/v1/models", None, 200),
    "openai-models": ("GET", "/openai/v1/models", None, 200),
    "model": ("GET", f"/v1/models/{SONNET}", None, 200),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), FIRST_REQUESTS.values(), ids=list(FIRST_REQUESTS))
def test_every_answer_of_the_api_is_counted(
    keyless: Gateway, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    answer = keyless.http.request(method, path, json=body, headers=keyless.somewhere())
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (status, "59")


UNCOUNTED = {
    "health": ("GET", "/health", 200),
    "readiness": ("GET", "/readyz", 200),
    "root": ("HEAD", "/", 200),
    "no-such-endpoint": ("POST", "/v1/embeddings", 404),
    "wrong-method": ("GET", CHAT, 405),
    "token-count": ("POST", "/v1/messages/count_tokens", 200),
}


@pytest.mark.parametrize(("method", "path", "status"), UNCOUNTED.values(), ids=list(UNCOUNTED))
def test_what_is_not_counted_says_what_is_left_all_the_same(
    keyless: Gateway, method: str, path: str, status: int
) -> None:
    body = ANTHROPIC_BODY if method == "POST" else None
    answer = keyless.http.request(method, path, json=body, headers=keyless.somewhere())
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (status, "60")


def until_refused(gateway: Gateway, address: dict[str, str]) -> list[httpx.Response]:
    """Answers to one request after the other, the refusal the last of them."""
    answers = []
    for _ in range(200):
        answers.append(gateway.http.get("/v1/models", headers=address))
        if answers[-1].status_code != 200:
            return answers
    raise AssertionError("nothing was refused")


def test_sixty_requests_and_a_burst_of_ten_are_served_and_then_refused(keyless: Gateway) -> None:
    answers = until_refused(keyless, keyless.somewhere())
    remaining = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    # One more comes back each second that the requests take.
    assert 70 <= len(answers) - 1 <= 76
    assert remaining == sorted(remaining, reverse=True)
    assert remaining.count(0) >= 11


@pytest.fixture
def exhausted(keyless: Gateway) -> dict[str, str]:
    """Headers of an address that has nothing left."""
    address = keyless.somewhere()
    until_refused(keyless, address)
    return address


@pytest.mark.parametrize(("method", "path"), [("POST", CHAT), ("POST", OPENAI_CHAT), ("GET", "/v1/models")])
def test_who_has_nothing_left_is_told_when_to_come_back(
    keyless: Gateway, exhausted: dict[str, str], method: str, path: str
) -> None:
    answer = keyless.http.request(method, path, headers=exhausted)
    limit, remaining, reset = (answer.headers[name] for name in RATE_LIMIT)
    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
    assert (limit, remaining, answer.headers["retry-after"]) == ("60", "0", "1")
    assert time.time() + 60 < int(reset) <= time.time() + 72


def test_the_health_check_is_never_refused(keyless: Gateway, exhausted: dict[str, str]) -> None:
    answer = keyless.http.get("/health", headers=exhausted)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (200, "0")


def test_one_address_does_not_wait_for_another(keyless: Gateway, exhausted: dict[str, str]) -> None:
    assert keyless.http.get("/v1/models", headers=keyless.somewhere()).status_code == 200


# Who is let in, and what is written down.


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_pages_of_other_machines_cannot_spend_the_operators_money(keyless: Gateway, origin: str) -> None:
    """As a browser sends a form of such a page: no preflight, no JSON type."""
    headers = keyless.somewhere() | {"origin": origin, "content-type": "text/plain", "host": "127.0.0.1.evil.example"}
    assert keyless.http.post(CHAT, json=ANTHROPIC_BODY, headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]:5173"])
def test_pages_of_this_machine_are_served(keyless: Gateway, origin: str) -> None:
    headers = keyless.somewhere() | {"origin": origin}
    assert keyless.http.post(CHAT, json=ANTHROPIC_BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "dummy"}, {"authorization": "Bearer dummy"}], ids=str)
def test_every_keyless_call_is_metered_for_one_unlimited_customer(keyless: Gateway, headers: dict[str, str]) -> None:
    answer = keyless.http.post(CHAT, json=ANTHROPIC_BODY, headers=keyless.somewhere() | headers)
    call_id = answer.headers["request-id"]
    receipt = keyless.http.get(f"/v1/usage/{call_id}", headers=keyless.somewhere()).json()
    assert int(answer.headers["x-gateway-cost-micro"]) == receipt["cost_micro"] > 0
    assert keyless.story(call_id).call.customer_id == keyless.customer_id("local")
    assert keyless.charges(call_id) == [-receipt["cost_micro"]]
    assert "x-gateway-balance-micro" not in answer.headers


def test_a_limit_on_the_answer_is_optional_on_the_chat_path_only(keyless: Gateway) -> None:
    body = {"model": SONNET, "messages": hello()}
    statuses = [
        keyless.http.post(path, json=body, headers=keyless.somewhere()).status_code
        for path in (CHAT, OPENAI_CHAT, "/v1/messages")
    ]
    assert statuses == [200, 200, 400]
