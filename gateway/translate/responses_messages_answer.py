"""A whole Messages answer as a response, and what whole and streamed answers share."""

from typing import Any

import msgspec

from gateway.dialects.base import Answer
from gateway.dialects.envelope import wrong_answer
from gateway.records import Usage
from gateway.translate.base import Blocks, Memo
from gateway.translate.claude_answer import decode_message, strip_fence, truncated, with_paused
from gateway.translate.envelope import from_thinking
from gateway.translate.reading import compact
from gateway.translate.responses_out import (
    call_item,
    custom_item,
    item_id,
    message_item,
    reasoning_item,
    refusal_part,
    response_id_of,
    response_object,
    search_item,
    text_part,
)
from gateway.translate.toolcalls import unwrapped
from gateway.translate.usage import openai_tier

SEARCH_RESULT = "web_search_tool_result"
_PAGES = ("web_search_result_location", "search_result_location")


def status_of(stop_reason: object) -> tuple[str, str | None]:
    """Claude's `stop_reason` as status and, where the answer is incomplete, the reason.

    A turn that paused more often than it may be resumed is incomplete for no reason OpenAI has a word for.
    """
    if stop_reason == "refusal":
        return "incomplete", "content_filter"
    if truncated(stop_reason):
        return "incomplete", None if stop_reason == "pause_turn" else "max_output_tokens"
    return "completed", None


def explanation_of(holder: dict[str, Any]) -> str:
    """Why the model refused, in words, where it says so."""
    details = holder.get("stop_details")
    found = details.get("explanation") if isinstance(details, dict) else None
    return found if isinstance(found, str) else ""


def annotation_of(citation: dict[str, Any], start: int, end: int) -> dict[str, Any] | None:
    """A citation as an annotation of this stretch of its text part. Only web pages and files have one."""
    url = citation.get("url") or citation.get("source")
    if citation.get("type") in _PAGES and isinstance(url, str) and "://" in url:
        title = citation.get("title")
        return {
            "type": "url_citation",
            "start_index": start,
            "end_index": end,
            "url": url,
            "title": title if isinstance(title, str) else "",
        }
    if isinstance(citation.get("file_id"), str):
        filename = citation.get("document_title")
        return {
            "type": "file_citation",
            "file_id": citation["file_id"],
            "filename": filename if isinstance(filename, str) else "",
            "index": end,
        }
    return None


def annotations_of(block: dict[str, Any], start: int, end: int) -> Blocks:
    """The citations of a text block that have an annotation, over the block's stretch of its part."""
    citations = block.get("citations")
    found = [
        annotation_of(citation, start, end)
        for citation in (citations if isinstance(citations, list) else ())
        if isinstance(citation, dict)
    ]
    return [annotation for annotation in found if annotation is not None]


def call_name(block: dict[str, Any], memo: Memo) -> tuple[str, str, bool]:
    """A call's name as the client declared it, its namespace (empty where it has none), and whether it is freeform."""
    flat = memo.client_name(str(block.get("name")))
    namespaces: dict[str, tuple[str, str]] = memo.facts.get("namespaces", {})
    namespace, name = namespaces.get(flat, ("", flat))
    return name, namespace, flat in memo.custom_tools


def query_of(block: dict[str, Any]) -> str:
    """What a search of Claude's looked for."""
    found = block.get("input")
    return str(found.get("query") or "") if isinstance(found, dict) else ""


def sources_of(result: dict[str, Any]) -> list[str]:
    """The URLs a search of Claude's found; none where it failed."""
    content = result.get("content")
    found = content if isinstance(content, list) else []
    return [page["url"] for page in found if isinstance(page, dict) and isinstance(page.get("url"), str)]


