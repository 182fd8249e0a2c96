"""Reading Messages events and messages, in one shape for the pairs that have Messages upstream."""

from typing import Any

import msgspec

from gateway.dialects.envelope import stream_error
from gateway.dialects.usage import add, messages_usage
from gateway.records import Usage
from gateway.translate.pieces import Pieces
from gateway.translate.stream import Broken

_OBJECTS = ("message", "content_block", "delta")
"""Members of events that are objects; whatever else a broken server puts there says nothing."""


class MessageUsage:
    """The usage of an answer that may have been paused and resumed: every part counts."""

    def __init__(self) -> None:
        self._earlier: Usage | None = None
        self._reported: dict[str, Any] | None = None

    def read(self, reported: Any) -> None:
        """Counts are totals: a later one replaces the earlier, what is missing or null replaces nothing."""
        if isinstance(reported, dict):
            known = {name: value for name, value in reported.items() if value is not None}
            self._reported = {**(self._reported or {}), **known}

    def next_part(self) -> None:
        """The part that was read is complete; another follows."""
        self._earlier, self._reported = self.usage, None

    @property
    def usage(self) -> Usage | None:
        if self._reported is None:
            return self._earlier
        found = messages_usage(self._reported)
        return found if self._earlier is None else add(self._earlier, found)


def read_event(event: bytes, data: bytes) -> tuple[str, dict[str, Any]]:
    """An event's type and its members. Raises Broken for `error`, DecodeError for what is no JSON."""
    found: Any = msgspec.json.decode(data)
    if not isinstance(found, dict):
        return "", {}
    kind = event.decode() or str(found.get("type") or "")
    if kind == "error" or (not kind and found.get("error")):
        raise Broken(stream_error(data))
    for name in _OBJECTS:
        if not isinstance(found.get(name, {}), dict):
            found[name] = {}
    return kind, found


class BlockCollector:
    """The blocks of a streamed message put together again, as they have to be replayed."""

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []
        self._said = Pieces()
        self._json = Pieces()

    def start(self, block: dict[str, Any]) -> None:
        self.blocks.append(dict(block))
        self._said.take()
        self._json.take()

    def delta(self, delta: dict[str, Any]) -> None:
        if not self.blocks:
            return
        block = self.blocks[-1]
        match delta.get("type"):
            case "text_delta":
                self._said.add(str(delta.get("text") or ""))
            case "thinking_delta":
                self._said.add(str(delta.get("thinking") or ""))
            case "signature_delta":
                block["signature"] = str(delta.get("signature") or "")
            case "input_json_delta":
                self._json.add(str(delta.get("partial_json") or ""))
            case "citations_delta":
                earlier = block.get("citations")
                block["citations"] = [*(earlier if isinstance(earlier, list) else ()), delta.get("citation")]

    def stop(self) -> dict[str, Any]:
        """The block that is complete now. Arguments that were cut off stay what they were at the start."""
        block = self.blocks[-1] if self.blocks else {}
        said, arguments = self._said.take(), self._json.take()
        if said:
            member = "thinking" if block.get("type") == "thinking" else "text"
            block[member] = str(block.get(member) or "") + said
        if arguments:
            try:
                block["input"] = msgspec.json.decode(arguments)
            except (msgspec.DecodeError, RecursionError):
                block.setdefault("input", {})
        return block
