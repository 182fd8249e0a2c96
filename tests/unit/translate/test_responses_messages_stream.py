"""What a Responses client reads of a Messages upstream."""

from typing import Any

import msgspec
import pytest

from gateway.errors import Overloaded
from gateway.translate import responses_messages
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.golden.sdk_types import check_answer
from tests.unit.translate.kit import context, fields, named_event
from tests.unit.translate.upstream_events import Played

USAGE = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 1}
CITED = {
    "type": "web_search_result_location",
    "url": "https://a.example",
    "title": "A",
    "cited_text": "x",
    "encrypted_index": "e",
}


def start(message_id: str = "msg_1") -> bytes:
    message = {"id": message_id, "type": "message", "role": "assistant", "model": "m", "content": [], "usage": USAGE}
    return named_event("message_start", message=message)


def block(index: int, kind: str, *deltas: dict[str, Any], **members: Any) -> bytes:
    empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    content = {"type": kind, **empty.get(kind, {}), **members}
    frames = named_event("content_block_start", index=index, content_block=content)
    for delta in deltas:
        frames += named_event("content_block_delta", index=index, delta=delta)
    return frames + named_event("content_block_stop", index=index)


def text(index: int, *pieces: str) -> bytes:
    return block(index, "text", *({"type": "text_delta", "text": piece} for piece in pieces))


def tool(index: int, *pieces: str, name: str = "get_weather", **members: Any) -> bytes:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, "tool_use", *deltas, id=f"toolu_{index}", name=name, **members)


def stop(reason: str = "end_turn", **members: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None, **members}
    return named_event("message_delta", delta=delta, usage={"output_tokens": 40}) + named_event("message_stop")


def play(*stream: bytes, **changes: Any) -> Played:
    given = changes.pop("given", context())
    return Played(responses_messages.reader(Memo(given, stream=True, **changes)), b"".join(stream))


def read(*stream: bytes, **changes: Any) -> dict[str, Any]:
    """The response that the SDK puts together from a stream that ends well."""
    events = play(*stream, **changes).events
    found: dict[str, Any] = check_stream("responses", events, {}, "client_stream", failing=False, upstream=False)
    return found


def whole(content: list[dict[str, Any]], reason: str = "end_turn", *, memo: Memo | None = None, **members: Any) -> Any:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    body = msgspec.json.encode({**message, "stop_reason": reason, "stop_sequence": None, "usage": USAGE, **members})
    answer = responses_messages.translate_answer(body, memo or Memo(context()))
    assert answer.error is None
    found = msgspec.json.decode(answer.body)
    check_answer("responses", found, {}, "client_response")
    return found


