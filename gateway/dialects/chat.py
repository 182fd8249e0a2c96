"""OpenAI Chat Completions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.dialects import envelope
from gateway.dialects.base import Answer, Peek, UpstreamError
from gateway.dialects.chat_stream import COMMENT, ChatReader, error_chunk
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
    require_array,
)
from gateway.dialects.references import find_references
from gateway.dialects.stream import NULL
from gateway.dialects.usage import chat_usage
from gateway.errors import BadRequest, CallError
from gateway.records import DialectName

name: DialectName = "chat"

_LIMITS = ("max_completion_tokens", "max_tokens")
_MAX_CHOICES = 128


class _Completion(msgspec.Struct):
    """What the meter wants of an answer, of whatever type it is: one pass, and the answers themselves left alone."""

    choices: msgspec.Raw = NULL
    id: Any = None
    model: Any = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None


_COMPLETION = msgspec.json.Decoder(_Completion)
_CHOICES = msgspec.json.Decoder(list[msgspec.Raw])


def peek(body: bytes, *, limit_required: bool = True, fields: dict[str, msgspec.Raw] | None = None) -> Peek:
    """Look at a request. No limit is ever required; of two the larger counts, as an upstream may honour either."""
    fields = read_fields(body) if fields is None else fields
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
        if not body.isascii():
            body.decode()  # what is left alone is not looked at by the decoder either
        read = _COMPLETION.decode(body)
        if read.error or not _CHOICES.decode(read.choices):
            return Answer(body=body, usage=None, error=_not_a_completion(body))
        audio_ids = _audio_ids(msgspec.json.decode(read.choices)) if b'"audio"' in body else []
        differs = isinstance(read.model, str) and read.model != echo_model
        edited = ModelEcho(echo_model).exchange(body) if differs else body
    except DECODE_ERRORS:
        return Answer(body=body, usage=None, error=_not_a_completion(body))
    tier = read.service_tier if isinstance(read.service_tier, str) else ""
    usage = chat_usage(read.usage, service_tier=tier) if isinstance(read.usage, dict) else None
    estimated = -(-len(bytes(read.choices)) * 2 // 7)
    return Answer(
        body=edited,
        usage=usage,
        response_id=read.id if isinstance(read.id, str) else "",
        object_ids=audio_ids,
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
