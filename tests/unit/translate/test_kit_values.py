"""Ids, names, media, usage, warnings and limit headers: small things that have to be the same on every turn."""

import base64
from typing import Any

import pytest

from gateway.dialects.usage import add
from gateway.errors import BadRequest, Unsupported
from gateway.records import Usage
from gateway.translate.ids import ToolNames, answer_id, call_id_for, opaque_user
from gateway.translate.media import claude_document, claude_image, document_text, openai_image_url
from gateway.translate.usage import chat_usage, messages_usage, responses_usage
from gateway.translate.warnings import MAX_CODES, Warnings

USAGE = Usage(
    input_tokens=100,
    cache_read_tokens=600,
    cache_write_5m_tokens=100,
    cache_write_1h_tokens=50,
    cache_write_30m_tokens=140,
    cache_write_12h_tokens=10,
    output_tokens=50,
    reasoning_tokens=20,
)


def test_an_answers_id_changes_its_prefix_only():
    assert answer_id("chatcmpl-A1", "messages") == "msg_A1"
    assert answer_id("msg_A1", "chat") == "chatcmpl-A1"
    assert answer_id("resp_A1", "responses") == "resp_A1"
    assert answer_id("req_7", "messages") == "msg_7"


def test_a_legal_call_id_stays():
    assert call_id_for("chat", "toolu_1") == "toolu_1"
    assert call_id_for("responses", "x" * 64) == "x" * 64


@pytest.mark.parametrize(
    ("dialect", "call_id"),
    [("chat", "x" * 41), ("responses", "x" * 65), ("messages", "functions.get:0"), ("messages", "")],
)
def test_an_illegal_call_id_becomes_the_same_legal_one_every_time(dialect: Any, call_id: str):
    found = call_id_for(dialect, call_id)
    assert found == call_id_for(dialect, call_id)
    assert found.startswith("call_")
    assert len(found) == 37


def test_tool_names_are_made_legal_and_found_again():
    names = ToolNames()
    new = names.upstream("mcp.server/get weather" + "x" * 80)
    assert len(new) <= 64
    assert names.restored == {new: "mcp.server/get weather" + "x" * 80}
    assert names.upstream("plain") == "plain"


def test_a_long_user_id_is_hashed():
    assert opaque_user("u" * 128) == "u" * 128
    assert len(opaque_user("u" * 129)) == 64


def image(data: bytes, declared: str) -> dict[str, Any]:
    return claude_image(f"data:{declared};base64,{base64.b64encode(data).decode()}", "p")["source"]


@pytest.mark.parametrize(
    ("data", "declared", "found"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpg", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBP", "image/png", "image/webp"),
        (b"unknown", "image/gif", "image/gif"),
    ],
)
def test_an_image_is_what_its_first_bytes_say(data: bytes, declared: str, found: str):
    assert image(data, declared)["media_type"] == found


def test_an_image_claude_cannot_see_is_refused_by_its_path():
    with pytest.raises(Unsupported) as refused:
        claude_image("data:image/tiff;base64,AAAA", "messages.0.content.1.image_url.url")
    assert refused.value.field == "messages.0.content.1.image_url.url"


def test_a_linked_image_stays_linked():
    url = "https://example.com/x.png"
    assert claude_image(url, "p")["source"] == {"type": "url", "url": url}
    assert openai_image_url({"type": "url", "url": url}, "p") == url


def test_an_image_by_file_id_is_refused():
    with pytest.raises(Unsupported):
        openai_image_url({"type": "file", "file_id": "file_1"}, "p")


def test_a_text_file_is_a_text_document():
    data = base64.b64encode("naïve".encode()).decode()
    found = claude_document(f"data:text/plain;base64,{data}", "a.txt", "p")
    assert found["source"] == {"type": "text", "media_type": "text/plain", "data": "naïve"}


def test_a_file_of_another_type_is_refused():
    with pytest.raises(Unsupported):
        claude_document("data:application/zip;base64,AAAA", None, "p")


def test_a_data_url_without_base64_is_refused():
    with pytest.raises(BadRequest):
        claude_image("data:image/png,abc", "p")


def test_a_document_in_words_has_its_title():
    assert document_text("T", "x") == '<document title="T">\nx\n</document>'


def test_every_dialect_says_the_same_of_usage():
    chat, responses = chat_usage(USAGE), responses_usage(USAGE)
    assert chat["prompt_tokens"] == responses["input_tokens"] == USAGE.prompt_tokens == 1000
    assert chat["prompt_tokens_details"] == responses["input_tokens_details"]
    assert chat["prompt_tokens_details"] == {"cached_tokens": 600, "cache_write_tokens": 300}
    messages = messages_usage(USAGE, reasoning_reported=True)
    total = messages["input_tokens"] + messages["cache_read_input_tokens"] + messages["cache_creation_input_tokens"]
    assert total == 1000


def test_thinking_nobody_reported_is_not_said_to_be_none():
    assert "output_tokens_details" not in messages_usage(USAGE, reasoning_reported=False)


def test_two_parts_of_an_answer_add_up():
    both = add(USAGE, Usage(input_tokens=1, output_tokens=2, service_tier="priority"))
    assert (both.prompt_tokens, both.output_tokens, both.service_tier) == (1001, 52, "priority")


def test_a_warning_is_said_once_and_in_order():
    warnings = Warnings()
    warnings.dropped("b")
    warnings.emulated("a")
    warnings.dropped("b")
    assert warnings.codes == ("dropped:b", "emulated:a")


def test_strict_refuses_what_would_be_dropped():
    with pytest.raises(Unsupported) as refused:
        Warnings("strict").dropped("messages.1.content.0(thinking)")
    assert refused.value.field == "messages.1.content.0"


def test_a_clients_words_cannot_write_a_header():
    warnings = Warnings()
    warnings.dropped("a\r\nx-evil: 1" + "é" * 500)
    assert warnings.codes[0].startswith("dropped:a__x-evil:_1_")
    assert len(warnings.codes[0]) < 200


def test_many_warnings_are_counted():
    warnings = Warnings()
    for number in range(MAX_CODES + 3):
        warnings.dropped(f"messages.{number}")
    assert warnings.codes[-1] == "and:3-more"
    assert len(warnings.codes) == MAX_CODES + 1
