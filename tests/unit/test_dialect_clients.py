"""The official SDKs as judges: edited streams, keep-alives, error frames and envelopes, fed as bytes."""

from collections.abc import Callable

import anthropic
import httpx2
import openai
import pytest

from gateway import errors
from gateway.dialects import dialect_named
from gateway.dialects.base import StreamReader
from gateway.errors import CallError
from gateway.records import DialectName
from tests.unit.dialect_streams import (
    CHAT_BODY_WITHOUT_USAGE,
    CHAT_STREAM,
    CHAT_USAGE,
    DONE,
    MESSAGE_STOP,
    MESSAGES_STREAM,
    RESPONSES_COMPLETED,
    RESPONSES_STREAM,
    RESPONSES_TEXT,
    reader_of,
)

USER = [{"role": "user", "content": "hello"}]


def answering(status: int, body: bytes, content_type: str) -> httpx2.Client:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": content_type})

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def anthropic_client(body: bytes, status: int = 200, content_type: str = "text/event-stream") -> anthropic.Anthropic:
    client = answering(status, body, content_type)
    return anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=client, max_retries=0)


def openai_client(body: bytes, status: int = 200, content_type: str = "text/event-stream") -> openai.OpenAI:
    client = answering(status, body, content_type)
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=client, max_retries=0)


def with_keepalives(reader: StreamReader, frames: list[bytes]) -> bytes:
    """What a client gets when the model falls silent after every single frame."""
    sent = b""
    for frame in frames:
        batch = reader.feed(frame)
        assert batch.error is None
        sent += batch.forward + batch.terminal
        sent += reader.keepalive() if not batch.terminal else b""
    return sent


def test_anthropic_accumulates_a_message_with_keepalives_everywhere():
    opening = dialect_named("messages").opening_keepalive({})
    sent = opening + with_keepalives(reader_of("messages", echo="asked"), [*MESSAGES_STREAM, MESSAGE_STOP])
    with anthropic_client(sent).messages.stream(model="asked", max_tokens=64, messages=USER) as stream:
        message = stream.get_final_message()
    assert message.model == "asked"
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[0].thinking == "Let me see \u2026"
    assert message.content[1].text == 'Gr\u00fc\u00dfe, \u4e16\u754c \U0001f30da "quoted" line\nand data: more'
    assert message.content[2].input == {"place": "Z\u00fcrich"}
    assert (message.usage.output_tokens, message.usage.cache_read_input_tokens) == (42, 110)


@pytest.mark.parametrize("asked_for_usage", [True, False])
def test_openai_accumulates_a_completion_with_keepalives_everywhere(asked_for_usage: bool):
    reader = reader_of("chat", echo="asked", body=None if asked_for_usage else CHAT_BODY_WITHOUT_USAGE)
    sent = dialect_named("chat").opening_keepalive({}) + with_keepalives(reader, [*CHAT_STREAM, CHAT_USAGE, DONE])
    with openai_client(sent).chat.completions.stream(model="asked", messages=USER) as stream:
        completion = stream.get_final_completion()
    assert completion.model == "asked"
    assert completion.choices[0].message.content == 'Gr\u00fc\u00dfe {"error": "no", "model": "in text"}'
    assert completion.choices[0].message.tool_calls[0].function.arguments == '{"place":"Z\u00fcrich"}'
    assert (completion.usage is not None) is asked_for_usage


def test_openai_accumulates_a_response_with_keepalives_everywhere():
    opening = dialect_named("responses").opening_keepalive({"user-agent": "OpenAI/Python 3.52.0"})
    reader = reader_of("responses", echo="asked")
    sent = opening + with_keepalives(reader, [*RESPONSES_STREAM, RESPONSES_COMPLETED])
    with openai_client(sent).responses.stream(model="asked", input="hello") as stream:
        response = stream.get_final_response()
    assert (response.model, response.output_text) == ("asked", RESPONSES_TEXT)


@pytest.mark.parametrize(
    "headers", [{"originator": "codex_cli_rs"}, {"user-agent": "codex_exec/0.169.0"}, {"originator": "Codex Desktop"}]
)
def test_only_codex_gets_data_before_the_response_was_created(headers: dict[str, str]):
    assert dialect_named("responses").opening_keepalive(headers).startswith(b"event: keepalive\ndata: ")


