"""A Messages stream as a Responses stream."""

from typing import Any

from msgspec import Struct, field

from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.claude_answer import resume_request
from gateway.translate.envelope import from_thinking
from gateway.translate.messages_events import BlockCollector, MessageUsage, read_event
from gateway.translate.reading import compact
from gateway.translate.responses_messages_answer import (
    SEARCH_RESULT,
    annotations_of,
    call_name,
    explanation_of,
    query_of,
    sources_of,
    status_of,
)
from gateway.translate.responses_out import Item, ResponsesWriter, response_id_of
from gateway.translate.stream import StreamTranslator
from gateway.translate.toolcalls import CustomInputDecoder, unwrapped
from gateway.translate.usage import openai_tier


class _Call(Struct, eq=False):
    """The call whose item is open. Its end waits for what comes next: the answer may turn out to end inside it."""

    item: Item
    start: dict[str, Any]
    custom: bool
    decoder: CustomInputDecoder = field(default_factory=CustomInputDecoder)
    argued: bool = False


class ResponsesFromMessages(StreamTranslator):
    """Each block is an item; text after text is one."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._writer = ResponsesWriter(memo, self.out)
        self._report = MessageUsage()
        self._collected = BlockCollector()
        self._part_start = 0
        self._kind = ""
        self._call: _Call | None = None
        self._searches: dict[str, tuple[Item, str]] = {}
        self._text_end = 0
        self._text_start = 0
        self._ending: dict[str, Any] = {}

    def usage(self) -> Usage | None:
        return self._report.usage

    def keepalive(self) -> bytes:
        return self._writer.keepalive()

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return self._writer.failed(error, request_id)

    def _take(self, event: bytes, data: bytes) -> None:
        kind, found = read_event(event, data)
        match kind:
            case "message_start":
                self._start(found.get("message") or {})
            case "content_block_start":
                self._start({})
                self._start_block(found.get("content_block") or {})
            case "content_block_delta":
                self._delta(found.get("delta") or {})
            case "content_block_stop":
                self._stop_block()
            case "message_delta":
                self._report.read(found.get("usage"))
                self._ending |= found.get("delta") or {}
            case "message_stop":
                self._start({})
                self._stop()

    def _start(self, message: dict[str, Any]) -> None:
        self.response_id = self.response_id or str(message.get("id") or "")
        self._report.read(message.get("usage"))
        self._writer.start(response_id_of(self.memo, self.response_id))

    def _start_block(self, block: dict[str, Any]) -> None:
        self._collected.start(block)
        self._kind = str(block.get("type"))
        self._close_call()
        if self._kind == "text":
            self._text_start = self._text_end
            self._text(str(block.get("text") or ""))
            return
        if self._kind in ("thinking", "redacted_thinking"):
            self._writer.open_reasoning()
            self._writer.reasoning(str(block.get("thinking") or ""))
        elif self._kind == "tool_use":
            self._open_call(block)
        elif self._kind == "server_tool_use" and block.get("name") == "web_search":
            self._searches[str(block.get("id"))] = (self._writer.open_search(), "")
        elif self._kind == SEARCH_RESULT:
            self._close_search(block)
        else:
            return
        self._text_end = 0

    def _delta(self, delta: dict[str, Any]) -> None:
        self._collected.delta(delta)
        match delta.get("type"):
            case "text_delta" if self._kind == "text":
                self._text(str(delta.get("text") or ""))
            case "thinking_delta" if self._kind == "thinking":
                self._writer.reasoning(str(delta.get("thinking") or ""))
            case "input_json_delta" if self._kind == "tool_use" and self._call is not None:
                self._argue(self._call, str(delta.get("partial_json") or ""))

    def _text(self, text: str) -> None:
        if text:
            self._text_end += len(text)
            self._writer.text(text)

    def _open_call(self, block: dict[str, Any]) -> None:
        name, namespace, custom = call_name(block, self.memo)
        item = self._writer.open_call(str(block.get("id")), name, custom=custom, namespace=namespace)
        self._call = _Call(item, block.get("input") or {}, custom)

    def _argue(self, call: _Call, piece: str) -> None:
        call.argued = call.argued or bool(piece)
        self._writer.arguments(call.item, call.decoder.feed(piece) if call.custom else piece)

    def _stop_block(self) -> None:
        block = self._collected.stop()
        if self._kind in ("thinking", "redacted_thinking"):
            self._writer.close_reasoning(from_thinking(block, self.memo.context.upstream_model))
        elif self._kind == "text":
            for annotation in annotations_of(block, self._text_start, self._text_end):
                self._writer.annotation(annotation)
        elif self._kind == "server_tool_use" and (search := self._searches.get(str(block.get("id")))) is not None:
            self._searches[str(block.get("id"))] = (search[0], query_of(block))
        self._kind = ""

    def _close_call(self) -> None:
        """Close the call before: it is whole, as something came after it."""
        call, self._call = self._call, None
        if call is None:
            return
        if call.argued:
            rest = call.decoder.finish() if call.custom else ""
        elif call.custom:
            rest = unwrapped(call.start) if call.start else ""
        else:
            rest = compact(call.start)
        self._writer.arguments(call.item, rest)
        self._writer.close_call(call.item)

    def _close_search(self, result: dict[str, Any]) -> None:
        found = self._searches.pop(str(result.get("tool_use_id")), None)
        if found is not None:
            self._writer.close_search(*found, sources_of(result))

    def _stop(self) -> None:
        part = self._collected.blocks[self._part_start :]
        body = resume_request(self.memo, {**self._ending, "id": self.response_id, "content": part})
        if body is not None:
            self._part_start = len(self._collected.blocks)
            self._ending = {}
            self._report.next_part()
            self._pause(body)
            return
        status, reason = status_of(self._ending.get("stop_reason"))
        if status == "completed":
            self._close_call()
        explanation = explanation_of(self._ending)
        if reason == "content_filter" and explanation:
            self._close_call()
            self._writer.refusal(explanation)
        usage = self._report.usage or Usage()
        tier = openai_tier(usage.service_tier) if usage.service_tier else ""
        self._finish(self._writer.ending(status, usage, reason=reason, service_tier=tier))
