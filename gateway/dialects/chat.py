"""OpenAI Chat Completions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.dialects import envelope
from gateway.dialects.base import Answer, Peek, UpstreamError
from gateway.dialects.chat_stream import COMMENT, ChatReader, error_chunk
from gateway.dialects.echo import ModelEcho
from gateway.dialects.estimate import scan
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
from gateway.dialects.references import find_references
from gateway.dialects.stream import read_usage
from gateway.dialects.usage import chat_usage
from gateway.errors import BadRequest, CallError
from gateway.records import DialectName

name: DialectName = "chat"

_LIMITS = ("max_completion_tokens", "max_tokens")
_MAX_CHOICES = 128
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def peek(body: bytes, *, limit_required: bool = True) -> Peek:
    """Look at a request. No limit is ever required; of two the larger counts, as an upstream may honour either."""
    fields = read_fields(body)
    require_array(fields, "messages")
    limits = [limit for limit in (read_count(fields, member) for member in _LIMITS) if limit is not None]
    choices = read_member(fields, "n", int, 1)
    if not 1 <= choices <= _MAX_CHOICES:
        raise BadRequest(f"`n` must be between 1 and {_MAX_CHOICES}.", field="n")
    scanned = scan(body)
    return Peek(
        fields=fields,
        model=read_model(fields),
        stream=read_member(fields, "stream", bool, False),
        output_limit=max(limits, default=None),
        thinking_budget=0,
        input_estimate=scanned.tokens,
        include_usage=_include_usage(fields),
        choices=choices,
        references=find_references(fields, scanned.text, name),
    )


def edit(
    peek: Peek,
    *,
    model: str,
    output_limit: int | None,
    force_usage: bool = True,
    limit_field: str | None = None,
) -> bytes:
    """The body for the upstream. Usage is forced on streams: without it there would be nothing to bill by."""
    changes = lowered_limits(peek, _LIMITS, output_limit, limit_field or "max_completion_tokens")
    if force_usage and peek.stream and not peek.include_usage:
        options = read_member(peek.fields, "stream_options", dict[str, msgspec.Raw], {})
        changes["stream_options"] = {**options, "include_usage": True}
    return put_together(peek, {"model": model, **changes})


def count_body(peek: Peek, *, model: str) -> bytes:
    """As in the other dialects; Chat itself has no token count."""
    return put_together(peek, {"model": model})


def reader(*, echo_model: str, peek: Peek) -> ChatReader:
    """A reader for one attempt's stream."""
    return ChatReader(echo_model, include_usage=peek.include_usage)


def read_body(body: bytes, *, echo_model: str) -> Answer:
    """Read a whole completion."""
    try:
        fields = _FIELDS.decode(body)
        choices: Any = msgspec.json.decode(fields.get("choices", b"null"))
        error: Any = msgspec.json.decode(fields.get("error", b"null"))
        if error or not isinstance(choices, list) or not choices:
            return Answer(body=body, usage=None, error=_not_a_completion(body))
        reported = read_usage(fields.get("usage"))
        tier: Any = msgspec.json.decode(fields.get("service_tier", b"null"))
        response_id: Any = msgspec.json.decode(fields.get("id", b"null"))
        echo = ModelEcho(echo_model)
        edited = echo.exchange(body) if echo.differs(fields) else body
    except DECODE_ERRORS:
        return Answer(body=body, usage=None, error=_not_a_completion(body))
    tier = tier if isinstance(tier, str) else ""
    usage = chat_usage(reported, service_tier=tier) if reported is not None else None
    estimated = -(-len(bytes(fields["choices"])) * 2 // 7)
    return Answer(
        body=edited,
        usage=usage,
        response_id=response_id if isinstance(response_id, str) else "",
        object_ids=_audio_ids(choices),
        delivered_tokens=usage.output_tokens if usage else estimated,
    )


def read_error(status: int, body: bytes) -> UpstreamError:
    """Read an upstream's error answer."""
    return envelope.read_error(status, body)


def error_body(error: CallError, request_id: str) -> tuple[int, bytes]:
    """HTTP status and envelope."""
    return envelope.error_body(name, error, request_id)


def error_frame(error: CallError, request_id: str) -> bytes:
    """A chunk with `error`. No `[DONE]` follows it."""
    return error_chunk(error, request_id)


def opening_keepalive(headers: Mapping[str, str]) -> bytes:
    """A comment, which every SSE reader skips."""
    return COMMENT


def _include_usage(fields: dict[str, msgspec.Raw]) -> bool:
    options = read_member(fields, "stream_options", dict[str, msgspec.Raw], {})
    return read_member(options, "include_usage", bool, False)


def _audio_ids(choices: list[Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        audio = message.get("audio") if isinstance(message, dict) else None
        if isinstance(audio, dict) and isinstance(audio.get("id"), str):
            found.append(("audio", audio["id"]))
    return found


def _not_a_completion(body: bytes) -> UpstreamError:
    return envelope.wrong_answer(body, "The upstream's answer is not a chat completion.")
