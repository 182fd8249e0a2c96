"""Reading an Anthropic Messages stream."""

from typing import Any

import msgspec
from msgspec import Struct

from gateway.dialects import envelope
from gateway.dialects.references import ids_in
from gateway.dialects.sse import EventStreamError, read_frame, replace_data, write_frame
from gateway.dialects.stream import NULL, EventReader, Terminal, Verdict, read_usage, text_bytes
from gateway.dialects.usage import messages_usage
from gateway.errors import CallError
from gateway.records import Usage

PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_DELTA = b"event: content_block_delta\ndata: "
_FRAMING = {ord("t"): 19, ord("g"): 23, ord("n"): 27}
"""Bytes of a delta frame that are not text, counted from `_delta","`, by the letter before it: `text_delta` has 19."""

_EMPTY_DELTAS = {
    "text": b'{"type":"text_delta","text":""}',
    "thinking": b'{"type":"thinking_delta","thinking":""}',
    "tool_use": b'{"type":"input_json_delta","partial_json":""}',
    "server_tool_use": b'{"type":"input_json_delta","partial_json":""}',
}


class _Event(Struct):
    type: str | None = None
    index: int | None = None
    message: msgspec.Raw = NULL
    content_block: msgspec.Raw = NULL
    delta: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    error: Any = None


class _Delta(Struct):
    text: Any = None
    thinking: Any = None
    partial_json: Any = None
    container: Any = None


_EVENTS = msgspec.json.Decoder(_Event)
_DELTAS = msgspec.json.Decoder(_Delta | None)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def error_event(error: CallError, request_id: str) -> bytes:
    """The frame Anthropic ends a failed stream with."""
    body = msgspec.json.encode(envelope.envelope("messages", error, request_id))
    return write_frame(b"error", body) + b"\n\n"


class MessagesReader(EventReader):
    """`message_start`, blocks one after another, `message_delta` with the totals, `message_stop`."""

    def __init__(self, echo_model: str) -> None:
        super().__init__(echo_model)
        self._reported: dict[str, Any] | None = None
        self._started = False
        self._open_index = 0
        self._open_type = ""

    def usage(self) -> Usage | None:
        return messages_usage(self._reported) if self._reported is not None else None

    def keepalive(self) -> bytes:
        """An empty delta for the open block, the only thing that resets Claude Code's 300 s watchdog; else a ping."""
        delta = _EMPTY_DELTAS.get(self._open_type)
        if delta is None:
            return PING
        head = b'{"type":"content_block_delta","index":%d,"delta":' % self._open_index
        return _DELTA + head + delta + b"}\n\n"

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return error_event(error, request_id)

    def _take(self, body: bytes) -> Verdict:
        if body.startswith(_DELTA):
            place = body.rfind(b'_delta","')
            if place > 0 and body.endswith(b'"}}'):
                framing = _FRAMING.get(body[place - 1])
                if framing is not None and len(body) > place + framing:
                    self._delivered_bytes += len(body) - place - framing
                    self._semantic = True
                return None
        event, data = read_frame(body)
        if data is None or event == b"ping":
            return None
        kind = event.decode() or _EVENTS.decode(data).type or ""
        return self._take_event(kind, body, data)

    def _take_event(self, kind: str, body: bytes, data: bytes) -> Verdict:
        if kind == "content_block_delta":
            self._count_delta(_EVENTS.decode(data).delta)
        elif kind == "message_start":
            return self._start(body, data)
        elif kind == "content_block_start":
            self._open(_EVENTS.decode(data))
        elif kind == "content_block_stop":
            self._open_type = ""
        elif kind == "message_delta":
            self._read_totals(_EVENTS.decode(data))
        elif kind == "message_stop":
            if _EVENTS.decode(data).error or not self._started:
                raise EventStreamError("The answer ends before it starts.")
            return Terminal(body)
        elif kind == "error" or (kind == "" and _EVENTS.decode(data).error):
            return envelope.stream_error(data)
        return None

    def _start(self, body: bytes, data: bytes) -> Verdict:
        event = _EVENTS.decode(data)
        message = _FIELDS.decode(event.message)
        self._started = True
        self.response_id = self.response_id or _text(message.get("id"))
        self._reported = read_usage(message.get("usage")) or self._reported
        self._remember_container(msgspec.json.decode(message.get("container", b"null")))
        if not self._echo.differs(message):
            return None
        return replace_data(body, self._echo.exchange_in(data, "message"))

    def _open(self, event: _Event) -> None:
        block: Any = msgspec.json.decode(event.content_block)
        self._semantic = True
        self._open_index = event.index or 0
        self._open_type = _word(block, "type")
        for kind, object_id in ids_in(block):
            self._remember_object(kind, object_id)
        for name in ("text", "thinking"):
            self._deliver(text_bytes(block.get(name)) if isinstance(block, dict) else 0)

    def _count_delta(self, raw: msgspec.Raw) -> None:
        delta = _DELTAS.decode(raw) or _Delta()
        for text in (delta.text, delta.thinking, delta.partial_json):
            self._deliver(text_bytes(text))

    def _read_totals(self, event: _Event) -> None:
        """Counts of `message_delta` are totals and replace the earlier ones; what is missing or null replaces none."""
        delta = _DELTAS.decode(event.delta) or _Delta()
        self._remember_container(delta.container)
        reported = read_usage(event.usage)
        if reported is not None:
            known = {name: value for name, value in reported.items() if value is not None}
            self._reported = {**(self._reported or {}), **known}

    def _remember_container(self, container: object) -> None:
        if isinstance(container, dict):
            self._remember_object("container", container.get("id"))


def _text(raw: msgspec.Raw | None) -> str:
    found = msgspec.json.decode(raw) if raw is not None else None
    return found if isinstance(found, str) else ""


def _word(value: object, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
