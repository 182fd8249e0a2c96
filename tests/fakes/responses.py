"""The fake provider's Responses: https://platform.openai.com/docs/api-reference/responses-streaming."""

from typing import Any

import msgspec

from tests.fakes import chat
from tests.fakes.content import CREATED, Beats, Content, Tokens

STATUSES = {"end": "completed", "length": "incomplete", "tools": "completed", "refusal": "incomplete"}
INCOMPLETE_REASONS = {"length": "max_output_tokens", "refusal": "content_filter"}
ENCRYPTED = "gAAAAABfake"

error_body = chat.error_body


def usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }


def body(content: Content, model: str, answer_id: str) -> bytes:
    """The whole answer of a call that is not streamed."""
    return msgspec.json.encode(_finished(content, model, answer_id))


class _Stream:
    """Numbers the events of one stream."""

    def __init__(self) -> None:
        self.sequence_number = 0

    def event(self, kind: str, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": self.sequence_number} | fields
        self.sequence_number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(data))


def beats(content: Content, model: str, answer_id: str) -> Beats:
    """The same answer as events: created, in_progress, each item added and done, one terminal."""
    stream = _Stream()
    begun = _response(model, answer_id, "in_progress")
    preamble = [stream.event("response.created", response=begun), stream.event("response.in_progress", response=begun)]
    finished = _finished(content, model, answer_id)
    deltas: list[bytes] = []
    for index, item in enumerate(finished["output"]):
        opening, pieces, closing = _ITEM_EVENTS[item["type"]](stream, content, index, item)
        pieces = pieces or [b""]
        pieces[0] = opening + pieces[0]
        pieces[-1] += closing
        deltas += pieces
    ending = stream.event(f"response.{finished['status']}", response=finished)
    return Beats.of(preamble, deltas, [ending])


def error_frame(status: int, code: str, message: str, *, model: str, answer_id: str, sequence_number: int) -> bytes:
    """`response.failed`, the terminal that tells a client of a failure."""
    failed = _response(model, answer_id, "failed")
    failed["error"] = {"code": code or ("rate_limit_exceeded" if status == 429 else "server_error"), "message": message}
    stream = _Stream()
    stream.sequence_number = sequence_number
    return stream.event("response.failed", response=failed)


def _response(model: str, answer_id: str, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_{answer_id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }


def _finished(content: Content, model: str, answer_id: str) -> dict[str, Any]:
    response = _response(model, answer_id, STATUSES[content.stop])
    response["output"] = _items(content, answer_id)
    response["usage"] = usage(content.tokens)
    if content.stop in INCOMPLETE_REASONS:
        response["incomplete_details"] = {"reason": INCOMPLETE_REASONS[content.stop]}
    return response


def _items(content: Content, answer_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if content.thinking:
        summary = [{"type": "summary_text", "text": "".join(content.thinking)}]
        reasoning = {"id": f"rs_{answer_id}", "type": "reasoning", "summary": summary}
        items.append(reasoning | {"encrypted_content": ENCRYPTED})
    if content.text:
        part = {"type": "output_text", "text": "".join(content.text), "annotations": [], "logprobs": []}
        message = {"id": f"msg_{answer_id}", "type": "message", "role": "assistant"}
        items.append(message | {"status": "completed", "content": [part]})
    for number, tool in enumerate(content.tools):
        names = {"id": f"fc_{answer_id}_{number}", "call_id": f"call_{answer_id}_{number}", "name": tool.name}
        items.append({"type": "function_call", "status": "completed", "arguments": tool.arguments} | names)
    return items


_ItemEvents = tuple[bytes, list[bytes], bytes]


def _reasoning_events(stream: _Stream, content: Content, index: int, item: dict[str, Any]) -> _ItemEvents:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    text = item["summary"][0]["text"]
    added = {key: value for key, value in item.items() if key != "encrypted_content"} | {"summary": []}
    opening = stream.event("response.output_item.added", output_index=index, item=added)
    opening += stream.event("response.reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
    pieces = [stream.event("response.reasoning_summary_text.delta", **place, delta=piece) for piece in content.thinking]
    closing = stream.event("response.reasoning_summary_text.done", **place, text=text)
    closing += stream.event("response.reasoning_summary_part.done", **place, part=item["summary"][0])
    closing += stream.event("response.output_item.done", output_index=index, item=item)
    return opening, pieces, closing


def _message_events(stream: _Stream, content: Content, index: int, item: dict[str, Any]) -> _ItemEvents:
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    added = item | {"status": "in_progress", "content": []}
    opening = stream.event("response.output_item.added", output_index=index, item=added)
    opening += stream.event("response.content_part.added", **place, part=part | {"text": ""})
    pieces = [stream.event("response.output_text.delta", **place, delta=text, logprobs=[]) for text in content.text]
    closing = stream.event("response.output_text.done", **place, text=part["text"], logprobs=[])
    closing += stream.event("response.content_part.done", **place, part=part)
    closing += stream.event("response.output_item.done", output_index=index, item=item)
    return opening, pieces, closing


def _call_events(stream: _Stream, content: Content, index: int, item: dict[str, Any]) -> _ItemEvents:
    place = {"item_id": item["id"], "output_index": index}
    number = int(item["id"].rpartition("_")[2])
    added = item | {"status": "in_progress", "arguments": ""}
    opening = stream.event("response.output_item.added", output_index=index, item=added)
    fragments = content.tools[number].fragments or ("{}",)
    pieces = [stream.event("response.function_call_arguments.delta", **place, delta=piece) for piece in fragments]
    closing = stream.event("response.function_call_arguments.done", **place, arguments=item["arguments"])
    closing += stream.event("response.output_item.done", output_index=index, item=item)
    return opening, pieces, closing


_ITEM_EVENTS = {"reasoning": _reasoning_events, "message": _message_events, "function_call": _call_events}
