"""Status line, headers and framing of answers."""

from typing import Any

import pytest

from gateway.edge.response_head import Framing, ResponseHead, refusal, response_head


def head(status: int = 200, headers: Any = (), **facts: Any) -> ResponseHead:
    facts = {"method": "GET", "http_version": "1.1", "keep_alive": True, "body_bytes": None, **facts}
    return response_head(status, headers, **facts)


@pytest.mark.parametrize(
    ("facts", "headers", "framing"),
    [
        ({"body_bytes": 5}, [], Framing.LENGTH),
        ({}, [(b"content-length", b"5")], Framing.LENGTH),
        ({}, [], Framing.CHUNKED),
        ({"http_version": "1.0"}, [], Framing.UNTIL_CLOSE),
        ({"http_version": "1.0", "body_bytes": 5}, [], Framing.LENGTH),
        ({"method": "HEAD", "body_bytes": 5}, [], Framing.NONE),
        ({"method": "HEAD"}, [], Framing.NONE),
        ({"status": 204, "body_bytes": 0}, [], Framing.NONE),
        ({"status": 304}, [(b"content-length", b"5")], Framing.NONE),
    ],
)
def test_framing(facts: dict[str, Any], headers: Any, framing: Framing) -> None:
    assert head(headers=headers, **facts).framing is framing


def test_the_application_does_not_choose_the_transfer_coding() -> None:
    data = head(headers=[(b"transfer-encoding", b"gzip"), (b"keep-alive", b"timeout=5")], body_bytes=1).data

    assert b"transfer-encoding" not in data
    assert b"keep-alive" not in data


def test_the_applications_date_stands() -> None:
    data = head(headers=[(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")], body_bytes=1).data

    assert data.count(b"date: ") == 1
    assert b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" in data


def test_an_unknown_status_has_no_phrase() -> None:
    assert head(status=599, body_bytes=0).data.startswith(b"HTTP/1.1 599 \r\n")


@pytest.mark.parametrize("header", [(b"a", b"b\r\nc: d"), (b"a", b"b\nc"), (b"a\r\nc", b"d"), (b"a", b"b\rc")])
def test_a_header_cannot_leave_its_line(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line break"):
        head(headers=[header])


def test_a_refusal_is_a_whole_answer() -> None:
    start, body = refusal(431, "Too much.").split(b"\r\n\r\n")

    assert start.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"content-length: %d\r\n" % len(body) in start
    assert body == b'{"error":{"type":"invalid_request_error","message":"Too much."}}'
