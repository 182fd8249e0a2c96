"""A Responses stream as a Chat stream."""

from typing import Any

from msgspec import Struct

from gateway.dialects.chat_stream import COMMENT, error_chunk
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Blocks, Memo
from gateway.translate.chat_out import ChatWriter
from gateway.translate.chat_responses_input import MESSAGE
from gateway.translate.ids import answer_id, call_id_for
from gateway.translate.responses_events import (
    CALLS,
    TERMINALS,
    OutputItem,
    ResponseItems,
    ResponseReport,
    Step,
    incomplete_reason,
    read_event,
)
from gateway.translate.stops import StopScanner
from gateway.translate.stream import StreamTranslator
from gateway.translate.toolcalls import unwrapped_text

_PARAGRAPH = "\n\n"


def finish_reason_of(reason: str | None, *, has_calls: bool) -> str:
    """`finish_reason`, from why a response is incomplete (None: it is not) and from whether it calls tools."""
    if reason is not None:
        return "content_filter" if reason == "content_filter" else "length"
    return "tool_calls" if has_calls else "stop"


def nested_citation(annotation: dict[str, Any], offset: int) -> dict[str, Any] | None:
    """A citation as Chat has it, its place counted from `offset`; None for those Chat does not know."""
    start, end = annotation.get("start_index"), annotation.get("end_index")
    if annotation.get("type") != "url_citation" or not isinstance(start, int) or not isinstance(end, int):
        return None
    cited = {"start_index": start + offset, "end_index": end + offset}
    texts = {name: str(annotation.get(name) or "") for name in ("url", "title")}
    return {"type": "url_citation", "url_citation": {**cited, **texts}}


class CallReasoning:
    """Puts by the reasoning that leads to each call, for the turn in which the client brings the call's result."""

    def __init__(self, memo: Memo) -> None:
        self._memory = memo.context.memory
        self._since: Blocks = []

    def closed(self, item: dict[str, Any], client_call_id: str = "") -> None:
        """An item is complete, in the order of the output. Only encrypted reasoning can be given back."""
        kind = item.get("type")
        if kind == "reasoning" and item.get("encrypted_content"):
            kept = ("type", "id", "summary", "encrypted_content")
            self._since.append({"summary": [], **{name: item[name] for name in kept if name in item}})
        elif kind == "message":
            self._since.append(MESSAGE)
        elif kind in CALLS:
            if any(block != MESSAGE for block in self._since):
                self._memory.put(client_call_id, self._since)
            self._since = []


class _OpenCall(Struct):
    """A call the client knows of. `sent` is how much of its arguments went out."""

    index: int
    sent: int = 0


class ChatFromResponses(StreamTranslator):
    """Items may come side by side. Calls do so in Chat, too; messages wait for each other, for there is one text."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._writer = ChatWriter(memo, self.out)
        self._report = ResponseReport()
        self._items = ResponseItems()
        self._reasoning = CallReasoning(memo)
        self._scanner = StopScanner(memo.stop_sequences)
        self._speaker: OutputItem | None = None
        self._held: list[Step] = []
        self._length = 0
        self._separate = False
        self._calls: dict[int, _OpenCall] = {}
        self._annotations: list[dict[str, Any]] = []

    def usage(self) -> Usage | None:
        return self._report.usage

    def keepalive(self) -> bytes:
        return COMMENT

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return error_chunk(error, request_id)

    def _take(self, event: bytes, data: bytes) -> None:
        kind, found = read_event(event, data)
        response = found.get("response")
        if isinstance(response, dict):
            self._report.read(response)
            self.response_id = self._report.response_id
            self._start()
        for step in self._items.take(kind, found):
            self._start()
            self._step(step)
            if self._done:
                return
        if kind in TERMINALS:
            self._complete(kind, response if isinstance(response, dict) else {})

    def _start(self) -> None:
        self._writer.start(answer_id(self.response_id or self.memo.context.call_id, "chat"))

    def _complete(self, kind: str, response: dict[str, Any]) -> None:
        self._start()
        for step in self._items.finish(response):
            self._step(step)
            if self._done:
                return
        self._writer.content(self._scanner.flush())
        if self.memo.context.options.stream_annotations:
            self._writer.annotations(self._annotations)
        reason = incomplete_reason(kind, response)
        self._end(finish_reason_of(reason, has_calls=self._writer.calls > 0))

    def _end(self, finish_reason: str) -> None:
        self._remember()
        estimate = Usage(input_tokens=self.memo.context.input_tokens, output_tokens=self.delivered_tokens())
        self._finish(self._writer.ending(finish_reason, self._report.usage or estimate))

    def _step(self, step: Step) -> None:
        if step.item.kind in CALLS:
            self._take_call(step)
        elif step.kind == "reasoning":
            self._writer.reasoning(step.text)
        elif step.item.kind == "message":
            self._take_message(step)

    def _take_message(self, step: Step) -> None:
        if self._speaker is not None and self._speaker is not step.item:
            self._held.append(step)
            return
        if step.kind == "closed":
            self._speaker = None
            self._separate = self._length > 0
            self._speak_held()
            return
        self._speaker = step.item
        if step.kind == "text":
            self._say(step.text)
        elif step.kind == "refusal":
            self._writer.refusal(step.text)
        elif step.kind == "annotation":
            citation = nested_citation(step.annotation, self._length - len(step.text))
            self._annotations += [citation] if citation else []

    def _speak_held(self) -> None:
        held, self._held = self._held, []
        for step in held:
            if not self._done:
                self._take_message(step)

    def _say(self, text: str) -> None:
        """Text for the client. The second message of an answer is a paragraph of its own."""
        if self._separate:
            self._separate = False
            text = _PARAGRAPH + text
        self._length += len(text)
        self._writer.content(self._scanner.feed(text))
        if self._scanner.matched is not None:
            self._end(finish_reason_of(None, has_calls=self._writer.calls > 0))

    def _take_call(self, step: Step) -> None:
        item = step.item
        if not item.name:
            return
        call_id = client_call_id(item)
        name = self.memo.client_name(item.name)
        if item.kind == "custom_tool_call" or name in self.memo.custom_tools:
            if step.kind == "closed":
                text = item.arguments if item.kind == "custom_tool_call" else unwrapped_text(item.arguments)
                self._writer.custom_call(call_id, name, text)
            return
        call = self._calls.get(id(item))
        if call is None:
            call = self._calls[id(item)] = _OpenCall(self._writer.open_call(call_id, name))
        self._writer.arguments(call.index, item.arguments[call.sent :])
        call.sent = len(item.arguments)
        if step.kind == "closed" and not item.arguments:
            self._writer.arguments(call.index, "{}")

    def _remember(self) -> None:
        for item in sorted(self._items.items, key=lambda item: item.index):
            self._reasoning.closed(item.snapshot, client_call_id(item) if item.kind in CALLS else "")


def client_call_id(item: OutputItem) -> str:
    """A call's id as the client is told it; on servers that give none, the item's."""
    return call_id_for("chat", item.call_id or item.id or f"call_{item.index}")
