"""Ids in requests that name what an upstream remembers, found wherever they stand."""

import contextlib
from typing import Any

import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.errors import BadRequest
from gateway.records import DialectName


def found(name: DialectName, **members: Any) -> list[tuple[str, str, str]]:
    base = {"model": "m", "max_tokens": 1, "messages": []} if name != "responses" else {"model": "m"}
    peek = dialect_named(name).peek(msgspec.json.encode(base | members))
    return [(reference.kind, reference.object_id, reference.field) for reference in peek.references]


@pytest.mark.parametrize(
    ("name", "members", "expected"),
    [
        ("responses", {"previous_response_id": "resp_1"}, ("response", "resp_1", "previous_response_id")),
        ("responses", {"conversation": "conv_1"}, ("conversation", "conv_1", "conversation")),
        ("responses", {"conversation": {"id": "conv_1"}}, ("conversation", "conv_1", "conversation.id")),
        ("responses", {"prompt": {"id": "pmpt_1"}}, ("prompt", "pmpt_1", "prompt.id")),
        ("responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}, ("item", "msg_1", "input[0].id")),
        ("responses", {"input": [{"role": "user", "content": "x"}, {"id": "msg_1"}]}, ("item", "msg_1", "input[1].id")),
        (
            "responses",
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
            ("file", "file_1", "input[0].content[0].file_id"),
        ),
        (
            "responses",
            {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
            ("container", "cntr_1", "tools[0].container"),
        ),
        (
            "responses",
            {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file_1"]}}]},
            ("file", "file_1", "tools[0].container.file_ids[0]"),
        ),
        (
            "responses",
            {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
            ("vector_store", "vs_1", "tools[0].vector_store_ids[0]"),
        ),
        (
            "responses",
            {"input": [{"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"}]},
            ("container", "cntr_1", "input[0].container_id"),
        ),
        (
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file_1"}}]}]},
            ("file", "file_1", "messages[0].content[0].file.file_id"),
        ),
        (
            "chat",
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
            ("audio", "audio_1", "messages[0].audio.id"),
        ),
        ("messages", {"container": "container_1"}, ("container", "container_1", "container")),
        ("messages", {"container": {"id": "container_1"}}, ("container", "container_1", "container.id")),
        (
            "messages",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ]
            },
            ("file", "f", "messages[0].content[0].source.file_id"),
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
            ("file", "f", "messages[0].content[0].file_id"),
        ),
    ],
)
def test_a_reference_is_found_with_its_path(name: DialectName, members: dict[str, Any], expected: tuple[str, str, str]):
    assert found(name, **members) == [expected]


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("messages", {"tools": [{"name": "t", "input_schema": {"properties": {"file_id": {"type": "string"}}}}]}),
        (
            "messages",
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": {"file_id": "mine"}}]}]},
        ),
        ("messages", {"messages": [{"role": "user", "content": 'the word "file_id": "x"'}]}),
        ("messages", {"metadata": {"user_id": '{"container": "x"}'}}),
        ("responses", {"input": [{"type": "message", "id": "msg_1", "role": "user", "content": "replayed"}]}),
        ("responses", {"input": [{"type": "function_call", "id": "fc_1", "arguments": '{"file_id":"x"}'}]}),
        ("responses", {"previous_response_id": None, "conversation": None, "prompt": None}),
    ],
)
def test_what_is_the_callers_own_is_no_reference(name: DialectName, members: dict[str, Any]):
    assert found(name, **members) == []


@pytest.mark.parametrize("depth", range(900, 1000))
def test_a_deep_body_is_a_bad_request_or_none_but_never_breaks(depth: int):
    raw = b'{"model":"m","input":' + b"[" * depth + b'{"file_id":"x"}' + b"]" * depth + b"}"
    with contextlib.suppress(BadRequest):
        dialect_named("responses").peek(raw)


def test_a_reference_spelled_with_escapes_is_found():
    raw = b'{"model":"m","input":[{"role":"user","content":[{"type":"input_file","\\u0066ile_id":"file_1"}]}]}'
    assert [reference.object_id for reference in dialect_named("responses").peek(raw).references] == ["file_1"]