class TestItems:
    def test_texts_next_to_each_other_are_one_part(self):
        output = read(start(), text(0, "Rome "), text(1, "is old."), stop())["output"]
        assert [part["text"] for part in output[0]["content"]] == ["Rome is old."]

    def test_citations_point_at_their_stretch_of_the_part(self):
        cite = {"type": "citations_delta", "citation": CITED}
        cited = block(1, "text", {"type": "text_delta", "text": "is old"}, cite)
        wanted = {"type": "url_citation", "start_index": 5, "end_index": 11, "url": "https://a.example", "title": "A"}
        streamed = read(start(), text(0, "Rome "), cited, text(2, "."), stop())
        assert streamed["output"][0]["content"][0]["annotations"] == [wanted]
        blocks = [
            {"type": "text", "text": "Rome "},
            {"type": "text", "text": "is old", "citations": [CITED]},
            {"type": "text", "text": "."},
        ]
        assert whole(blocks)["output"][0]["content"][0]["annotations"] == [wanted]

    def test_a_call_without_arguments_has_none(self):
        assert read(start(), tool(0), stop("tool_use"))["output"][0]["arguments"] == "{}"

    def test_arguments_that_came_with_the_beginning_are_not_lost(self):
        output = read(start(), tool(0, input={"city": "Rome"}), stop("tool_use"))["output"]
        assert output[0]["arguments"] == '{"city":"Rome"}'

    def test_a_tool_of_a_namespace_is_called_in_it(self):
        facts = {"namespaces": {"agents__spawn": ("agents", "spawn")}}
        streamed = read(start(), tool(0, "{}", name="agents__spawn"), stop("tool_use"), facts=facts)["output"][0]
        block = {"type": "tool_use", "id": "toolu_0", "name": "agents__spawn", "input": {}}
        answer = whole([block], "tool_use", memo=Memo(context(), facts=facts))["output"][0]
        for item in (streamed, answer):
            assert (item["namespace"], item["name"]) == ("agents", "spawn")

    def test_a_renamed_tool_is_called_by_its_own_name(self):
        output = read(start(), tool(0, "{}", name="files_1"), stop("tool_use"), names={"files_1": "files:read"})
        assert output["output"][0]["name"] == "files:read"

    def test_a_freeform_call_that_is_no_wrapper_is_given_as_it_is(self):
        output = read(start(), tool(0, '{"patch":', '"x"}'), stop("tool_use"), custom_tools=frozenset(("get_weather",)))
        assert output["output"][0]["input"] == '{"patch":"x"}'

    def test_thinking_is_carried_only_for_those_who_ask(self):
        signed = block(0, "thinking", {"type": "signature_delta", "signature": "sig"})
        assert "encrypted_content" not in read(start(), signed, stop())["output"][0]
        carried = read(start(), signed, stop(), include_encrypted=True)["output"][0]
        assert carried["encrypted_content"] == 'gwr1:{"m":"upstream-model","s":"sig","v":"anthropic"}'

    def test_a_tool_loop_takes_the_thinking_back_to_claude(self):
        thought = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
        used = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}
        response = whole([thought, used], "tool_use", memo=Memo(context(), include_encrypted=True))
        output = {"type": "function_call_output", "call_id": "toolu_1", "output": "20C"}
        asked = fields(model="m", input=[{"role": "user", "content": "Weather?"}, *response["output"], output])
        sent = msgspec.json.decode(responses_messages.translate_request(asked, context(flavour="anthropic")).body)
        assert sent["messages"][1] == {"role": "assistant", "content": [thought, used]}

    def test_a_search_of_claudes_is_a_search(self):
        search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rome"}}
        page = {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "e"}
        found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [page]}
        asked = {"type": "input_json_delta", "partial_json": '{"query":"rome"}'}
        streamed = read(
            start(),
            block(0, "server_tool_use", asked, id="srvtoolu_1", name="web_search", input={}),
            block(1, "web_search_tool_result", tool_use_id="srvtoolu_1", content=[page]),
            text(2, "Old."),
            stop(),
        )
        for response in (streamed, whole([search, found, {"type": "text", "text": "Old."}])):
            assert [item["type"] for item in response["output"]] == ["web_search_call", "message"]
            action = response["output"][0]["action"]
            assert action["query"] == "rome"
            assert action["sources"] == [{"type": "url", "url": "https://a.example"}]

    def test_a_search_is_told_while_it_runs(self):
        search = block(0, "server_tool_use", id="srvtoolu_1", name="web_search", input={"query": "rome"})
        found = block(1, "web_search_tool_result", tool_use_id="srvtoolu_1", content=[])
        assert [event["event"] for event in play(start(), search, found, stop()).events[2:-1]] == [
            "response.output_item.added",
            "response.web_search_call.in_progress",
            "response.web_search_call.searching",
            "response.web_search_call.completed",
            "response.output_item.done",
        ]


