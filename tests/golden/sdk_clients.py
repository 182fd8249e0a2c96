"""The vendors' own clients over a transport that answers what it is given: decoder, accumulator, exceptions."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import msgspec
import openai

from tests.golden.sdk_types import Bad, check_error_object, check_event, dumped
from tests.golden.stream_rules import Events, check_chat_stream, check_messages_stream, check_responses_stream

_SSE = {"content-type": "text/event-stream"}
_ANTHROPIC_CLASSES = {
    400: "BadRequestError", 401: "AuthenticationError", 402: "PaymentRequiredError", 403: "PermissionDeniedError",
    404: "NotFoundError", 413: "ContentTooLargeError", 429: "RateLimitError", 500: "InternalServerError",
    504: "GatewayTimeoutError", 529: "OverloadedError",
}  # fmt: skip
_OPENAI_CLASSES = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
    413: "APIStatusError", 422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError",
    503: "InternalServerError", 504: "InternalServerError",
}  # fmt: skip
_ASKED = [{"role": "user", "content": "x"}]


def sse_bytes(events: Events) -> bytes:
    """A stream of a case as it goes over the wire."""
    frames = []
    for event in events:
        if event.get("comment"):
            frames.append(b": %s\n\n" % event["comment"].encode())
            continue
        name = b"event: %s\n" % event["event"].encode() if event.get("event") else b""
        data = event["data"]
        frames.append(
            name + b"data: " + (data.encode() if isinstance(data, str) else msgspec.json.encode(data)) + b"\n\n"
        )
    return b"".join(frames)


def check_stream(
    dialect: str, events: Events, case: dict[str, Any], where: str, *, failing: bool, upstream: bool
) -> Any:
    """Every event by its type, the order by the rules, the whole by the SDK's accumulator, whose result is returned.

    A stream marked `upstream_nonconforming` is what a broken server sent: only its events are looked at.
    """
    events = [event for event in events if not event.get("comment")]
    for number, event in enumerate(events):
        check_event(dialect, event["data"], case, f"{where}[{number}]")
    if upstream and case.get("upstream_nonconforming"):
        return None
    if dialect == "messages":
        check_messages_stream(events, where, failing=failing)
    elif dialect == "chat":
        check_chat_stream(events, where, failing=failing)
    else:
        check_responses_stream(events, where, failing=failing, upstream=upstream)
    return _accumulated(dialect, events, where, failing=failing)


def check_error_answer(dialect: str, status: int, body: dict[str, Any], headers: dict[str, str], where: str) -> None:
    """An error answer: its object by the SDK's type, and the exception that the SDK makes of it."""
    error = body["error"]
    check_error_object(dialect, error)
    raw = msgspec.json.encode(body)
    headers = {"content-type": "application/json", **headers}
    if dialect in ("messages", "count_tokens"):
        if body.get("type") != "error" or "request_id" not in body:
            raise Bad(f"{where}: not Anthropic's envelope")
        raised = _raised(anthropic.APIStatusError, lambda: _ask_anthropic(status, headers, raw))
        expected = _ANTHROPIC_CLASSES.get(status)
        if raised.type != error["type"]:
            raise Bad(f"{where}: the SDK saw type {raised.type}")
    else:
        lacking = [name for name in ("message", "type", "param", "code") if name not in error]
        if lacking:
            raise Bad(f"{where}: the error lacks {lacking}")
        raised = _raised(openai.APIStatusError, lambda: _ask_openai(status, headers, raw))
        expected = _OPENAI_CLASSES.get(status)
    if expected is not None and type(raised).__name__ != expected:
        raise Bad(f"{where}: the SDK saw {type(raised).__name__}")


def _accumulated(dialect: str, events: Events, where: str, *, failing: bool) -> Any:
    try:
        final = _SDK_STREAMS[dialect](sse_bytes(events))
    except (anthropic.APIError, openai.APIError) as error:
        if failing:
            return None
        raise Bad(f"{where}: the SDK raised on a stream that should succeed: {error}") from error
    except Exception as error:
        if failing and dialect == "responses":
            return None
        raise Bad(f"{where}: the SDK's accumulator failed: {type(error).__name__}: {error}") from error
    if failing and dialect != "responses":
        raise Bad(f"{where}: the SDK did not raise on a failing stream")
    return final


def _messages_stream(body: bytes) -> Any:
    with (
        _transport(200, _SSE, body) as http,
        anthropic.Anthropic(api_key="k", max_retries=0, http_client=http) as client,
        client.messages.stream(model="m", max_tokens=16, messages=_ASKED) as stream,
    ):
        for _ in stream:
            pass
        return dumped(stream.get_final_message())


def _chat_stream(body: bytes) -> Any:
    with (
        _transport(200, _SSE, body) as http,
        openai.OpenAI(api_key="k", max_retries=0, http_client=http) as client,
        client.chat.completions.stream(model="m", messages=_ASKED) as stream,
    ):
        for _ in stream:
            pass
        # get_final_completion() raises by design for length and content_filter; the snapshot does not.
        return dumped(stream.current_completion_snapshot)


def _responses_stream(body: bytes) -> Any:
    with (
        _transport(200, _SSE, body) as http,
        openai.OpenAI(api_key="k", max_retries=0, http_client=http) as client,
        client.responses.stream(model="m", input="x") as stream,
    ):
        last: Any = None
        for event in stream:
            last = event
        if last is not None and last.type in ("response.incomplete", "response.failed"):
            return dumped(last.response)
        return dumped(stream.get_final_response())


_SDK_STREAMS: dict[str, Callable[[bytes], Any]] = {
    "messages": _messages_stream,
    "chat": _chat_stream,
    "responses": _responses_stream,
}


def _transport(status: int, headers: dict[str, str], body: bytes) -> httpx2.Client:
    answer = httpx2.MockTransport(lambda request: httpx2.Response(status, headers=headers, content=body))
    return httpx2.Client(transport=answer)


def _ask_anthropic(status: int, headers: dict[str, str], body: bytes) -> None:
    with (
        _transport(status, headers, body) as http,
        anthropic.Anthropic(api_key="k", max_retries=0, http_client=http) as client,
    ):
        client.messages.create(model="m", max_tokens=1, messages=_ASKED)


def _ask_openai(status: int, headers: dict[str, str], body: bytes) -> None:
    with (
        _transport(status, headers, body) as http,
        openai.OpenAI(api_key="k", max_retries=0, http_client=http) as client,
    ):
        client.chat.completions.create(model="m", messages=_ASKED)


def _raised(kind: type[Exception], ask: Callable[[], None]) -> Any:
    try:
        ask()
    except kind as error:
        return error
    raise Bad("the SDK did not raise on an error answer")
