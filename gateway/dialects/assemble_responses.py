"""Taking a whole response out of its stream, whose last event carries it."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from gateway.dialects.assemble import CannotAssemble, Draft, streamed, write
from gateway.dialects.responses_stream import ResponsesReader
from gateway.dialects.stream import NULL

_STATUSES = {"response.completed": "completed", "response.incomplete": "incomplete"}
_LIFECYCLE = frozenset(("response.created", "response.queued", "response.in_progress", *_STATUSES))


class _Event(Struct):
    type: str = ""
    output_index: int | None = None
    response: dict[str, msgspec.Raw] = {}
    item: msgspec.Raw = NULL
    delta: msgspec.Raw = NULL


_EVENT = msgspec.json.Decoder(_Event)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)


def can_assemble(fields: Mapping[str, msgspec.Raw], headers: Mapping[str, str]) -> bool:
    """Everything but what is answered before it is made."""
    return bytes(fields.get("background", b"false")) in (b"false", b"null")


def streaming_body(body: bytes) -> bytes:
    """Responses always reports usage, so only `stream` is exchanged."""
    return streamed(body)


def begin() -> tuple[ResponsesReader, "ResponsesDraft"]:
    return ResponsesReader(""), ResponsesDraft()


class ResponsesDraft(Draft):
    """The response of the last event, with what only earlier ones had.

    Where its output is empty (ChatGPT's own backend, with `store: false`) or lacks something, the finished items are
    the output. What was only announced, or came in deltas that belong to no item, cannot be had so, and is refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self._response: dict[str, msgspec.Raw] = {}
        self._items: dict[int, msgspec.Raw] = {}
        self._announced: set[int] = set()
        self._spoken = False

    def take(self, event: str, data: bytes) -> None:
        kind = event or _EVENT.decode(data).type
        if kind in _LIFECYCLE:
            self._learn(kind, _EVENT.decode(data).response)
        elif kind == "response.output_item.done":
            found = _EVENT.decode(data)
            self.kept_bytes += len(data)
            self._items[self._index(found, len(self._items))] = found.item
        elif kind == "response.output_item.added":
            self._announced.add(self._index(_EVENT.decode(data), len(self._announced)))
        elif kind.endswith(".delta") and kind.startswith("response.") and not self._spoken:
            self._spoken = bytes(_EVENT.decode(data).delta) not in (b"null", b'""')

    def body(self) -> bytes:
        output = _ITEMS.decode(self._response.get("output", b"null")) or []
        if len(output) < len(self._items):
            output = [self._items[index] for index in sorted(self._items)]
        if len(output) < len(self._announced) or (self._spoken and not output):
            raise CannotAssemble("The response lacks items whose beginning was streamed.")
        return write({**self._response, "output": output})

    def _learn(self, kind: str, response: dict[str, msgspec.Raw]) -> None:
        self._response |= response
        if kind in _STATUSES and "status" not in response:
            self._response["status"] = msgspec.Raw(b'"%s"' % _STATUSES[kind].encode())
        self.kept_bytes += len(bytes(response.get("output", b"")))

    @staticmethod
    def _index(event: _Event, otherwise: int) -> int:
        return otherwise if event.output_index is None else event.output_index