class TestEndings:
    def test_the_item_the_answer_was_cut_in_is_incomplete(self):
        """Its closing events wait for the reason."""
        cut = read(start(), text(0, "So"), tool(1, '{"city":"Ro'), stop("max_tokens"))
        assert cut["status"] == "incomplete"
        assert cut["incomplete_details"] == {"reason": "max_output_tokens"}
        assert [item["status"] for item in cut["output"]] == ["completed", "incomplete"]
        assert whole([{"type": "text", "text": "So"}], "max_tokens")["output"][0]["status"] == "incomplete"

    def test_a_cut_freeform_text_is_as_much_as_came(self):
        custom = frozenset(("get_weather",))
        cut = read(start(), tool(0, '{"input": "*** Be'), stop("max_tokens"), custom_tools=custom)
        assert cut["output"][0]["input"] == "*** Be"

    def test_a_refusal_is_a_filter_and_says_why(self):
        details = {"type": "refusal", "category": "bio", "explanation": "No."}
        streamed = read(start(), text(0, "So"), stop("refusal", stop_details=details))
        answer = whole([{"type": "text", "text": "So"}], "refusal", stop_details=details)
        for response in (streamed, answer):
            assert response["incomplete_details"] == {"reason": "content_filter"}
            assert [part["type"] for part in response["output"][0]["content"]] == ["output_text", "refusal"]
            assert response["output"][0]["content"][1]["refusal"] == "No."

    def test_an_empty_answer_is_an_answer(self):
        assert read(start(), stop())["output"] == []

    def test_a_paused_turn_goes_on_as_the_same_response(self):
        request = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
        reader = responses_messages.reader(Memo(context(), stream=True, request=request))
        paused = reader.feed(start() + text(0, "Rome ") + stop("pause_turn"))
        assert reader.resume is not None
        assert msgspec.json.decode(reader.resume)["messages"][1:] == [
            {"role": "assistant", "content": [{"type": "text", "text": "Rome "}]}
        ]
        assert not paused.terminal
        assert paused.error is None
        resumed = reader.feed(start("msg_2") + text(0, "is old.") + stop())
        assert b'"text":"Rome is old."' in resumed.terminal
        assert b'"id":"resp_1"' in resumed.terminal
        assert b"resp_2" not in resumed.forward + resumed.terminal
        usage = reader.usage()
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (20, 80)

    def test_a_turn_that_pauses_too_often_is_incomplete(self):
        given = context(options={"pause_turn_max_resumes": 0})
        response = read(start(), text(0, "Rome "), stop("pause_turn"), given=given)
        assert response["status"] == "incomplete"

    def test_an_error_event_fails_the_response_with_what_there_was(self):
        """What was open is not announced as done: Codex asks again, and would show it twice."""
        error = {"type": "overloaded_error", "message": "Overloaded"}
        played = play(start(), text(0, "So"), named_event("error", error=error))
        assert played.error is not None
        assert played.error.status == 529
        frames = played.frames + played.reader.error_frame(Overloaded("Busy."), "req_1")
        events = [msgspec.json.decode(line[6:]) for line in frames.split(b"\n") if line.startswith(b"data: ")]
        assert events[-1]["type"] == "response.failed"
        assert events[-1]["response"]["id"] == "resp_1"
        assert events[-1]["response"]["error"] == {"code": "server_is_overloaded", "message": "Busy."}
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "So"
        assert events[-1]["response"]["output"][0]["status"] == "incomplete"
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert "response.output_item.done" not in [event["type"] for event in events]

    @pytest.mark.parametrize("end", [b"", named_event("message_delta", delta={"stop_reason": "end_turn"}, usage={})])
    def test_a_stream_without_its_end_is_an_error(self, end: bytes):
        played = play(start(), text(0, "So"), end)
        assert played.error is not None
        assert not played.terminal

    def test_a_keepalive_is_an_event_once_there_is_a_response(self):
        reader = responses_messages.reader(Memo(context(), stream=True))
        assert reader.keepalive().startswith(b":")
        reader.feed(start())
        assert reader.keepalive().startswith(b"event: keepalive")

    def test_the_tier_is_named_in_openais_words(self):
        assert whole([], usage={**USAGE, "service_tier": "standard"})["service_tier"] == "default"

    def test_a_fence_around_json_is_taken_off(self):
        fenced = [{"type": "text", "text": '```json\n{"a":1}\n```'}]
        response = whole(fenced, memo=Memo(context(), json_object=True))
        assert response["output"][0]["content"][0]["text"] == '{"a":1}'

    def test_something_else_is_an_error(self):
        for body in (b"<html>", b"[]", b'{"object":"response"}'):
            assert responses_messages.translate_answer(body, Memo(context())).error is not None
