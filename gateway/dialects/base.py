"""What the three dialects have in common: the shape of a peeked request, of a read answer, of an error.

A dialect is a module with the functions of `Dialect`; everything in it is bytes in, bytes out. Each attempt makes its
own `StreamReader` or calls `read_body`; neither knows sockets, clocks or money.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from msgspec import Struct

from gateway.errors import CallError
from gateway.records import DialectName, Usage

ERROR_TYPES: dict[DialectName, dict[int, str]] = {
    "messages": {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        405: "invalid_request_error",
        408: "timeout_error",
        413: "request_too_large",
        426: "invalid_request_error",
        429: "rate_limit_error",
        500: "api_error",
        502: "api_error",
        503: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    },
    "chat": {
        400: "invalid_request_error",
        401: "invalid_request_error",
        402: "insufficient_quota",
        403: "permission_error",
        404: "invalid_request_error",
        405: "invalid_request_error",
        408: "server_error",
        413: "invalid_request_error",
        426: "invalid_request_error",
        429: "rate_limit_error",
        500: "server_error",
        502: "server_error",
        503: "server_error",
        504: "server_error",
        529: "server_error",
    },
}
"""`error.type` per dialect and `CallError.status`."""
ERROR_TYPES["responses"] = ERROR_TYPES["chat"]


class ObjectReference(Struct, frozen=True):
    """An id in a request that names upstream state, with the path it was found at."""

    object_id: str
    kind: str
    field: str


class Peek(Struct):
    """A request body, looked at without being decoded.

    `fields` are the top-level members as raw bytes, last duplicate winning; everything else derives from them.
    `output_limit` is the caller's own (`max_tokens`, `max_completion_tokens`, `max_output_tokens`).
    `choices` is how many answers of that length were asked for (`n` on Chat), so a hold multiplies the two.
    `input_estimate` is bytes / 3 with base64 left out and images and documents counted by formula. `cache_writes` says
    that the request may ask for some. `text` is the body without its base64, to be searched.
    """

    fields: dict[str, msgspec.Raw]
    model: str
    stream: bool
    output_limit: int | None
    thinking_budget: int
    input_estimate: int
    include_usage: bool = False
    choices: int = 1
    references: tuple[ObjectReference, ...] = ()
    cache_writes: bool = False
    text: bytes = b""


class UpstreamError(Struct, frozen=True):
    """An error the upstream sent in its own words: status as HTTP would have it, its type or code, its message."""

    status: int
    code: str
    message: str
    raw: bytes = b""


class Batch(Struct):
    """What came out of one `feed`.

    `forward` holds complete frames for the client, edits applied. `semantic` is true from the frame that wins a race:
    content, `content_block_start`, `output_item.added`, or a valid terminal; never errors, pings, `message_start`,
    `response.created`, an empty delta. Once true it stays true for the later batches of the stream. `terminal` holds
    the frames that the client takes for success; they leave only after the commit, and nothing after them is ever
    forwarded. `error` ends the stream without success.
    """

    forward: bytes = b""
    semantic: bool = False
    terminal: bytes = b""
    error: UpstreamError | None = None


class StreamReader(Protocol):
    """Reads one upstream SSE answer and meters it. One per attempt."""

    response_id: str
    object_ids: list[tuple[str, str]]
    """(kind, id) of everything the answer says the upstream now remembers."""

    def feed(self, data: bytes) -> Batch:
        """Take whatever one `recv` brought. A partial frame waits for its rest (bounded; too long is an error)."""
        ...

    def end(self) -> Batch:
        """The upstream closed: a terminal if the dialect allows success here, otherwise an error. Never both."""
        ...

    def usage(self) -> Usage | None:
        """What the upstream has reported so far; None if nothing."""
        ...

    def delivered_tokens(self) -> int:
        """Output tokens forwarded so far, estimated from their bytes (never below what was reported)."""
        ...

    def keepalive(self) -> bytes:
        """A frame that keeps the real clients of this dialect waiting, legal at this point of the stream."""
        ...

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        """The frame that ends this stream as a failure, given what has been forwarded of it.

        Differs from `Dialect.error_frame` on Responses, where the failed response must bear the id of the created one.
        """
        ...


class Answer(Struct):
    """A whole JSON answer: the bytes for the client, and what the meter read in it."""

    body: bytes
    usage: Usage | None
    response_id: str = ""
    object_ids: list[tuple[str, str]] = []
    delivered_tokens: int = 0
    error: UpstreamError | None = None


class Dialect(Protocol):
    """One client protocol. Implemented by the modules `messages`, `chat` and `responses`."""

    name: DialectName

    def peek(self, body: bytes, *, limit_required: bool = True, fields: dict[str, msgspec.Raw] | None = None) -> Peek:
        """Look at a request. Raises BadRequest naming the field. `fields` are its members, where they are known."""
        ...

    def edit(
        self,
        peek: Peek,
        *,
        model: str,
        output_limit: int | None,
        force_usage: bool = True,
        limit_field: str | None = None,
    ) -> bytes:
        """The body for the upstream: every member as received but the model, the limit (None: leave as it is) and,
        on Chat streams with `force_usage`, `stream_options.include_usage`.

        A limit the caller named is never raised. Where the caller named none it goes into `limit_field`, by default
        the dialect's own (Chat: `max_completion_tokens`, which some local servers know only as `max_tokens`).
        """
        ...

    def count_body(self, peek: Peek, *, model: str) -> bytes:
        """The body of a token count (`count_tokens`, `input_tokens`): only the model is exchanged."""
        ...

    def reader(self, *, echo_model: str, peek: Peek) -> StreamReader:
        """A reader whose forwarded frames name `echo_model` wherever the upstream names another."""
        ...

    def read_body(self, body: bytes, *, echo_model: str) -> Answer:
        """Read a whole answer. `error` is set for a 200 that carries one and for anything that is not an answer."""
        ...

    def read_error(self, status: int, body: bytes) -> UpstreamError:
        """Read an upstream's error answer, whatever it is made of."""
        ...

    def error_body(self, error: CallError, request_id: str) -> tuple[int, bytes]:
        """HTTP status and the envelope of clients.md, typed in this dialect."""
        ...

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        """The frame that ends a stream as a failure in this dialect."""
        ...

    def opening_keepalive(self, headers: Mapping[str, str]) -> bytes:
        """A keep-alive for a client whose stream has had no upstream frame yet."""
        ...
