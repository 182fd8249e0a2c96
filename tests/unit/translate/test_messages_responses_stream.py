"""What a Messages client reads of a Responses upstream."""

from typing import Any

import msgspec
import pytest

from gateway.errors import Overloaded
from gateway.translate import messages_responses
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.golden.sdk_types import check_answer
from tests.unit.translate.kit import PlainSigner, context, fields
from tests.unit.translate.upstream_events import (
    DONE,
    Played,
    added,
    call,
    completed,
    created,
    delta,
    done,
    event,
    message,
    reasoning,
    refusal,
    response,
)


def play(*stream: bytes, **changes: Any) -> Played:
    return Played(messages_responses.reader(Memo(context(), stream=True, **changes)), b"".join(stream))


def read(*stream: bytes, **changes: Any) -> dict[str, Any]:
    """The message that the SDK puts together from a stream that ends well."""
    events = play(*stream, **changes).events
    found: dict[str, Any] = check_stream("messages", events, {}, "client_stream", failing=False, upstream=False)
    return found


def blocks(*stream: bytes, **changes: Any) -> list[dict[str, Any]]:
    content = read(*stream, **changes)["content"]
    return [{name: value for name, value in block.items() if value is not None} for block in content]


def whole(output: list[dict[str, Any]], *, memo: Memo | None = None, **members: Any) -> dict[str, Any]:
    """The message made of a whole answer."""
    answer = messages_responses.translate_answer(
        msgspec.json.encode(response(output, **members)), memo or Memo(context())
    )
    assert answer.error is None
    body: dict[str, Any] = msgspec.json.decode(answer.body)
    check_answer("messages", body, {}, "client_response")
    return body


def incomplete(output: list[dict[str, Any]], reason: str) -> bytes:
    details = {"reason": reason}
    whole = response(output, status="incomplete", incomplete_details=details)
    return event("response.incomplete", response=whole)


CUT_CALL = call(arguments='{"city":"Ro', status="incomplete")
SEALED = {"v": "openai", "i": "rs_1", "e": "secret"}
SEARCH = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "rome", "sources": [{"type": "url", "url": "https://a.example"}]},
}


class TestOddServers:
    def test_a_delta_without_its_item_is_shown(self):
        assert blocks(created(), delta("output_text", 0, "Hi"), completed([message("Hi")])) == [
            {"type": "text", "text": "Hi"}
        ]

    def test_a_stream_without_its_beginning_has_one(self):
        assert read(delta("output_text", 0, "Hi"), completed([message("Hi")]))["content"][0]["text"] == "Hi"

    def test_a_call_is_named_where_its_item_is_done(self):
        """Arguments that come before anybody knows what is called wait, and keep nobody else waiting."""
        one = call(arguments='{"a":1}')
        stream = [
            delta("function_call_arguments", 0, '{"a":1}'),
            delta("output_text", 1, "Hi"),
            done(1, message("Hi")),
            done(0, one),
        ]
        assert [block["type"] for block in blocks(created(), *stream, completed([one, message("Hi")]))] == [
            "text",
            "tool_use",
        ]

    def test_ids_that_change_between_events_are_one_item(self):
        stream = [added(0, call(id="fc_a")), done(0, call(arguments='{"a":1}', id="fc_b"))]
        found = blocks(created(), *stream, completed([call(arguments='{"a":1}', id="fc_c")]))
        assert [block["input"] for block in found] == [{"a": 1}]

    def test_calls_that_claim_the_same_place_are_two(self):
        one, two = call("call_1", '{"a":1}'), call("call_2", '{"b":2}')
        stream = [
            added(0, {**one, "arguments": ""}),
            added(0, {**two, "arguments": ""}),
            delta("function_call_arguments", 0, '{"b":2}', item_id=two["id"]),
            delta("function_call_arguments", 0, '{"a":1}', item_id=one["id"]),
        ]
        found = blocks(created(), *stream, completed([one, two]))
        assert [(block["id"], block["input"]) for block in found] == [("call_1", {"a": 1}), ("call_2", {"b": 2})]

    def test_an_item_that_is_done_stays_closed(self):
        stream = [done(0, message("Hi")), delta("output_text", 0, " again", item_id="msg_1")]
        assert blocks(created(), *stream, completed([message("Hi again")])) == [{"type": "text", "text": "Hi"}]

    def test_interleaved_calls_come_one_after_the_other(self):
        one, two = call("call_1", '{"a":1}'), call("call_2", '{"b":2}')
        stream = [
            added(0, {**one, "arguments": ""}),
            added(1, {**two, "arguments": ""}),
            delta("function_call_arguments", 1, '{"b":2}'),
            delta("function_call_arguments", 0, '{"a":1}'),
            done(1, two),
            done(0, one),
        ]
        found = blocks(created(), *stream, completed([one, two]))
        assert [(block["id"], block["input"]) for block in found] == [("call_1", {"a": 1}), ("call_2", {"b": 2})]

    def test_private_events_end_nothing(self):
        stream = [event("codex.rate_limits", limits={}), delta("output_text", 0, "Hi")]
        assert read(created(), *stream, completed([message("Hi")]))["stop_reason"] == "end_turn"

    def test_nothing_follows_the_end(self):
        played = play(created(), completed([]), delta("output_text", 0, "Hi"), DONE)
        assert b"Hi" not in played.frames

    @pytest.mark.parametrize("end", [b"", DONE, event("response.cancelled", response=response([], status="cancelled"))])
    def test_an_answer_that_was_not_completed_is_an_error(self, end: bytes):
        played = play(created(), delta("output_text", 0, "Hi"), end)
        assert played.error is not None
        assert not played.terminal

    def test_a_completed_response_that_failed_is_an_error(self):
        error = {"code": "server_error", "message": "Sorry."}
        played = play(created(), completed([], status="failed", error=error))
        assert played.error is not None
        assert (played.error.status, played.error.message) == (500, "Sorry.")

    def test_an_error_event_is_an_error(self):
        played = play(created(), event("error", code="rate_limit_exceeded", message="Slow down.", param=None))
        assert played.error is not None
        assert played.error.status == 429
        assert b'"type":"overloaded_error"' in played.reader.error_frame(Overloaded("Busy."), "req_1")

    def test_a_call_nobody_named_is_an_error(self):
        played = play(created(), completed([{**call(), "name": ""}]))
        assert played.error is not None


