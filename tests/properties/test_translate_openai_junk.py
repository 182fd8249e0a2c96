"""Requests, answers and streams with anything in the wrong place: a refusal or an error, never an exception."""

import copy
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.translate import chat_responses, responses_chat
from gateway.translate.base import Context, Memo, Translator
from gateway.translate.tokens import estimate
from tests.unit.translate.kit import context, fields, model
from tests.unit.translate.upstream_events import (
    CHAT_USAGE,
    DONE,
    added,
    call,
    chunk,
    completed,
    created,
    delta,
    done,
    fragment,
    message,
    reasoning,
    response,
    usage_chunk,
)

JUNK = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], ["x"], [None], {}, {"type": "x"}, {"x": []}, {"type": 1}])
PLACES = st.lists(st.tuples(st.integers(0, 10**6), JUNK), min_size=1, max_size=4)

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "A", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
        {
            "role": "user",
            "name": "n",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://a", "detail": "low"}},
                {"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64,JVBE"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]},
        {"role": "tool", "tool_call_id": "d", "content": "x"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "x"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}},
    ],
    "functions": [{"name": "h"}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}},
    "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "x"}}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "o", "schema": {}}},
    "stream_options": {"include_usage": True},
    "stop": ["x"],
    "max_tokens": 20,
    "temperature": 1,
    "parallel_tool_calls": True,
    "reasoning_effort": "low",
    "verbosity": "low",
    "modalities": ["text"],
    "prompt_cache_options": {"mode": "explicit"},
    "service_tier": "auto",
    "metadata": {"a": "b"},
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "A",
    "input": [
        {"role": "developer", "content": [{"type": "input_text", "text": "x"}]},
        {
            "role": "user",
            "content": [
                {"type": "input_image", "detail": "auto", "image_url": "https://a"},
                {"type": "input_file", "filename": "a", "file_data": "data:application/pdf;base64,JVBE"},
            ],
        },
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"},
        {"type": "message", "role": "assistant", "phase": "x", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"},
        {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "x"},
        {"type": "web_search_call", "id": "w"},
    ],
    "tools": [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f", "parameters": {}}]},
        {"type": "web_search", "user_location": {"type": "approximate", "city": "x"}, "filters": {"a": []}},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "o", "schema": {}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto", "mode": "pro", "context": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_options": {"mode": "explicit"},
    "max_output_tokens": 20,
    "temperature": 1,
    "parallel_tool_calls": True,
    "service_tier": "auto",
    "metadata": {"a": "b"},
}
CONTEXTS = [
    context(can={"efforts": ("none", "low"), "cache_breakpoints": True}),
    context(flavour="generic", policy="lenient", options={"replay_reasoning": True, "chat_web_search": True}),
    context(flavour="generic", can={"structured_output": False}, options={"file_input": True}),
]
ANSWER = response([reasoning("r"), message("m"), call("c", '{"a":1}'), {**call("d"), "type": "custom_tool_call"}])
COMPLETION = {
    "id": "chatcmpl-1",
    "choices": [
        {
            "finish_reason": "stop",
            "message": {
                "content": "a",
                "refusal": "b",
                "reasoning_content": "c",
                "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1}}],
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
            },
        }
    ],
    "usage": CHAT_USAGE,
}
STREAMS = {
    "chat": [
        created(),
        added(0, message("")),
        delta("output_text", 0, "x"),
        done(0, message("x")),
        completed([call()]),
    ],
    "responses": [chunk(content="x"), fragment(0, "{}", id="a", name="f"), chunk("stop"), usage_chunk(), DONE],
}


def spoilt(value: Any, places: list[tuple[int, Any]]) -> Any:
    """The value with junk in some of its places."""
    changed = copy.deepcopy(value)
    for number, junk in places:
        holders = list(_holders(changed))
        if holders:
            holder, name = holders[number % len(holders)]
            holder[name] = copy.deepcopy(junk)
    return changed


def _holders(value: Any) -> Any:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield value, name
        yield from _holders(member)


@pytest.mark.parametrize(("pair", "body"), [(chat_responses, CHAT), (responses_chat, RESPONSES)])
@pytest.mark.parametrize("given_context", CONTEXTS)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(places=PLACES)
def test_a_request_is_translated_or_refused(
    pair: Translator, body: dict[str, Any], given_context: Context, places: list[tuple[int, Any]]
) -> None:
    asked = spoilt(body, places)
    with suppress(BadRequest):
        translated = pair.translate_request(fields(**asked), given_context)
        assert estimate(translated.body, model(), count=len) >= 1


@pytest.mark.parametrize(("pair", "body"), [(chat_responses, ANSWER), (responses_chat, COMPLETION)])
@settings(deadline=None, max_examples=150)
@given(places=PLACES)
def test_an_answer_is_translated_or_an_error(pair: Translator, body: Any, places: list[tuple[int, Any]]) -> None:
    answer = pair.translate_answer(msgspec.json.encode(spoilt(body, places)), Memo(context()))
    assert answer.error is not None or msgspec.json.decode(answer.body)["model"] == "asked-model"


@pytest.mark.parametrize("pair", [chat_responses, responses_chat])
@settings(deadline=None, max_examples=150)
@given(places=st.lists(PLACES, min_size=5, max_size=5))
def test_a_stream_ends_once_whatever_is_in_it(pair: Translator, places: list[list[tuple[int, Any]]]) -> None:
    reader = pair.reader(Memo(context(), stream=True))
    ends = 0
    for frame, spoil in zip(STREAMS[pair.client], places, strict=True):
        head, _, data = frame.rstrip(b"\n").rpartition(b"data: ")
        if data != b"[DONE]":
            data = msgspec.json.encode(spoilt(msgspec.json.decode(data), spoil))
        batch = reader.feed(head + b"data: " + data + b"\n\n")
        ends += bool(batch.terminal) + (batch.error is not None)
    batch = reader.end()
    ends += bool(batch.terminal) + (batch.error is not None)
    assert ends == 1
