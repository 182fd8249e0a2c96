"""Reading whole JSON answers."""

import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.records import DialectName, Usage
from tests.unit.dialect_streams import RESPONSES_USAGE, response_object

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "up",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2},
    "container": {"id": "container_1"},
}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
RESPONSE = response_object(
    "completed",
    model="up",
    usage=RESPONSES_USAGE,
    conversation={"id": "conv_1"},
    output=[{"id": "ci_1", "type": "code_interpreter_call", "container_id": "cntr_1"}],
)
ANSWERS: dict[DialectName, dict[str, object]] = {"messages": MESSAGE, "chat": COMPLETION, "responses": RESPONSE}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_in_the_callers_own_model_is_the_bytes_received(name: DialectName):
    body = b"  " + msgspec.json.encode(ANSWERS[name])
    answer = dialect_named(name).read_body(body, echo_model="up")
    assert answer.body == body
    assert answer.error is None


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_echoes_the_model_asked_for(name: DialectName):
    answer = dialect_named(name).read_body(msgspec.json.encode(ANSWERS[name]), echo_model="asked")
    assert msgspec.json.decode(answer.body) == ANSWERS[name] | {"model": "asked"}


@pytest.mark.parametrize(
    ("name", "usage"),
    [("messages", Usage(input_tokens=5, output_tokens=2)), ("chat", Usage(input_tokens=5, output_tokens=2))],
)
def test_usage_is_read(name: DialectName, usage: Usage):
    assert dialect_named(name).read_body(msgspec.json.encode(ANSWERS[name]), echo_model="up").usage == usage


def test_what_the_upstream_remembers_is_named():
    message = dialect_named("messages").read_body(msgspec.json.encode(MESSAGE), echo_model="up")
    response = dialect_named("responses").read_body(msgspec.json.encode(RESPONSE), echo_model="up")
    assert message.object_ids == [("container", "container_1")]
    assert response.response_id == "resp_1"
    assert response.object_ids == [
        ("response", "resp_1"),
        ("item", "ci_1"),
        ("conversation", "conv_1"),
        ("container", "cntr_1"),
    ]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_without_usage_is_estimated_from_its_content(name: DialectName):
    answer = dialect_named(name).read_body(msgspec.json.encode(ANSWERS[name] | {"usage": None}), echo_model="up")
    assert answer.usage is None
    assert answer.delivered_tokens > 0


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"null",
        b"{}",
        b'{"id": "x", "content": [], "choices": [], "output": [',
        b'{"id": "x", "content": [], "choices": [1], "output": [], "error": {"message": "no"}}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_answer_is_an_error(name: DialectName, body: bytes):
    assert dialect_named(name).read_body(body, echo_model="up").error is not None


@pytest.mark.parametrize("name", ANSWERS)
def test_an_error_inside_a_200_keeps_its_words(name: DialectName):
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    error = dialect_named(name).read_body(body, echo_model="up").error
    assert error is not None
    assert (error.status, error.code, error.message) == (529, "overloaded_error", "busy")


@pytest.mark.parametrize("status", ["in_progress", "queued", "cancelled", "failed"])
def test_a_response_that_is_not_answered_is_an_error(status: str):
    body = msgspec.json.encode(RESPONSE | {"status": status})
    assert dialect_named("responses").read_body(body, echo_model="up").error is not None


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (429, b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', "rate_limit_error", "slow"),
        (429, b'{"error":{"message":"broke","type":"x","code":"insufficient_quota"}}', "insufficient_quota", "broke"),
        (
            429,
            b'{"error":{"type":"rate_limit_error","message":"m","details":{"error_code":"ramp_limit_exceeded"}}}',
            "ramp_limit_exceeded",
            "m",
        ),
        (400, b'{"error":"model not found"}', "", "model not found"),
        (422, b'{"detail":"wrong"}', "", "wrong"),
        (422, b'{"detail":[{"loc":["body"]}]}', "", ""),
        (
            400,
            b'{"object":"error","message":"too long","code":40303,"type":"BadRequestError"}',
            "BadRequestError",
            "too long",
        ),
        (502, b"<html>secret host</html>", "", ""),
        (500, b"", "", ""),
    ],
)
def test_an_upstreams_error_is_read_whatever_it_is_made_of(status: int, body: bytes, code: str, message: str):
    error = dialect_named("messages").read_error(status, body)
    assert (error.status, error.code, error.message, error.raw) == (status, code, message, body)
