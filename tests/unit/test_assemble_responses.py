"""A whole response out of its stream."""

import msgspec
import pytest

from gateway.dialects.assemble import CANNOT_ASSEMBLE
from tests.unit.assemblies import assembled, can_assemble, refused
from tests.unit.dialect_streams import (
    RESPONSES_COMPLETED,
    RESPONSES_STREAM,
    RESPONSES_TEXT,
    RESPONSES_USAGE,
    event,
    response_object,
)

WHOLE = msgspec.json.decode(RESPONSES_COMPLETED.partition(b"data: ")[2])["response"]


def completed(kind: str = "completed", **members: object) -> bytes:
    return event(f"response.{kind}", sequence_number=13, response=response_object(kind, **members))


def test_the_response_is_that_of_the_last_event():
    assert assembled("responses", *RESPONSES_STREAM, RESPONSES_COMPLETED) == WHOLE


def test_an_incomplete_response_is_an_answer():
    details = {"reason": "max_output_tokens"}
    end = completed("incomplete", incomplete_details=details, output=WHOLE["output"])
    response = assembled("responses", *RESPONSES_STREAM, end)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", details)


def test_an_empty_output_is_made_of_the_finished_items():
    response = assembled("responses", *RESPONSES_STREAM, completed(output=[], usage=RESPONSES_USAGE))
    assert response["output"] == WHOLE["output"]
    assert response["usage"] == RESPONSES_USAGE


def test_items_have_the_order_of_their_indexes():
    first, second = RESPONSES_STREAM[8], RESPONSES_STREAM[12]
    response = assembled("responses", RESPONSES_STREAM[0], second, first, completed(output=[]))
    assert [item["id"] for item in response["output"]] == ["msg_1", "fc_1"]


def test_an_output_that_lacks_a_finished_item_is_made_of_them():
    response = assembled("responses", *RESPONSES_STREAM, completed(output=WHOLE["output"][1:]))
    assert response["output"][0]["content"][0]["text"] == RESPONSES_TEXT


def test_what_only_the_first_event_says_is_kept():
    end = event("response.completed", sequence_number=9, response={"id": "resp_1", "usage": RESPONSES_USAGE})
    response = assembled("responses", *RESPONSES_STREAM, end)
    assert (response["object"], response["status"], response["tool_choice"]) == ("response", "completed", "auto")


def test_a_response_that_comes_in_one_event_is_an_answer():
    assert assembled("responses", RESPONSES_COMPLETED) == WHOLE


def test_a_response_without_output_is_an_answer():
    assert assembled("responses", RESPONSES_STREAM[0], completed())["output"] == []


@pytest.mark.parametrize("number", [2, 4], ids=["announced", "spoken"])
def test_what_was_begun_and_never_finished_is_refused(number: int):
    frames = [RESPONSES_STREAM[0], RESPONSES_STREAM[number], completed(output=[])]
    assert refused("responses", *frames).code == CANNOT_ASSEMBLE


def test_a_failed_response_is_an_error():
    failed = completed("failed", error={"code": "rate_limit_exceeded", "message": "Slow down."})
    assert refused("responses", *RESPONSES_STREAM, failed).status == 429


def test_what_is_made_in_the_background_is_not_asked_as_a_stream():
    assert not can_assemble("responses", {"model": "m", "background": True})
    assert can_assemble("responses", {"model": "m", "background": False, "input": "hello"})
