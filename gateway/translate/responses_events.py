"""Reading Responses events and responses, in one shape for the pairs that have Responses upstream.

Servers leave out events: the one that adds an item, the deltas, or everything but the last. What they say is therefore
read as steps of items, and whatever an event repeats of what was said before is compared with it: a step is only what
is new.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from gateway.dialects.base import UpstreamError
from gateway.dialects.envelope import stream_error
from gateway.dialects.stream import CUT
from gateway.dialects.usage import responses_usage
from gateway.records import Usage
from gateway.translate.stream import Broken

CALLS = ("function_call", "custom_tool_call")
TERMINALS = ("response.completed", "response.incomplete")

_ANSWERED = ("completed", "incomplete")
_FAILED = ("response.failed", "response.cancelled")
_PARAGRAPH = "\n\n"

StepKind = Literal["opened", "text", "refusal", "reasoning", "arguments", "annotation", "part_closed", "closed"]
_PIECES: dict[str, tuple[str, StepKind, str]] = {
    "response.output_text": ("message", "text", "content_index"),
    "response.refusal": ("message", "refusal", "content_index"),
    "response.reasoning_summary_text": ("reasoning", "reasoning", "summary_index"),
    "response.reasoning_text": ("reasoning", "reasoning", "content_index"),
    "response.function_call_arguments": ("function_call", "arguments", ""),
    "response.custom_tool_call_input": ("custom_tool_call", "arguments", ""),
}
"""What an event's name begins with -> kind of its item, of its step, and the member that numbers its part."""
_WHOLE = {"text": "text", "refusal": "refusal", "reasoning": "text", "arguments": "arguments"}
"""The member of a `.done` event that repeats a part's whole text, by kind of step."""


class OutputItem(Struct, eq=False):
    """An item of the output as far as it is known. `said` is the text of each of its parts so far."""

    index: int
    kind: str
    id: str = ""
    call_id: str = ""
    name: str = ""
    said: dict[tuple[str, int], str] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)
    done: bool = False
    reasoning_from: str = ""
    """Whether its reasoning is read from summaries or from the raw text; never from both."""
    annotations: dict[int, int] = field(default_factory=dict)
    """How many annotations each part has had."""

    @property
    def arguments(self) -> str:
        """A call's arguments, or a freeform call's text, as far as they have come."""
        return self.said.get(("arguments", 0), "")

    @property
    def text(self) -> str:
        """Everything the item's parts have said, reasoning with its paragraphs."""
        return "".join(text for _, text in sorted(self.said.items()))


class Step(Struct, frozen=True):
    """Something new about an item. `text` is a piece of it; of an annotation, the part it is about."""

    kind: StepKind
    item: OutputItem
    text: str = ""
    annotation: dict[str, Any] = {}


class ResponseReport:
    """What a response says of itself apart from its items."""

    def __init__(self) -> None:
        self.response_id = ""
        self.usage: Usage | None = None
        self.reasoning_reported = False

    def read(self, response: dict[str, Any]) -> None:
        self.response_id = self.response_id or _text(response.get("id"))
        reported = response.get("usage")
        if isinstance(reported, dict):
            tier = _text(response.get("service_tier"))
            self.usage = responses_usage(reported, service_tier=tier, tool_usage=response.get("tool_usage"))
            details = reported.get("output_tokens_details")
            self.reasoning_reported = isinstance(details, dict) and details.get("reasoning_tokens") is not None


def read_event(event: bytes, data: bytes) -> tuple[str, dict[str, Any]]:
    """An event's type and its members. Raises Broken for an answer that failed, DecodeError for what is no JSON."""
    if data.startswith(b"[DONE]"):
        raise Broken(CUT)
    found: Any = msgspec.json.decode(data)
    if not isinstance(found, dict):
        return "", {}
    kind = _text(found.get("type")) or event.decode()
    if kind == "error" or (not kind and found.get("error")):
        raise Broken(stream_error(data))
    response = found.get("response")
    if kind in _FAILED or kind in TERMINALS:
        response = response if isinstance(response, dict) else {}
        error = response_error(response) if kind in TERMINALS else None
        if kind in _FAILED or error is not None:
            raise Broken(error or stream_error(msgspec.json.encode(response)))
    return kind, found


def response_error(response: dict[str, Any]) -> UpstreamError | None:
    """Why a response is no answer; None if it is one. Compatible servers that name no status have answered."""
    status = _text(response.get("status"))
    if response.get("error"):
        return stream_error(msgspec.json.encode(response))
    if not status or status in _ANSWERED:
        return None
    return UpstreamError(status=502, code=f"response_{status}", message=f"The response is {status}.")


