"""Status line and headers of an answer, and how its body is framed. No I/O."""

import enum
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.clock import now_ms

STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
STATUS_LINES[529] = b"HTTP/1.1 529 Overloaded\r\n"

_OURS = frozenset((b"connection", b"content-length", b"date", b"keep-alive", b"transfer-encoding", b"upgrade"))


class Framing(enum.Enum):
    """How the end of the body is told (RFC 9112, 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"


class ResponseHead(msgspec.Struct):
    """`data` is ready to send; `length` the declared size of the body under Framing.LENGTH."""

    data: bytes
    framing: Framing
    length: int
    keep_alive: bool


def response_head(
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    *,
    method: str,
    http_version: str,
    keep_alive: bool,
    body_bytes: int | None,
) -> ResponseHead:
    """The head of the answer to a `method` request of `http_version`.

    `body_bytes` is the size of the body where all of it is known, else None. `keep_alive` says whether the connection
    may be used again; the answer can still end that. ValueError: a header that would break out of its line.
    """
    lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    length = body_bytes
    date = upgrade = b""
    for name, value in headers:
        if name not in _OURS:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif name == b"content-length":
            length = int(value)
        elif name == b"connection":
            keep_alive = keep_alive and b"close" not in value.lower()
        elif name == b"date":
            date = b"date: %b\r\n" % value
        elif name == b"upgrade":
            upgrade = b"upgrade, "
            lines.append(b"upgrade: %b\r\n" % value)
    bodiless = status < 200 or status == 204 or status == 304
    if bodiless or method == "HEAD":
        framing = Framing.NONE
    elif length is not None:
        framing = Framing.LENGTH
    elif http_version == "1.1":
        framing = Framing.CHUNKED
        lines.append(b"transfer-encoding: chunked\r\n")
    else:
        framing = Framing.UNTIL_CLOSE
        keep_alive = False
    if length is not None and not bodiless:
        lines.append(b"content-length: %d\r\n" % length)
    if not keep_alive:
        lines.append(b"connection: %bclose\r\n" % upgrade)
    elif http_version == "1.0":
        lines.append(b"connection: keep-alive\r\n")
    lines.append(date or _date_line())
    data = b"".join(lines)
    if data.count(b"\n") != len(lines) or data.count(b"\r") != len(lines):
        raise ValueError("a response header has a line break in it")
    return ResponseHead(data + b"\r\n", framing, length or 0, keep_alive)


def refusal(status: int, message: str, *, retry_after_s: int | None = None) -> bytes:
    """A whole small answer that closes the connection, for what never reaches the application."""
    error_type = "invalid_request_error" if status < 500 else "api_error"
    body = msgspec.json.encode({"error": {"type": error_type, "message": message}})
    headers = [(b"content-type", b"application/json")]
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % retry_after_s))
    head = response_head(status, headers, method="GET", http_version="1.1", keep_alive=False, body_bytes=len(body))
    return head.data + body


class _Date:
    second = -1
    line = b""


def _date_line() -> bytes:
    """`Date`, formatted once a second."""
    second = now_ms() // 1000
    if second != _Date.second:
        _Date.second = second
        _Date.line = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return _Date.line
