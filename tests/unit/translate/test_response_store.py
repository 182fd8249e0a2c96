"""What is kept of a response, and how a client finds it again."""

from typing import Any

import msgspec
import pytest
from openai.types.responses import ResponseItemList
from pydantic import TypeAdapter

from gateway.errors import BadRequest
from gateway.translate import response_store as store
from gateway.translate import responses_chat
from tests.unit.translate.kit import context, fields

HI = {
    "id": "msg_in_1",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_text", "text": "Hi"}],
}


def items(count: int) -> list[dict[str, Any]]:
    return [{**HI, "id": f"msg_in_{number}"} for number in range(1, count + 1)]


def test_every_item_has_an_id_and_is_written_out() -> None:
    assert store.resolved_items("Hi", ()) == [HI]
    assert store.resolved_items([{"role": "user", "content": "Hi"}], ()) == [HI]


def test_an_id_of_the_clients_own_stays() -> None:
    assert store.resolved_items([{"id": "msg_own", "role": "user", "content": "Hi"}], ())[0]["id"] == "msg_own"


def test_ids_of_new_items_are_unlike_those_of_the_history() -> None:
    first = store.resolved_items("Hi", ())
    second = store.resolved_items("And?", first)
    assert len({item["id"] for item in second}) == 2


def test_a_page_is_newest_first() -> None:
    page = store.input_page(items(3), {})
    assert [item["id"] for item in page["data"]] == ["msg_in_3", "msg_in_2", "msg_in_1"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("msg_in_3", "msg_in_1", False)


def test_pages_follow_each_other_without_gap_or_double() -> None:
    seen: list[str] = []
    query = {"order": "asc", "limit": "2"}
    for _ in range(3):
        page = store.input_page(items(5), query)
        seen += [item["id"] for item in page["data"]]
        query["after"] = page["last_id"]
    assert seen == [item["id"] for item in items(5)]
    assert page["has_more"] is False


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", "x"), ("order", "up"), ("after", "msg_no")]
)
def test_a_page_that_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        store.input_page(items(1), {name: value})
    assert caught.value.field == name


def test_a_page_is_what_the_sdk_takes_for_one() -> None:
    asked = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]
    page = store.input_page(store.resolved_items(asked, ()), {})
    parsed = TypeAdapter(ResponseItemList).validate_python(page, strict=False)
    assert [item.type for item in parsed.data] == [
        "function_call_output", "function_call", "message", "message",
    ]  # fmt: skip


def test_an_empty_list_has_no_first_and_no_last() -> None:
    assert store.input_page([], {}) == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False,
    }  # fmt: skip


def test_the_next_request_goes_on_from_input_and_output() -> None:
    output = {
        "id": "msg_1_0",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Ho."}],
    }
    history = store.history_of(store.resolved_items("Hi", ()), {"output": [output]})
    asked = fields(model="m", input="And?", previous_response_id="resp_1")
    request = msgspec.json.decode(responses_chat.translate_request(asked, context(history=history)).body)
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]


def test_a_response_is_found_in_the_frame_that_ends_its_stream() -> None:
    response = {"id": "resp_1", "output": []}
    data = msgspec.json.encode({"type": "response.completed", "response": response})
    assert store.response_in(b"event: response.completed\ndata: %s\n\n" % data) == response


@pytest.mark.parametrize("terminal", [b"", b"data: [DONE]\n\n", b"event: response.completed\ndata: {\n\n"])
def test_there_is_nothing_to_keep_of_what_is_no_response(terminal: bytes) -> None:
    assert store.response_in(terminal) is None


@pytest.mark.parametrize(("asked", "kept"), [({}, True), ({"store": None}, True), ({"store": False}, False)])
def test_a_response_is_kept_unless_the_client_says_no(asked: dict[str, Any], kept: bool) -> None:
    assert store.is_wanted(fields(**asked)) is kept


def test_unknown_ids_are_refused_each_in_its_way() -> None:
    assert store.not_found("resp_nope").message == "Response with id 'resp_nope' not found."
    assert store.not_found("resp_nope").status == 404
    assert store.previous_not_found("resp_nope").status == 400
    assert store.previous_not_found("resp_nope").field == "previous_response_id"
