"""Which requests belong to one conversation."""

from typing import Any

import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.dialects.affinity import CONVERSATION, SESSION_HEADERS, THREAD, binding_of, thread_of
from gateway.records import DialectName

LONG = "You are a careful assistant. " * 200
SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"


def name(
    dialect: DialectName = "messages",
    headers: dict[str, str] | None = None,
    *,
    customer_id: int = 1,
    several: bool = True,
    history: tuple[dict[str, Any], ...] = (),
    **fields: Any,
) -> bytes | None:
    turns = {} if dialect == "responses" else {"messages": [{"role": "user", "content": "Hello"}]}
    body = msgspec.json.encode({"model": "m", "max_tokens": 9} | turns | fields)
    peek = dialect_named(dialect).peek(body)
    return binding_of(headers or {}, peek, dialect, customer_id, several=several, history=history)


def thread(dialect: DialectName = "responses", headers: dict[str, str] | None = None, **fields: Any) -> bytes | None:
    turns = {} if dialect == "responses" else {"messages": [{"role": "user", "content": "Hello"}]}
    body = msgspec.json.encode({"model": "m", "max_tokens": 9} | turns | fields)
    return thread_of(headers or {}, dialect_named(dialect).peek(body), dialect, 1)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("header", SESSION_HEADERS)
@pytest.mark.parametrize("dialect", ["messages", "chat", "responses"])
def test_a_session_header_names_the_conversation(header: str, dialect: DialectName) -> None:
    assert name(dialect, {header: SESSION}) == name(dialect, {header: SESSION}, user="another member")
    assert name(dialect, {header: SESSION}) != name(dialect, {header: "another"})


def test_claude_codes_user_id_names_the_session_that_its_header_does() -> None:
    user_id = msgspec.json.encode({"device_id": "d", "account_uuid": "", "session_id": SESSION}).decode()
    assert name(metadata={"user_id": user_id}) == name(headers={"x-claude-code-session-id": SESSION})


def test_claude_codes_old_user_id_names_its_session() -> None:
    ids = [f"user_{device}_account__session_{SESSION}" for device in "ab"]
    assert name(metadata={"user_id": ids[0]}) == name(metadata={"user_id": ids[1]})


def test_a_plain_user_id_names_the_conversation() -> None:
    assert name(metadata={"user_id": "user-1"}) == name(metadata={"user_id": "user-1"}, messages=[user("Other")])
    assert name(metadata={"user_id": "user-1"}) != name(metadata={"user_id": "user-2"})


@pytest.mark.parametrize("user_id", [None, "", 7, ["a"], "{not json"], ids=str)
def test_a_user_id_that_is_none_is_no_error(user_id: Any) -> None:
    name(metadata={"user_id": user_id})


@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_a_prompt_cache_key_names_the_conversation(dialect: DialectName) -> None:
    assert name(dialect, prompt_cache_key="k") == name(dialect, prompt_cache_key="k", temperature=1)
    assert name(dialect, prompt_cache_key="k") != name(dialect, prompt_cache_key="l")


def test_a_stored_conversation_names_itself_by_id_or_object() -> None:
    assert name("responses", conversation="conv_1") == name("responses", conversation={"id": "conv_1"})
    assert name("responses", conversation="conv_1") is not None


def test_the_same_name_of_two_customers_is_two_conversations() -> None:
    headers = {"x-session-id": SESSION}
    assert name(headers=headers) != name(headers=headers, customer_id=2)
    assert name(system=LONG) != name(system=LONG, customer_id=2)


def test_what_begins_alike_is_one_conversation() -> None:
    first = name(system=LONG, messages=[user("Hello")])
    later = [user("Hello"), {"role": "assistant", "content": "Hi."}, user("Go on")]
    assert first is not None
    assert first == name(system=LONG, messages=later)
    assert first != name(system=LONG, messages=[user("Good morning")])
    assert first != name(system=LONG + "Be brief.", messages=later)
    assert first != name(system=LONG, messages=later, tools=[{"name": "t", "input_schema": {}}])


