"""Images, documents and files: the same bytes in another wrapping."""

import base64
import re
from typing import Any

from msgspec import Struct

from gateway.errors import BadRequest, Unsupported

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*);base64,", re.IGNORECASE)
_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""What Claude and OpenAI both look at."""


class DataUrl(Struct, frozen=True):
    """A data URL, taken apart. `media_type` is in lower case, `data` still base64."""

    media_type: str
    data: str


def read_data_url(url: str, path: str) -> DataUrl | None:
    """The parts of a data URL; None for any other URL. Raises BadRequest for one that is not base64."""
    if url[:5].lower() != "data:":
        return None
    match = _DATA_URL.match(url)
    if match is None:
        raise BadRequest(f"{path}: the data URL must be base64", field=path)
    return DataUrl(match.group(1).lower(), url[match.end() :])


def image_type(declared: str, data: str, path: str) -> str:
    """The media type of an image: what its first bytes say, else what was declared. Raises BadRequest.

    Claude refuses an image whose declared type is wrong, and `image/jpg`, which is none.
    """
    try:
        head = base64.b64decode(data[:16] + "=" * (-len(data[:16]) % 4))
    except ValueError:
        head = b""
    found = next((name for magic, name in _MAGIC if head.startswith(magic)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        found = "image/webp"
    found = found or ("image/jpeg" if declared == "image/jpg" else declared)
    if found not in IMAGE_TYPES:
        raise Unsupported(f"{path}: images of type {declared or 'unknown'} are not supported", field=path)
    return found


def data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"


def claude_image(url: str, path: str) -> dict[str, Any]:
    """A Messages image block from the URL OpenAI clients send. Raises BadRequest."""
    found = read_data_url(url, path)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type = image_type(found.media_type, found.data, path)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": found.data}}


def claude_document(file_data: str, filename: str | None, path: str) -> dict[str, Any]:
    """A Messages document block from the file OpenAI clients send: PDF or plain text. Raises BadRequest.

    Without a data URL's head the file is taken for the PDF or text that its first bytes or its name say it is.
    """
    found = read_data_url(file_data, path) or DataUrl("", file_data)
    media_type = found.media_type
    if not media_type and found.data.startswith("JVBER"):
        media_type = "application/pdf"
    if media_type == "application/pdf":
        source = {"type": "base64", "media_type": media_type, "data": found.data}
    elif media_type == "text/plain":
        source = {"type": "text", "media_type": media_type, "data": _decoded_text(found.data, path)}
    else:
        raise Unsupported(f"{path}: files of type {media_type or 'unknown'} are not supported", field=path)
    return {"type": "document", **({"title": filename} if filename else {}), "source": source}


def openai_image_url(source: dict[str, Any], path: str) -> str:
    """The URL of a Messages image source. Raises BadRequest for a file id, which only its vendor can resolve."""
    kind = source.get("type")
    if kind == "base64" and isinstance(source.get("data"), str):
        return data_url(str(source.get("media_type") or "image/png"), source["data"])
    if kind == "url" and isinstance(source.get("url"), str):
        return str(source["url"])
    raise Unsupported(f"{path}: images of source type {kind!r} are not supported by this model", field=f"{path}.type")


def document_text(title: str | None, text: str) -> str:
    """A document in words, for those who take none. The form is part of cached prompts: it never changes."""
    return f'<document title="{title or "document"}">\n{text}\n</document>'


def search_result_text(block: dict[str, Any]) -> str:
    """A search result in words."""
    content = block.get("content")
    texts = [part["text"] for part in content or () if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return f"{block.get('title') or ''}\n{block.get('source') or ''}\n".lstrip("\n") + "\n".join(texts)


def _decoded_text(data: str, path: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except ValueError:
        raise BadRequest(f"{path}: the file is not text in UTF-8", field=path) from None
