"""A whole response as a Chat completion."""

from typing import Any

import msgspec

from gateway.dialects.base import Answer
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.chat_out import completion_body, custom_call, function_call
from gateway.translate.chat_responses_stream import (
    CallReasoning,
    client_call_id,
    finish_reason_of,
    nested_citation,
)
from gateway.translate.claude_answer import strip_fence
from gateway.translate.ids import answer_id
from gateway.translate.responses_events import (
    CALLS,
    OutputItem,
    ResponseItems,
    ResponseReport,
    incomplete_reason,
    parts_of,
    response_error,
)
from gateway.translate.stops import StopScanner
from gateway.translate.toolcalls import unwrapped_text


def translate_answer(body: bytes, memo: Memo) -> Answer:
    """A response as a completion. One that failed or is none is an error."""
    try:
        response: Any = msgspec.json.decode(body)
    except DECODE_ERRORS:
        response = None
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        return Answer(body=body, usage=None, error=wrong_answer(body, "The upstream's answer is not a response."))
    report = ResponseReport()
    report.read(response)
    error = response_error(response)
    if error is not None:
        return Answer(body=body, usage=report.usage, response_id=report.response_id, error=error)
    message = _message(response, memo)
    delivered = report.usage.output_tokens if report.usage else -(-len(msgspec.json.encode(message)) * 2 // 7)
    tier = response.get("service_tier")
    completion = completion_body(
        memo,
        answer_id(report.response_id or memo.context.call_id, "chat"),
        message,
        finish_reason_of(incomplete_reason("", response), has_calls="tool_calls" in message),
        report.usage or Usage(input_tokens=memo.context.input_tokens, output_tokens=delivered),
        service_tier=tier if isinstance(tier, str) else "",
    )
    return Answer(
        msgspec.json.encode(completion), report.usage, response_id=report.response_id, delivered_tokens=delivered
    )


def _message(response: dict[str, Any], memo: Memo) -> dict[str, Any]:
    items = ResponseItems()
    for _ in items.finish(response):
        pass
    reasoning = CallReasoning(memo)
    text = _Text(memo)
    calls: list[dict[str, Any]] = []
    for item in items.items:
        if text.is_cut:
            break
        if item.kind == "message":
            text.take(item)
        elif item.kind in CALLS and item.name:
            calls.append(_call(item, memo))
        reasoning.closed(item.snapshot, client_call_id(item) if item.kind in CALLS else "")
    message = text.members()
    field = memo.context.options.reasoning_field
    thought = "\n\n".join(item.text for item in items.items if item.kind == "reasoning" and item.text)
    if field != "none" and thought:
        message[field] = thought
    if calls:
        message["tool_calls"] = calls
    return message


def _call(item: OutputItem, memo: Memo) -> dict[str, Any]:
    name = memo.client_name(item.name)
    if item.kind == "custom_tool_call":
        return custom_call(client_call_id(item), name, item.arguments)
    if name in memo.custom_tools:
        return custom_call(client_call_id(item), name, unwrapped_text(item.arguments))
    return function_call(client_call_id(item), name, item.arguments or "{}")


class _Text:
    """The text of an answer's messages: one string, with a paragraph for each message."""

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._scanner = StopScanner(memo.stop_sequences)
        self._shown = ""
        self._length = 0
        self._refusal = ""
        self._annotations: list[dict[str, Any]] = []

    @property
    def is_cut(self) -> bool:
        """Whether a stop sequence came up."""
        return self._scanner.matched is not None

    def take(self, item: OutputItem) -> None:
        between = "\n\n" if self._length else ""
        for part in parts_of(item.snapshot, "content"):
            if part.get("type") == "refusal":
                self._refusal += str(part.get("refusal") or "")
                continue
            text = str(part.get("text") or "")
            start = self._length + len(between)
            found = [nested_citation(note, start) for note in parts_of(part, "annotations")]
            self._annotations += [citation for citation in found if citation]
            self._say(between + text if text else "")
            between = "" if text else between

    def members(self) -> dict[str, Any]:
        """The members of the message that come of it."""
        text = self._shown + self._scanner.flush()
        if self._memo.json_object:
            text = strip_fence(text)
        message: dict[str, Any] = {"content": text or None, "refusal": self._refusal or None}
        return {**message, "annotations": self._annotations} if self._annotations else message

    def _say(self, text: str) -> None:
        self._length += len(text)
        self._shown += self._scanner.feed(text)
