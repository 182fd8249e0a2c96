"""Chat clients on Messages upstreams: what is mapped, dropped, emulated and refused."""

from typing import Any

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import translator
from gateway.translate.base import Context, Memo
from tests.golden.request_rules import check_messages_request
from tests.golden.sdk_types import check_request
from tests.unit.translate.kit import DictMemory, context, events_of, fields, named_event, watch

PAIR = translator("chat", "messages")
THINKING = {"type": "thinking", "thinking": "hm", "signature": "sig"}
LEGACY = {"legacy_fields": ["temperature", "top_p", "top_k"]}


def ask(given: Context | None = None, **members: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The upstream's request, which its vendor would take, and the warnings."""
    members = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | members
    translated = PAIR.translate_request(fields(**members), given or context())
    request = msgspec.json.decode(translated.body)
    check_request("messages", request, LEGACY, "request")
    check_messages_request(request, "request")
    return request, translated.warnings


def refused(given: Context | None = None, **members: Any) -> str | None:
    """The field a refusal names."""
    members = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | members
    with pytest.raises(BadRequest) as error:
        PAIR.translate_request(fields(**members), given or context())
    return error.value.field


def function(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def called(call_id: str = "call_1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(call_id: str = "call_1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "done"}


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"tools": [{"type": "web_fetch"}]}, "tools.0.type"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "messages.0.content.0.file",
        ),
        ({"messages": [USER, called(arguments="[1"), result()]}, "messages.1.tool_calls.0.function.arguments"),
        ({"messages": [USER, {"role": "assistant", "content": "a"}]}, "messages.1"),
        ({"messages": [USER, result()]}, "messages.1"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"tool_choice": "sometimes", "tools": [function()]}, "tool_choice"),
        ({"stream": True, "tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(members: dict[str, Any], field: str):
    assert refused(**members) == field


@pytest.mark.parametrize(
    ("members", "codes"),
    [
        ({"seed": 7}, ("dropped:seed",)),
        ({"verbosity": "low"}, ("dropped:verbosity",)),
        ({"metadata": {"a": "b"}}, ("dropped:metadata",)),
        ({"store": True}, ("dropped:store",)),
        ({"frequency_penalty": 0.5}, ("dropped:frequency_penalty",)),
        ({"prediction": {"type": "content", "content": "x"}}, ("dropped:prediction",)),
        ({"stop": ["\n", "END"]}, ("dropped:stop",)),
        ({"messages": [{"role": "user", "content": "hi", "name": "bob"}]}, ("dropped:messages.0.name",)),
        ({"n": 1, "store": False, "frequency_penalty": 0, "logprobs": False, "modalities": ["text"]}, ()),
        ({"prompt_cache_key": "k", "user": "u", "logit_bias": {}}, ()),
    ],
)
def test_hints_are_dropped_and_named(members: dict[str, Any], codes: tuple[str, ...]):
    assert ask(**members)[1] == codes


def test_strict_refuses_what_would_be_dropped():
    assert refused(context(policy="strict"), seed=7) == "seed"


def test_lenient_takes_arguments_that_are_no_object():
    request, _ = ask(context(policy="lenient"), messages=[USER, called(arguments="[1"), result()], tools=[function()])
    assert request["messages"][1]["content"][0]["input"] == {"_raw": "[1"}


def test_members_that_mean_the_same():
    request, warnings = ask(
        user="u", stop="END", service_tier="default", max_tokens=9, stream=True, stream_options={"include_usage": True}
    )
    assert request["metadata"] == {"user_id": "u"}
    assert request["stop_sequences"] == ["END"]
    assert request["service_tier"] == "standard_only"
    assert request["max_tokens"] == 9
    assert request["stream"] is True
    assert warnings == ()


def test_old_functions_are_tools():
    history = [
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ]
    request, _ = ask(messages=history, functions=[{"name": "f"}], function_call={"name": "f"})
    assert request["messages"][1]["content"][0]["id"] == "call_fn_0"
    assert request["messages"][2]["content"][0]["tool_use_id"] == "call_fn_0"
    assert request["tool_choice"] == {"type": "tool", "name": "f"}


def test_a_tool_name_claude_refuses_comes_back_as_it_was():
    translated = PAIR.translate_request(fields(model="m", messages=[USER], tools=[function("a.b")]), context())
    sent = msgspec.json.decode(translated.body)["tools"][0]["name"]
    message = {"id": "msg_1", "content": [{"type": "tool_use", "id": "t", "name": sent, "input": {}}], "usage": {}}
    answer = msgspec.json.decode(PAIR.translate_answer(msgspec.json.encode(message), translated.memo).body)
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "a.b"


def test_tools_of_the_history_are_declared_and_not_to_be_called():
    request, warnings = ask(messages=[USER, called(), result()])
    assert request["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert request["tool_choice"] == {"type": "none"}
    assert warnings == ("emulated:tools",)


def test_json_without_a_schema_is_asked_for_in_words():
    request, warnings = ask(response_format={"type": "json_object"})
    assert "one JSON object" in request["system"][-1]["text"]
    assert warnings == ("emulated:response_format",)


def test_a_schema_for_a_model_that_enforces_none_is_asked_for_in_words():
    held = {"name": "x", "schema": {"type": "object", "properties": {"a": {}}}}
    request, _ = ask(
        context(can={"structured_output": False}), response_format={"type": "json_schema", "json_schema": held}
    )
    assert '{"type":"object","properties":{"a":{}}}' in request["system"][-1]["text"]
    assert "output_config" not in request


def test_a_code_fence_around_json_is_taken_off():
    memo = Memo(context(), json_object=True)
    message = {"id": "msg_1", "content": [{"type": "text", "text": '```json\n{"a":1}\n```'}], "usage": {}}
    answer = msgspec.json.decode(PAIR.translate_answer(msgspec.json.encode(message), memo).body)
    assert answer["choices"][0]["message"]["content"] == '{"a":1}'


def test_breakpoints_of_the_client_are_markers():
    part = {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    request, _ = ask(context(options={"auto_cache": True}), messages=[{"role": "user", "content": [part]}] * 3)
    assert request["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "cache_control" not in request


def test_remembered_thinking_stands_before_its_call():
    given = context(memory=DictMemory({"call_1": [THINKING]}))
    request, _ = ask(given, messages=[USER, {**called(), "content": "Let me see."}, result()], tools=[function()])
    kinds = [block["type"] for block in request["messages"][1]["content"]]
    assert kinds == ["thinking", "text", "tool_use"]


def test_manual_thinking_is_off_for_a_loop_that_is_not_remembered():
    given = context(can={"thinking": ("enabled", "disabled")})
    request, warnings = ask(
        given, messages=[USER, called(), result()], tools=[function()], reasoning_effort="low", max_tokens=9_000
    )
    assert "thinking" not in request
    assert warnings == ("dropped:reasoning_effort",)


def test_manual_thinking_stays_on_for_a_loop_that_is():
    given = context(can={"thinking": ("enabled", "disabled")}, memory=DictMemory({"call_1": [THINKING]}))
    request, _ = ask(
        given, messages=[USER, called(), result()], tools=[function()], reasoning_effort="low", max_tokens=9_000
    )
    assert request["thinking"] == {"type": "enabled", "budget_tokens": 2_048}


def test_a_count_has_no_limits_in_it():
    body = PAIR.count_body(fields(model="m", messages=[USER], stop="x", user="u", stream=True), context())
    assert msgspec.json.decode(body) == {"model": "upstream-model", "messages": [USER]}


def stream(*frames: bytes, memo: Memo | None = None) -> list[Any]:
    seen = watch(PAIR.reader(memo or Memo(context())), list(frames))
    return [event["data"] for event in events_of(seen.frames)]


def start(**usage: int) -> bytes:
    return named_event("message_start", message={"id": "msg_1", "usage": {"input_tokens": 5, **usage}})


def end(stop_reason: str, **delta: Any) -> bytes:
    ending = named_event("message_delta", delta={"stop_reason": stop_reason, **delta}, usage={"output_tokens": 3})
    return ending + named_event("message_stop")


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_why_it_ended(stop_reason: str, finish: str):
    assert stream(start(), end(stop_reason))[-2]["choices"][0]["finish_reason"] == finish


def test_a_freeform_call_streams_as_one_fragment_where_the_account_says_so():
    memo = Memo(context(), custom_tools=frozenset(["sql"]))
    block = {"type": "tool_use", "id": "t", "name": "sql", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"input":"SELECT 1"}'}
    chunks = stream(
        start(),
        named_event("content_block_start", index=0, content_block=block),
        named_event("content_block_delta", index=0, delta=delta),
        named_event("content_block_stop", index=0),
        end("tool_use"),
        memo=memo,
    )
    call = chunks[1]["choices"][0]["delta"]["tool_calls"][0]
    assert call == {"index": 0, "id": "t", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}


def test_a_paused_stream_goes_on_in_the_same_answer():
    memo = Memo(context(), include_usage=True, request={"model": "m", "messages": [USER]})
    reader = PAIR.reader(memo)
    said = [
        named_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        named_event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Searching. "}),
        named_event("content_block_stop", index=0),
    ]
    batch = reader.feed(start() + b"".join(said) + end("pause_turn"))
    assert (batch.terminal, batch.error) == (b"", None)
    assert reader.end().error is None
    assert msgspec.json.decode(reader.resume or b"")["messages"] == [
        USER,
        {"role": "assistant", "content": [{"type": "text", "text": "Searching. "}]},
    ]
    last = reader.feed(start() + b"".join(said) + end("end_turn"))
    assert reader.resume is None
    chunks = [event["data"] for event in events_of(batch.forward + last.forward + last.terminal)]
    assert {chunk["id"] for chunk in chunks[:-1]} == {"chatcmpl-1"}
    assert chunks[-2]["usage"]["prompt_tokens"] == 10
    assert chunks[-2]["usage"]["completion_tokens"] == 6


def test_a_pause_that_was_resumed_often_enough_is_a_cut_answer():
    memo = Memo(context(options={"pause_turn_max_resumes": 0}), request={"model": "m", "messages": [USER]})
    assert stream(start(), end("pause_turn"), memo=memo)[-2]["choices"][0]["finish_reason"] == "length"


def test_cited_pages_are_annotations_of_their_stretch():
    cited = {"type": "web_search_result_location", "url": "https://e.com", "title": "E", "cited_text": "x"}
    content = [{"type": "text", "text": "One. "}, {"type": "text", "text": "Two.", "citations": [cited]}]
    body = msgspec.json.encode({"id": "msg_1", "content": content, "usage": {}})
    message = msgspec.json.decode(PAIR.translate_answer(body, Memo(context())).body)["choices"][0]["message"]
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"start_index": 5, "end_index": 9, "url": "https://e.com", "title": "E"},
        }
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"type":"error","error":{"type":"api_error"}}'])
def test_what_is_no_message_is_an_error(body: bytes):
    assert PAIR.translate_answer(body, Memo(context())).error is not None


def test_bytes_that_are_no_stream_are_an_error():
    assert PAIR.reader(Memo(context())).feed(b"<html>\n\n").error is not None


def test_nothing_follows_the_end_even_in_the_same_read():
    late = named_event("content_block_start", index=1, content_block={"type": "text", "text": "late"})
    assert stream(start() + end("end_turn") + late) == stream(start() + end("end_turn"))
