"""A whole response as a Messages message, and what whole and streamed answers share."""

from typing import Any

import msgspec

from gateway.dialects.base import Answer
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import Usage
from gateway.translate.base import Blocks, Memo
from gateway.translate.claude_answer import strip_fence
from gateway.translate.envelope import CHAT_REASONING, from_reasoning_item
from gateway.translate.ids import answer_id, call_id_for, suffix_of
from gateway.translate.messages_out import message_body
from gateway.translate.reading import read_arguments
from gateway.translate.responses_events import (
    CALLS,
    OutputItem,
    ResponseItems,
    ResponseReport,
    Step,
    incomplete_reason,
    parts_of,
    response_error,
)
from gateway.translate.stops import StopScanner
from gateway.translate.toolcalls import WRAPPER_PROPERTY
from gateway.translate.usage import messages_usage

_NOT_A_RESPONSE = "The upstream's answer is not a response."


def message_id(report: ResponseReport, memo: Memo) -> str:
    """The answer's id for the client."""
    return answer_id(report.response_id or memo.context.call_id, "messages")


def stop_reason(calls: list[OutputItem], reason: str | None, *, refused: bool) -> str:
    """How the answer ended, in Claude's words. `reason` is why it is incomplete, None where it is not.

    A call that was made outweighs everything, unless the answer was cut inside it.
    """
    if calls and (reason is None or not is_cut(calls[-1])):
        return "tool_use"
    if refused or reason == "content_filter":
        return "refusal"
    return "end_turn" if reason is None else "max_tokens"


def is_cut(call: OutputItem) -> bool:
    """Whether an answer that is incomplete ended inside this call. A freeform text shows its end nowhere."""
    if call.kind == "function_call" and call.arguments:
        return read_arguments(call.arguments) is None
    return call.snapshot.get("status") != "completed"


def client_usage(report: ResponseReport, memo: Memo, delivered_tokens: int) -> dict[str, Any]:
    """What was reported, in the client's shape; the estimate of both sides where nothing was."""
    usage = report.usage or Usage(input_tokens=memo.context.input_tokens, output_tokens=delivered_tokens)
    return messages_usage(usage, reasoning_reported=report.reasoning_reported)


def reasoning_payload(item: OutputItem) -> dict[str, str] | None:
    """What to seal as the signature of an item's thinking; None where there is neither text nor anything to give back.

    Raw reasoning of an open model is its text and nothing else.
    """
    if item.snapshot.get("encrypted_content"):
        return from_reasoning_item(item.snapshot)
    if not item.text:
        return None
    return CHAT_REASONING if item.reasoning_from == "raw" else from_reasoning_item(item.snapshot)


def citation_of(annotation: dict[str, Any], text: str) -> dict[str, Any] | None:
    """A web page the answer cites, as Claude's citation; files are no web pages. `text` is what the offsets are in."""
    if annotation.get("type") != "url_citation":
        return None
    start, end = annotation.get("start_index"), annotation.get("end_index")
    return {
        "type": "web_search_result_location",
        "url": str(annotation.get("url") or ""),
        "title": str(annotation.get("title") or ""),
        "cited_text": text[start:end] if isinstance(start, int) and isinstance(end, int) else "",
        "encrypted_index": "",
    }