def translate_answer(body: bytes, memo: Memo) -> Answer:
    """A whole message as a response, joined to the parts that paused before it."""
    last = decode_message(body)
    if last is None:
        return Answer(body=body, usage=None, error=wrong_answer(body, "The upstream's answer is not a message."))
    parts, usage = with_paused(last, memo)
    upstream_id = str(parts[0].get("id") or "")
    response_id = response_id_of(memo, upstream_id)
    status, reason = status_of(last.get("stop_reason"))
    output = _Output(memo, response_id)
    for part in parts:
        for block in part["content"]:
            output.take(block)
    explanation = explanation_of(last)
    if last.get("stop_reason") == "refusal" and explanation:
        output.refuse(explanation)
    response = response_object(
        memo,
        response_id,
        status,
        output.finish(status),
        usage or Usage(),
        reason=reason,
        service_tier=openai_tier(usage.service_tier) if usage and usage.service_tier else "",
    )
    encoded = msgspec.json.encode(response)
    delivered = usage.output_tokens if usage else -(-len(encoded) * 2 // 7)
    return Answer(encoded, usage, response_id=upstream_id, delivered_tokens=delivered)


class _Output:
    """The items of a whole response, from the blocks of a message. Text after text is one part of one item."""

    def __init__(self, memo: Memo, response_id: str) -> None:
        self._memo = memo
        self._response_id = response_id
        self._items: list[dict[str, Any]] = []
        self._parts: Blocks = []
        self._searches: dict[str, dict[str, Any]] = {}

    def take(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind == "text":
            self._text(block)
        elif kind in ("thinking", "redacted_thinking"):
            self._reasoning(block)
        elif kind == "tool_use":
            self._call(block)
        elif kind == "server_tool_use" and block.get("name") == "web_search":
            self._search(block)
        elif kind == SEARCH_RESULT:
            self._found(block)

    def refuse(self, explanation: str) -> None:
        """The explanation of a refusal, as a part of its own."""
        self._parts.append(refusal_part(explanation))

    def finish(self, status: str) -> list[dict[str, Any]]:
        """The items; the last of them is as incomplete as the response is."""
        self._close_message()
        if status != "completed" and self._items and "status" in self._items[-1]:
            self._items[-1]["status"] = "incomplete"
        return self._items

    def _text(self, block: dict[str, Any]) -> None:
        text = block.get("text")
        if not isinstance(text, str) or not text:
            return
        if self._memo.json_object:
            text = strip_fence(text)
        if not self._parts:
            self._parts.append(text_part(""))
        part = self._parts[-1]
        start = len(part["text"])
        part["text"] += text
        part["annotations"] += annotations_of(block, start, len(part["text"]))

    def _close_message(self) -> None:
        if self._parts:
            self._items.append(message_item(self._id("message"), self._parts))
            self._parts = []

    def _id(self, kind: str) -> str:
        return item_id(kind, self._response_id, len(self._items))

    def _reasoning(self, block: dict[str, Any]) -> None:
        self._close_message()
        context = self._memo.context
        payload = from_thinking(block, context.upstream_model) if self._memo.include_encrypted else None
        sealed = None if payload is None else context.signer.seal(payload)
        self._items.append(reasoning_item(self._id("reasoning"), str(block.get("thinking") or ""), sealed))

    def _call(self, block: dict[str, Any]) -> None:
        self._close_message()
        name, namespace, custom = call_name(block, self._memo)
        call_id, arguments = str(block.get("id")), block.get("input") or {}
        if custom:
            item = custom_item(self._id("custom_tool_call"), call_id, name, unwrapped(arguments))
        else:
            item = call_item(self._id("function_call"), call_id, name, compact(arguments))
        self._items.append({**item, "namespace": namespace} if namespace else item)

    def _search(self, block: dict[str, Any]) -> None:
        self._close_message()
        item = search_item(self._id("web_search_call"), query_of(block), [])
        self._items.append(item)
        self._searches[str(block.get("id"))] = item

    def _found(self, block: dict[str, Any]) -> None:
        item = self._searches.get(str(block.get("tool_use_id")))
        if item is not None:
            item["action"]["sources"] = [{"type": "url", "url": url} for url in sources_of(block)]
