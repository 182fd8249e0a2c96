"""How many tokens a request will be, from its bytes: for holds and for labelled counts, never for a bill.

Text is bytes / 3 (between prose at 4 and code or JSON at 2.5). An image is 1,600 tokens, what Claude models charge for
one at full size. A PDF is a page per 3,000 bytes, at most 600 pages (the API's own limit), and 3,000 tokens a page.
Sound is a token per 1,500 bytes: ten a second of MP3. Other files are bytes / 3.
"""

import re
from itertools import pairwise

from msgspec import Struct

IMAGE_TOKENS = 1_600
PDF_PAGE_BYTES = 3_000
PDF_PAGE_TOKENS = 3_000
PDF_MAX_PAGES = 600
SOUND_BYTES_PER_TOKEN = 1_500

_MIN_BASE64_BYTES = 256
_BASE64_MEMBER = re.compile(rb'"(?:data|file_data|result)"\s*:\s*"')
_IMAGES = (b'image"', b'image_url"', b'input_image"')
_UNMARKED = (b'input_audio"', b'image_generation_call"')
"""Types of blocks whose base64 stands in a member with nothing beside it that says so."""


class Scan(Struct, frozen=True):
    """A request body without its base64 strings, and how many tokens the whole of it will be."""

    text: bytes
    tokens: int


def scan(body: bytes) -> Scan:
    """Read through a request body: two searches where nothing is attached (0.7 ms for a megabyte of prose)."""
    marked = b"base64" in body
    starts = _data_urls(body) if marked else []
    spans = _base64_spans(body, starts)
    text = _without(body, spans)
    # Looked for in what is left: a search through ten megabytes of base64 takes 3 ms.
    in_members = marked and b'"base64"' in text
    if in_members:
        spans = _base64_spans(body, starts + _member_strings(body))
        text = _without(body, spans)
    types = [piece[:24].lstrip(b' \t\r\n:"') for piece in text.split(b'"type"')[1:]]
    if not in_members and any(kind.startswith(_UNMARKED) for kind in types):
        spans = _base64_spans(body, starts + _member_strings(body))
        text = _without(body, spans)
    costs = [_file_tokens(body, start, end) for start, end in spans]
    linked_images = sum(kind.startswith(_IMAGES) for kind in types) - costs.count(IMAGE_TOKENS)
    return Scan(text=text, tokens=len(text) // 3 + 1 + sum(costs) + IMAGE_TOKENS * max(0, linked_images))


def asks_for_cache_writes(text: bytes) -> bool:
    """Whether a body without its base64 may have its prompt written to a cache, which costs more than reading it."""
    return b'"cache_control"' in text or b'"prompt_cache' in text


def _without(body: bytes, spans: list[tuple[int, int]]) -> bytes:
    if not spans:
        return body
    edges = [0, *[edge for span in spans for edge in span], len(body)]
    return b"".join([body[start:end] for start, end in list(pairwise(edges))[::2]])


def _base64_spans(body: bytes, starts: list[int]) -> list[tuple[int, int]]:
    """Where base64 strings stand. A string with a space or an escape is text, whatever it is called."""
    spans: list[tuple[int, int]] = []
    behind = 0
    for start in sorted(starts):
        end = _string_end(body, start)
        if start < behind or end - start < _MIN_BASE64_BYTES:
            continue
        if body.find(b" ", start, end) == -1 and body.find(b"\\", start, end) == -1:
            spans.append((start, end))
            behind = end
    return spans


def _data_urls(body: bytes) -> list[int]:
    starts = []
    position = body.find(b";base64,")
    while position != -1:
        starts.append(position + 8)
        position = body.find(b";base64,", _string_end(body, position))
    return starts


def _member_strings(body: bytes) -> list[int]:
    starts = []
    match = _BASE64_MEMBER.search(body)
    while match:
        starts.append(match.end())
        # The search goes on behind the string: a pattern tried over ten megabytes of base64 costs more than all else.
        match = _BASE64_MEMBER.search(body, _string_end(body, match.end()))
    return starts


def _string_end(body: bytes, start: int) -> int:
    end = body.find(b'"', start)
    return len(body) if end == -1 else end


def _file_tokens(body: bytes, start: int, end: int) -> int:
    """The kind is read from the bytes around the string: a data URL's type, or the members beside `data`."""
    around = body[max(0, start - 160) : start] + body[end : end + 160]
    size = (end - start) * 3 // 4
    if body.startswith(b"JVBER", start) or b"application/pdf" in around:
        pages = min(PDF_MAX_PAGES, max(1, -(-size // PDF_PAGE_BYTES)))
        return pages * PDF_PAGE_TOKENS
    if b"input_audio" in around or b"audio/" in around:
        return size // SOUND_BYTES_PER_TOKEN + 1
    if b"image" in around:
        return IMAGE_TOKENS
    return size // 3 + 1