def search_blocks(item: OutputItem, memo: Memo, response_id: str) -> Blocks:
    """A web search that ran at the provider, as Claude tells of its own; nothing for clients that know of none."""
    if item.kind != "web_search_call" or not memo.facts.get("web_search"):
        return []
    action = item.snapshot.get("action")
    action = action if isinstance(action, dict) else {}
    urls = [str(found.get("url") or "") for found in parts_of(action, "sources")]
    queries = action.get("queries")
    query = action.get("query") or (queries[0] if isinstance(queries, list) and queries else "")
    call_id = f"srvtoolu_gw_{suffix_of(response_id)}_{item.index}"
    results = [
        {"type": "web_search_result", "url": url, "title": url, "encrypted_content": "", "page_age": None}
        for url in urls
    ]
    return [
        {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": str(query)}},
        {"type": "web_search_tool_result", "tool_use_id": call_id, "content": results},
    ]


def call_id_of(item: OutputItem) -> str:
    """A call's id as Claude's clients take it; where the upstream gave none, one that is unlike the others'."""
    return call_id_for("messages", item.call_id or item.id or f"call_{item.index}")


def translate_answer(body: bytes, memo: Memo) -> Answer:
    """A whole response as a message. One that failed, was cancelled or is still being made is an error."""
    try:
        found: Any = msgspec.json.decode(body)
    except DECODE_ERRORS:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("output"), list):
        return Answer(body=body, usage=None, error=wrong_answer(body, _NOT_A_RESPONSE))
    report = ResponseReport()
    report.read(found)
    error = response_error(found)
    if error is not None:
        return Answer(body=body, usage=report.usage, response_id=report.response_id, error=error)
    delivered = report.usage.output_tokens if report.usage else -(-len(body) * 2 // 7)
    blocks = _Blocks(memo, report)
    for step in ResponseItems().finish(found):
        blocks.take(step)
    matched = blocks.scanner.matched
    reason = incomplete_reason("", found)
    message = message_body(
        message_id(report, memo),
        memo.context.asked_model,
        blocks.without_cut_call(reason),
        "stop_sequence" if matched else stop_reason(blocks.calls, reason, refused=bool(blocks.refusal)),
        client_usage(report, memo, delivered),
        stop_sequence=matched,
        refusal=blocks.refusal,
    )
    return Answer(
        msgspec.json.encode(message), report.usage, response_id=report.response_id, delivered_tokens=delivered
    )


class _Blocks:
    """The content of a whole message, from the steps of its items. At a stop sequence it ends."""

    def __init__(self, memo: Memo, report: ResponseReport) -> None:
        self.blocks: Blocks = []
        self.calls: list[OutputItem] = []
        self.refusal = ""
        self.scanner = StopScanner(memo.stop_sequences)
        self._memo = memo
        self._report = report
        self._citations: Blocks = []

    def take(self, step: Step) -> None:
        if self.scanner.matched is not None:
            return
        if step.kind == "text":
            text = strip_fence(step.text) if self._memo.json_object else step.text
            self._put_text(self.scanner.feed(text) + self.scanner.flush())
        elif step.kind == "refusal":
            self.refusal += step.text
            self._put_text(step.text)
        elif step.kind == "annotation":
            self._cite(step)
        elif step.kind == "closed":
            self._put_item(step.item)

    def without_cut_call(self, reason: str | None) -> Blocks:
        """The blocks; without the call in whose arguments the answer was cut, as nobody could make it."""
        if reason is not None and self.calls and is_cut(self.calls[-1]):
            last = next(n for n in reversed(range(len(self.blocks))) if self.blocks[n]["type"] == "tool_use")
            return self.blocks[:last] + self.blocks[last + 1 :]
        return self.blocks

    def _put_text(self, text: str) -> None:
        if text:
            self.blocks.append({"type": "text", "text": text})

    def _cite(self, step: Step) -> None:
        citation = citation_of(step.annotation, step.text)
        if citation is not None and self.blocks and self.blocks[-1]["type"] == "text":
            self.blocks[-1].setdefault("citations", []).append(citation)

    def _put_item(self, item: OutputItem) -> None:
        if item.kind == "reasoning":
            payload = reasoning_payload(item)
            if payload is not None:
                signature = self._memo.context.signer.seal(payload)
                self.blocks.append({"type": "thinking", "thinking": item.text, "signature": signature})
        elif item.kind in CALLS:
            self.calls.append(item)
            name = self._memo.client_name(item.name)
            self.blocks.append({"type": "tool_use", "id": call_id_of(item), "name": name, "input": _input(item)})
        else:
            self.blocks += search_blocks(item, self._memo, self._report.response_id)


def _input(item: OutputItem) -> dict[str, Any]:
    if item.kind == "custom_tool_call":
        return {WRAPPER_PROPERTY: item.arguments}
    arguments = read_arguments(item.arguments)
    return {"_raw": item.arguments} if arguments is None else arguments
