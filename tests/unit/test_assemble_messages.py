"""A whole message of its stream."""

import pytest

from gateway.dialects.assemble import CANNOT_ASSEMBLE
from tests.unit.assemblies import assembled, can_assemble, refused
from tests.unit.dialect_streams import (
    MESSAGE_START,
    MESSAGE_STOP,
    MESSAGES_STREAM,
    block_delta,
    block_start,
    block_stop,
    event,
)


def ending(stop_reason: str = "end_turn", **members: object) -> bytes:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return event("message_delta", delta=delta, **({"usage": {"output_tokens": 9}} | members)) + MESSAGE_STOP


def block_of(start: dict[str, object], *deltas: bytes, stop_reason: str = "end_turn") -> dict[str, object]:
    """The one block of an answer, as it comes out."""
    message = assembled("messages", MESSAGE_START, block_start(0, **start), *deltas, block_stop(0), ending(stop_reason))
    return message["content"][0]


def test_a_message_as_claude_streams_it():
    message = assembled("messages", *MESSAGES_STREAM, MESSAGE_STOP)
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    thinking, text, call = message["content"]
    assert thinking == {"type": "thinking", "thinking": "Let me see …", "signature": "c2lnbmF0dXJl" * 8}
    assert text["text"] == 'Grüße, 世界 🌍a "quoted" line\nand data: more'
    assert [each["cited_text"] for each in text["citations"]] == ["x"]
    assert call == {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"place": "Zürich"}}
    assert (message["id"], message["stop_reason"], message["stop_sequence"]) == ("msg_01", "tool_use", None)


def test_usage_is_that_of_the_start_with_the_totals_of_the_end():
    usage = assembled("messages", *MESSAGES_STREAM, MESSAGE_STOP)["usage"]
    assert usage == {
        "input_tokens": 25,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 110,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 42,
        "service_tier": "standard",
    }


def test_a_null_total_replaces_nothing():
    end = ending(usage={"output_tokens": 9, "cache_read_input_tokens": None})
    usage = assembled("messages", MESSAGE_START, end)["usage"]
    assert (usage["cache_read_input_tokens"], usage["output_tokens"]) == (100, 9)


def test_a_call_without_arguments_has_an_empty_input():
    start = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    assert block_of(start) == start
    assert block_of(start, block_delta(0, "input_json_delta", partial_json=""))["input"] == {}


def test_input_keeps_the_spelling_of_its_numbers():
    start = {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {}}
    message = assembled(
        "messages",
        MESSAGE_START,
        block_start(0, **start),
        block_delta(0, "input_json_delta", partial_json='{"cents": 1234567890123'),
        block_delta(0, "input_json_delta", partial_json="4567890}"),
        ending("tool_use"),
    )
    assert message["content"][0]["input"] == {"cents": 12345678901234567890}


def test_input_cut_off_with_the_turn_is_left_empty():
    start = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    piece = block_delta(0, "input_json_delta", partial_json='{"place":"Zü')
    assert block_of(start, piece, stop_reason="max_tokens")["input"] == {}


def test_input_of_a_whole_turn_that_is_no_json_is_refused():
    start = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    piece = block_delta(0, "input_json_delta", partial_json='{"place":')
    assert (
        refused("messages", MESSAGE_START, block_start(0, **start), piece, ending("tool_use")).code == CANNOT_ASSEMBLE
    )


def test_thinking_without_its_text_keeps_its_signature():
    start = {"type": "thinking", "thinking": "", "signature": ""}
    block = block_of(
        start, block_delta(0, "thinking_delta", thinking=""), block_delta(0, "signature_delta", signature="c2ln")
    )
    assert block == {"type": "thinking", "thinking": "", "signature": "c2ln"}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "redacted_thinking", "data": "ZW5j"},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "url": "https://a.example", "encrypted_content": "eA=="}],
        },
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "block_of_next_year", "what": {"it": ["says"]}},
    ],
)
def test_blocks_that_come_whole_are_kept_as_they_come(block: dict[str, object]):
    assert block_of(block) == block


