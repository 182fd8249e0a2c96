"""How large a prompt is said to be where nobody can be asked."""

import base64
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.billing.estimates import Corrections
from gateway.catalog import Model
from gateway.catalog.load import shipped_catalog
from gateway.dialects.peek import read_fields
from gateway.translate import messages_chat
from gateway.translate.images import pdf_pages, picture_size
from gateway.translate.tokens import corrected, estimate, first_factor, observe, picture_tokens, vocabulary
from tests.unit.translate.kit import context, model

MODELS = shipped_catalog().models
PLAIN = model()
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 1_000, 600)
GIF = b"GIF89a" + struct.pack("<HH", 1_000, 600)
JPEG = b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14) + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, 600, 1_000)
WEBP = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0" + bytes(4) + (999).to_bytes(3, "little") + (599).to_bytes(3, "little")
LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (999 | 599 << 14).to_bytes(4, "little") + bytes(5)


def words(text: str) -> int:
    """Stands for the vocabulary: a token a word."""
    return len(text.split())


def tokens(given: Model = PLAIN, **request: Any) -> int:
    return estimate(msgspec.json.encode(request), given, count=words)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def picture(data: bytes = PNG) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{in_base64(data)}"}}


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def test_everything_the_model_reads_counts() -> None:
    small = tokens(messages=[{"role": "user", "content": "one"}])
    assert tokens(messages=[{"role": "user", "content": "one two three"}]) > small
    assert tokens(system="be brief and kind", messages=[{"role": "user", "content": "one"}]) > small
    assert tokens(messages=[{"role": "user", "content": "one"}] * 2) > small
    tool = {"type": "function", "function": {"name": "f", "description": "a b c", "parameters": {}}}
    assert tokens(messages=[{"role": "user", "content": "one"}], tools=[tool]) > small


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a b c"}]}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a b c"}]}]},
        {"input": "a b c"},
    ],
)
def test_the_same_words_are_the_same_in_every_dialect(request_body: dict[str, Any]) -> None:
    assert tokens(**request_body) == tokens(messages=[{"role": "user", "content": "a b c"}])


def test_results_and_arguments_of_tools_are_read() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "a b c d e"}}
    with_call = tokens(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert with_call >= tokens(messages=[{"role": "assistant", "content": "a b c d e"}])
    result = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "a b c"}]}
    assert tokens(messages=user(result)) == tokens(messages=user({"type": "text", "text": "a b c"}))


def test_a_picture_is_never_counted_as_text() -> None:
    large = picture(PNG + bytes(300_000))
    assert tokens(messages=user(large)) == tokens(messages=user(picture()))


@pytest.mark.parametrize("data", [PNG, GIF, JPEG, WEBP, LOSSLESS])
def test_the_size_of_a_picture_is_in_its_first_bytes(data: bytes) -> None:
    assert picture_size(in_base64(data)) == (1_000, 600)


@pytest.mark.parametrize("data", ["", "iVBORw0KGgo=", "!!!", "AAAA", in_base64(b"\xff\xd8\xff\xe0")])
def test_a_picture_that_says_nothing_has_no_size(data: str) -> None:
    assert picture_size(data) is None


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [("claude-haiku-4-5", 800), ("claude-opus-5-5", 800), ("gpt-4.1", 85 + 170 * 4), ("gpt-6-sol", 1_500)],
)
def test_every_vendor_counts_pictures_its_own_way(model_id: str, expected: int) -> None:
    assert picture_tokens(1_000, 600, MODELS[model_id]) == expected


def test_the_largest_picture_grew_with_claudes_new_tokenizer() -> None:
    assert picture_tokens(4_000, 4_000, MODELS["claude-haiku-4-5"]) == 1_600
    assert picture_tokens(4_000, 4_000, MODELS["claude-opus-5-5"]) == 4_800


def test_a_document_is_counted_by_its_pages() -> None:
    one, three = (in_base64(b"%PDF-1.7" + b"<< /Type /Page >>" * pages) for pages in (1, 3))
    assert (pdf_pages(one), pdf_pages(three)) == (1, 3)
    files = [{"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}} for data in (one, three)]
    first, second = (tokens(messages=user(file)) for file in files)
    assert second - first == 2 * 3_100


def test_a_document_of_text_is_text() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "a b c"}
    assert tokens(messages=user({"type": "document", "source": source})) == tokens(
        messages=user({"type": "text", "text": "a b c"})
    )


def test_claude_needs_more_tokens_for_the_same_text() -> None:
    factors = [first_factor(MODELS[name]) for name in ("gpt-6-sol", "claude-haiku-4-5", "claude-opus-5-5")]
    assert factors == sorted(set(factors))


def test_usage_corrects_the_estimate() -> None:
    corrections = Corrections()
    for _ in range(100):
        observe(1_000, 1_300, PLAIN, corrections)
    assert 1_270 < corrected(1_000, PLAIN, corrections) < 1_330


def test_corrections_of_counts_leave_those_of_holds_alone() -> None:
    corrections = Corrections()
    observe(1_000, 1_300, PLAIN, corrections)
    assert corrections.corrected(PLAIN.id, 1_000) == 1_000


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"messages":7,"tools":[3],"system":[null]}', b"\xff"])
def test_there_is_an_answer_whatever_was_sent(body: bytes) -> None:
    assert estimate(body, PLAIN, count=words) >= 1


def test_halves_of_surrogates_do_not_break_the_count() -> None:
    assert estimate(b'{"messages":[{"role":"user","content":"\\ud800 x"}]}', PLAIN) >= 1


def test_the_vocabulary_counts_as_openai_does() -> None:
    quicktok = pytest.importorskip("quicktok")
    assert vocabulary()("The quick brown fox jumps over the lazy dog.") == 10
    assert vocabulary()("<|endoftext|>") > 1
    assert quicktok.get_encoding("o200k_base").name == "o200k_base"


def test_the_worked_case_is_near_its_number() -> None:
    """System, tools and the picture all count; the case's own number is an estimate, too."""
    case = msgspec.json.decode((Path(__file__).parents[2] / "golden/cases/ct01_count_tokens_local.json").read_bytes())
    upstream = context(model=MODELS["gpt-4.1"])
    body = messages_chat.count_body(read_fields(msgspec.json.encode(case["client_request"])), upstream)
    assert estimate(body, MODELS["gpt-4.1"]) == pytest.approx(case["client_response"]["input_tokens"], rel=0.1)
