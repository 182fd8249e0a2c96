"""The simulated provider's Responses protocol, the answer: the object, its items, the events that build it."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.records import Usage
from gateway.upstream.providers.simulated.script import Script, ToolCall
from gateway.upstream.providers.simulated.wire import Beat, Frame, Identifiers, Refusal, elements, members


class Item(Struct, frozen=True):
    """An output item as it will be when done, and the pieces in which it is streamed."""

    done: dict[str, Any]
    pieces: tuple[str, ...]
    silent: bool = False


class Turn(Struct, frozen=True):
    """Everything an answer is made of. `body` is the request, whose settings the answer repeats."""

    body: Mapping[str, Any]
    script: Script
    usage: Usage
    items: tuple[Item, ...]
    id: str
    created_s: int


def build(
    body: Mapping[str, Any], script: Script, usage: Usage, ids: Identifiers, *, response_id: str, created_s: int
) -> Turn:
    """The turn with its items, in order: reasoning, message, calls."""
    items: list[Item] = []
    if script.thoughts:
        items.append(_reasoning(body, script, ids))
    if script.text or not (script.calls or script.thoughts):
        items.append(_message(script, ids))
    items += [_call(call, ids) for call in script.calls]
    return Turn(body, script, usage, tuple(items), response_id, created_s)


def final(turn: Turn) -> dict[str, Any]:
    """The response object as it ends: completed, or incomplete where the limit cut it."""
    limited = turn.script.stop == "limit"
    response = _response(turn, "incomplete" if limited else "completed", [item.done for item in turn.items])
    response["incomplete_details"] = {"reason": "max_output_tokens"} if limited else None
    response["usage"] = usage_of(turn.usage, turn.script.output_tokens, len(turn.script.thoughts))
    if not limited:
        response["completed_at"] = turn.created_s
    return response


def stream(turn: Turn, beat: Beat) -> Iterator[Frame]:
    """The answer as events, numbered from 0: created, in_progress, items one after the other, the terminal."""
    numbered = _Numbered()
    opening = _response(turn, "in_progress", [])
    yield beat.first(), numbered.event("response.created", response=opening)
    yield 0.0, numbered.event("response.in_progress", response=opening)
    for index, item in enumerate(turn.items):
        yield 0.0, numbered.event("response.output_item.added", output_index=index, item=_opened(item.done))
        yield from _PARTS[item.done["type"]](numbered, index, item, beat)
        yield 0.0, numbered.event("response.output_item.done", output_index=index, item=item.done)
    response = final(turn)
    yield 0.0, numbered.event(f"response.{response['status']}", response=response)


def failed_event(turn: Turn, refusal: Refusal, sequence_number: int) -> bytes:
    """The event that ends a stream as a failure."""
    response = _response(turn, "failed", [])
    response["error"] = {"code": refusal.code or "server_error", "message": refusal.message}
    return _Numbered(sequence_number).event("response.failed", response=response)


def usage_of(usage: Usage, output_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    """In this protocol the prompt's count includes what was cached."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_30m_tokens,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": usage.prompt_tokens + output_tokens,
    }


def encrypted(text: str) -> str:
    """Stands for the vendor's encrypted copy of something; nothing can be read out of it."""
    return base64.b64encode(hashlib.sha512(text.encode("utf-8", "surrogatepass")).digest()).decode()


class _Numbered:
    """Writes events, each with the next sequence number."""

    def __init__(self, first: int = 0) -> None:
        self._next = first

    def event(self, kind: str, **content: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._next, **content})
        self._next += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def _message_parts(numbered: _Numbered, index: int, item: Item, beat: Beat) -> Iterator[Frame]:
    at = {"item_id": item.done["id"], "output_index": index, "content_index": 0}
    part = item.done["content"][0]
    yield 0.0, numbered.event("response.content_part.added", **at, part={**part, "text": ""})
    for piece in item.pieces:
        yield beat.tokens(), numbered.event("response.output_text.delta", **at, delta=piece, logprobs=[])
    yield 0.0, numbered.event("response.output_text.done", **at, text=part["text"], logprobs=[])
    yield 0.0, numbered.event("response.content_part.done", **at, part=part)


