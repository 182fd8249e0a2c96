"""What a Responses client reads of a Chat upstream."""

from typing import Any

import msgspec
import pytest

from gateway.errors import Overloaded
from gateway.translate import responses_chat
from gateway.translate.base import Memo
from tests.golden.playback import read_events
from tests.golden.sdk_clients import check_stream
from tests.golden.sdk_types import check_answer
from tests.unit.translate.kit import context
from tests.unit.translate.upstream_events import (
    CHAT_USAGE,
    DONE,
    USAGE,
    Played,
    chunk,
    data,
    fragment,
    usage_chunk,
)


def play(*stream: bytes, **changes: Any) -> Played:
    memo = Memo(changes.pop("given", context()), stream=True, **changes)
    return Played(responses_chat.reader(memo), b"".join(stream))


def read(*stream: bytes, **changes: Any) -> Any:
    """The response that the SDK puts together from a stream that ends well."""
    return check_stream("responses", play(*stream, **changes).events, {}, "s", failing=False, upstream=False)


def whole(message: dict[str, Any], finish: str = "stop", **changes: Any) -> dict[str, Any]:
    """A whole completion of this message as a response."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    answer = responses_chat.translate_answer(
        msgspec.json.encode({**body, "usage": CHAT_USAGE}), Memo(changes.pop("given", context()), **changes)
    )
    assert answer.error is None
    found = msgspec.json.decode(answer.body)
    check_answer("responses", found, {}, "client_response")
    return found


def kinds(response: Any) -> list[str]:
    return [item["type"] for item in response["output"]]


def test_reasoning_text_and_calls_are_items_in_their_order() -> None:
    final = read(
        chunk(role="assistant", content=None),
        chunk(reasoning_content="Hm."),
        chunk(content="On it."),
        fragment(0, id="call_1", name="get_weather"),
        fragment(0, '{"city":"Rome"}'),
        chunk("tool_calls"),
        usage_chunk(),
        DONE,
    )
    assert kinds(final) == ["reasoning", "message", "function_call"]
    assert final["output"][2]["arguments"] == '{"city":"Rome"}'
    assert final["usage"] == USAGE


def test_text_after_a_call_is_a_message_of_its_own() -> None:
    final = read(chunk(content="One."), fragment(0, "{}", id="a", name="f"), chunk(content="Two."), chunk("stop"), DONE)
    assert kinds(final) == ["message", "function_call", "message"]


def test_a_reused_index_is_another_call() -> None:
    final = read(
        fragment(0, '{"a":1}', id="a", name="f"), fragment(0, '{"b":2}', id="b", name="f"), chunk("tool_calls"), DONE
    )
    assert [(item["call_id"], item["arguments"]) for item in final["output"]] == [("a", '{"a":1}'), ("b", '{"b":2}')]


def test_a_call_without_an_id_gets_one() -> None:
    final = read(fragment(0, name="f"), fragment(0, '{"a":1}'), chunk("tool_calls"), DONE)
    assert final["output"][0]["call_id"] == "call_0"
    assert final["output"][0]["arguments"] == '{"a":1}'


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert read(fragment(0, id="a", name="f"), chunk("stop"), DONE)["output"][0]["arguments"] == "{}"


def test_a_cut_answer_says_what_of_it_is_whole() -> None:
    played = play(
        fragment(0, '{"a":1}', id="a", name="f"), fragment(1, '{"b":', id="b", name="f"), chunk("length"), DONE
    )
    response = played.events[-1]["data"]["response"]
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


def test_a_filtered_answer_is_incomplete() -> None:
    response = play(chunk(content="Su"), chunk("content_filter"), DONE).events[-1]["data"]["response"]
    assert response["incomplete_details"] == {"reason": "content_filter"}
    assert response["output"][0]["status"] == "incomplete"


def test_a_refusal_is_a_part_of_its_own() -> None:
    final = read(chunk(refusal="I can't."), chunk("stop"), DONE)
    assert final["output"][0]["content"][0]["refusal"] == "I can't."


def test_reasoning_bears_our_mark_for_clients_that_carry_it() -> None:
    final = read(chunk(reasoning_content="Hm."), chunk(content="Hi"), chunk("stop"), DONE, include_encrypted=True)
    assert final["output"][0]["encrypted_content"] == 'gwr1:{"v":"chat"}'


def test_a_wrapped_freeform_call_streams_as_plain_text() -> None:
    final = read(
        fragment(0, '{"inp', id="a", name="patch"),
        fragment(0, 'ut":"a\\'),
        fragment(0, 'n\\u00e9"}'),
        chunk("tool_calls"),
        DONE,
        custom_tools=frozenset({"patch"}),
    )
    assert final["output"][0]["type"] == "custom_tool_call"
    assert final["output"][0]["input"] == "a\né"


def test_a_freeform_call_of_openai_streams_as_it_is() -> None:
    calls = [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": "x{"}}]
    final = read(chunk(tool_calls=calls), chunk("tool_calls"), DONE)
    assert (final["status"], final["output"][0]["input"]) == ("completed", "x{")


def test_a_tool_of_a_namespace_has_its_two_names_again() -> None:
    facts = {"namespaces": {"agents__spawn": ("agents", "spawn")}}
    final = read(fragment(0, "{}", id="a", name="agents__spawn"), chunk("tool_calls"), DONE, facts=facts)
    assert (final["output"][0]["namespace"], final["output"][0]["name"]) == ("agents", "spawn")


def test_a_server_that_closes_without_done_has_finished() -> None:
    assert read(chunk(content="Hi"), chunk("stop"))["output"][0]["content"][0]["text"] == "Hi"


def test_usage_nobody_reported_is_estimated_and_not_metered() -> None:
    played = play(chunk(content="Hello there"), chunk("stop"), DONE, given=context(input_tokens=7))
    assert played.events[-1]["data"]["response"]["usage"]["input_tokens"] == 7
    assert played.reader.usage() is None


def test_citations_are_flat() -> None:
    cited = {"start_index": 0, "end_index": 2, "url": "https://a", "title": "A"}
    annotations = [{"type": "url_citation", "url_citation": cited}]
    flat = [{"type": "url_citation", **cited}]
    assert whole({"content": "Hi", "annotations": annotations})["output"][0]["content"][0]["annotations"] == flat
    played = play(chunk(content="Hi"), chunk(annotations=annotations), chunk("stop"), DONE)
    assert played.events[-1]["data"]["response"]["output"][0]["content"][0]["annotations"] == flat


@pytest.mark.parametrize("end", [b"", data({"error": {"message": "x", "code": "server_error"}}), data(b"{")])
def test_a_broken_stream_is_never_a_finished_answer(end: bytes) -> None:
    played = play(chunk(content="Hel"), fragment(0, '{"a":', id="a", name="f"), end)
    assert played.error is not None
    assert played.terminal == b""
    failed = played.reader.error_frame(Overloaded("The provider is overloaded."), "req_1")
    last = read_events(played.frames + failed)[-1]
    assert last["event"] == "response.failed"
    assert [item["status"] for item in last["data"]["response"]["output"]] == ["completed", "incomplete"]


def test_an_end_before_a_beginning_is_no_answer() -> None:
    assert play(DONE).error is not None


def test_a_whole_answer_has_every_item() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]
    found = whole({"content": "On it.", "reasoning_content": "Hm.", "tool_calls": calls}, "tool_calls")
    assert [item["id"] for item in found["output"]] == ["rs_1_0", "msg_1_1", "fc_1_2"]
    assert found["status"] == "completed"
    assert found["usage"] == USAGE


def test_a_whole_answer_that_was_cut_is_incomplete() -> None:
    found = whole({"content": "Hel"}, "length")
    assert found["incomplete_details"] == {"reason": "max_output_tokens"}
    assert found["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize("body", [b"nonsense", b"{}", b'{"choices":[]}', b'{"error":{"message":"x"},"choices":[]}'])
def test_what_is_no_completion_is_an_error(body: bytes) -> None:
    assert responses_chat.translate_answer(body, Memo(context())).error is not None
