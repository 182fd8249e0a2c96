"""A Responses stream as a Messages stream."""

import msgspec

from gateway.dialects.base import UpstreamError
from gateway.dialects.messages_stream import PING, error_event
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.messages_out import MessagesWriter
from gateway.translate.messages_responses_answer import (
    call_id_of,
    citation_of,
    client_usage,
    message_id,
    reasoning_payload,
    search_blocks,
    stop_reason,
)
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
from gateway.translate.stream import Broken, StreamTranslator
from gateway.translate.toolcalls import WRAPPER_PROPERTY

_CUSTOM_HEAD = f'{{"{WRAPPER_PROPERTY}":"'
_CUSTOM_TAIL = '"}'


class MessagesFromResponses(StreamTranslator):
    """One block is open at a time: while an item has it, what comes of the others waits, in the order of the output."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._writer = MessagesWriter(memo, self.out)
        self._report = ResponseReport()
        self._items = ResponseItems()
        self._live: OutputItem | None = None
        self._waiting: dict[int, list[Step]] = {}
        self._opened: list[OutputItem] = []
        self._scanner = StopScanner(memo.stop_sequences)
        self._refusal = ""

    def usage(self) -> Usage | None:
        return self._report.usage

    def keepalive(self) -> bytes:
        return self._writer.keepalive()

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return error_event(error, request_id)

    def _take(self, event: bytes, data: bytes) -> None:
        kind, found = read_event(event, data)
        if not kind.startswith("response."):
            return
        response = found.get("response")
        response = response if isinstance(response, dict) else {}
        self._report.read(response)
        self.response_id = self._report.response_id
        self._writer.start(message_id(self._report, self.memo))
        if kind in ("response.in_progress", "response.queued"):
            self.out.put(PING)
        for step in self._items.finish(response) if kind in TERMINALS else self._items.take(kind, found):
            self._step(step)
            if self._done:
                return
        if kind in TERMINALS:
            self._complete(incomplete_reason(kind, response))

    def _step(self, step: Step) -> None:
        """Show a step if it is its item's turn; then whatever has been waiting for this one to end."""
        if not self._has_turn(step.item):
            self._waiting.setdefault(step.item.index, []).append(step)
            return
        for earlier in self._waiting.pop(step.item.index, []):
            self._show(earlier)
        self._show(step)
        while self._live is None and not self._done:
            ready = [index for index, steps in self._waiting.items() if self._has_turn(steps[0].item)]
            if not ready:
                return
            for waiting in self._waiting.pop(min(ready)):
                self._show(waiting)

    def _has_turn(self, item: OutputItem) -> bool:
        """A call whose name is not known yet cannot be shown, and keeps nobody waiting."""
        if item.kind in CALLS and not item.name:
            return False
        return self._live is None or self._live is item

    def _show(self, step: Step) -> None:
        if self._done:
            return
        item = step.item
        if item.kind in CALLS:
            self._show_call(step)
        elif step.kind == "text":
            self._live = item
            self._say(self._scanner.feed(step.text))
        elif step.kind == "refusal":
            self._live = item
            self._refusal += step.text
            self._flush()
            self._say(step.text)
        elif step.kind == "reasoning":
            self._live = item
            self._writer.thinking(step.text)
        elif step.kind == "annotation":
            citation = citation_of(step.annotation, step.text)
            if citation is not None:
                self._writer.citation(citation)
        elif step.kind == "part_closed":
            self._end_text()
        elif step.kind == "closed":
            self._end_item(item)

    def _show_call(self, step: Step) -> None:
        item = step.item
        custom = item.kind == "custom_tool_call"
        if item not in self._opened:
            self._live = item
            self._opened.append(item)
            self._writer.open_tool(call_id_of(item), self.memo.client_name(item.name))
            if custom:
                self._writer.arguments(_CUSTOM_HEAD)
        if step.kind == "arguments":
            self._writer.arguments(_escaped(step.text) if custom else step.text)
        elif step.kind == "closed":
            if custom:
                self._writer.arguments(_CUSTOM_TAIL)
            self._writer.close()
            self._live = None

    def _say(self, text: str) -> None:
        if text:
            self._writer.text(text)
        if self._scanner.matched is not None:
            self._end("stop_sequence", stop_sequence=self._scanner.matched)

    def _flush(self) -> None:
        """Text held back for a stop sequence that can no longer follow."""
        self._say(self._scanner.flush())

    def _end_text(self) -> None:
        self._flush()
        if self._writer.block == "text":
            self._writer.close()
        self._live = None

    def _end_item(self, item: OutputItem) -> None:
        if item.kind == "reasoning":
            payload = reasoning_payload(item)
            if payload is not None:
                self._writer.open_thinking()
                self._writer.close(payload)
        elif item.kind == "message":
            self._end_text()
        for block in search_blocks(item, self.memo, self.response_id):
            self._writer.whole_block(block)
        self._live = None

    def _complete(self, reason: str | None) -> None:
        """Every item is closed by now. What still waits is a call that never got a name."""
        if self._waiting:
            raise Broken(UpstreamError(502, "invalid_answer", "The upstream called a tool without naming it."))
        self._end(stop_reason(self._opened, reason, refused=bool(self._refusal)))

    def _end(self, reason: str, *, stop_sequence: str | None = None) -> None:
        usage = client_usage(self._report, self.memo, self.delivered_tokens())
        self._finish(self._writer.ending(reason, usage, stop_sequence=stop_sequence, refusal=self._refusal))


def _escaped(text: str) -> str:
    """Text as it stands inside a JSON string."""
    return msgspec.json.encode(text).decode()[1:-1]
