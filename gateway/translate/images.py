"""The size of a picture and the pages of a document, read from their bytes without decoding them."""

import base64
import re

_HEAD_BYTES = 64 * 1024
"""How much of a picture is looked at: a JPEG may carry a thumbnail in front of the marker that says its size."""
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_JPEG_SIZES = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_JPEG_BARE = frozenset((0x01, *range(0xD0, 0xDA)))


def picture_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, JPEG, GIF or WebP in base64; None where they cannot be read."""
    head = _decoded(data[: _HEAD_BYTES * 4 // 3])
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        size = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    elif head.startswith(b"GIF8") and len(head) >= 10:
        size = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        size = _webp_size(head)
    elif head.startswith(b"\xff\xd8"):
        size = _jpeg_size(head)
    else:
        return None
    return size if min(size) > 0 else None


def pdf_pages(data: str) -> int:
    """How many pages a PDF in base64 shows; 0 where they are compressed and cannot be counted."""
    return len(_PAGE.findall(_decoded(data)))


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data[: len(data) // 4 * 4])
    except ValueError:
        return b""


def _webp_size(head: bytes) -> tuple[int, int]:
    kind, body = head[12:16], head[20:]
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _jpeg_size(head: bytes) -> tuple[int, int]:
    """The size stands in the frame header, behind segments of any kind and length."""
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker in _JPEG_SIZES:
            height, width = head[position + 5 : position + 7], head[position + 7 : position + 9]
            return int.from_bytes(width), int.from_bytes(height)
        if marker == 0xFF:
            position += 1
        elif marker in _JPEG_BARE:
            position += 2
        else:
            position += 2 + int.from_bytes(head[position + 2 : position + 4])
    return 0, 0
