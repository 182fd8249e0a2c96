"""The simulated provider's Messages protocol: a request read, an answer as JSON or as events."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.records import Usage
from gateway.upstream.providers.simulated.memory import Part, TimeToLive
from gateway.upstream.providers.simulated.script import Ask, Script, Tool, question_in, tokens_in
from gateway.upstream.providers.simulated.wire import (
    Beat,
    Frame,
    Identifiers,
    Refusal,
    elements,
    members,
    model_of,
    text_of,
    texts,
    whole_number,
)

NEW_VERSION = "2026-10-21"
PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_STOP_REASONS = {"end": "end_turn", "limit": "max_tokens", "stop": "stop_sequence", "tools": "tool_use"}
_IMAGE_TOKENS = 1_600
_DOCUMENT_TOKENS = 3_000
_OVERHEAD = 3


class Turn(Struct, frozen=True):
    """Everything an answer is made of."""

    ask: Ask
    script: Script
    usage: Usage
    omit_thinking: bool
    id: str


def read(body: Mapping[str, Any], *, version: str = "", prefill: bool = False, counting: bool = False) -> Ask:
    """The request as an `Ask`. Raises Refusal as the vendor does.

    `version` is the caller's anthropic-version, `prefill` whether the model may be given the beginning of its answer,
    `counting` is count_tokens, which has no limit.
    """
    model = model_of(body)
    limit = whole_number(body, "max_tokens", 0)
    if limit is None and not counting:
        raise Refusal("max_tokens: Field required")
    if version == NEW_VERSION:
        for name in ("temperature", "top_p", "top_k"):
            if name in body:
                raise Refusal(f"{name}: Extra inputs are not permitted")
    messages = _messages(body)
    _check_tool_results(messages)
    last = messages[-1]
    if last["role"] == "assistant" and not prefill:
        raise Refusal("Prefilling assistant messages is not supported for this model.")
    choice = members(body.get("tool_choice"))
    return Ask(
        model=model,
        question=question_in(next((text_of(each["content"]) for each in reversed(messages) if _asks(each)), "")),
        parts=tuple(_parts(body, messages)),
        tool_results=tuple(
            text_of(block.get("content"))
            for block in elements(last["content"])
            if last["role"] == "user" and block.get("type") == "tool_result"
        ),
        tools=tuple(
            Tool(str(tool["name"]), tool["input_schema"])
            for tool in elements(body.get("tools"))
            if "name" in tool and "input_schema" in tool
        ),
        tool_choice=_tool_choice(choice),
        parallel=not choice.get("disable_parallel_tool_use"),
        schema=_schema(body),
        effort=_effort(body, limit),
        output_limit=limit,
        stops=texts(body.get("stop_sequences")),
    )


def omits_thinking(body: Mapping[str, Any]) -> bool:
    """True if the caller wants thinking blocks without their text."""
    return members(body.get("thinking")).get("display") == "omitted"


def answer(turn: Turn, ids: Identifiers) -> bytes:
    """The whole answer as JSON."""
    script = turn.script
    content: list[dict[str, Any]] = []
    if script.thoughts:
        thoughts = "" if turn.omit_thinking else "".join(script.thoughts)
        content.append({"type": "thinking", "thinking": thoughts, "signature": _signature(script)})
    if script.text:
        content.append({"type": "text", "text": "".join(script.text), "citations": None})
    content += [
        {
            "type": "tool_use",
            "id": ids.new("toolu_01", 22),
            "name": call.tool.name,
            "input": msgspec.json.decode(call.arguments),
        }
        for call in script.calls
    ]
    message = _message(turn, content, script.output_tokens)
    message["stop_reason"] = _STOP_REASONS[script.stop]
    message["stop_sequence"] = script.stop_sequence
    return msgspec.json.encode(message)


def stream(turn: Turn, ids: Identifiers, beat: Beat) -> Iterator[Frame]:
    """The answer as events: message_start, blocks one after the other, message_delta, message_stop."""
    script = turn.script
    yield beat.first(), _event("message_start", message=_message(turn, [], min(1, script.output_tokens)))
    index = 0
    if script.thoughts:
        yield from _thinking_block(turn, index, beat)
        index += 1
    if script.text:
        yield 0.0, _start(index, {"type": "text", "text": ""})
        yield 0.0, PING
        for piece in script.text:
            yield beat.tokens(), _delta(index, {"type": "text_delta", "text": piece})
        yield 0.0, _event("content_block_stop", index=index)
        index += 1
    for call in script.calls:
        block = {"type": "tool_use", "id": ids.new("toolu_01", 22), "name": call.tool.name, "input": {}}
        yield beat.tokens(), _start(index, block)
        yield 0.0, _delta(index, {"type": "input_json_delta", "partial_json": ""})
        for piece in call.pieces:
            yield beat.tokens(), _delta(index, {"type": "input_json_delta", "partial_json": piece})
        yield 0.0, _event("content_block_stop", index=index)
        index += 1
    yield (
        0.0,
        _event(
            "message_delta",
            delta={"stop_reason": _STOP_REASONS[script.stop], "stop_sequence": script.stop_sequence},
            usage=_usage(turn.usage, script.output_tokens, len(script.thoughts)),
        ),
    )
    yield 0.0, _event("message_stop")


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """An error as the vendor writes it."""
    error = {"type": refusal.kind, "message": refusal.message}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def error_event(refusal: Refusal, request_id: str) -> bytes:
    """The event that ends a stream as a failure."""
    return b"event: error\ndata: " + error_body(refusal, request_id) + b"\n\n"


def _thinking_block(turn: Turn, index: int, beat: Beat) -> Iterator[Frame]:
    yield 0.0, _start(index, {"type": "thinking", "thinking": "", "signature": ""})
    thoughts = turn.script.thoughts
    if turn.omit_thinking:
        yield from beat.silence(len(thoughts), PING)
        yield 0.0, _delta(index, {"type": "thinking_delta", "thinking": ""})
    else:
        for piece in thoughts:
            yield beat.tokens(), _delta(index, {"type": "thinking_delta", "thinking": piece})
    yield 0.0, _delta(index, {"type": "signature_delta", "signature": _signature(turn.script)})
    yield 0.0, _event("content_block_stop", index=index)


def _message(turn: Turn, content: list[dict[str, Any]], output_tokens: int) -> dict[str, Any]:
    thought = len(turn.script.thoughts) if content else 0
    return {
        "id": turn.id,
        "type": "message",
        "role": "assistant",
        "model": turn.ask.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            **_usage(turn.usage, output_tokens, thought),
            "cache_creation": {
                "ephemeral_5m_input_tokens": turn.usage.cache_write_5m_tokens,
                "ephemeral_1h_input_tokens": turn.usage.cache_write_1h_tokens,
            },
            "service_tier": "standard",
        },
    }


def _usage(usage: Usage, output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
    """The buckets in the vendor's words: `input_tokens` leaves out everything cached."""
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": output_tokens,
    }
    if thinking_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": thinking_tokens}
    return counts