class TestReasoning:
    def test_a_summary_is_thinking_signed_with_what_openai_wants_back(self):
        item = reasoning("Hm.", encrypted_content="secret")
        stream = [event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="Hm.")]
        found = blocks(created(), added(0, reasoning()), *stream, done(0, item), completed([item]))
        assert found == [{"type": "thinking", "thinking": "Hm.", "signature": PlainSigner().seal(SEALED)}]

    def test_reasoning_that_is_only_encrypted_is_carried_too(self):
        item = reasoning(encrypted_content="secret")
        found = blocks(created(), added(0, reasoning()), done(0, item), completed([item]))
        assert found == [{"type": "thinking", "thinking": "", "signature": PlainSigner().seal(SEALED)}]

    def test_reasoning_of_which_there_is_nothing_is_nothing(self):
        assert blocks(created(), added(0, reasoning()), done(0, reasoning()), completed([reasoning()])) == []

    def test_parts_of_a_summary_are_paragraphs(self):
        parts = [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]
        item = {"id": "rs_1", "type": "reasoning", "summary": parts}
        assert whole([item])["content"][0]["thinking"] == "One.\n\nTwo."
        stream = [
            event("response.reasoning_summary_text.delta", output_index=0, summary_index=n, delta=part["text"])
            for n, part in enumerate(parts)
        ]
        assert blocks(created(), *stream, done(0, item), completed([item]))[0]["thinking"] == "One.\n\nTwo."

    def test_raw_reasoning_of_open_models_can_only_be_shown(self):
        item = {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "Hm."}],
        }
        found = blocks(created(), delta("reasoning_text", 0, "Hm."), done(0, item), completed([item]))
        assert found == [{"type": "thinking", "thinking": "Hm.", "signature": 'gwr1:{"v":"chat"}'}]

    def test_a_tool_loop_takes_the_reasoning_back_to_openai(self):
        item = reasoning("Hm.", encrypted_content="secret")
        message = whole([item, call(arguments='{"city":"Rome"}')])
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "20C"}
        turns = [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": message["content"]},
            {"role": "user", "content": [result]},
        ]
        asked = fields(model="m", max_tokens=100, messages=turns)
        sent = msgspec.json.decode(messages_responses.translate_request(asked, context()).body)["input"]
        assert sent[1] == item
        assert [entry["type"] for entry in sent[2:]] == ["function_call", "function_call_output"]

    def test_a_keepalive_while_the_model_thinks_is_part_of_its_thinking(self):
        reader = messages_responses.reader(Memo(context(), stream=True))
        item = reasoning(encrypted_content="secret")
        frames = reader.feed(created() + added(0, reasoning())).forward
        frames += reader.keepalive() + reader.keepalive()
        batch = reader.feed(done(0, item) + completed([item]))
        frames += batch.forward + batch.terminal
        assert frames.count(b'"type":"thinking"') == 1
        assert b"secret" in frames


