"""OpenAI Responses."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.dialects import envelope
from gateway.dialects.base import Answer, Peek, UpstreamError
from gateway.dialects.echo import ModelEcho
from gateway.dialects.estimate import asks_for_cache_writes, scan
from gateway.dialects.peek import (
    DECODE_ERRORS,
    lowered_limits,
    put_together,
    read_count,
    read_fields,
    read_member,
    read_model,
)
from gateway.dialects.references import find_references
from gateway.dialects.responses_stream import (
    COMMENT,
    ResponsesReader,
    failed_stream,
    keepalive_event,
    remembered,
    response_error,
)
from gateway.dialects.stream import read_usage
from gateway.dialects.usage import responses_usage
from gateway.errors import BadRequest, CallError
from gateway.records import DialectName

name: DialectName = "responses"

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def peek(body: bytes, *, limit_required: bool = True, fields: dict[str, msgspec.Raw] | None = None) -> Peek:
    """Look at a request. `background: true` is refused: its answer would be made, and billed, after ours."""
    fields = read_fields(body) if fields is None else fields
    if read_member(fields, "background", bool, False):
        raise BadRequest("`background` is not served here: leave it out and stream instead.", field="background")
    if "input" in fields and bytes(memoryview(fields["input"])[:1]) not in (b'"', b"[", b"n"):
        raise BadRequest("`input` must be a string or an array.", field="input")
    scanned = scan(body)
    return Peek(
        fields=fields,
        model=read_model(fields),
        stream=read_member(fields, "stream", bool, False),
        output_limit=read_count(fields, "max_output_tokens"),
        thinking_budget=0,
        input_estimate=scanned.tokens,
        references=find_references(fields, scanned.text, name),
        cache_writes=asks_for_cache_writes(scanned.text),
        text=scanned.text,
    )


def edit(
    peek: Peek,
    *,
    model: str,
    output_limit: int | None,
    force_usage: bool = True,
    limit_field: str | None = None,
) -> bytes:
    """The body for the upstream. Responses always reports usage, so `force_usage` changes nothing."""
    changes = lowered_limits(peek, ("max_output_tokens",), output_limit, limit_field or "max_output_tokens")
    return put_together(peek, {"model": model, **changes})


def count_body(peek: Peek, *, model: str) -> bytes:
    """The body for `input_tokens`."""
    return put_together(peek, {"model": model})


def reader(*, echo_model: str, peek: Peek) -> ResponsesReader:
    """A reader for one attempt's stream."""
    return ResponsesReader(echo_model)


def read_body(body: bytes, *, echo_model: str) -> Answer:
    """Read a whole response: one that failed, was cancelled or is still being made is an error."""
    try:
        fields = _FIELDS.decode(body)
        output: Any = msgspec.json.decode(fields.get("output", b"null"))
        error = response_error(fields, body) if isinstance(output, list) else _not_a_response(body)
        reported = read_usage(fields.get("usage"))
        tier: Any = msgspec.json.decode(fields.get("service_tier", b"null"))
        tools: Any = msgspec.json.decode(fields.get("tool_usage", b"null"))
        response_id: Any = msgspec.json.decode(fields.get("id", b"null"))
        objects = remembered(fields) if error is None else []
        echo = ModelEcho(echo_model)
        edited = echo.exchange(body) if echo.differs(fields) else body
    except DECODE_ERRORS:
        return Answer(body=body, usage=None, error=_not_a_response(body))
    tier = tier if isinstance(tier, str) else ""
    usage = responses_usage(reported, service_tier=tier, tool_usage=tools) if reported is not None else None
    estimated = -(-len(bytes(fields.get("output", b""))) * 2 // 7)
    return Answer(
        body=edited,
        usage=usage,
        response_id=response_id if isinstance(response_id, str) else "",
        object_ids=objects,
        delivered_tokens=usage.output_tokens if usage else estimated,
        error=error,
    )


def read_error(status: int, body: bytes) -> UpstreamError:
    """Read an upstream's error answer."""
    return envelope.read_error(status, body)


def error_body(error: CallError, request_id: str) -> tuple[int, bytes]:
    """HTTP status and envelope."""
    return envelope.error_body(name, error, request_id)


def error_frame(error: CallError, request_id: str) -> bytes:
    """`response.created` and `response.failed`, for a stream of which nothing has been forwarded yet."""
    return failed_stream(error, request_id)


def opening_keepalive(headers: Mapping[str, str]) -> bytes:
    """Codex's 300 s watchdog is reset by data alone; the openai SDK's `responses.stream()` helper refuses any event
    before `response.created`, so everyone else gets a comment."""
    if headers.get("originator", "").lower().startswith("codex") or "codex" in headers.get("user-agent", "").lower():
        return keepalive_event(0)
    return COMMENT


def _not_a_response(body: bytes) -> UpstreamError:
    return envelope.wrong_answer(body, "The upstream's answer is not a response.")