def _signature(script: Script) -> str:
    """Stands for the vendor's encrypted copy of the thoughts; nothing can be read out of it."""
    return base64.b64encode(hashlib.sha512("".join(script.thoughts).encode()).digest()).decode()


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise Refusal("messages: Field required")
    if not messages:
        raise Refusal("messages: at least one message is required")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise Refusal(f"messages.{number}.role: Input should be 'user', 'assistant' or 'system'")
        if not isinstance(message.get("content"), str | list):
            raise Refusal(f"messages.{number}.content: Input should be a string or a list of content blocks")
    if messages[0]["role"] == "assistant":
        raise Refusal("messages: first message must use the user role")
    return messages


def _check_tool_results(messages: list[dict[str, Any]]) -> None:
    """Every tool_use is answered in the very next message, and nothing else is."""
    open_ids: list[str] = []
    for number, message in enumerate(messages):
        blocks = elements(message["content"])
        answered = [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]
        if missing := [each for each in open_ids if each not in answered]:
            raise Refusal(
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        if orphans := [each for each in answered if each not in open_ids]:
            raise Refusal(
                f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(orphans)}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        open_ids = [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
    if open_ids:
        raise Refusal(
            f"messages.{len(messages) - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(open_ids)}."
        )


def _asks(message: Mapping[str, Any]) -> bool:
    return message["role"] == "user" and bool(question_in(text_of(message["content"])))


def _tool_choice(choice: Mapping[str, Any]) -> str:
    kind = choice.get("type", "auto")
    if kind == "tool":
        return str(choice.get("name"))
    return "required" if kind == "any" else str(kind)


def _schema(body: Mapping[str, Any]) -> Any:
    form = members(members(body.get("output_config")).get("format") or body.get("output_format"))
    return form.get("schema") if form.get("type") == "json_schema" else None


def _effort(body: Mapping[str, Any], limit: int | None) -> str:
    thinking = members(body.get("thinking"))
    kind = thinking.get("type")
    if kind == "enabled":
        budget = whole_number(thinking, "budget_tokens", 1_024) or 0
        if limit is not None and budget >= limit:
            raise Refusal("`max_tokens` must be greater than `thinking.budget_tokens`.")
        return "medium" if budget < 16_000 else "high"
    if kind in ("adaptive", "between_tools"):
        return str(members(body.get("output_config")).get("effort") or "high")
    return ""


def _parts(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> Iterator[Part]:
    """The prompt in the order in which the vendor caches it: tools, system, messages. Markers are not part of it."""
    blocks: list[dict[str, Any]] = [*elements(body.get("tools")), *_blocks(body.get("system"))]
    for message in messages:
        content = _blocks(message["content"])
        blocks += [{"role": message["role"], **block} for block in content]
    whole = members(body.get("cache_control"))
    for number, block in enumerate(blocks):
        marker = members(block.get("cache_control")) or (whole if number == len(blocks) - 1 else {})
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        extra = _OVERHEAD if number == 0 else 0
        yield Part(msgspec.json.encode(bare), _tokens(bare) + extra, _time_to_live(marker))


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return elements(content)


def _tokens(block: Mapping[str, Any]) -> int:
    kind = block.get("type")
    if kind == "image":
        return _IMAGE_TOKENS
    if kind == "document":
        return _DOCUMENT_TOKENS
    if kind == "text":
        return tokens_in(str(block.get("text")))
    if kind == "tool_result":
        return 4 + sum(_tokens(each) for each in _blocks(block.get("content")))
    return tokens_in(msgspec.json.encode(block))


def _time_to_live(marker: Mapping[str, Any]) -> TimeToLive | None:
    if marker.get("type") != "ephemeral":
        return None
    return "1h" if marker.get("ttl") == "1h" else "5m"


def _start(index: int, block: dict[str, Any]) -> bytes:
    return _event("content_block_start", index=index, content_block=block)


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _event(kind: str, **members: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **members}) + b"\n\n"
