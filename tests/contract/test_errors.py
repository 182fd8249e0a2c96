"""What goes wrong, as the SDKs raise it: the right class, once, with words that help and none that leak."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.contract.clients import hello, messages_client, openai_client
from tests.contract.gateway import Gateway
from tests.contract.house import Keys
from tests.contract.upstream import SECRET

BIG = "x" * 250_000

MESSAGES_ERRORS: list[Any] = [
    ("wrong key", "", {}, anthropic.AuthenticationError, "authentication_error"),
    ("disabled key", "disabled", {}, anthropic.AuthenticationError, "authentication_error"),
    ("expired key", "expired", {}, anthropic.AuthenticationError, "authentication_error"),
    ("revoked key", "revoked", {}, anthropic.AuthenticationError, "authentication_error"),
    ("empty balance", "empty", {}, anthropic.PaymentRequiredError, "billing_error"),
    ("model outside the key", "narrow", {}, anthropic.PermissionDeniedError, "permission_error"),
    ("model outside the tier", "claude", {"model": "gpt-5.5"}, anthropic.PermissionDeniedError, "permission_error"),
    ("unknown model", "claude", {"model": "nobody-1"}, anthropic.NotFoundError, "not_found_error"),
    ("wrong tier", "codex", {"model": "gpt-5.5"}, anthropic.BadRequestError, "invalid_request_error"),
    ("body too large", "claude", {"messages": hello(BIG)}, anthropic.ContentTooLargeError, "request_too_large"),
    ("refused upstream", "claude", {"model": "claude-invalid"}, anthropic.BadRequestError, "invalid_request_error"),
    (
        "too large upstream",
        "claude",
        {"model": "claude-too-large"},
        anthropic.ContentTooLargeError,
        "request_too_large",
    ),
]


class Counter:
    """Counts the requests of an SDK client, its retries included."""

    def __init__(self, client_class: type) -> None:
        self.requests = 0
        self.client = client_class(event_hooks={"request": [self._count]}, verify=False)

    def _count(self, request: Any) -> None:
        self.requests += 1


@pytest.mark.parametrize(
    ("key", "changes", "error", "kind"),
    [each[1:] for each in MESSAGES_ERRORS],
    ids=[each[0].replace(" ", "-") for each in MESSAGES_ERRORS],
)
def test_messages_errors_that_no_retry_can_help_are_raised_after_one_request(
    gateway: Gateway, keys: Keys, key: str, changes: dict[str, Any], error: type[anthropic.APIStatusError], kind: str
) -> None:
    counter = Counter(anthropic.DefaultHttpxClient)
    secret = getattr(keys, key) if key else "sk-cs2-nobody"
    asked = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": hello(), **changes}
    with (
        messages_client(gateway, secret, max_retries=2, http_client=counter.client) as client,
        pytest.raises(error) as caught,
    ):
        client.messages.create(**asked)
    assert type(caught.value) is error
    assert caught.value.body["error"]["type"] == kind
    assert caught.value.request_id == caught.value.body["request_id"]
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert counter.requests == 1


OPENAI_ERRORS: list[Any] = [
    ("wrong key", "", {}, openai.AuthenticationError, 401, "invalid_api_key"),
    ("revoked key", "revoked", {}, openai.AuthenticationError, 401, "invalid_api_key"),
    ("model outside the tier", "codex", {"model": "claude-sonnet-4-6"}, openai.PermissionDeniedError, 403, None),
    ("unknown model", "codex", {"model": "nobody-1"}, openai.NotFoundError, 404, "model_not_found"),
    ("body too large", "codex", {"user": BIG}, openai.APIStatusError, 413, None),
    ("refused upstream", "codex", {"model": "gpt-invalid"}, openai.BadRequestError, 400, None),
]


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize(
    ("key", "changes", "error", "status", "code"),
    [each[1:] for each in OPENAI_ERRORS],
    ids=[each[0].replace(" ", "-") for each in OPENAI_ERRORS],
)
def test_openai_errors_that_no_retry_can_help_are_raised_after_one_request(
    gateway: Gateway,
    keys: Keys,
    dialect: str,
    key: str,
    changes: dict[str, Any],
    error: type[openai.APIStatusError],
    status: int,
    code: str | None,
) -> None:
    counter = Counter(openai.DefaultHttpxClient)
    secret = getattr(keys, key) if key else "sk-cs4-nobody"
    with (
        openai_client(gateway, secret, max_retries=2, http_client=counter.client) as client,
        pytest.raises(error) as caught,
    ):
        _ask(client, dialect, **{"model": "gpt-5.5", **changes})
    assert (type(caught.value), caught.value.status_code) == (error, status)
    assert code is None or caught.value.code == code
    assert caught.value.request_id
    assert counter.requests == 1


def _ask(client: openai.OpenAI, dialect: str, model: str, **changes: Any) -> Any:
    asked = {"model": model, **changes}
    if dialect == "chat":
        return client.chat.completions.create(messages=hello(), **asked)
    return client.responses.create(input="Hello", **asked)


def test_an_empty_balance_is_a_402_on_chat(gateway, keys):
    with openai_client(gateway, keys.empty) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="gpt-5.5", messages=hello())
    assert (caught.value.status_code, caught.value.code) == (402, "insufficient_quota")


def test_an_empty_balance_is_a_429_that_is_not_retried_on_responses(gateway, keys):
    counter = Counter(openai.DefaultHttpxClient)
    with (
        openai_client(gateway, keys.empty, max_retries=2, http_client=counter.client) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        client.responses.create(model="gpt-5.5", input="Hello")
    assert caught.value.code == "insufficient_quota"
    assert "retry-after" not in caught.value.response.headers
    assert counter.requests == 1


def test_a_402_says_what_is_left_and_what_it_would_buy(gateway, keys):
    with messages_client(gateway, keys.poor) as client, pytest.raises(anthropic.PaymentRequiredError) as caught:
        client.messages.create(model="claude-opus-4-8", max_tokens=8_000, messages=hello("word " * 2_000))
    assert "$0.001" in str(caught.value)
    assert "output tokens" in str(caught.value)


def test_the_hint_to_a_codex_key_names_the_endpoints_it_can_use(gateway, keys):
    with messages_client(gateway, keys.codex) as client, pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="gpt-5.5", max_tokens=100, messages=hello())
    assert "/v1/chat/completions" in caught.value.message
    assert "/v1/responses" in caught.value.message


def test_an_unknown_model_is_blamed_on_its_field(gateway, keys):
    body = {"model": "nobody-1", "max_tokens": 9, "messages": hello()}
    error = gateway.post("/v1/messages", keys.claude, body).json()["error"]
    assert (error["param"], error["details"]["field"]) == ("model", "model")


def test_an_allow_list_is_named_to_who_meets_it(gateway, keys):
    with messages_client(gateway, keys.narrow) as client, pytest.raises(anthropic.PermissionDeniedError) as caught:
        client.messages.create(model="claude-sonnet-4-6", max_tokens=100, messages=hello())
    assert "claude-haiku-*" in caught.value.message


UPSTREAM_FAILURES: list[Any] = [
    ("limited", 429, anthropic.RateLimitError, openai.RateLimitError),
    ("overloaded", 529, anthropic.OverloadedError, openai.InternalServerError),
    ("failing", 502, anthropic.InternalServerError, openai.InternalServerError),
    ("html", 502, anthropic.InternalServerError, openai.InternalServerError),
    ("truncated", 502, anthropic.InternalServerError, openai.InternalServerError),
    ("wrong-type", 502, anthropic.InternalServerError, openai.InternalServerError),
    ("error-inside", 502, anthropic.InternalServerError, openai.InternalServerError),
    ("refused", 502, anthropic.InternalServerError, openai.InternalServerError),
    ("unauthorized", 503, anthropic.ServiceUnavailableError, openai.InternalServerError),
    ("out-of-quota", 503, anthropic.ServiceUnavailableError, openai.InternalServerError),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("script", "status", "error"), [each[:3] for each in UPSTREAM_FAILURES])
def test_a_provider_that_fails_before_it_answers_costs_a_messages_client_nothing(
    gateway, keys, script, status, error, streamed
):
    model = f"claude-{script}-again" if streamed else f"claude-{script}"
    with messages_client(gateway, keys.everything) as client, pytest.raises(error) as caught:
        client.messages.create(model=model, max_tokens=9, messages=hello(), stream=streamed)
    assert type(caught.value) is error
    assert caught.value.status_code == status
    assert int(caught.value.response.headers["retry-after"]) > 0
    _check_no_leak(caught.value)
    _check_free(gateway, caught.value.request_id)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize(("script", "status", "error"), [(*each[:2], each[3]) for each in UPSTREAM_FAILURES])
def test_a_provider_that_fails_before_it_answers_costs_an_openai_client_nothing(
    gateway, keys, dialect, script, status, error
):
    with openai_client(gateway, keys.everything) as client, pytest.raises(error) as caught:
        _ask(client, dialect, f"gpt-{script}" if dialect == "chat" else f"gpt-{script}-again")
    assert type(caught.value) is error
    assert caught.value.status_code == (503 if status == 529 else status)
    assert int(caught.value.response.headers["retry-after"]) > 0
    _check_no_leak(caught.value)
    _check_free(gateway, caught.value.request_id)


def _check_free(gateway: Gateway, call_id: str) -> None:
    call = gateway.story(call_id).call
    assert (call.outcome, call.cost_micro) == ("failed", 0)
    assert gateway.charges(call_id) == []


def _check_no_leak(error: Any) -> None:
    told = str(error) + str(error.response.headers) + error.response.text
    for secret in (SECRET, "127.0.0.1", "sk-upstream", "credit balance", "-anthropic", "-openai"):
        assert secret not in told


def test_a_providers_hint_becomes_the_clients_retry_after(gateway, keys):
    with messages_client(gateway, keys.everything) as client, pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(model="claude-limited", max_tokens=9, messages=hello())
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 7


def test_what_a_provider_says_of_the_clients_own_mistake_is_passed_on(gateway, keys):
    with messages_client(gateway, keys.everything) as client, pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="claude-invalid", max_tokens=9, messages=hello())
    assert "roles must alternate" in caught.value.message


def test_a_key_at_its_limit_is_told_when_to_come_back(gateway, keys):
    with messages_client(gateway, keys.slow) as client:
        client.messages.create(model="claude-plain", max_tokens=9, messages=hello())
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.messages.create(model="claude-plain", max_tokens=9, messages=hello())
    headers = caught.value.response.headers
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert "x-should-retry" not in headers


BREAKS = ["error-midway", "cut", "ended"]


@pytest.mark.parametrize("script", BREAKS)
def test_a_messages_stream_that_breaks_raises_and_is_billed_as_partial(gateway, keys, script):
    before = gateway.balance("everything")
    with (
        messages_client(gateway, keys.everything) as client,
        client.messages.stream(model=f"claude-{script}", max_tokens=100, messages=hello()) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        stream.get_final_message()
    assert caught.value.body["error"]["type"] == ("overloaded_error" if script == "error-midway" else "api_error")
    _check_partial(gateway, before, caught.value.body["request_id"])


@pytest.mark.parametrize("script", BREAKS)
def test_a_chat_stream_that_breaks_raises_and_is_billed_as_partial(gateway, keys, script):
    before = gateway.balance("everything")
    with (
        openai_client(gateway, keys.everything) as client,
        client.chat.completions.create(model=f"gpt-{script}", messages=hello(), stream=True) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)
    _check_partial(gateway, before, stream.response.headers["x-request-id"])


@pytest.mark.parametrize("script", BREAKS)
def test_a_responses_stream_that_breaks_fails_and_is_billed_as_partial(gateway, keys, script):
    before = gateway.balance("everything")
    with (
        openai_client(gateway, keys.everything) as client,
        client.responses.create(model=f"gpt-{script}", input="Hello", stream=True) as stream,
    ):
        events = list(stream)
    assert events[-1].type == "response.failed"
    assert events[-1].response.id == events[0].response.id
    assert events[-1].response.error.message
    _check_partial(gateway, before, stream.response.headers["x-request-id"])


def _check_partial(gateway: Gateway, before: int, call_id: str) -> None:
    call = gateway.story(call_id).call
    assert call.outcome == "partial"
    assert call.cost_micro > 0
    assert gateway.charges(call_id) == [-call.cost_micro]
    assert before - gateway.balance("everything") == call.cost_micro


LISTING_ERRORS: list[tuple[str, Callable[[openai.OpenAI], Any], type[openai.APIStatusError]]] = [
    ("model", lambda client: client.models.retrieve("nobody-1"), openai.NotFoundError),
    ("response", lambda client: client.responses.retrieve("resp_nobody"), openai.NotFoundError),
    ("embeddings", lambda client: client.embeddings.create(model="x", input="x"), openai.NotFoundError),
]


@pytest.mark.parametrize(("what", "act", "error"), LISTING_ERRORS, ids=[each[0] for each in LISTING_ERRORS])
def test_what_is_not_there_is_not_found(gateway, keys, what, act, error):
    with openai_client(gateway, keys.codex) as client, pytest.raises(error):
        act(client)


def test_an_unknown_model_is_not_found_in_the_words_of_the_anthropic_sdk(gateway, keys):
    with messages_client(gateway, keys.claude) as client, pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("nobody-1")
    assert caught.value.body["error"]["type"] == "not_found_error"


def test_a_client_that_leaves_frees_the_provider_and_is_billed_for_what_it_got(gateway, keys, upstream):
    with (
        messages_client(gateway, keys.everything) as client,
        client.messages.create(model="claude-quiet", max_tokens=9, messages=hello(), stream=True) as stream,
    ):
        next(event for event in stream if event.type == "content_block_delta")
    call_id = stream.response.headers["request-id"]
    call = gateway.story(call_id).call
    assert call.outcome == "cancelled"
    assert gateway.charges(call_id) == [-call.cost_micro]
    gateway.wait_for(lambda: upstream.open_exchanges == 0, "the provider's answer is still being read")