class TestEndings:
    def test_freeform_text_is_the_input_of_a_call(self):
        text = 'say "hi"\n\u00e9\U0001f600'
        item = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": text}
        stream = [delta("custom_tool_call_input", 0, character) for character in text]
        found = blocks(created(), added(0, {**item, "input": ""}), *stream, done(0, item), completed([item]))
        assert found[0]["input"] == {"input": text}
        assert whole([item])["content"][0]["input"] == {"input": text}

    def test_a_call_outweighs_the_status(self):
        assert read(created(), incomplete([call()], "max_output_tokens"))["stop_reason"] == "tool_use"

    def test_a_cut_call_is_no_call(self):
        played = play(created(), incomplete([CUT_CALL], "max_output_tokens"))
        assert played.events[-2]["data"]["delta"]["stop_reason"] == "max_tokens"
        found = whole(
            [message("So"), CUT_CALL], status="incomplete", incomplete_details={"reason": "max_output_tokens"}
        )
        assert [block["type"] for block in found["content"]] == ["text"]
        assert found["stop_reason"] == "max_tokens"

    def test_a_filter_is_a_refusal(self):
        found = read(created(), incomplete([message("So")], "content_filter"))
        assert found["stop_reason"] == "refusal"
        assert found["stop_details"]["explanation"] is None

    def test_a_refusal_is_told_and_explained(self):
        for found in (read(created(), completed([refusal("I won't.")])), whole([refusal("I won't.")])):
            assert found["content"][0]["text"] == "I won't."
            assert found["stop_reason"] == "refusal"
            assert found["stop_details"]["explanation"] == "I won't."

    def test_a_stop_sequence_ends_the_answer_wherever_its_pieces_were(self):
        stream = [delta("output_text", 0, piece) for piece in ("yes<", "/", "a> and more")]
        played = play(created(), *stream, stop_sequences=("</a>",))
        found = check_stream("messages", played.events, {}, "client_stream", failing=False, upstream=False)
        assert found["content"][0]["text"] == "yes"
        assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "</a>")

    def test_what_only_looked_like_a_stop_sequence_is_shown(self):
        stream = [delta("output_text", 0, "yes<"), done(0, message("yes<"))]
        assert blocks(created(), *stream, completed([message("yes<")]), stop_sequences=("</a>",)) == [
            {"type": "text", "text": "yes<"}
        ]

    def test_a_search_is_told_to_those_who_asked_for_one(self):
        stream = [created(), done(0, SEARCH), completed([SEARCH, message("Rome.")])]
        found = blocks(*stream, facts={"web_search": True})
        assert found[0]["id"] == found[1]["tool_use_id"] == "srvtoolu_gw_1_0"
        assert found[0]["input"] == {"query": "rome"}
        assert [page["url"] for page in found[1]["content"]] == ["https://a.example"]
        assert [block["type"] for block in blocks(*stream)] == ["text"]

    def test_pages_are_cited_on_the_text_that_cites_them(self):
        cited = {"type": "url_citation", "start_index": 0, "end_index": 4, "url": "https://a.example", "title": "A"}
        part = {"type": "output_text", "text": "Rome is old.", "annotations": [cited], "logprobs": []}
        item = message("", content=[part])
        wanted = {
            "type": "web_search_result_location",
            "url": "https://a.example",
            "title": "A",
            "cited_text": "Rome",
            "encrypted_index": "",
        }
        assert whole([item])["content"][0]["citations"] == [wanted]
        streamed = blocks(created(), delta("output_text", 0, "Rome is old."), done(0, item), completed([item]))
        assert streamed[0]["citations"] == [wanted]

    def test_the_tier_is_named_in_claudes_words(self):
        assert whole([message("Hi")], service_tier="priority")["usage"]["service_tier"] == "priority"
        assert whole([message("Hi")], service_tier="default")["usage"]["service_tier"] == "standard"

    @pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress", "queued"])
    def test_a_response_that_is_none_is_an_error(self, status: str):
        body = msgspec.json.encode(response([], status=status))
        assert messages_responses.translate_answer(body, Memo(context())).error is not None

    def test_something_else_is_an_error(self):
        for body in (b"<html>", b"[]", b'{"object":"chat.completion"}'):
            assert messages_responses.translate_answer(body, Memo(context())).error is not None
