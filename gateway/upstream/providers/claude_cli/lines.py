"""The lines that the CLI prints with `--output-format stream-json`, and what is made of them. Pure."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.dialects.sse import write_frame
from gateway.upstream.providers.claude_cli.tools import PREFIX, Tools

NOTHING = Raw(b"null")


class Line(Struct):
    """What any of them may carry. `event` is one of the API's own, as it came."""

    type: str = ""
    subtype: str | None = None
    event: Raw = NOTHING
    request_id: str = ""
    request: dict[str, Any] | None = None
    response: Raw = NOTHING
    is_error: bool = False
    api_error_status: int | None = None
    result: str | None = None
    rate_limit_info: dict[str, Any] | None = None


class Event(Struct):
    """One event of the API's stream. `data` is what goes to the client: tools have their own names again."""

    type: str
    data: bytes

    @property
    def frame(self) -> bytes:
        return write_frame(self.type.encode(), self.data) + b"\n\n"


class Result(Struct):
    """The end of a query as the CLI tells it. `retry_after_s` is what is left of the plan's limit, where it says."""

    is_error: bool
    status: int | None
    text: str
    resets_at_s: int | None = None


Output = Event | Result

_KINDS = frozenset(("stream_event", "result", "control_request", "rate_limit_event"))
_decode = msgspec.json.Decoder(Line).decode


def decode_line(data: bytes) -> Line:
    """Raises msgspec.DecodeError. A line of a kind that the gateway does not read may have any members."""
    try:
        return _decode(data)
    except msgspec.ValidationError:
        kind = _kind(data).type
        if kind in _KINDS:
            raise
        return Line(kind)


class _Kind(Struct):
    type: str = ""


_kind = msgspec.json.Decoder(_Kind).decode


class _Peek(Struct):
    type: str = ""
    content_block: dict[str, Any] | None = None
    delta: Raw = NOTHING


class _Stop(Struct):
    stop_reason: str | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_stop = msgspec.json.Decoder(_Stop).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


class Progress:
    """Follows the events of one answer: which tools it calls, and how it stops."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.tool_ids: list[str] = []
        self.stop_reason: str | None = None

    def event(self, raw: Raw) -> Event:
        data = bytes(raw)
        if b'"content_block_delta"' in data[:48]:
            return Event("content_block_delta", data)
        peek = _peek(data)
        if peek.type == "content_block_start" and peek.content_block is not None:
            data = self._block(data, peek.content_block)
        elif peek.type == "message_delta":
            self.stop_reason = _stop(peek.delta).stop_reason
        return Event(peek.type, data)

    def _block(self, data: bytes, block: dict[str, Any]) -> bytes:
        name = block.get("name")
        if block.get("type") != "tool_use" or not isinstance(name, str) or not name.startswith(PREFIX):
            return data
        self.tool_ids.append(str(block.get("id")))
        return msgspec.json.encode({**_object(data), "content_block": {**block, "name": self._tools.from_cli(name)}})

    @property
    def calls_tools(self) -> bool:
        return self.stop_reason == "tool_use" and bool(self.tool_ids)