def incomplete_reason(kind: str, response: dict[str, Any]) -> str | None:
    """Why the answer ends before it was finished; None if it was finished."""
    if kind != "response.incomplete" and response.get("status") != "incomplete":
        return None
    details = response.get("incomplete_details")
    return _text(details.get("reason")) if isinstance(details, dict) else ""


class ResponseItems:
    """The output items of one answer, from its events."""

    def __init__(self) -> None:
        self.items: list[OutputItem] = []
        """In the order in which they became known."""

    def take(self, kind: str, event: dict[str, Any]) -> Iterator[Step]:
        """What an event adds. One of a kind that is not known adds nothing."""
        if kind in ("response.output_item.added", "response.output_item.done"):
            found = event.get("item")
            if isinstance(found, dict):
                yield from self._item(found, event, done=kind.endswith("done"))
        elif kind == "response.output_text.annotation.added":
            yield from self._annotation(event)
        elif kind == "response.content_part.done":
            yield from self._part_done(event)
        else:
            name, _, end = kind.rpartition(".")
            if name in _PIECES and end in ("delta", "done"):
                yield from self._piece(name, event, done=end == "done")

    def finish(self, response: dict[str, Any]) -> Iterator[Step]:
        """What the whole response adds: all of it, on servers that send nothing else. Every item is closed."""
        output = response.get("output")
        whole = [found for found in output if isinstance(found, dict)] if isinstance(output, list) else []
        known = bool(self.items)
        for found, item in zip(whole, self._matched(whole), strict=True):
            # Reasoning that comes to light only now belongs before what has been said already.
            if item is not None or not known or found.get("type") != "reasoning":
                yield from self._item(found, {}, done=True, item=item or self._add(found, None))
        for item in self.items:
            yield from _close(item)

    def _item(
        self, found: dict[str, Any], event: dict[str, Any], *, done: bool, item: OutputItem | None = None
    ) -> Iterator[Step]:
        known = len(self.items)
        item = item or self._find(_text(found.get("type")), event, found) or self._add(found, event)
        is_new = len(self.items) > known or not item.snapshot
        item.snapshot = {**item.snapshot, **found}
        item.id = item.id or _text(found.get("id"))
        item.call_id = item.call_id or _text(found.get("call_id"))
        item.name = item.name or _text(found.get("name"))
        if is_new:
            yield Step("opened", item)
        if done:
            yield from _whole(item)
            yield from _close(item)

    def _piece(self, name: str, event: dict[str, Any], *, done: bool) -> Iterator[Step]:
        item_kind, kind, numbered = _PIECES[name]
        item = self._find(item_kind, event, {})
        if item is None:
            item = self._add({"type": item_kind, "id": event.get("item_id")}, event)
            yield Step("opened", item)
        part = _number(event.get(numbered))
        source = "raw" if name == "response.reasoning_text" else kind
        if done:
            member = "input" if item_kind == "custom_tool_call" else _WHOLE[kind]
            yield from _rest(item, kind, source, part, _text(event.get(member)))
            if kind == "arguments" and item.name and item.arguments:
                yield from _close(item)
        else:
            yield from _more(item, kind, source, part, _text(event.get("delta")))

    def _annotation(self, event: dict[str, Any]) -> Iterator[Step]:
        item = self._find("message", event, {})
        found = event.get("annotation")
        if item is not None and isinstance(found, dict):
            part = _number(event.get("content_index"))
            item.annotations[part] = item.annotations.get(part, 0) + 1
            yield Step("annotation", item, item.said.get(("text", part), ""), found)

    def _part_done(self, event: dict[str, Any]) -> Iterator[Step]:
        item = self._find("message", event, {})
        part = event.get("part")
        if item is not None and isinstance(part, dict):
            yield from _whole_part(item, _number(event.get("content_index")), part)
            yield Step("part_closed", item)

    def _find(self, kind: str, event: dict[str, Any], found: dict[str, Any]) -> OutputItem | None:
        """The item an event is about: by its id, by its place, or the last open one of its kind where it has neither.

        Two calls are never one, whatever place they claim; ids may change between events, as some servers' do.
        """
        index = event.get("output_index")
        item_id = _text(found.get("id")) or _text(event.get("item_id"))
        call_id = _text(found.get("call_id"))
        of_kind = [item for item in self.items if _may_be(item, {"type": kind, "call_id": call_id})]
        for item in of_kind:
            if item_id and item.id == item_id:
                return item
        for item in of_kind:
            if isinstance(index, int) and item.index == index and (not item.done or (call_id and item.call_id)):
                return item
        if isinstance(index, int) or item_id:
            return None
        return next((item for item in reversed(of_kind) if not item.done), None)

    def _matched(self, whole: list[dict[str, Any]]) -> list[OutputItem | None]:
        """For each item of the whole response the one it is: by id or call, else by place, else as the next of its
        kind. Servers change ids between their events and the whole, but a call's own id is the client's to use."""
        left = list(self.items)
        matched: list[OutputItem | None] = [None] * len(whole)
        tests = (
            lambda item, found, place: bool(item.id) and item.id == found.get("id"),
            lambda item, found, place: bool(item.call_id) and item.call_id == found.get("call_id"),
            lambda item, found, place: item.index == place,
            lambda item, found, place: True,
        )
        for test in tests:
            for place, found in enumerate(whole):
                for item in left if matched[place] is None else ():
                    if _may_be(item, found) and test(item, found, place):
                        matched[place] = item
                        left.remove(item)
                        break
        return matched

    def _add(self, found: dict[str, Any], event: dict[str, Any] | None) -> OutputItem:
        index = (event or {}).get("output_index")
        taken = {item.index for item in self.items}
        if not isinstance(index, int) or index in taken:
            index = max(taken, default=-1) + 1
        item = OutputItem(index, _text(found.get("type")), id=_text(found.get("id")))
        self.items.append(item)
        return item


