"""Bytes from one client connection in, HTTP/1.1 requests out. No I/O.

llhttp (through httptools) does the grammar, lenient on nothing. What it lets through and a gateway must not is refused
in `RequestParser.on_headers_complete`. One request is worked on at a time; what was pipelined behind it waits.
"""

import re
from collections import deque
from urllib.parse import unquote_to_bytes

import httptools

MAX_HEADERS = 128

# llhttp cannot be paused from here, so bytes are fed in slices: a slice bounds how many requests can be parsed ahead
# of the one being answered (8 KiB are some 270 of the shortest).
_SLICE = 8 * 1024

_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=:%\[\]]*\Z")
_ABSOLUTE_TARGET = re.compile(rb"https?://([^/?@]+)([/?].*)?\Z", re.IGNORECASE)
_ENCODED_SLASH = re.compile(rb"%2f", re.IGNORECASE)
_WATCHED_HEADERS = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"))

_NO_PARSER = httptools.HttpRequestParser(None)


class Refused(Exception):
    """What the client sent cannot be served: it is answered with `status` and `message`, and the connection closes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Request:
    """One request: its head, and as much of its body as has arrived and was not taken yet.

    `raw_path` is the path of the target as it was sent, and what decides. `headers` have lower-case names, and an
    `upgrade` only if this is a WebSocket upgrade. `keep_alive` says whether the client may send another request here.
    """

    __slots__ = (
        "_chunks",
        "complete",
        "expects_continue",
        "headers",
        "http_version",
        "keep_alive",
        "method",
        "query_string",
        "raw_path",
        "received_bytes",
        "unread_bytes",
    )

    def __init__(self, method: str, target: bytes, http_version: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.raw_path, _, self.query_string = target.partition(b"?")
        self.http_version = http_version
        self.headers = headers
        self.keep_alive = True
        self.expects_continue = False
        self.complete = False
        self.received_bytes = 0
        self.unread_bytes = 0
        self._chunks: list[bytes] = []

    @property
    def path(self) -> str:
        """`raw_path` decoded once; an encoded slash stays `%2F`, so that it never makes a path of two segments."""
        raw_path = self.raw_path
        if b"%" not in raw_path:
            return raw_path.decode("ascii")
        decoded = b"%2F".join([unquote_to_bytes(part) for part in _ENCODED_SLASH.split(raw_path)])
        return decoded.decode("utf-8", "replace")

    def add_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.received_bytes += len(chunk)
        self.unread_bytes += len(chunk)

    def take_body(self) -> bytes:
        """Everything that arrived since the last call."""
        chunks = self._chunks
        if not chunks:
            return b""
        self._chunks = []
        self.unread_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class RequestParser:
    """`feed` it bytes, ask `next_request` whenever the request before is answered.

    `in_head`: a request has begun to arrive and its head is incomplete. `failure`: nothing more is parsed; requests
    that were complete before it are handed out first. `waiting_bytes`: what arrived behind the request in hand.
    """

    def __init__(self, max_header_bytes: int) -> None:
        self.failure: Refused | None = None
        self.in_head = False
        self.waiting_bytes = 0
        self._max_header_bytes = max_header_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._begun: deque[Request] = deque()  # head complete, not handed out
        self._in_hand: Request | None = None
        self._in_body: Request | None = None  # the one whose body is arriving
        self._unanswered = 0  # complete requests, in hand or begun
        self._ended = False  # no request follows the last one begun
        self._waiting: list[bytes] = []
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._watched: dict[bytes, bytes] = {}
        self._slice_bytes = 0
        self._head_bytes = 0
        self._barren_bytes = 0
        self._content_left = 0
        self._replayed_head: bytes | None = None

    @property
    def ready(self) -> bool:
        """There is something to answer: a request or a failure."""
        return bool(self._begun) or self.failure is not None

    def feed(self, data: bytes) -> None:
        """Parse up to the end of the next request; what comes behind it waits for `next_request`."""
        if self._unanswered or self._ended or self.failure is not None:
            self._keep(data)
        elif len(data) <= _SLICE:
            self._feed_slice(data)
        else:
            self._feed_slices(data)

    def next_request(self) -> Request | None:
        """The next request whose head is complete; its body may still be arriving. Ends the one handed out before."""
        if self._in_hand is not None:
            self._unanswered -= 1
            self._in_hand = None
        if self._waiting and not self._unanswered and self.failure is None:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self.waiting_bytes = 0
            self.feed(data)
        if self._begun:
            self._in_hand = self._begun.popleft()
        return self._in_hand

    def refuse(self, refused: Refused) -> None:
        """Stop here for a reason of the caller's own: a deadline that passed."""
        self.failure = self.failure or refused

    def close(self) -> None:
        """Forget everything, and end the reference cycle with llhttp's parser."""
        self._parser = _NO_PARSER
        self._waiting.clear()
        self._begun.clear()
        self._in_hand = self._in_body = None

    def _keep(self, data: bytes) -> None:
        self.waiting_bytes += len(data)
        if not self._ended and self.failure is None:
            self._waiting.append(data)

    def _feed_slices(self, data: bytes) -> None:
        view = memoryview(data)
        start = 0
        while start < len(data):
            if self._unanswered or self._ended or self.failure is not None:
                self._keep(bytes(view[start:]))
                return
            end = start + max(_SLICE, self._content_left)
            self._feed_slice(view[start:end])
            start = end

    def _feed_slice(self, data: bytes | memoryview) -> None:
        self._slice_bytes = len(data)
        self._barren_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._replayed_head is not None:
                self._replay(bytes(data[upgrade.args[0] :]))
            return
        except httptools.HttpParserError as error:
            # llhttp minds bytes behind a request with `Connection: close`; they are ignored.
            if self.failure is None and not self._ended:
                self.failure = Refused(400, f"The request is malformed: {error}.")
            return
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._max_header_bytes + _SLICE:
                self.failure = self._head_too_large()
        elif self._in_body is not None and self._barren_bytes > self._max_header_bytes + _SLICE:
            # Chunk extensions and trailers are thrown away, so only this bounds them.
            self.failure = Refused(400, "The chunks of the body have too much around them.")

    def _replay(self, rest: bytes) -> None:
        """Serve a request that offers to upgrade as if it did not.

        At the end of such a head llhttp leaves HTTP, body or not. Common clients offer h2c with a body (Java's
        HttpClient, `curl --http2`), so the head goes through a new parser without its `Upgrade`.
        """
        head, self._replayed_head = self._replayed_head, None
        self._parser = httptools.HttpRequestParser(self)
        self._feed_slice(head or b"")
        if self.failure is None and rest:
            self.feed(rest)

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        self.in_head = True
        self._head_bytes = 0
        self._url = b""
        self._headers = []
        self._watched = {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body is not None:
            return  # a trailer
        name = name.lower()
        value = value.rstrip()
        if name in _WATCHED_HEADERS:
            if name in self._watched and name == b"host":
                raise self._fail(400, "The request has more than one Host header.")
            self._watched[name] = value
            if name == b"upgrade":
                return
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        parser, watched, headers = self._parser, self._watched, self._headers
        method = parser.get_method().decode()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise self._fail(505, "This server speaks HTTP/1.1.")
        if method == "CONNECT":
            raise self._fail(400, "CONNECT is not served.")
        self._check_size()
        websocket = False
        if parser.should_upgrade():
            websocket = method == "GET" and b"websocket" in watched[b"upgrade"].lower()
            if not websocket:
                self._replayed_head = self._head_without_upgrade(method, version)
                return
            headers.append((b"upgrade", watched[b"upgrade"]))
        self._check_framing(version)
        request = Request(method, self._target(method), version, headers)
        request.keep_alive = parser.should_keep_alive() and not websocket
        if b"expect" in watched and version == "1.1":
            if watched[b"expect"].lower() != b"100-continue":
                raise self._fail(417, "The only expectation that can be met is 100-continue.")
            request.expects_continue = True
        self._content_left = 0 if websocket else int(watched.get(b"content-length", 0))
        self._barren_bytes = 0
        self._in_body = request
        self._begun.append(request)

    def on_body(self, chunk: bytes) -> None:
        request = self._in_body
        if request is not None:
            self._barren_bytes = 0
            self._content_left -= len(chunk)
            request.add_body(chunk)

    def on_message_complete(self) -> None:
        request = self._in_body
        if request is not None:
            request.complete = True
            self._ended = not request.keep_alive
            self._in_body = None
            self._content_left = 0
            self._unanswered += 1

    # What llhttp leaves to us

    def _check_size(self) -> None:
        if len(self._headers) > MAX_HEADERS:
            raise self._fail(431, f"The request has more than {MAX_HEADERS} headers.")
        if self._head_bytes + self._slice_bytes > self._max_header_bytes:
            size = len(self._url) + sum([len(name) + len(value) + 4 for name, value in self._headers])
            if size > self._max_header_bytes:
                self.failure = self._head_too_large()
                raise self.failure

    def _check_framing(self, version: str) -> None:
        watched = self._watched
        coding = watched.get(b"transfer-encoding")
        if coding is not None and (version == "1.0" or coding.lower() != b"chunked"):
            raise self._fail(400, "The only transfer coding is chunked, in HTTP/1.1.")
        host = watched.get(b"host")
        if host is None:
            if version == "1.1":
                raise self._fail(400, "The request has no Host header.")
        elif _HOST.match(host) is None:
            raise self._fail(400, "The Host header is not a host.")

    def _target(self, method: str) -> bytes:
        """Origin form of the request target (RFC 9112, 3.2); an absolute form also replaces the Host header."""
        url = self._url
        if b"#" in url:
            raise self._fail(400, "The request target has a fragment.")
        if url.startswith(b"/") or (url == b"*" and method == "OPTIONS"):
            return url
        absolute = _ABSOLUTE_TARGET.match(url)
        if absolute is None or _HOST.match(absolute[1]) is None:
            raise self._fail(400, "The request target is neither a path nor an http URL.")
        self._headers[:] = [(name, absolute[1] if name == b"host" else value) for name, value in self._headers]
        target: bytes = absolute[2] or b"/"
        return target if target.startswith(b"/") else b"/" + target

    def _head_without_upgrade(self, method: str, version: str) -> bytes:
        lines = [b"%b: %b\r\n" % header for header in self._headers]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method.encode(), self._url, version.encode(), b"".join(lines))

    def _head_too_large(self) -> Refused:
        return Refused(431, f"The request's head is larger than {self._max_header_bytes} bytes.")

    def _fail(self, status: int, message: str) -> Refused:
        self.failure = Refused(status, message)
        return self.failure
