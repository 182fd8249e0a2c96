"""Anthropic Messages."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.dialects import envelope
from gateway.dialects.base import Answer, Peek, UpstreamError
from gateway.dialects.echo import ModelEcho
from gateway.dialects.estimate import asks_for_cache_writes, scan
from gateway.dialects.messages_stream import PING, MessagesReader, error_event
from gateway.dialects.peek import (
    DECODE_ERRORS,
    lowered_limits,
    put_together,
    read_count,
    read_fields,
    read_member,
    read_model,
    require_array,
)
from gateway.dialects.references import find_references, ids_in
from gateway.dialects.stream import read_usage
from gateway.dialects.usage import messages_usage
from gateway.errors import BadRequest, CallError
from gateway.records import DialectName

name: DialectName = "messages"

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def peek(body: bytes, *, limit_required: bool = True, fields: dict[str, msgspec.Raw] | None = None) -> Peek:
    """Look at a request. `max_tokens` may be 0 (it only warms the cache); token counts and the chat path need none."""
    fields = read_fields(body) if fields is None else fields
    require_array(fields, "messages")
    output_limit = read_count(fields, "max_tokens")
    if output_limit is None and limit_required:
        raise BadRequest("`max_tokens` is required.", field="max_tokens")
    scanned = scan(body)
    return Peek(
        fields=fields,
        model=read_model(fields),
        stream=read_member(fields, "stream", bool, False),
        output_limit=output_limit,
        thinking_budget=_thinking_budget(fields),
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
    """The body for the upstream. Messages always reports usage, so `force_usage` changes nothing."""
    changes = lowered_limits(peek, ("max_tokens",), output_limit, limit_field or "max_tokens")
    return put_together(peek, {"model": model, **changes})


def count_body(peek: Peek, *, model: str) -> bytes:
    """The body for `count_tokens`."""
    return put_together(peek, {"model": model})


def reader(*, echo_model: str, peek: Peek) -> MessagesReader:
    """A reader for one attempt's stream."""
    return MessagesReader(echo_model)


def read_body(body: bytes, *, echo_model: str) -> Answer:
    """Read a whole message."""
    try:
        fields = _FIELDS.decode(body)
        if "content" not in fields or "error" in fields:
            return Answer(body=body, usage=None, error=_not_a_message(body))
        content: Any = msgspec.json.decode(fields["content"])
        reported = read_usage(fields.get("usage"))
        objects = list(dict.fromkeys(ids_in(content)))
        container: Any = msgspec.json.decode(fields.get("container", b"null"))
        response_id: Any = msgspec.json.decode(fields.get("id", b"null"))
        echo = ModelEcho(echo_model)
        edited = echo.exchange(body) if echo.differs(fields) else body
    except DECODE_ERRORS:
        return Answer(body=body, usage=None, error=_not_a_message(body))
    if isinstance(container, dict) and isinstance(container.get("id"), str):
        objects.append(("container", container["id"]))
    usage = messages_usage(reported) if reported is not None else None
    estimated = -(-len(bytes(fields["content"])) * 2 // 7)
    return Answer(
        body=edited,
        usage=usage,
        response_id=response_id if isinstance(response_id, str) else "",
        object_ids=objects,
        delivered_tokens=usage.output_tokens if usage else estimated,
    )


def read_error(status: int, body: bytes) -> UpstreamError:
    """Read an upstream's error answer."""
    return envelope.read_error(status, body)


def error_body(error: CallError, request_id: str) -> tuple[int, bytes]:
    """HTTP status and envelope."""
    return envelope.error_body(name, error, request_id)


def error_frame(error: CallError, request_id: str) -> bytes:
    """`event: error`, legal anywhere in a stream."""
    return error_event(error, request_id)


def opening_keepalive(headers: Mapping[str, str]) -> bytes:
    """A ping. The anthropic SDK accumulates from `message_start` on and skips pings before it."""
    return PING


def _thinking_budget(fields: dict[str, msgspec.Raw]) -> int:
    thinking = read_member(fields, "thinking", dict, {})
    budget = thinking.get("budget_tokens")
    if budget is None or thinking.get("type") != "enabled":
        return 0
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 0:
        raise BadRequest("`thinking.budget_tokens` must be a whole number.", field="thinking.budget_tokens")
    return budget


def _not_a_message(body: bytes) -> UpstreamError:
    return envelope.wrong_answer(body, "The upstream's answer is not a message.")
