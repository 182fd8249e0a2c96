"""Looking at requests: what is read, what is refused with which field, and what goes upstream."""

from typing import Any

import msgspec
import pytest

from gateway.dialects import chat, dialect_named, messages, responses
from gateway.errors import BadRequest
from gateway.records import DialectName

DIALECTS: list[DialectName] = ["messages", "chat", "responses"]
MINIMAL: dict[DialectName, dict[str, Any]] = {
    "messages": {"model": "m", "max_tokens": 9, "messages": []},
    "chat": {"model": "m", "messages": []},
    "responses": {"model": "m", "input": "hi"},
}


def body(name: DialectName, **members: Any) -> bytes:
    return msgspec.json.encode(MINIMAL[name] | members)


def refused(name: DialectName, raw: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        dialect_named(name).peek(raw)
    return caught.value


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"[]",
        b'"text"',
        b"{",
        b'{"model": NaN}',
        b'{"model": "m", "temperature": NaN, "messages": []}',
        b'{"model": "m"} and more',
        b"[" * 100_000,
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'\xef\xbb\xbf{"model": "m"}',
        b'{"\xff": 1}',
        b'{"model": "m\x00"}',
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_what_is_not_a_json_object_is_a_bad_request(name: DialectName, raw: bytes):
    refused(name, raw)


@pytest.mark.parametrize(
    ("name", "members", "field"),
    [
        ("messages", {"model": None}, "model"),
        ("messages", {"model": 5}, "model"),
        ("messages", {"model": ""}, "model"),
        ("messages", {"stream": "yes"}, "stream"),
        ("messages", {"max_tokens": "9"}, "max_tokens"),
        ("messages", {"max_tokens": 9.5}, "max_tokens"),
        ("messages", {"max_tokens": True}, "max_tokens"),
        ("messages", {"max_tokens": -1}, "max_tokens"),
        ("messages", {"max_tokens": -2}, "max_tokens"),
        ("messages", {"max_tokens": None}, "max_tokens"),
        ("messages", {"messages": "hello"}, "messages"),
        ("messages", {"thinking": "on"}, "thinking"),
        ("messages", {"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
        ("chat", {"model": ["m"]}, "model"),
        ("chat", {"messages": {}}, "messages"),
        ("chat", {"max_completion_tokens": "x"}, "max_completion_tokens"),
        ("chat", {"n": 0}, "n"),
        ("chat", {"n": 10**9}, "n"),
        ("chat", {"stream_options": 5}, "stream_options"),
        ("chat", {"stream_options": {"include_usage": "yes"}}, "include_usage"),
        ("responses", {"input": 5}, "input"),
        ("responses", {"background": True}, "background"),
        ("responses", {"max_output_tokens": []}, "max_output_tokens"),
        ("responses", {"conversation": "x", "model": {}}, "model"),
    ],
)
def test_a_wrong_member_is_named(name: DialectName, members: dict[str, Any], field: str):
    assert refused(name, body(name, **members)).field == field


def test_bad_utf8_inside_a_member_names_the_member():
    raw = b'{"model":"m","max_tokens":1,"messages":["\xff"]}'
    assert refused("messages", raw).field == "messages"


def test_a_surrogate_written_raw_is_bad_utf8():
    assert refused("chat", b'{"model":"m","messages":["\xed\xa0\x80"]}').field == "messages"


def test_the_last_of_duplicate_members_counts_and_alone_goes_on():
    peek = chat.peek(b'{"model":"first","messages":[],"model":"second"}')
    assert peek.model == "second"
    assert chat.edit(peek, model="up", output_limit=None) == b'{"model":"up","messages":[]}'


def test_every_other_byte_goes_on_as_it_came():
    raw = b'{"model":"m","temperature":1.50,"max_tokens":9,"messages":[ {"z" : 1e2, "a":"\\u00fc"} ],"new":{ }}'
    sent = messages.edit(messages.peek(raw), model="up", output_limit=None)
    assert sent == raw.replace(b'"m"', b'"up"')


@pytest.mark.parametrize(("own", "limit", "sent"), [(100, 60, 60), (100, 200, 100), (0, 60, 0)])
def test_a_limit_is_lowered_and_never_raised(own: int, limit: int, sent: int):
    edited = messages.edit(messages.peek(body("messages", max_tokens=own)), model="m", output_limit=limit)
    assert msgspec.json.decode(edited)["max_tokens"] == sent


def test_a_missing_limit_is_set():
    edited = responses.edit(responses.peek(body("responses")), model="m", output_limit=77)
    assert msgspec.json.decode(edited)["max_output_tokens"] == 77


def test_a_missing_chat_limit_is_set_under_the_name_the_account_knows():
    peek = chat.peek(body("chat"))
    assert b'"max_completion_tokens":7' in chat.edit(peek, model="m", output_limit=7)
    assert b'"max_tokens":7' in chat.edit(peek, model="m", output_limit=7, limit_field="max_tokens")


def test_of_two_chat_limits_the_hold_counts_the_larger_and_each_is_lowered():
    peek = chat.peek(body("chat", max_tokens=10, max_completion_tokens=100))
    sent = msgspec.json.decode(chat.edit(peek, model="m", output_limit=50))
    assert peek.output_limit == 100
    assert (sent["max_tokens"], sent["max_completion_tokens"]) == (10, 50)


def test_usage_is_forced_on_a_chat_stream_beside_the_callers_options():
    raw = body("chat", stream=True, stream_options={"include_obfuscation": False})
    sent = msgspec.json.decode(chat.edit(chat.peek(raw), model="m", output_limit=None))
    assert sent["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize("stream", [True, False])
def test_usage_is_not_forced_where_it_is_not_wanted(stream: bool):
    peek = chat.peek(body("chat", stream=stream))
    assert b"stream_options" not in chat.edit(peek, model="m", output_limit=None, force_usage=not stream)


def test_a_chat_client_that_asks_for_usage_is_known():
    assert chat.peek(body("chat", stream=True, stream_options={"include_usage": True})).include_usage
    assert not chat.peek(body("chat", stream=True, stream_options=None)).include_usage


def test_choices_asked_for_are_counted():
    assert chat.peek(body("chat", n=3)).choices == 3


def test_a_thinking_budget_is_read_only_where_thinking_is_enabled():
    enabled = {"type": "enabled", "budget_tokens": 2048}
    assert messages.peek(body("messages", thinking=enabled)).thinking_budget == 2048
    assert messages.peek(body("messages", thinking={"type": "adaptive"})).thinking_budget == 0


def test_a_token_count_needs_no_limit_and_changes_only_the_model():
    raw = b'{"model":"m","messages":[ ],"tools":[]}'
    peek = messages.peek(raw, limit_required=False)
    assert peek.output_limit is None
    assert messages.count_body(peek, model="up") == raw.replace(b'"m"', b'"up"')
