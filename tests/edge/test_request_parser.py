"""Which requests the parser hands out, and which it refuses, however the bytes are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.request_parser import MAX_HEADERS, Request, RequestParser

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def parse(*parts: bytes, max_header_bytes: int = 4096) -> RequestParser:
    parser = RequestParser(max_header_bytes)
    for part in parts:
        parser.feed(part)
    return parser


def complete_requests(parser: RequestParser) -> list[Request]:
    found = []
    while (request := parser.next_request()) is not None:
        if not request.complete:
            break
        found.append(request)
    return found


def only_request(*parts: bytes) -> Request:
    parser = parse(*parts)
    (request,) = complete_requests(parser)
    assert parser.failure is None
    return request


REFUSED = {
    "content-length and transfer-encoding": (
        400,
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "transfer-encoding and content-length": (
        400,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    "transfer-encoding in HTTP/1.0": (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "transfer-encoding: identity": (400, POST + b"Transfer-Encoding: identity\r\n\r\n"),
    "transfer-encoding: gzip, chunked": (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "transfer-encoding: chunked, gzip": (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "transfer-encoding twice": (
        400,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "transfer-encoding: xchunked": (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "transfer-encoding behind a vertical tab": (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "two content-lengths": (400, POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "two equal content-lengths": (400, POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "a list of content-lengths": (400, POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    "content-length with a sign": (400, POST + b"Content-Length: +3\r\n\r\nabc"),
    "negative content-length": (400, POST + b"Content-Length: -3\r\n\r\nabc"),
    "hexadecimal content-length": (400, POST + b"Content-Length: 0x3\r\n\r\nabc"),
    "empty content-length": (400, POST + b"Content-Length: \r\n\r\nabc"),
    "content-length beyond 64 bits": (400, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "bare LF after the request line": (400, b"GET / HTTP/1.1\nHost: x\r\n\r\n"),
    "bare LF after a header": (400, b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"),
    "bare LF at the end of the head": (400, b"GET / HTTP/1.1\r\nHost: x\r\n\n"),
    "bare CR after a header": (400, b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"),
    "folded header": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
    "header folded with a tab": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n"),
    "space before the first header": (400, b"GET / HTTP/1.1\r\n A: b\r\nHost: x\r\n\r\n"),
    "NUL in a value": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"),
    "NUL in a name": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n"),
    "control character in a value": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n"),
    "space before the colon": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"),
    "header without a colon": (400, b"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n"),
    "header without a name": (400, b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
    "host with a slash": (400, b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n"),
    "host with a user": (400, b"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n"),
    "HTTP/0.9": (505, b"GET /\r\n\r\n"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
    "HTTP/1.2": (400, b"GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
    "prior knowledge of h2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS to the plain port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "space in the target": (400, b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
    "NUL in the target": (400, b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n"),
    "raw byte above 127 in the target": (400, b"GET /a\xff HTTP/1.1\r\nHost: x\r\n\r\n"),
    "fragment in the target": (400, b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"),
    "relative target": (400, b"GET a HTTP/1.1\r\nHost: x\r\n\r\n"),
    "target of another scheme": (400, b"GET ftp://h/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "target with a user": (400, b"GET http://u@h/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "asterisk on GET": (400, b"GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
    "CONNECT": (400, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"),
    "CONNECT without a target": (505, b"CONNECT  HTTP/1.1\r\nHost: h\r\n\r\n"),
    "unknown method": (400, b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "method in lower case": (400, b"get / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "unknown expectation": (417, POST + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n"),
    "negative chunk size": (400, CHUNKED + b"-1\r\n\r\n"),
    "chunk size with 0x": (400, CHUNKED + b"0x1\r\na\r\n0\r\n\r\n"),
    "empty chunk size": (400, CHUNKED + b"\r\na\r\n0\r\n\r\n"),
    "space behind the chunk size": (400, CHUNKED + b"1 \r\na\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": (400, CHUNKED + b"fffffffffffffffff\r\na\r\n"),
    "bare LF after the chunk size": (400, CHUNKED + b"1\na\r\n0\r\n\r\n"),
    "bare LF in a chunk extension": (400, CHUNKED + b"1;a\n\r\na\r\n0\r\n\r\n"),
    "bare CR in a chunk extension": (400, CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n"),
    "bare LF after a chunk": (400, CHUNKED + b"1\r\na\n0\r\n\r\n"),
    "chunk longer than its size": (400, CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
    "content-length in a trailer": (400, CHUNKED + b"1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "head too large in one header": (431, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + 5000 * b"a" + b"\r\n\r\n"),
    "head too large in its target": (431, b"GET /" + 5000 * b"a" + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "head that never ends": (431, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + 20000 * b"a"),
    "too many headers": (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + MAX_HEADERS * b"a:\r\n" + b"\r\n"),
    "endless chunk extension": (400, CHUNKED + b"1;" + 20000 * b"a"),
    "endless trailer": (400, CHUNKED + b"1\r\na\r\n0\r\nA: " + 40000 * b"a"),
}


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_and_nothing_behind_it_is_served(status: int, data: bytes) -> None:
    parser = parse(data, b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")

    assert complete_requests(parser) == []
    assert parser.failure is not None
    assert parser.failure.status == status


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_byte_by_byte_too(status: int, data: bytes) -> None:
    parser = parse(*[data[n : n + 1] for n in range(len(data))])

    assert complete_requests(parser) == []
    assert parser.failure is not None
    assert parser.failure.status == status


def test_a_trailer_is_not_a_header() -> None:
    request = only_request(CHUNKED + b"1\r\na\r\n0\r\nX-Api-Key: stolen\r\n\r\n")

    assert request.take_body() == b"a"
    assert request.headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]


def test_chunk_extensions_are_ignored() -> None:
    assert only_request(CHUNKED + b'1;a=b;c="d"\r\na\r\n0\r\n\r\n').take_body() == b"a"


def test_header_names_are_lower_case_and_values_trimmed() -> None:
    request = only_request(b"GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: \t k \t\r\nEmpty:\r\n\r\n")

    assert request.headers == [(b"host", b"x"), (b"x-api-key", b"k"), (b"empty", b"")]


@pytest.mark.parametrize(
    ("target", "raw_path", "path", "query"),
    [
        (b"/v1/messages?beta=true", b"/v1/messages", "/v1/messages", b"beta=true"),
        (b"/a%20b", b"/a%20b", "/a b", b""),
        (b"/v1%2Fmessages", b"/v1%2Fmessages", "/v1%2Fmessages", b""),
        (b"/v1%2fmessages", b"/v1%2fmessages", "/v1%2Fmessages", b""),
        (b"/%2561", b"/%2561", "/%61", b""),
        (b"/%C3%A9", b"/%C3%A9", "/é", b""),
        (b"/%ff", b"/%ff", "/\ufffd", b""),
        (b"/a?b=%2F?c", b"/a", "/a", b"b=%2F?c"),
        (b"http://other:80/p?q", b"/p", "/p", b"q"),
        (b"http://other", b"/", "/", b""),
        (b"http://other?q", b"/", "/", b"q"),
    ],
)
def test_target(target: bytes, raw_path: bytes, path: str, query: bytes) -> None:
    request = only_request(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (request.raw_path, request.path, request.query_string) == (raw_path, path, query)


def test_an_absolute_target_names_the_host() -> None:
    request = only_request(b"GET http://other:81/p HTTP/1.1\r\nHost: x\r\n\r\n")

    assert request.headers == [(b"host", b"other:81")]


def test_options_asterisk() -> None:
    assert only_request(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").raw_path == b"*"


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_keep_alive(head: bytes, keeps: bool) -> None:
    assert only_request(head).keep_alive is keeps


def test_what_follows_the_last_request_is_ignored() -> None:
    parser = parse(
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", b"junk"
    )

    assert [request.path for request in complete_requests(parser)] == ["/a"]
    assert parser.failure is None


def test_the_body_of_a_last_request_arrives_in_parts() -> None:
    head = POST + b"Connection: close\r\nContent-Length: 4\r\n\r\n"

    assert only_request(head, b"ab", b"cd").take_body() == b"abcd"


def test_empty_lines_before_a_request_are_ignored() -> None:
    assert only_request(b"\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n").path == "/a"


def test_an_offer_of_h2c_is_not_taken_and_its_body_is_read() -> None:
    parser = parse(
        POST
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\nContent-Length: 3\r\n\r\n"
        b"abcGET /next HTTP/1.1\r\nHost: x\r\n\r\n"
    )

    first, second = complete_requests(parser)

    assert first.take_body() == b"abc"
    assert b"upgrade" not in dict(first.headers)
    assert second.path == "/next"


def test_an_offer_of_h2c_with_a_chunked_body_cut_anywhere() -> None:
    data = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for cut in range(1, len(data)):
        assert only_request(data[:cut], data[cut:]).take_body() == b"abc"


def test_smuggling_behind_an_offer_of_h2c_is_refused() -> None:
    parser = parse(
        b"POST / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )

    assert complete_requests(parser) == []
    assert parser.failure is not None


def test_a_websocket_upgrade_is_the_last_request_and_keeps_its_header() -> None:
    parser = parse(
        b"GET /v1/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
    )

    (request,) = complete_requests(parser)

    assert (b"upgrade", b"websocket") in request.headers
    assert not request.keep_alive
    assert parser.failure is None


def test_an_upgrade_header_without_connection_upgrade_is_dropped() -> None:
    request = only_request(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")

    assert request.headers == [(b"host", b"x")]
    assert request.keep_alive


def test_requests_before_a_malformed_one_are_served() -> None:
    parser = parse(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n")

    assert [request.path for request in complete_requests(parser)] == ["/a"]
    assert parser.failure is not None


def test_few_requests_are_parsed_ahead_of_the_one_in_hand() -> None:
    parser = parse(2000 * b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert len(parser._begun) < 400
    assert len(complete_requests(parser)) == 2000


def test_few_requests_are_parsed_ahead_behind_a_large_body() -> None:
    body = POST + b"Content-Length: 60000\r\n\r\n" + 30_000 * b"x"
    parser = parse(body, 30_000 * b"x" + 1000 * b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert len(parser._begun) < 400
    assert len(complete_requests(parser)) == 1001


def test_a_body_is_taken_as_it_arrives() -> None:
    parser = parse(POST + b"Content-Length: 6\r\n\r\nab")
    request = parser.next_request()
    assert request is not None

    assert (request.take_body(), request.complete) == (b"ab", False)
    parser.feed(b"cd")
    parser.feed(b"ef")
    assert (request.take_body(), request.complete) == (b"cdef", True)


def _message(number: int, body: bytes, chunk_sizes: list[int] | None, offers_upgrade: bool) -> bytes:
    head = b"POST /%d HTTP/1.1\r\nHost: x\r\n" % number
    if offers_upgrade:
        head += b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    if chunk_sizes is None:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    data, rest = head + b"Transfer-Encoding: chunked\r\n\r\n", body
    for size in chunk_sizes:
        chunk, rest = rest[:size], rest[size:]
        if chunk:
            data += b"%x\r\n%b\r\n" % (len(chunk), chunk)
    if rest:
        data += b"%x\r\n%b\r\n" % (len(rest), rest)
    return data + b"0\r\n\r\n"


@given(
    messages=st.lists(
        st.tuples(
            st.binary(max_size=40) | st.integers(1, 40_000).map(lambda n: n * b"z"),
            st.none() | st.lists(st.integers(1, 50), max_size=5),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    cuts=st.lists(st.floats(0, 1, exclude_max=True), max_size=30),
    eager=st.booleans(),
)
def test_any_split_of_a_pipelined_series_gives_the_same_requests(
    messages: list[tuple[bytes, list[int] | None, bool]], cuts: list[float], eager: bool
) -> None:
    data = b"".join([_message(number, *message) for number, message in enumerate(messages)])
    places = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    parser = RequestParser(4096)
    found: list[tuple[str, bytes]] = []
    current: Request | None = None

    def answer_all() -> None:
        nonlocal current
        while True:
            if current is None:
                current = parser.next_request()
            if current is None or not current.complete:
                return
            found.append((current.path, current.take_body()))
            current = None

    for start, end in itertools.pairwise(places):
        parser.feed(data[start:end])
        if eager:
            answer_all()
    answer_all()

    assert parser.failure is None
    assert found == [(f"/{number}", body) for number, (body, _, _) in enumerate(messages)]
