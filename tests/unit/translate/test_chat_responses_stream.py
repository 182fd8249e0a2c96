"""What a Chat client reads of a Responses upstream."""

from typing import Any

import msgspec
import pytest

from gateway.errors import Overloaded
from gateway.translate import chat_responses
from gateway.translate.base import Memo
from tests.golden.sdk_clients import check_stream
from tests.golden.sdk_types import check_answer
from tests.unit.translate.kit import DictMemory, context
from tests.unit.translate.upstream_events import (
    CHAT_USAGE,
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


def memo(**changes: Any) -> Memo:
    given = changes.pop("given", context())
    return Memo(given, stream=True, include_usage=True, **changes)


def play(*stream: bytes, **changes: Any) -> Played:
    return Played(chat_responses.reader(memo(**changes)), b"".join(stream))


def read(*stream: bytes, **changes: Any) -> Any:
    """The completion that the SDK puts together from a stream that ends well."""
    events = play(*stream, **changes).events
    return check_stream("chat", events, {}, "client_stream", failing=False, upstream=False)


def text_of(*stream: bytes, **changes: Any) -> str:
    return "".join(
        event["data"]["choices"][0]["delta"].get("content") or ""
        for event in play(*stream, **changes).events
        if event["data"] != "[DONE]" and event["data"]["choices"]
    )


def whole(output: list[dict[str, Any]], *, memo: Memo | None = None, **members: Any) -> dict[str, Any]:
    """The choice of a whole answer."""
    answer = chat_responses.translate_answer(msgspec.json.encode(response(output, **members)), memo or Memo(context()))
    assert answer.error is None
    body = msgspec.json.decode(answer.body)
    check_answer("chat", body, {"extension_fields": ["reasoning_content"]}, "client_response")
    return body["choices"][0]


def test_text_and_calls_come_in_one_message() -> None:
    final = read(
        created(),
        added(0, message("", content=[], status="in_progress")),
        delta("output_text", 0, "On "),
        delta("output_text", 0, "it."),
        done(0, message("On it.")),
        added(1, call(arguments="")),
        delta("function_call_arguments", 1, '{"city":'),
        delta("function_call_arguments", 1, '"Rome"}'),
        done(1, call(arguments='{"city":"Rome"}')),
        completed([message("On it."), call(arguments='{"city":"Rome"}')]),
    )
    choice = final["choices"][0]
    assert choice["message"]["content"] == "On it."
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city":"Rome"}'
    assert choice["finish_reason"] == "tool_calls"
    assert final["usage"] == CHAT_USAGE


def test_calls_side_by_side_keep_their_pieces_apart() -> None:
    first, second = call("call_1", '{"a":1}'), call("call_2", '{"b":2}')
    final = read(
        created(),
        added(0, {**first, "arguments": ""}),
        added(1, {**second, "arguments": ""}),
        delta("function_call_arguments", 1, '{"b":'),
        delta("function_call_arguments", 0, '{"a":1}'),
        delta("function_call_arguments", 1, "2}"),
        completed([first, second]),
    )
    made = final["choices"][0]["message"]["tool_calls"]
    assert [(each["id"], each["function"]["arguments"]) for each in made] == [
        ("call_1", '{"a":1}'),
        ("call_2", '{"b":2}'),
    ]


def test_arguments_that_come_only_at_the_end_are_not_lost() -> None:
    finished = event("response.function_call_arguments.done", output_index=0, arguments='{"a":1}')
    final = read(created(), added(0, call(arguments="")), finished, completed([call(arguments='{"a":1}')]))
    assert final["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'


def test_a_server_that_sends_only_its_last_event_is_heard() -> None:
    final = read(created(), completed([message("Hello"), call(arguments='{"a":1}')]))
    assert final["choices"][0]["message"]["content"] == "Hello"
    assert final["choices"][0]["finish_reason"] == "tool_calls"


def test_two_messages_are_two_paragraphs() -> None:
    first, second = message("One.", id="msg_1"), message("Two.", id="msg_2")
    assert text_of(created(), done(0, first), done(1, second), completed([first, second])) == "One.\n\nTwo."


def test_messages_that_come_side_by_side_are_not_mixed() -> None:
    first, second = message("One.", id="msg_1"), message("Two.", id="msg_2")
    stream = (
        created(),
        added(0, {**first, "content": []}),
        added(1, {**second, "content": []}),
        delta("output_text", 0, "On"),
        delta("output_text", 1, "Tw"),
        delta("output_text", 0, "e."),
        delta("output_text", 1, "o."),
        completed([first, second]),
    )
    assert text_of(*stream) == "One.\n\nTwo."


def test_a_refusal_is_no_content() -> None:
    final = read(
        created(), delta("refusal", 0, "I can't."), done(0, refusal("I can't.")), completed([refusal("I can't.")])
    )
    assert final["choices"][0]["message"]["refusal"] == "I can't."
    assert final["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_answer_cut_short_says_why(reason: str, finish: str) -> None:
    cut = response([message("Hel", status="incomplete")], status="incomplete", incomplete_details={"reason": reason})
    played = play(created(), event("response.incomplete", response=cut))
    assert played.events[-3]["data"]["choices"][0]["finish_reason"] == finish


def test_reasoning_is_shown_where_the_account_says_so() -> None:
    stream = (
        created(),
        delta("reasoning_summary_text", 0, "Hm."),
        done(0, reasoning("Hm.")),
        completed([reasoning("Hm.")]),
    )
    shown = play(*stream, given=context(options={"reasoning_field": "reasoning_content"}))
    assert shown.events[1]["data"]["choices"][0]["delta"] == {"reasoning_content": "Hm."}
    assert b"Hm." not in play(*stream).frames


def test_reasoning_that_led_to_a_call_is_remembered_with_it() -> None:
    memory = DictMemory()
    thought = reasoning(encrypted_content="gAAA", status="completed")
    play(created(), done(0, thought), done(1, call()), completed([thought, call()]), given=context(memory=memory))
    assert memory.held == {"call_1": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}]}


def test_the_text_between_reasoning_and_call_keeps_its_place_in_memory() -> None:
    memory = DictMemory()
    thought = reasoning(encrypted_content="gAAA")
    output = [thought, message("Looking."), call()]
    chat_responses.translate_answer(msgspec.json.encode(response(output)), Memo(context(memory=memory)))
    assert memory.held["call_1"] == [thought, {"type": "message"}]


def test_citations_are_counted_from_the_beginning_of_the_content() -> None:
    cited = {"type": "url_citation", "start_index": 0, "end_index": 3, "url": "https://a", "title": "A"}
    part = {"type": "output_text", "text": "Two.", "annotations": [cited], "logprobs": []}
    output = [message("One.", id="msg_1"), message("", id="msg_2", content=[part])]
    expected = {"start_index": 6, "end_index": 9, "url": "https://a", "title": "A"}
    assert whole(output)["message"]["annotations"] == [{"type": "url_citation", "url_citation": expected}]
    streamed = play(created(), completed(output), given=context(options={"stream_annotations": True})).events
    assert streamed[-4]["data"]["choices"][0]["delta"]["annotations"][0]["url_citation"] == expected


def test_a_stop_sequence_ends_the_stream_there() -> None:
    played = play(
        created(), delta("output_text", 0, "yes</"), delta("output_text", 0, "a> and more"), stop_sequences=("</a>",)
    )
    assert b"more" not in played.frames
    assert played.terminal.endswith(b"data: [DONE]\n\n")


def test_a_freeform_call_that_went_out_as_a_function_comes_back_as_text() -> None:
    output = [call(name="sql", arguments='{"input":"SELECT 1"}')]
    made = whole(output, memo=Memo(context(), custom_tools=frozenset({"sql"})))["message"]["tool_calls"]
    assert made == [{"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]


def test_a_renamed_tool_has_its_own_name_again() -> None:
    assert whole([call()], memo=Memo(context(), names={"get_weather": "my tool"}))["message"]["tool_calls"][0][
        "function"
    ]["name"] == ("my tool")


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert whole([call(arguments="")])["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
    final = read(created(), done(0, call(arguments="")), completed([call(arguments="")]))
    assert final["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    "end",
    [
        b"",
        event(
            "response.failed", response=response([], status="failed", error={"code": "server_error", "message": "x"})
        ),
        event("error", code="server_error", message="x"),
        b"data: [DONE]\n\n",
    ],
)
def test_a_broken_stream_is_never_a_finished_answer(end: bytes) -> None:
    played = play(created(), delta("output_text", 0, "Hel"), end)
    assert played.error is not None
    assert played.terminal == b""
    frames = played.frames + played.reader.error_frame(Overloaded("The provider is overloaded."), "req_1")
    assert b"[DONE]" not in frames


@pytest.mark.parametrize("body", [b"nonsense", b"{}", b'{"error":{"message":"x","code":"server_error"}}', b"[1]"])
def test_what_is_no_response_is_an_error(body: bytes) -> None:
    assert chat_responses.translate_answer(body, Memo(context())).error is not None


def test_a_failed_response_is_an_error_even_with_a_good_status() -> None:
    failed = response([], status="failed", error={"code": "rate_limit_exceeded", "message": "slow down"})
    error = chat_responses.translate_answer(msgspec.json.encode(failed), Memo(context())).error
    assert error is not None
    assert error.status == 429
