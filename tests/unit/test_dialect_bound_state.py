"""What in a request only some accounts can read or go on with."""

from typing import Any

import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.dialects.base import Peek
from gateway.dialects.bound_state import asks_for_sealed, has_bound_state, is_sealed
from gateway.records import DialectName
from gateway.translate.envelope import HmacSigner, from_reasoning_item, from_thinking

SIGNER = HmacSigner({"k1": bytes(32)})
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}]}


def peek(dialect: DialectName, **fields: Any) -> Peek:
    turns = {} if dialect == "responses" else {"messages": [{"role": "user", "content": "Hello"}]}
    return dialect_named(dialect).peek(msgspec.json.encode({"model": "m", "max_tokens": 9} | turns | fields))


def thought(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "hm", "signature": signature}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def turns(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "Hello"}, *more]


def reasoning(encrypted: str) -> dict[str, Any]:
    return {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted}]}


def test_openais_encrypted_reasoning_is_sealed() -> None:
    asked = peek("responses", **reasoning("gAAAA"))
    assert is_sealed(asked, "responses")
    assert has_bound_state(asked, "responses")


def test_claudes_thinking_in_an_envelope_is_not_sealed() -> None:
    payload = from_thinking(thought("sig"), "claude-opus-5-5")
    assert payload is not None
    assert not is_sealed(peek("responses", **reasoning(SIGNER.seal(payload))), "responses")


@pytest.mark.parametrize("encrypted", ["", None])
def test_reasoning_without_its_content_is_not_sealed(encrypted: Any) -> None:
    assert not is_sealed(peek("responses", **reasoning(encrypted)), "responses")


def test_openais_reasoning_in_an_envelope_is_sealed() -> None:
    envelope = SIGNER.seal(from_reasoning_item({"id": "rs_1", "encrypted_content": "gAAAA"}))
    asked = peek("messages", messages=turns(assistant(thought(envelope)), {"role": "user", "content": "More"}))
    assert is_sealed(asked, "messages")
    assert has_bound_state(asked, "messages")


def test_an_envelope_with_nothing_encrypted_is_not_sealed() -> None:
    envelope = SIGNER.seal(from_reasoning_item({"id": "rs_1"}))
    assert not is_sealed(peek("messages", messages=turns(assistant(thought(envelope)))), "messages")


def test_signed_thinking_of_a_finished_turn_may_be_read_anywhere_at_the_vendor() -> None:
    history = turns(assistant(thought("sig"), CALL), RESULT, assistant({"type": "text", "text": "Done"}))
    asked = peek("messages", messages=[*history, {"role": "user", "content": "Thanks"}])
    assert not is_sealed(asked, "messages")
    assert not has_bound_state(asked, "messages")


@pytest.mark.parametrize(
    "block", [thought("sig"), {"type": "redacted_thinking", "data": "x"}], ids=["signed", "redacted"]
)
def test_a_turn_of_signed_thinking_that_waits_for_a_tool_stays_where_it_is(block: dict[str, Any]) -> None:
    asked = peek("messages", messages=turns(assistant(block, CALL), RESULT, assistant(CALL), RESULT))
    assert has_bound_state(asked, "messages")


def test_a_note_of_the_system_does_not_end_the_turn() -> None:
    note = {"role": "system", "content": "It is late."}
    assert has_bound_state(peek("messages", messages=turns(assistant(thought("sig"), CALL), RESULT, note)), "messages")


def test_tools_without_thinking_bind_nothing() -> None:
    assert not has_bound_state(peek("messages", messages=turns(assistant(CALL), RESULT)), "messages")


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        ("messages", {"tools": [{"type": "web_search_20260318", "name": "web_search"}]}),
        ("messages", {"tools": [{"type": "code_execution_20260521", "name": "code"}]}),
        ("messages", {"mcp_servers": [{"url": "https://host"}]}),
        ("messages", {"container": "container_1"}),
        ("responses", {"tools": [{"type": "file_search", "vector_store_ids": []}]}),
        ("responses", {"tools": [{"type": "image_generation"}]}),
        ("responses", {"previous_response_id": "resp_1"}),
        ("chat", {"web_search_options": {}}),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else str(value),
)
def test_what_the_provider_runs_or_keeps_is_asked_for_once(dialect: DialectName, fields: dict[str, Any]) -> None:
    assert has_bound_state(peek(dialect, **fields), dialect)


@pytest.mark.parametrize(
    ("dialect", "tool"),
    [
        ("messages", {"name": "web_search", "input_schema": {"type": "object"}}),
        ("messages", {"type": "bash_20250124", "name": "bash"}),
        ("responses", {"type": "function", "name": "web_search", "parameters": {}}),
        ("responses", {"type": "custom", "name": "apply_patch"}),
        ("chat", {"type": "function", "function": {"name": "mcp"}}),
    ],
)
def test_tools_that_the_client_runs_bind_nothing(dialect: DialectName, tool: dict[str, Any]) -> None:
    assert not has_bound_state(peek(dialect, tools=[tool]), dialect)


def test_who_is_given_sealed_reasoning() -> None:
    assert asks_for_sealed(peek("messages"), "messages")
    assert asks_for_sealed(peek("responses", include=["reasoning.encrypted_content"]), "responses")
    assert not asks_for_sealed(peek("responses"), "responses")
    assert not asks_for_sealed(peek("chat"), "chat")