def test_a_server_tools_input_is_put_together():
    start = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    block = block_of(start, block_delta(0, "input_json_delta", partial_json='{"query":"x"}'))
    assert block["input"] == {"query": "x"}


def test_citations_go_on_where_the_start_has_some():
    start = {"type": "text", "text": "", "citations": [{"cited_text": "a"}]}
    block = block_of(start, block_delta(0, "citations_delta", citation={"cited_text": "b"}))
    assert [each["cited_text"] for each in block["citations"]] == ["a", "b"]


def test_a_compaction_is_what_its_delta_says():
    delta = block_delta(0, "compaction_delta", content="summary", encrypted_content=None)
    block = block_of({"type": "compaction", "content": None}, delta)
    assert block == {"type": "compaction", "content": "summary", "encrypted_content": None}


def test_text_in_the_start_of_a_block_comes_first():
    start = {"type": "text", "text": "Hel"}
    assert block_of(start, block_delta(0, "text_delta", text="lo"))["text"] == "Hello"


def test_an_empty_delta_adds_no_member():
    start = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    assert block_of(start, block_delta(0, "text_delta", text="")) == start


def test_what_is_known_only_at_the_end_is_in_the_message():
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    container = {"id": "container_1", "expires_at": "2026-11-21T00:00:00Z"}
    message = assembled(
        "messages",
        MESSAGE_START,
        event(
            "message_delta",
            delta={
                "stop_reason": "refusal",
                "stop_sequence": "END",
                "stop_details": details,
                "container": container,
            },
            usage={"output_tokens": 3},
            context_management={"applied_edits": []},
        ),
        MESSAGE_STOP,
    )
    assert message["stop_details"] == details
    assert message["container"] == container
    assert message["context_management"] == {"applied_edits": []}
    assert (message["stop_reason"], message["stop_sequence"]) == ("refusal", "END")


def test_a_message_that_another_model_finished_bears_its_name():
    start = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}, "trigger": {"type": "refusal"}}
    message = assembled("messages", MESSAGE_START, block_start(0, **start), block_stop(0), ending())
    assert message["model"] == "b"


def test_an_empty_turn_has_no_content():
    assert assembled("messages", MESSAGE_START, ending())["content"] == []


def test_events_of_unknown_types_are_passed_over():
    message = assembled("messages", MESSAGE_START, event("weather_report", delta={"text": "rain"}), ending())
    assert message["content"] == []


@pytest.mark.parametrize(
    "frames",
    [
        [block_start(0, type="text", text=""), block_delta(0, "novel_delta", text="x")],
        [block_delta(0, "text_delta", text="x")],
        [block_start(0, type="text", text=""), block_start(0, type="text", text="")],
    ],
    ids=["unknown delta", "delta without a block", "block twice"],
)
def test_what_has_no_known_place_is_refused(frames: list[bytes]):
    assert refused("messages", MESSAGE_START, *frames, ending()).code == CANNOT_ASSEMBLE


def test_a_second_start_is_passed_over():
    again = MESSAGE_START.replace(b"msg_01", b"msg_02")
    assert assembled("messages", MESSAGE_START, again, ending())["id"] == "msg_01"


def test_most_requests_can_be_asked_as_a_stream():
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    assert can_assemble("messages", {"max_tokens": 64, "messages": [], "tools": tools})


@pytest.mark.parametrize(
    ("body", "beta"),
    [
        ({"max_tokens": 0}, ""),
        ({"max_tokens": 64, "tools": [{"name": "look", "eager_input_streaming": True}]}, ""),
        ({"max_tokens": 64}, "fine-grained-tool-streaming-2025-05-14"),
    ],
)
def test_what_streams_differently_is_not_asked_as_a_stream(body: dict[str, object], beta: str):
    assert not can_assemble("messages", body, anthropic_beta=beta)
