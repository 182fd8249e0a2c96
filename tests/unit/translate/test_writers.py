"""Writing streams: what every pair can rely on, whatever it feeds a writer."""

from typing import Any

import pytest

from gateway.errors import Overloaded
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.chat_out import ChatWriter
from gateway.translate.messages_out import MessagesWriter
from gateway.translate.pieces import Pieces
from gateway.translate.responses_out import ResponsesWriter, echoed_members
from gateway.translate.stream import Outlet
from tests.golden.stream_rules import check_chat_stream, check_messages_stream, check_responses_stream
from tests.unit.translate.kit import context, events_of

USAGE = Usage(input_tokens=5, output_tokens=3)


def responses(**changes: Any) -> tuple[ResponsesWriter, Outlet]:
    out = Outlet()
    writer = ResponsesWriter(Memo(context(), **changes), out)
    writer.start("resp_1")
    return writer, out


def kinds(frames: bytes) -> list[str]:
    return [event["data"]["type"].removeprefix("response.") for event in events_of(frames)]


def test_text_after_text_is_one_part():
    writer, out = responses()
    for piece in ("a", "b"):
        writer.text(piece)
    frames = out.take() + writer.ending("completed", USAGE)
    events = events_of(out.take() + frames)
    assert events[-1]["data"]["response"]["output"][0]["content"][0]["text"] == "ab"


def test_every_kind_of_item_in_legal_order():
    writer, out = responses(include_encrypted=True)
    writer.reasoning("hm")
    writer.close_reasoning({"v": "chat"})
    writer.text("a")
    writer.annotation({"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1})
    writer.refusal("no")
    first, second = writer.open_call("c1", "f"), writer.open_call("c2", "g", custom=True)
    writer.arguments(second, "raw")
    writer.arguments(first, "{}")
    ending = writer.ending("completed", USAGE)
    events = events_of(out.take() + ending)
    check_responses_stream(events, "stream", failing=False)
    output = events[-1]["data"]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "function_call", "custom_tool_call"]
    assert output[0]["encrypted_content"] == 'gwr1:{"v":"chat"}'
    assert [part["type"] for part in output[1]["content"]] == ["output_text", "refusal"]


def test_encrypted_reasoning_goes_only_to_who_asked():
    writer, out = responses()
    writer.open_reasoning()
    writer.close_reasoning({"v": "chat"})
    assert b"encrypted_content" not in out.take()


def test_what_is_open_when_the_answer_is_cut_is_incomplete():
    writer, out = responses()
    writer.text("a")
    ending = writer.ending("incomplete", USAGE, reason="max_output_tokens")
    response = events_of(ending)[0]["data"]["response"]
    assert response["output"][0]["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    check_responses_stream(events_of(out.take() + ending), "stream", failing=False)


def test_a_failed_response_lists_what_there_was():
    writer, out = responses()
    writer.text("a")
    head = out.take()
    frames = writer.failed(Overloaded("Too much."), "req_1")
    check_responses_stream(events_of(head + frames), "stream", failing=True)
    response = events_of(frames)[-1]["data"]["response"]
    assert response["error"] == {"code": "server_is_overloaded", "message": "Too much."}
    assert response["output"][0]["status"] == "incomplete"


def test_a_response_that_failed_before_it_began_is_a_whole_stream():
    writer = ResponsesWriter(Memo(context()), Outlet())
    assert kinds(writer.failed(Overloaded("Too much."), "req_1")) == ["created", "failed"]


def test_a_responses_keepalive_is_an_event_and_skips_no_number():
    writer, out = responses()
    numbers = [event["data"]["sequence_number"] for event in events_of(out.take() + writer.keepalive())]
    assert numbers == [0, 1, 1]


def test_a_response_repeats_what_was_asked():
    writer, out = responses(echo=echoed_members({"instructions": "Be brief.", "reasoning": {"effort": "low"}}))
    response = events_of(out.take())[0]["data"]["response"]
    assert response["instructions"] == "Be brief."
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert writer.response_id == "resp_1"


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_chat_stream_has_usage_only_where_it_was_asked_for(include_usage: bool):
    out = Outlet()
    writer = ChatWriter(Memo(context(), include_usage=include_usage), out)
    writer.start("chatcmpl-1")
    writer.content("a")
    index = writer.open_call("c", "f")
    writer.arguments(index, "{}")
    events = events_of(out.take() + writer.ending("tool_calls", USAGE))
    check_chat_stream(events, "stream", failing=False)
    assert [("usage" in event["data"]) for event in events[:-1]] == [include_usage] * (len(events) - 1)
    assert bool(events[-2]["data"].get("usage")) is include_usage


def test_reasoning_is_shown_in_the_member_the_account_names():
    shown = []
    for field in ("none", "reasoning_content", "reasoning"):
        out = Outlet()
        writer = ChatWriter(Memo(context(options={"reasoning_field": field})), out)
        writer.reasoning("hm")
        shown.append([event["data"]["choices"][0]["delta"] for event in events_of(out.take())])
    assert shown == [[], [{"reasoning_content": "hm"}], [{"reasoning": "hm"}]]


def test_blocks_close_each_other():
    out = Outlet()
    writer = MessagesWriter(Memo(context()), out)
    writer.start("msg_1")
    writer.thinking("hm")
    writer.text("a")
    writer.open_tool("t", "f")
    writer.text("b")
    ending = writer.ending("tool_use", {"input_tokens": 1, "output_tokens": 1})
    events = events_of(out.take() + ending)
    check_messages_stream(events, "stream", failing=False)
    assert [event["data"]["index"] for event in events if "content_block" in event["data"]] == [0, 1, 2, 3]


def test_the_prompt_is_estimated_at_the_start_where_the_account_says_so():
    found = []
    for start_usage in ("zero", "estimate"):
        out = Outlet()
        given = context(options={"start_usage": start_usage}, input_tokens=77)
        MessagesWriter(Memo(given), out).start("msg_1")
        found.append(events_of(out.take())[0]["data"]["message"]["usage"]["input_tokens"])
    assert found == [0, 77]


def test_pieces_are_one_text():
    pieces = Pieces()
    for piece in ("a", "", "b"):
        pieces.add(piece)
    assert (pieces.joined(), pieces.take(), bool(pieces)) == ("ab", "ab", False)
