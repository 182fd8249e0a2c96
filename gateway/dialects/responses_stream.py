"""Reading an OpenAI Responses stream."""

from typing import Any

import msgspec
from msgspec import Struct

from gateway.dialects import envelope
from gateway.dialects.base import UpstreamError
from gateway.dialects.peek import DECODE_ERRORS
from gateway.dialects.references import ids_in
from gateway.dialects.sse import read_frame, replace_data, write_frame
from gateway.dialects.stream import CUT, NULL, EventReader, Terminal, Verdict, read_usage, text_bytes
from gateway.dialects.usage import responses_usage
from gateway.errors import CallError
from gateway.records import Usage

COMMENT = b": keep-alive\n\n"

_DELTAS = frozenset(
    (
        b"response.output_text.delta",
        b"response.function_call_arguments.delta",
        b"response.custom_tool_call_input.delta",
        b"response.reasoning_text.delta",
        b"response.reasoning_summary_text.delta",
        b"response.refusal.delta",
    )
)
_LIFECYCLE = frozenset(
    (
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    )
)
_TERMINALS = frozenset(("response.completed", "response.incomplete"))
_ANSWERED = frozenset(("completed", "incomplete"))


class _Event(Struct):
    type: str | None = None
    sequence_number: int | None = None
    response: msgspec.Raw = NULL
    item: msgspec.Raw = NULL
    delta: Any = None
    annotation: Any = None
    error: Any = None


_EVENTS = msgspec.json.Decoder(_Event)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def keepalive_event(sequence_number: int) -> bytes:
    """An event of a type nobody acts on. Its number repeats the last one, so that none is missing to the client."""
    return b'event: keepalive\ndata: {"type":"keepalive","sequence_number":%d}\n\n' % sequence_number


