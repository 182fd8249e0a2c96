"""The order of events in each dialect, as far as the SDKs do not enforce it themselves.

A stream is a list of `{"event": name or None, "data": value}`.
"""

from typing import Any

import msgspec

from tests.golden.sdk_types import Bad

Events = list[dict[str, Any]]
TERMINALS = ("response.completed", "response.incomplete", "response.failed", "error")
_CUT_REASONS = ("max_tokens", "refusal", "model_context_window_exceeded")
_FITS = {
    "text_delta": ("text",),
    "citations_delta": ("text",),
    "input_json_delta": ("tool_use", "server_tool_use"),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
}


class _Blocks:
    """The state of a Messages stream."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.state = "start"
        self.open: int | None = None
        self.next = 0
        self.kind = ""
        self.json = ""
        self.cut = ""

    def bad(self, message: str) -> Bad:
        return Bad(f"{self.where}: {message}")

    def start(self, data: dict[str, Any]) -> None:
        if data["type"] != "message_start":
            raise self.bad(f"first event is {data['type']}")
        if data["message"]["content"] != [] or data["message"]["stop_reason"] is not None:
            raise self.bad("message_start must carry empty content and null stop_reason")
        self.state = "body"

    def content_block_start(self, data: dict[str, Any]) -> None:
        if self.open is not None:
            raise self.bad(f"block {data['index']} opened while {self.open} is open")
        if data["index"] != self.next:
            raise self.bad(f"block index {data['index']}, expected {self.next}")
        self.open = self.next
        self.next += 1
        self.kind = data["content_block"]["type"]
        self.json = ""

    def content_block_delta(self, data: dict[str, Any]) -> None:
        if data["index"] != self.open:
            raise self.bad(f"delta for {data['index']} while {self.open} is open")
        if self.kind not in _FITS[data["delta"]["type"]]:
            raise self.bad(f"{data['delta']['type']} in a {self.kind} block")
        self.json += data["delta"].get("partial_json", "")

    def content_block_stop(self, data: dict[str, Any]) -> None:
        if data["index"] != self.open:
            raise self.bad(f"stop for {data['index']} while {self.open} is open")
        if self.kind in ("tool_use", "server_tool_use") and self.json:
            try:
                msgspec.json.decode(self.json)
            except msgspec.DecodeError:
                self.cut = self.json  # legal only when the turn was cut off
        self.open = None

    def message_delta(self, data: dict[str, Any]) -> None:
        reason = data["delta"].get("stop_reason")
        if self.open is not None:
            raise self.bad("message_delta while a block is open")
        if reason is None:
            raise self.bad("message_delta without stop_reason")
        if self.cut and reason not in _CUT_REASONS:
            raise self.bad(f"incomplete tool JSON {self.cut!r} but stop_reason {reason}")
        self.state = "delta"

    def message_stop(self, data: dict[str, Any]) -> None:
        if self.state != "delta":
            raise self.bad("message_stop before message_delta")
        self.state = "done"


def check_messages_stream(events: Events, where: str, *, failing: bool) -> None:
    """One block open at a time, numbered without gaps, never opened again; one end."""
    blocks = _Blocks(where)
    for event in events:
        data = event["data"]
        kind = data["type"]
        if event.get("event") != kind:
            raise blocks.bad(f"event name {event.get('event')} is not the type {kind}")
        if kind == "ping":
            continue
        if blocks.state == "done":
            raise blocks.bad(f"event {kind} after the end")
        if kind == "error":
            blocks.state = "done"
        elif blocks.state == "start":
            blocks.start(data)
        elif not kind.startswith(("content_block_", "message_")):
            raise blocks.bad(f"unknown event {kind}")
        else:
            getattr(blocks, kind)(data)
    if blocks.state != "done":
        raise blocks.bad("stream has no terminal event")
    if failing and events[-1]["data"]["type"] != "error":
        raise blocks.bad("failing stream must end with error")


def check_chat_stream(events: Events, where: str, *, failing: bool) -> None:
    """Role, ids and names once; nothing after the usage; `[DONE]` only where the answer is whole."""
    finish = None
    usage = None
    names: dict[int, str] = {}
    seen_role = False
    chunks = [event["data"] for event in events if event["data"] != "[DONE]" and "error" not in event["data"]]
    if any(event.get("event") for event in events):
        raise Bad(f"{where}: chunks have no event name")
    for chunk in chunks:
        if usage is not None:
            raise Bad(f"{where}: a chunk after the usage chunk would wipe the SDK's usage")
        usage = chunk.get("usage")
        if usage is not None and chunk["choices"]:
            raise Bad(f"{where}: the usage chunk must have empty choices")
        for choice in chunk["choices"]:
            delta = choice["delta"]
            if seen_role == ("role" in delta):
                raise Bad(f"{where}: the role goes out once, in the first delta")
            seen_role = True
            if finish and (delta.get("content") or delta.get("tool_calls")):
                raise Bad(f"{where}: content after finish_reason")
            _check_fragments(delta.get("tool_calls") or [], names, where)
            finish = choice.get("finish_reason") or finish
    if len({chunk["id"] for chunk in chunks}) > 1:
        raise Bad(f"{where}: chunk id changes")
    _check_chat_end(events, finish, names, where, failing=failing)


def check_responses_stream(events: Events, where: str, *, failing: bool, upstream: bool = False) -> None:
    """Numbers without gaps, one id, items opened before their events and closed once, one terminal."""
    items = _Items(where, upstream=upstream)
    for number, event in enumerate(events):
        data = event["data"]
        if event.get("event") != data["type"]:
            raise items.bad(f"event name {event.get('event')} is not the type {data['type']}")
        if data["sequence_number"] != number:
            raise items.bad(f"sequence_number {data['sequence_number']}, expected {number}")
        if number == 0 and data["type"] != "response.created":
            raise items.bad(f"first event is {data['type']}")
        items.take(data)
        if data["type"] in TERMINALS and number != len(events) - 1:
            raise items.bad(f"event after {data['type']}")
    last = events[-1]["data"]["type"]
    if last not in TERMINALS:
        raise items.bad("no terminal event")
    if failing and last not in ("response.failed", "error"):
        raise items.bad("failing stream must end in failed or error")


class _Items:
    """The state of a Responses stream."""

    def __init__(self, where: str, *, upstream: bool) -> None:
        self.where = where
        self.upstream = upstream
        self.response_id = None
        self.ids: dict[int, str] = {}
        self.done: set[int] = set()
        self.parts: dict[tuple[int, int], str] = {}
        self.arguments: dict[int, str] = {}

    def bad(self, message: str) -> Bad:
        return Bad(f"{self.where}: {message}")

    def take(self, data: dict[str, Any]) -> None:
        kind = data["type"]
        if "response" in data:
            self.response_id = self.response_id or data["response"]["id"]
            if data["response"]["id"] != self.response_id:
                raise self.bad("response id changed")
        index = data.get("output_index")
        if kind == "response.output_item.added":
            self._added(index, data["item"])
        elif kind == "response.output_item.done":
            self._item_done(index, data["item"])
        elif index is not None:
            self._inside(kind, index, data)
        if kind == "response.completed":
            self._completed(data["response"])

    def _added(self, index: int, item: dict[str, Any]) -> None:
        if index != len(self.ids):
            raise self.bad(f"output_index {index}, expected {len(self.ids)}")
        self.ids[index] = item.get("id", "")
        self.arguments[index] = ""

    def _item_done(self, index: int, item: dict[str, Any]) -> None:
        if index not in self.ids or index in self.done:
            raise self.bad("done without added")
        if item.get("id") != self.ids[index]:
            raise self.bad("item id changed")
        self.done.add(index)

    def _inside(self, kind: str, index: int, data: dict[str, Any]) -> None:
        if index not in self.ids or index in self.done:
            raise self.bad(f"{kind} outside its item")
        if data.get("item_id") != self.ids[index]:
            raise self.bad(f"{kind} item_id {data.get('item_id')} is not {self.ids[index]}")
        part = (index, data.get("content_index", 0))
        if kind == "response.content_part.added":
            self.parts[part] = ""
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            if part not in self.parts:
                raise self.bad("delta before part")
            self.parts[part] += data["delta"]
        elif kind == "response.output_text.done" and self.parts[part] != data["text"]:
            raise self.bad("text of done is not that of the deltas")
        elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            self.arguments[index] += data["delta"]
        elif kind == "response.function_call_arguments.done" and not self.upstream:
            if self.arguments[index] != data["arguments"]:
                raise self.bad(f"arguments of done are {data['arguments']!r}, of the deltas {self.arguments[index]!r}")
        elif kind == "response.custom_tool_call_input.done" and self.arguments[index] != data["input"]:
            raise self.bad("input of done is not that of the deltas")

    def _completed(self, response: dict[str, Any]) -> None:
        listed = len(response["output"])
        if listed != len(self.ids) or len(self.done) != len(self.ids):
            raise self.bad(f"completed must list all {len(self.ids)} finished items, has {listed}")
        if not response.get("usage"):
            raise self.bad("completed without usage")


def _check_fragments(fragments: list[dict[str, Any]], names: dict[int, str], where: str) -> None:
    for fragment in fragments:
        function = fragment.get("function") or fragment.get("custom") or {}
        if fragment["index"] in names:
            if "id" in fragment or function.get("name"):
                raise Bad(f"{where}: id or name repeated (the SDK joins them)")
        elif fragment["index"] != len(names) or not fragment.get("id") or not function.get("name"):
            raise Bad(f"{where}: the first fragment of call {fragment['index']} must carry id and name, without gaps")
        else:
            names[fragment["index"]] = function["name"]


def _check_chat_end(events: Events, finish: str | None, names: dict[int, str], where: str, *, failing: bool) -> None:
    last = events[-1]["data"]
    done = [event["data"] for event in events].count("[DONE]")
    if failing:
        if done or "error" not in last:
            raise Bad(f"{where}: failing stream must end with an error chunk and no [DONE]")
    elif last != "[DONE]" or done != 1:
        raise Bad(f"{where}: one [DONE] at the end")
    elif not finish:
        raise Bad(f"{where}: missing finish_reason")
    elif names and finish not in ("tool_calls", "length", "content_filter"):
        raise Bad(f"{where}: tool calls but finish_reason {finish}")
