"""How many tokens a body is said to be before anyone has counted."""

import base64

import msgspec
import pytest

from gateway.dialects.estimate import IMAGE_TOKENS, PDF_PAGE_TOKENS, SOUND_BYTES_PER_TOKEN, scan

PICTURE = base64.b64encode(bytes(range(256)) * 400).decode()
PDF = base64.b64encode(b"%PDF-1.7" + bytes(29_992)).decode()


def tokens(*parts: object) -> int:
    return scan(msgspec.json.encode({"messages": [{"role": "user", "content": list(parts)}]})).tokens


def test_text_is_three_bytes_a_token():
    assert scan(b"x" * 3_000).tokens == 1_001


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PICTURE}"},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
    ],
    ids=["messages", "messages-url", "chat", "chat-url", "responses", "responses-file"],
)
def test_an_image_is_one_price_whatever_its_size(part: object):
    assert IMAGE_TOKENS < tokens(part) < IMAGE_TOKENS + 80


@pytest.mark.parametrize(
    "part",
    [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
    ],
    ids=["messages", "chat", "responses"],
)
def test_a_pdf_is_a_page_per_three_thousand_bytes(part: object):
    assert 10 * PDF_PAGE_TOKENS <= tokens(part) < 11 * PDF_PAGE_TOKENS + 80


def test_sound_is_counted_by_its_length():
    part = {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "mp3"}}
    assert tokens(part) < len(PICTURE) // SOUND_BYTES_PER_TOKEN + 80


def test_prose_that_calls_itself_base64_is_still_prose():
    prose = "words and spaces " * 400
    assert tokens({"type": "text", "text": f"data:image/png;base64,{prose}"}) > len(prose) // 3


def test_what_is_left_of_a_body_has_no_base64_in_it():
    part = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    text = scan(msgspec.json.encode([part, {"file_id": "x"}])).text
    assert b'"file_id"' in text
    assert len(text) < 200