def test_openai_streams_without_the_helper_pass_over_our_events():
    reader = reader_of("responses")
    sent = with_keepalives(reader, [*RESPONSES_STREAM, RESPONSES_COMPLETED])
    kinds = [event.type for event in openai_client(sent).responses.create(model="m", input="x", stream=True)]
    assert kinds[-1] == "response.completed"
    assert "keepalive" in kinds


# Error frames


def opening_error(name: DialectName) -> Callable[[CallError], bytes]:
    return lambda error: dialect_named(name).error_frame(error, "req_1")


def error_after(name: DialectName, frames: list[bytes]) -> Callable[[CallError], bytes]:
    def sent(error: CallError) -> bytes:
        reader = reader_of(name)
        return reader.feed(b"".join(frames)).forward + reader.error_frame(error, "req_1")

    return sent


@pytest.mark.parametrize("sent", [opening_error("messages"), error_after("messages", MESSAGES_STREAM[:8])])
def test_anthropic_raises_for_an_error_frame(sent: Callable[[CallError], bytes]):
    body = sent(errors.OutOfCredit("The balance is used up."))
    with (
        pytest.raises(anthropic.APIStatusError, match="used up") as caught,
        anthropic_client(body).messages.stream(model="m", max_tokens=64, messages=USER) as stream,
    ):
        stream.get_final_message()
    assert caught.value.type == "billing_error"


@pytest.mark.parametrize("sent", [opening_error("chat"), error_after("chat", CHAT_STREAM[:4])])
def test_openai_raises_for_an_error_chunk(sent: Callable[[CallError], bytes]):
    body = sent(errors.Overloaded("Too busy."))
    with (
        pytest.raises(openai.APIError, match="Too busy") as caught,
        openai_client(body).chat.completions.stream(model="m", messages=USER) as stream,
    ):
        stream.get_final_completion()
    assert (caught.value.code, caught.value.type) == ("overloaded", "server_error")


