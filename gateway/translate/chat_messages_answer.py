"""Claude's answers for Chat clients, whole and streamed."""

from typing import Any

import msgspec

from gateway.dialects.base import Answer
from gateway.dialects.chat_stream import COMMENT, error_chunk
from gateway.dialects.envelope import wrong_answer
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Blocks, Memo
from gateway.translate.chat_out import ChatWriter, completion_body, custom_call, function_call
from gateway.translate.claude_answer import decode_message, resume_request, strip_fence, truncated, with_paused
from gateway.translate.ids import answer_id
from gateway.translate.messages_events import BlockCollector, MessageUsage, read_event
from gateway.translate.reading import compact
from gateway.translate.stream import StreamTranslator
from gateway.translate.toolcalls import unwrapped
from gateway.translate.usage import openai_tier

_REASONING = ("thinking", "redacted_thinking")


def finish_reason(stop_reason: object, *, called: bool) -> str:
    """Claude's `stop_reason` in Chat's words. A call that was made outweighs an ordinary end."""
    if truncated(stop_reason):
        return "length"
    if stop_reason == "refusal":
        return "content_filter"
    return "tool_calls" if called else "stop"


def translate_answer(body: bytes, memo: Memo) -> Answer:
    """A whole message as a completion, joined to the parts that paused before it."""
    last = decode_message(body)
    if last is None:
        return Answer(body=body, usage=None, error=wrong_answer(body, "The upstream's answer is not a message."))
    parts, usage = with_paused(last, memo)
    blocks: Blocks = [block for part in parts for block in part["content"]]
    remember_reasoning(blocks, memo)
    message = _message(blocks, memo)
    if last.get("stop_reason") == "refusal" and (explanation := _explanation(last)):
        message["refusal"] = explanation
    upstream_id = str(parts[0].get("id") or "")
    completion = completion_body(
        memo,
        answer_id(upstream_id or memo.context.call_id, "chat"),
        message,
        finish_reason(last.get("stop_reason"), called="tool_calls" in message),
        usage or Usage(),
        service_tier=openai_tier(usage.service_tier) if usage and usage.service_tier else "",
    )
    encoded = msgspec.json.encode(completion)
    delivered = usage.output_tokens if usage else -(-len(encoded) * 2 // 7)
    return Answer(body=encoded, usage=usage, response_id=upstream_id, delivered_tokens=delivered)


def remember_reasoning(blocks: Blocks, memo: Memo) -> None:
    """Keep what led to each tool call, as a Chat client cannot bring it back.

    Where thinking came first, then text, then the calls, the thinking alone is enough to put the turn together again.
    Otherwise everything that stood before each call is kept.
    """
    if not any(block["type"] in _REASONING for block in blocks):
        return
    segments: list[tuple[str, Blocks]] = []
    before: Blocks = []
    for block in blocks:
        if block["type"] == "tool_use":
            segments.append((str(block.get("id")), before))
            before = []
        else:
            before.append(block)
    plain = all(_is_plain(segment, first=number == 0) for number, (_, segment) in enumerate(segments))
    for call_id, segment in segments:
        kept = [block for block in segment if block["type"] in _REASONING] if plain else segment
        if kept:
            memo.context.memory.put(call_id, kept)


def _is_plain(segment: Blocks, *, first: bool) -> bool:
    kinds = [block["type"] for block in segment]
    thinking = sum(kind in _REASONING for kind in kinds)
    rest = kinds[thinking:]
    return not any(kind in _REASONING for kind in rest) and (not rest or (first and set(rest) == {"text"}))


def _message(blocks: Blocks, memo: Memo) -> dict[str, Any]:
    text = "".join(block.get("text", "") for block in blocks if block["type"] == "text")
    if memo.json_object:
        text = strip_fence(text)
    message: dict[str, Any] = {"content": text or None, "refusal": None}
    field = memo.context.options.reasoning_field
    thinking = "".join(block.get("thinking", "") for block in blocks if block["type"] == "thinking")
    if thinking and field != "none":
        message[field] = thinking
    calls = [_call(block, memo) for block in blocks if block["type"] == "tool_use"]
    if calls:
        message["tool_calls"] = calls
    annotations = [] if memo.json_object else annotations_of(blocks)
    if annotations:
        message["annotations"] = annotations
    return message


def _call(block: dict[str, Any], memo: Memo) -> dict[str, Any]:
    name = memo.client_name(str(block.get("name")))
    arguments = block.get("input") or {}
    if name in memo.custom_tools:
        return custom_call(str(block.get("id")), name, unwrapped(arguments))
    return function_call(str(block.get("id")), name, compact(arguments))


def annotations_of(blocks: Blocks) -> list[dict[str, Any]]:
    """Claude's citations of web pages, as annotations of the stretch of content their text block became."""
    found: list[dict[str, Any]] = []
    start = 0
    for block in blocks:
        if block["type"] != "text":
            continue
        end = start + len(block.get("text", ""))
        for citation in block.get("citations") or ():
            url = citation.get("url") or citation.get("source") or ""
            if citation.get("type") in ("web_search_result_location", "search_result_location") and "://" in url:
                cited = {"start_index": start, "end_index": end, "url": url, "title": citation.get("title") or ""}
                found.append({"type": "url_citation", "url_citation": cited})
        start = end
    return found


def _explanation(holder: dict[str, Any]) -> str:
    details = holder.get("stop_details")
    found = details.get("explanation") if isinstance(details, dict) else None
    return found if isinstance(found, str) else ""


class ChatFromMessages(StreamTranslator):
    """A Messages stream as a Chat stream."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._writer = ChatWriter(memo, self.out)
        self._report = MessageUsage()
        self._collected = BlockCollector()
        self._part_start = 0
        self._block: dict[str, Any] = {}
        self._call_index = -1
        self._argued = False
        self._ending: dict[str, Any] = {}

    def usage(self) -> Usage | None:
        return self._report.usage

    def keepalive(self) -> bytes:
        return COMMENT

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return error_chunk(error, request_id)

    def _take(self, event: bytes, data: bytes) -> None:
        kind, found = read_event(event, data)
        match kind:
            case "message_start":
                self._start(found.get("message") or {})
            case "content_block_start":
                self._start_block(found.get("content_block") or {})
            case "content_block_delta":
                self._delta(found.get("delta") or {})
            case "content_block_stop":
                self._stop_block()
            case "message_delta":
                self._report.read(found.get("usage"))
                self._ending |= found.get("delta") or {}
            case "message_stop":
                self._stop()

    def _start(self, message: dict[str, Any]) -> None:
        self.response_id = self.response_id or str(message.get("id") or "")
        self._report.read(message.get("usage"))
        self._begin()

    def _begin(self) -> None:
        self._writer.start(answer_id(self.response_id or self.memo.context.call_id, "chat"))

    def _start_block(self, block: dict[str, Any]) -> None:
        self._begin()
        self._block = block
        self._argued = False
        self._collected.start(block)
        if block.get("type") == "tool_use":
            name = self.memo.client_name(str(block.get("name")))
            if name not in self.memo.custom_tools:
                self._call_index = self._writer.open_call(str(block.get("id")), name)
        elif block.get("type") == "text":
            self._writer.content(block.get("text") or "")
        elif block.get("type") == "thinking":
            self._writer.reasoning(block.get("thinking") or "")

    def _delta(self, delta: dict[str, Any]) -> None:
        self._collected.delta(delta)
        match delta.get("type"):
            case "text_delta":
                self._writer.content(delta.get("text") or "")
            case "thinking_delta":
                self._writer.reasoning(delta.get("thinking") or "")
            case "input_json_delta" if self._is_function:
                piece = delta.get("partial_json") or ""
                self._argued = self._argued or bool(piece)
                self._writer.arguments(self._call_index, piece)

    @property
    def _is_function(self) -> bool:
        name = self.memo.client_name(str(self._block.get("name")))
        return self._block.get("type") == "tool_use" and name not in self.memo.custom_tools

    def _stop_block(self) -> None:
        block = self._collected.stop()
        if self._is_function and not self._argued:
            self._writer.arguments(self._call_index, compact(self._block.get("input") or {}))
        elif self._block.get("type") == "tool_use" and not self._is_function:
            name = self.memo.client_name(str(block.get("name")))
            self._writer.custom_call(str(block.get("id")), name, unwrapped(block.get("input") or {}))
        self._block = {}

    def _stop(self) -> None:
        part = self._collected.blocks[self._part_start :]
        message = {**self._ending, "id": self.response_id, "content": part}
        body = resume_request(self.memo, message)
        if body is not None:
            self._part_start = len(self._collected.blocks)
            self._ending = {}
            self._report.next_part()
            self._pause(body)
            return
        self._begin()
        blocks = self._collected.blocks
        remember_reasoning(blocks, self.memo)
        stop_reason = self._ending.get("stop_reason")
        if stop_reason == "refusal":
            self._writer.refusal(_explanation(self._ending))
        if self.memo.context.options.stream_annotations:
            self._writer.annotations(annotations_of(blocks))
        reason = finish_reason(stop_reason, called=self._writer.calls > 0)
        self._finish(self._writer.ending(reason, self._report.usage or Usage()))