def _reasoning_parts(numbered: _Numbered, index: int, item: Item, beat: Beat) -> Iterator[Frame]:
    """The summary as it is written; reasoning without one is a silence."""
    if item.silent:
        yield beat.tokens(len(item.pieces)), b""
        return
    at = {"item_id": item.done["id"], "output_index": index, "summary_index": 0}
    part = item.done["summary"][0]
    yield 0.0, numbered.event("response.reasoning_summary_part.added", **at, part={**part, "text": ""})
    for piece in item.pieces:
        yield beat.tokens(), numbered.event("response.reasoning_summary_text.delta", **at, delta=piece)
    yield 0.0, numbered.event("response.reasoning_summary_text.done", **at, text=part["text"])
    yield 0.0, numbered.event("response.reasoning_summary_part.done", **at, part=part)


def _function_parts(numbered: _Numbered, index: int, item: Item, beat: Beat) -> Iterator[Frame]:
    at = {"item_id": item.done["id"], "output_index": index}
    for piece in item.pieces:
        yield beat.tokens(), numbered.event("response.function_call_arguments.delta", **at, delta=piece)
    arguments = item.done["arguments"]
    yield 0.0, numbered.event("response.function_call_arguments.done", **at, arguments=arguments)


def _custom_parts(numbered: _Numbered, index: int, item: Item, beat: Beat) -> Iterator[Frame]:
    at = {"item_id": item.done["id"], "output_index": index}
    for piece in item.pieces:
        yield beat.tokens(), numbered.event("response.custom_tool_call_input.delta", **at, delta=piece)
    yield 0.0, numbered.event("response.custom_tool_call_input.done", **at, input=item.done["input"])


_PARTS = {
    "message": _message_parts,
    "reasoning": _reasoning_parts,
    "function_call": _function_parts,
    "custom_tool_call": _custom_parts,
}


def _reasoning(body: Mapping[str, Any], script: Script, ids: Identifiers) -> Item:
    thoughts = "".join(script.thoughts)
    shown = members(body.get("reasoning")).get("summary") in ("auto", "concise", "detailed")
    done: dict[str, Any] = {
        "id": ids.hexadecimal("rs_"),
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": thoughts}] if shown else [],
    }
    include = body.get("include")
    if isinstance(include, list) and "reasoning.encrypted_content" in include:
        done["encrypted_content"] = encrypted(thoughts)
    return Item(done, script.thoughts, silent=not shown)


def _message(script: Script, ids: Identifiers) -> Item:
    text = "".join(script.text)
    cut = script.stop == "limit" and not script.calls
    done = {
        "id": ids.hexadecimal("msg_"),
        "type": "message",
        "status": "incomplete" if cut else "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }
    return Item(done, script.text)


def _call(call: ToolCall, ids: Identifiers) -> Item:
    custom = call.tool.kind == "custom"
    done: dict[str, Any] = {
        "id": ids.hexadecimal("ctc_" if custom else "fc_"),
        "type": "custom_tool_call" if custom else "function_call",
        "status": "completed",
        "call_id": ids.new("call_"),
        "name": call.tool.name,
        "input" if custom else "arguments": call.arguments,
    }
    if call.tool.namespace:
        done["namespace"] = call.tool.namespace
    return Item(done, call.pieces)


def _opened(done: Mapping[str, Any]) -> dict[str, Any]:
    """The item as it is announced: its id, nothing in it yet."""
    empty = {"content": [], "summary": [], "arguments": "", "input": "", "status": "in_progress"}
    opened = {name: empty.get(name, value) for name, value in done.items()}
    if "encrypted_content" in opened:
        opened["encrypted_content"] = ""
    return opened


def _response(turn: Turn, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    body = turn.body
    reasoning, text = members(body.get("reasoning")), members(body.get("text"))
    return {
        "id": turn.id,
        "object": "response",
        "created_at": turn.created_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store") is not False,
        "temperature": _number(body.get("temperature"), 1.0),
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [_echoed(tool) for tool in elements(body.get("tools"))],
        "top_p": _number(body.get("top_p"), 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
        "metadata": body.get("metadata") or {},
    }


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as the vendor repeats it: a function always with parameters and strict, which is on unless refused."""
    if tool.get("type") != "function":
        return tool
    return {**tool, "parameters": tool.get("parameters"), "strict": tool.get("strict", True)}


def _number(value: Any, default: float) -> float:
    return default if value is None else value
