"""Making a whole Anthropic message of its stream."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.dialects.assemble import CannotAssemble, Draft, Said, is_null, streamed, write
from gateway.dialects.messages_stream import MessagesReader
from gateway.dialects.peek import DECODE_ERRORS
from gateway.dialects.stream import NULL, text_bytes

_CUT_OFF = frozenset((b'"max_tokens"', b'"model_context_window_exceeded"', b'"refusal"'))
"""Stop reasons after which the last block may be incomplete."""

_RAGGED_INPUT = "fine-grained-tool-streaming"
"""A beta under which a stream's tool input may be no JSON; an answer that is not streamed is not changed by it."""


class _Type(Struct):
    type: str = ""


class _Start(Struct):
    message: dict[str, msgspec.Raw]


class _BlockStart(Struct):
    index: int
    content_block: dict[str, Any]


class _Delta(Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: msgspec.Raw = NULL
    content: msgspec.Raw = NULL
    encrypted_content: msgspec.Raw = NULL


class _BlockDelta(Struct):
    index: int
    delta: _Delta


_TYPE = msgspec.json.Decoder(_Type)
_START = msgspec.json.Decoder(_Start)
_BLOCK_START = msgspec.json.Decoder(_BlockStart)
_BLOCK_DELTA = msgspec.json.Decoder(_BlockDelta)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MAYBE_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


def can_assemble(fields: Mapping[str, msgspec.Raw], headers: Mapping[str, str]) -> bool:
    """Not where tool input may come as broken JSON, nor where no output is wanted, which has nothing to stream."""
    if bytes(fields.get("max_tokens", b"")) == b"0" or _RAGGED_INPUT in headers.get("anthropic-beta", ""):
        return False
    return b'"eager_input_streaming"' not in bytes(fields.get("tools", b""))


def streaming_body(body: bytes) -> bytes:
    """Messages always reports usage, so only `stream` is exchanged."""
    return streamed(body)


def begin() -> tuple[MessagesReader, "MessagesDraft"]:
    return MessagesReader(""), MessagesDraft()


class MessagesDraft(Draft):
    """`message_start` with everything but the content, its blocks, and `message_delta` with what is known at the end.

    Blocks of any type are kept as they start; deltas of unknown types are refused. Events of unknown types are passed
    over, as Anthropic asks its clients to do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._message: dict[str, Any] = {}
        self._usage: dict[str, msgspec.Raw] = {}
        self._blocks: dict[int, _Block] = {}

    def take(self, event: str, data: bytes) -> None:
        match event or _TYPE.decode(data).type:
            case "content_block_delta":
                self._extend(_BLOCK_DELTA.decode(data))
            case "content_block_start":
                self._open(_BLOCK_START.decode(data), len(data))
            case "message_start":
                self._start(_START.decode(data).message)
            case "message_delta":
                self._conclude(_FIELDS.decode(data))

    def body(self) -> bytes:
        whole = bytes(self._message["stop_reason"]) not in _CUT_OFF
        content = [self._blocks[index].finished(whole=whole) for index in sorted(self._blocks)]
        return write({**self._message, "content": content, "usage": self._usage})

    def _start(self, message: dict[str, msgspec.Raw]) -> None:
        if self._message:
            return
        if bytes(message.get("content", b"[]")) != b"[]":
            raise CannotAssemble("The message has content before its first block.")
        self._usage = _MAYBE_FIELDS.decode(message.get("usage", b"null")) or {}
        self._message = dict(message)
        self._message.setdefault("stop_reason", NULL)
        self._message.setdefault("stop_sequence", NULL)

    def _open(self, started: _BlockStart, size: int) -> None:
        if started.index in self._blocks:
            raise CannotAssemble(f"Block {started.index} starts twice.")
        block = started.content_block
        self._blocks[started.index] = _Block(block)
        self.kept_bytes += size
        served_by = block.get("to")
        if block.get("type") == "fallback" and isinstance(served_by, dict) and served_by.get("model"):
            # A whole answer bears the name of the model that took over (anthropic SDK, `accumulate_event`).
            self._message["model"] = served_by["model"]

    def _extend(self, event: _BlockDelta) -> None:
        block = self._blocks.get(event.index)
        if block is None:
            raise CannotAssemble(f"Block {event.index} goes on without a start.")
        self.kept_bytes += block.take(event.delta)

    def _conclude(self, fields: dict[str, msgspec.Raw]) -> None:
        """Totals replace earlier ones; what is missing or null replaces nothing. `context_management` and
        `input_transformations` stand beside the delta."""
        if not self._message:
            raise CannotAssemble("The message has totals before its start.")
        delta = _MAYBE_FIELDS.decode(fields.pop("delta", b"null")) or {}
        usage = _MAYBE_FIELDS.decode(fields.pop("usage", b"null")) or {}
        fields.pop("type", None)
        self._message.update(_present(fields) | _present(delta))
        self._usage.update(_present(usage))


class _Block:
    """A content block: its start, and what its deltas put into it."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self._json = Said()

    def take(self, delta: _Delta) -> int:
        """How many bytes the delta brought."""
        fields = self._fields
        match delta.type:
            case "text_delta":
                return self._say("text", delta.text)
            case "thinking_delta":
                return self._say("thinking", delta.thinking)
            case "input_json_delta":
                self._json.add(delta.partial_json or "")
                return text_bytes(delta.partial_json)
            case "signature_delta":
                fields["signature"] = delta.signature
                return text_bytes(delta.signature)
            case "citations_delta":
                fields["citations"] = [*(fields.get("citations") or ()), delta.citation]
                return len(bytes(delta.citation))
            case "compaction_delta":
                fields["content"] = delta.content
                fields["encrypted_content"] = delta.encrypted_content
                return len(bytes(delta.content)) + len(bytes(delta.encrypted_content))
        raise CannotAssemble(f"There is no known place for a delta of type {delta.type!r}.")

    def finished(self, *, whole: bool) -> dict[str, Any]:
        """The block of the answer. Input that was cut off with the turn stays what it was at the start, which clients
        of truncated turns pass over; anywhere else input that is no JSON is refused."""
        text = self._json.text()
        if not text.strip():
            return self._fields
        try:
            given: Any = msgspec.json.decode(text)
        except DECODE_ERRORS:
            if whole:
                raise CannotAssemble("A tool call's input is not JSON.") from None
            return self._fields
        return {**self._fields, "input": msgspec.Raw(text.encode()) if isinstance(given, dict) else given}

    def _say(self, member: str, piece: str | None) -> int:
        if not piece:
            return 0
        said = self._fields.get(member)
        if not isinstance(said, Said):
            said = self._fields[member] = Said(said) if isinstance(said, str) else Said()
        said.add(piece)
        return text_bytes(piece)


def _present(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return {name: raw for name, raw in fields.items() if not is_null(raw)}
