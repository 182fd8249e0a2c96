"""Reading streams of Responses: what ends them and how, what the upstream remembers of them."""

import msgspec
import pytest

from gateway.errors import ContextTooLong, InternalError, OutOfCredit, Overloaded, RateLimited
from tests.unit.dialect_streams import (
    DONE,
    RESPONSES_COMPLETED,
    RESPONSES_STREAM,
    event,
    read,
    reader_of,
    response_object,
)


@pytest.mark.parametrize(
    ("code", "status"),
    [("rate_limit_exceeded", 429), ("server_error", 500), ("context_length_exceeded", 400), ("x", 502)],
)
def test_a_failed_response_is_an_error(code: str, status: int):
    failed = response_object("failed", error={"code": code, "message": "no"})
    batch = read("responses", RESPONSES_STREAM[0], event("response.failed", sequence_number=2, response=failed))
    assert batch.forward == RESPONSES_STREAM[0]
    assert batch.error is not None
    assert (batch.error.status, batch.error.code, batch.error.message) == (status, code, "no")


@pytest.mark.parametrize(
    "error", [{"code": "server_error", "message": "no"}, {"error": {"code": "server_error", "message": "no"}}]
)
def test_an_error_event_is_an_error_flat_or_nested(error: dict[str, object]):
    found = read("responses", event("error", sequence_number=1, **error)).error
    assert found is not None
    assert (found.status, found.message) == (500, "no")


def test_an_incomplete_response_is_a_success():
    details = {"reason": "max_output_tokens"}
    frame = event(
        "response.incomplete", sequence_number=9, response=response_object("incomplete", incomplete_details=details)
    )
    assert read("responses", RESPONSES_STREAM[0], frame).terminal == frame


def test_done_before_completed_is_a_cut():
    error = read("responses", *RESPONSES_STREAM, DONE).error
    assert error is not None
    assert error.code == "stream_cut"


def test_a_stored_response_names_what_the_upstream_remembers():
    reader = reader_of("responses")
    reader.feed(b"".join(RESPONSES_STREAM) + RESPONSES_COMPLETED)
    assert reader.response_id == "resp_1"
    assert reader.object_ids == [("response", "resp_1"), ("item", "msg_1"), ("item", "fc_1")]


def test_a_response_that_is_not_stored_leaves_nothing_behind():
    reader = reader_of("responses")
    reader.feed(event("response.created", sequence_number=0, response=response_object("in_progress", store=False)))
    assert reader.object_ids == []


def test_a_response_is_kept_alive_by_an_event_that_repeats_the_last_number():
    reader = reader_of("responses")
    assert reader.keepalive() == b": keep-alive\n\n"
    reader.feed(b"".join(RESPONSES_STREAM[:5]))
    assert reader.keepalive() == event("keepalive", sequence_number=4)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutOfCredit("x"), "insufficient_quota"),
        (ContextTooLong("x"), "context_length_exceeded"),
        (Overloaded("x"), "server_is_overloaded"),
        (RateLimited("x"), "rate_limit_exceeded"),
        (InternalError("x"), "server_error"),
    ],
)
def test_a_response_fails_under_the_id_it_was_created_with(error: Exception, code: str):
    reader = reader_of("responses", echo="asked")
    reader.feed(b"".join(RESPONSES_STREAM[:5]))
    frame = reader.error_frame(error, "req_9")
    data = msgspec.json.decode(frame.partition(b"data: ")[2])
    assert frame.startswith(b"event: response.failed\n")
    assert (data["type"], data["sequence_number"]) == ("response.failed", 5)
    assert data["response"] == response_object("failed", error={"code": code, "message": "x"}, model="asked")