def failed_stream(error: CallError, request_id: str) -> bytes:
    """A whole failed stream. `created_at` is 0: nothing here knows the time, and no client reads it of a failure."""
    response: dict[str, Any] = {
        "id": f"resp_{request_id.removeprefix('req_')}",
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    created = _event("response.created", 0, response)
    return created + _event("response.failed", 1, _failed(response, error))


class ResponsesReader(EventReader):
    """`response.created`, items with their deltas, `response.completed` or `response.incomplete`."""

    def __init__(self, echo_model: str) -> None:
        super().__init__(echo_model)
        self._reported: Usage | None = None
        self._response: dict[str, msgspec.Raw] | None = None
        self._last = b""

    def usage(self) -> Usage | None:
        return self._reported

    def keepalive(self) -> bytes:
        """An event once the response was created; before that the SDK's accumulator would refuse it."""
        return COMMENT if self._response is None else keepalive_event(self._sequence_number())

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        """`response.failed` of the response that was created: its id, its members, its next number."""
        if self._response is None:
            return failed_stream(error, request_id)
        return _event("response.failed", self._sequence_number() + 1, _failed(self._response, error))

    def _take(self, body: bytes) -> Verdict:
        if body.startswith(b"event: response."):
            line_end = body.find(b"\n")
            if body[7:line_end] in _DELTAS:
                start = body.find(b'"delta":"', line_end) + 9
                if start > 8:
                    end = body.find(b'","', start)
                    self._deliver((len(body) - 2 if end == -1 else end) - start)
                    self._last = body
                    return None
        event, data = read_frame(body)
        if data is None:
            return None
        if data.startswith(b"[DONE]"):
            return CUT
        kind = event.decode() or _EVENTS.decode(data).type or ""
        self._last = body
        return self._take_event(kind, body, data)

    def _take_event(self, kind: str, body: bytes, data: bytes) -> Verdict:
        if kind in _LIFECYCLE:
            return self._take_lifecycle(kind, body, data)
        if kind == "error":
            return envelope.stream_error(data)
        if not kind.startswith("response."):
            return envelope.stream_error(data) if not kind and _EVENTS.decode(data).error else None
        if kind.encode() in _DELTAS:
            self._deliver(text_bytes(_EVENTS.decode(data).delta))
        elif kind == "response.output_item.added":
            self._semantic = True
        elif kind == "response.output_item.done":
            self._take_item(_EVENTS.decode(data))
        elif kind == "response.output_text.annotation.added":
            for of_kind, object_id in ids_in(_EVENTS.decode(data).annotation):
                self._remember_object(of_kind, object_id)
        return None

    def _take_lifecycle(self, kind: str, body: bytes, data: bytes) -> Verdict:
        raw = _EVENTS.decode(data).response
        fields = _FIELDS.decode(raw)
        self._read_response(fields)
        error = response_error(fields, bytes(raw)) if kind in _TERMINALS or kind == "response.failed" else None
        if kind == "response.failed" and error is None:
            error = envelope.stream_error(bytes(raw))
        if error is not None:
            return error
        if self._echo.differs(fields):
            data = self._echo.exchange_in(data, "response")
            body = replace_data(body, data)
            fields = _FIELDS.decode(_EVENTS.decode(data).response)
            changed: Verdict = body
        else:
            changed = None
        self._response = fields
        return Terminal(body) if kind in _TERMINALS else changed

    def _read_response(self, fields: dict[str, msgspec.Raw]) -> None:
        for kind, object_id in remembered(fields):
            self._remember_object(kind, object_id)
        self.response_id = self.response_id or _word(fields.get("id"))
        reported = read_usage(fields.get("usage"))
        if reported is not None:
            tools = msgspec.json.decode(fields.get("tool_usage", b"null"))
            tier = _word(fields.get("service_tier"))
            self._reported = responses_usage(reported, service_tier=tier, tool_usage=tools)

    def _take_item(self, event: _Event) -> None:
        item: Any = msgspec.json.decode(event.item)
        self._semantic = True
        if isinstance(item, dict) and self._response is not None and _is_stored(self._response):
            self._remember_object("item", item.get("id"))
        for kind, object_id in ids_in(item):
            self._remember_object(kind, object_id)

    def _sequence_number(self) -> int:
        try:
            data = read_frame(self._last)[1]
            return _EVENTS.decode(data or b"{}").sequence_number or 0
        except DECODE_ERRORS:
            return 0


def remembered(fields: dict[str, msgspec.Raw]) -> list[tuple[str, str]]:
    """(kind, id) of what a response says the upstream keeps: only containers and files where `store` is false."""
    found: list[tuple[str, str]] = []
    output: Any = msgspec.json.decode(fields.get("output", b"null"))
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    if _is_stored(fields):
        found.append(("response", _word(fields.get("id"))))
        found += [("item", item["id"]) for item in items if isinstance(item.get("id"), str)]
    conversation: Any = msgspec.json.decode(fields.get("conversation", b"null"))
    if isinstance(conversation, dict) and isinstance(conversation.get("id"), str):
        found.append(("conversation", conversation["id"]))
    found += ids_in(items)
    return [pair for pair in dict.fromkeys(found) if pair[1]]


def response_error(fields: dict[str, msgspec.Raw], raw: bytes) -> UpstreamError | None:
    """Why a response is no answer; None if it is one. Compatible servers that name no status have answered."""
    status = _word(fields.get("status"))
    error: Any = msgspec.json.decode(fields.get("error", b"null"))
    if not error and (status in _ANSWERED or not status):
        return None
    if not error:
        return UpstreamError(
            status=502, code=f"response_{status}", message=f"The response is {status}.", raw=raw[:65_536]
        )
    return envelope.stream_error(raw)


def _is_stored(fields: dict[str, msgspec.Raw]) -> bool:
    """Responses are stored unless the answer says otherwise: the API's own default."""
    raw = fields.get("store")
    return raw is None or bytes(raw) != b"false"


def _failed(response: dict[str, Any], error: CallError) -> dict[str, Any]:
    problem = {"code": envelope.failed_response_code(error), "message": error.message}
    return {**response, "status": "failed", "error": problem}


def _event(kind: str, sequence_number: int, response: dict[str, Any]) -> bytes:
    data = {"type": kind, "sequence_number": sequence_number, "response": response}
    return write_frame(kind.encode(), msgspec.json.encode(data)) + b"\n\n"


def _word(raw: msgspec.Raw | None) -> str:
    found: Any = msgspec.json.decode(raw) if raw is not None else None
    return found if isinstance(found, str) else ""