def _may_be(item: OutputItem, found: dict[str, Any]) -> bool:
    """Whether an item may be this one: of its kind, and no other call."""
    call_id = found.get("call_id")
    return item.kind == found.get("type") and not (call_id and item.call_id and item.call_id != call_id)


def _more(item: OutputItem, kind: StepKind, source: str, part: int, piece: str) -> Iterator[Step]:
    """A piece of a part, unless its item was closed before. Parts of reasoning are paragraphs."""
    if item.done or not piece:
        return
    if kind == "reasoning":
        item.reasoning_from = item.reasoning_from or source
        if item.reasoning_from != source:
            return
        if item.said and (source, part) not in item.said:
            piece = _PARAGRAPH + piece
    # Taken out of the dictionary a string grows in place; left in it, every piece would copy the whole: 10 us an event
    # in an answer of 700 kB.
    whole = item.said.pop((source, part), "")
    whole += piece
    item.said[source, part] = whole
    yield Step(kind, item, piece)


def _rest(item: OutputItem, kind: StepKind, source: str, part: int, whole: str) -> Iterator[Step]:
    """What the whole text of a part has beyond what was said of it."""
    said = item.said.get((source, part), "").removeprefix(_PARAGRAPH if kind == "reasoning" and part else "")
    if whole.startswith(said):
        yield from _more(item, kind, source, part, whole[len(said) :])


def _whole_part(item: OutputItem, number: int, part: dict[str, Any]) -> Iterator[Step]:
    if part.get("type") == "refusal":
        yield from _rest(item, "refusal", "refusal", number, _text(part.get("refusal")))
        return
    yield from _rest(item, "text", "text", number, _text(part.get("text")))
    annotations = part.get("annotations")
    seen = item.annotations.get(number, 0)
    for found in annotations[seen:] if isinstance(annotations, list) else ():
        if isinstance(found, dict):
            item.annotations[number] = item.annotations.get(number, 0) + 1
            yield Step("annotation", item, item.said.get(("text", number), ""), found)


def _whole(item: OutputItem) -> Iterator[Step]:
    """What an item's snapshot has beyond what was said of it."""
    if item.kind == "message":
        for number, part in enumerate(parts_of(item.snapshot, "content")):
            closed = f"{'refusal' if part.get('type') == 'refusal' else 'text'}", number
            was_said = closed in item.said
            yield from _whole_part(item, number, part)
            if not was_said:
                yield Step("part_closed", item)
    elif item.kind == "reasoning":
        for number, part in enumerate(parts_of(item.snapshot, "summary")):
            yield from _rest(item, "reasoning", "reasoning", number, _text(part.get("text")))
        for number, part in enumerate(parts_of(item.snapshot, "content")):
            yield from _rest(item, "reasoning", "raw", number, _text(part.get("text")))
    elif item.kind in CALLS:
        member = "arguments" if item.kind == "function_call" else "input"
        yield from _rest(item, "arguments", "arguments", 0, _text(item.snapshot.get(member)))


def _close(item: OutputItem) -> Iterator[Step]:
    if not item.done:
        item.done = True
        yield Step("closed", item)


def parts_of(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A member of an item that is a list of parts."""
    found = item.get(name)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