def test_cache_markers_that_move_along_change_nothing() -> None:
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool: dict[str, Any] = {"name": "t", "input_schema": {"type": "object"}}
    first = name(
        system=[{"type": "text", "text": LONG} | marker],
        tools=[marker | tool],
        messages=[user([{"type": "text", "text": "Hello"} | marker])],
    )
    later = name(
        system=[{"type": "text", "text": LONG}],
        tools=[tool],
        messages=[
            user("Hello"),
            {"role": "assistant", "content": "Hi."},
            user([{"type": "text", "text": "?"} | marker]),
        ],
    )
    assert first == later


def test_markers_written_with_spaces_change_nothing_either() -> None:
    bodies = [
        b'{"model": "m", "max_tokens": 9, "system": [{"type": "text", %s"text": "%s"%s}], "messages": []}'
        % (before, LONG.encode(), after)
        for before, after in (
            (b"", b""),
            (b'"cache_control": {"type": "x"} , ', b""),
            (b"", b' , "cache_control": null'),
        )
    ]
    peeks = [dialect_named("messages").peek(body) for body in bodies]
    found = {binding_of({}, peek, "messages", 1) for peek in peeks}
    assert len(found) == 1


@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_the_systems_turns_are_part_of_the_beginning(dialect: DialectName) -> None:
    member = "input" if dialect == "responses" else "messages"
    turns = [{"role": "developer", "content": LONG}, user("Hello")]
    first = name(dialect, **{member: turns})
    assert first is not None
    assert first == name(dialect, **{member: [*turns, {"role": "assistant", "content": "Hi."}, user("More")]})
    assert first != name(dialect, **{member: [{"role": "developer", "content": LONG + "!"}, user("Hello")]})


def test_a_kept_conversation_is_that_which_its_first_call_began() -> None:
    first = name("responses", input="Hello", instructions=LONG)
    kept = ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},)
    assert first == name("responses", input="Go on", instructions=LONG, history=kept)


def test_short_prompts_that_are_alike_are_to_be_spread() -> None:
    assert name() is None


def test_a_short_prompt_with_tools_will_go_on() -> None:
    assert name(tools=[{"name": "t", "input_schema": {}}]) is not None
    assert name(tools=[]) is None


def test_a_long_first_message_counts_by_its_beginning() -> None:
    text = "word " * 40_000
    assert name(messages=[user(text)]) == name(
        messages=[user(text), {"role": "assistant", "content": "Hi."}, user("?")]
    )


def test_with_one_account_alone_the_prompt_is_not_looked_at() -> None:
    assert name(system=LONG, several=False) is None
    assert name(headers={"session-id": SESSION}, several=False) is not None


@pytest.mark.parametrize("turns", [[], [1], ["a"], [{}], [{"role": 7, "content": {}}], [[]]], ids=str)
def test_turns_that_are_none_are_no_error(turns: list[Any]) -> None:
    name(system=LONG, messages=turns)


def test_the_two_kinds_of_names_never_look_alike() -> None:
    assert (name(system=LONG) or b"").startswith(CONVERSATION)
    assert (thread(prompt_cache_key="k") or b"").startswith(THREAD)


def test_threads_of_one_session_are_told_apart_by_their_cache_keys() -> None:
    session = {"session-id": SESSION}
    assert thread(headers=session, prompt_cache_key="main") != thread(headers=session, prompt_cache_key="helper")


def test_threads_without_a_cache_key_are_told_apart_by_their_beginnings() -> None:
    session = {"x-claude-code-session-id": SESSION}
    main, helper = ({"messages": [user(text)], "system": "changes"} for text in ("Build it", "Find it"))
    assert thread("messages", session, **main) != thread("messages", session, **helper)
    assert thread("messages", session, **main) == thread("messages", session, **main | {"system": "changed"})


def test_a_short_thread_that_nothing_names_is_to_be_spread() -> None:
    assert thread("messages") is None
    assert thread(input="Hello", include=["reasoning.encrypted_content"]) is not None