@pytest.mark.parametrize("sent", [opening_error("responses"), error_after("responses", RESPONSES_STREAM[:5])])
def test_openai_reads_a_failed_response_with_its_code(sent: Callable[[CallError], bytes]):
    body = sent(errors.OutOfCredit("The balance is used up."))
    events = list(openai_client(body).responses.create(model="m", input="x", stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.failed")
    assert events[-1].response.id == events[0].response.id
    assert events[-1].response.error.code == "insufficient_quota"
    assert events[-1].sequence_number == events[-2].sequence_number + 1


@pytest.mark.parametrize("sent", [opening_error("responses"), error_after("responses", RESPONSES_STREAM[:5])])
def test_the_helper_never_takes_a_failed_response_for_an_answer(sent: Callable[[CallError], bytes]):
    body = sent(errors.UpstreamFailed("It broke."))
    with (
        openai_client(body).responses.stream(model="m", input="x") as stream,
        pytest.raises(RuntimeError, match=r"Didn't receive a `response\.completed`"),
    ):
        stream.get_final_response()


# Envelopes

ANTHROPIC_CLASSES: list[tuple[CallError, type[Exception], str]] = [
    (errors.BadRequest("m", field="max_tokens"), anthropic.BadRequestError, "invalid_request_error"),
    (errors.Unauthenticated("m"), anthropic.AuthenticationError, "authentication_error"),
    (errors.OutOfCredit("m"), anthropic.PaymentRequiredError, "billing_error"),
    (errors.Forbidden("m"), anthropic.PermissionDeniedError, "permission_error"),
    (errors.UnknownModel("m"), anthropic.NotFoundError, "not_found_error"),
    (errors.MethodNotAllowed("m"), anthropic.APIStatusError, "invalid_request_error"),
    (errors.RequestTimeout("m"), anthropic.RequestTimeoutError, "timeout_error"),
    (errors.BodyTooLarge("m"), anthropic.ContentTooLargeError, "request_too_large"),
    (errors.UpgradeRequired("m"), anthropic.APIStatusError, "invalid_request_error"),
    (errors.RateLimited("m"), anthropic.RateLimitError, "rate_limit_error"),
    (errors.InternalError("m"), anthropic.InternalServerError, "api_error"),
    (errors.UpstreamFailed("m"), anthropic.InternalServerError, "api_error"),
    (errors.Unavailable("m"), anthropic.ServiceUnavailableError, "api_error"),
    (errors.UpstreamTimeout("m"), anthropic.GatewayTimeoutError, "timeout_error"),
    (errors.Overloaded("m"), anthropic.OverloadedError, "overloaded_error"),
]


@pytest.mark.parametrize(("error", "kind", "word"), ANTHROPIC_CLASSES, ids=lambda value: type(value).__name__)
def test_anthropic_raises_its_own_class_for_every_status(error: CallError, kind: type[Exception], word: str):
    status, body = dialect_named("messages").error_body(error, "req_1")
    with pytest.raises(kind) as caught:
        anthropic_client(body, status, "application/json").messages.create(model="m", max_tokens=1, messages=USER)
    raised = caught.value
    assert isinstance(raised, anthropic.APIStatusError)
    assert (raised.status_code, raised.type) == (error.status, word)
    assert raised.body["request_id"] == "req_1"
    assert raised.body["error"]["details"]["error_code"] == error.code


OPENAI_CLASSES: list[tuple[CallError, int, type[Exception], str, str]] = [
    (
        errors.BadRequest("m", field="max_tokens"),
        400,
        openai.BadRequestError,
        "invalid_request_error",
        "validation_error",
    ),
    (errors.ContextTooLong("m"), 400, openai.BadRequestError, "invalid_request_error", "context_length_exceeded"),
    (errors.Unauthenticated("m"), 401, openai.AuthenticationError, "invalid_request_error", "invalid_api_key"),
    (errors.OutOfCredit("m"), 402, openai.APIStatusError, "insufficient_quota", "insufficient_quota"),
    (errors.Forbidden("m"), 403, openai.PermissionDeniedError, "permission_error", "permission_denied"),
    (errors.UnknownModel("m"), 404, openai.NotFoundError, "invalid_request_error", "model_not_found"),
    (errors.MethodNotAllowed("m"), 405, openai.APIStatusError, "invalid_request_error", "method_not_allowed"),
    (errors.RequestTimeout("m"), 408, openai.APIStatusError, "server_error", "request_timeout"),
    (errors.BodyTooLarge("m"), 413, openai.APIStatusError, "invalid_request_error", "request_too_large"),
    (errors.RateLimited("m"), 429, openai.RateLimitError, "rate_limit_error", "rate_limit_exceeded"),
    (errors.InternalError("m"), 500, openai.InternalServerError, "server_error", "internal_error"),
    (errors.UpstreamFailed("m"), 502, openai.InternalServerError, "server_error", "upstream_error"),
    (errors.Unavailable("m"), 503, openai.InternalServerError, "server_error", "unavailable"),
    (errors.UpstreamTimeout("m"), 504, openai.InternalServerError, "server_error", "timeout"),
    (errors.Overloaded("m"), 503, openai.InternalServerError, "server_error", "overloaded"),
]


@pytest.mark.parametrize(("error", "status", "kind", "word", "code"), OPENAI_CLASSES, ids=str)
def test_openai_raises_its_own_class_for_every_status(
    error: CallError, status: int, kind: type[Exception], word: str, code: str
):
    sent_status, body = dialect_named("chat").error_body(error, "req_1")
    with pytest.raises(kind) as caught:
        openai_client(body, sent_status, "application/json").chat.completions.create(model="m", messages=USER)
    raised = caught.value
    assert isinstance(raised, openai.APIStatusError)
    assert (raised.status_code, raised.type, raised.code, raised.param) == (status, word, code, error.field)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (errors.OutOfCredit("m"), 429, openai.RateLimitError, "insufficient_quota"),
        (errors.Overloaded("m"), 503, openai.InternalServerError, "server_is_overloaded"),
        (errors.UnknownModel("m"), 404, openai.NotFoundError, "model_not_found"),
    ],
)
def test_responses_uses_the_statuses_codex_acts_on(error: CallError, status: int, kind: type[Exception], code: str):
    sent_status, body = dialect_named("responses").error_body(error, "req_1")
    with pytest.raises(kind) as caught:
        openai_client(body, sent_status, "application/json").responses.create(model="m", input="x")
    assert isinstance(caught.value, openai.APIStatusError)
    assert (caught.value.status_code, caught.value.code) == (status, code)


@pytest.mark.parametrize("name", ["messages", "chat", "responses"])
def test_the_field_to_blame_is_named_twice(name: DialectName):
    _, body = dialect_named(name).error_body(errors.BadRequest("m", field="tools[0]"), "req_1")
    assert b'"param":"tools[0]"' in body
    assert b'"field":"tools[0]"' in body
