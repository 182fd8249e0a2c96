"""The fake provider's Anthropic Messages: https://docs.anthropic.com/en/api/messages-streaming."""

from typing import Any

import msgspec

from tests.fakes.content import Beats, Content, Tokens, ToolCall

SIGNATURE = "RmFrZVNpZ25hdHVyZQ=="
STOP_REASONS = {"end": "end_turn", "length": "max_tokens", "tools": "tool_use", "refusal": "refusal"}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def frame(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), msgspec.json.encode(data))


def usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": {"thinking_tokens": tokens.reasoning},
        "service_tier": "standard",
    }


def body(content: Content, model: str, answer_id: str) -> bytes:
    """The whole answer of a call that is not streamed."""
    blocks: list[dict[str, Any]] = []
    if content.thinking:
        blocks.append({"type": "thinking", "thinking": "".join(content.thinking), "signature": SIGNATURE})
    if content.text:
        blocks.append({"type": "text", "text": "".join(content.text)})
    for number, tool in enumerate(content.tools):
        block = _tool_block(tool, number, answer_id)
        blocks.append(block | {"input": msgspec.json.decode(tool.arguments)})
    return msgspec.json.encode(_message(content, model, answer_id, blocks) | {"usage": usage(content.tokens)})


def beats(content: Content, model: str, answer_id: str) -> Beats:
    """The same answer as a stream: blocks 0..n-1, one open at a time, usage cumulative in `message_delta`."""
    started = _message(content, model, answer_id, []) | {"stop_reason": None}
    started["usage"] = usage(content.tokens) | {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    deltas: list[bytes] = []
    for index, (start, parts) in enumerate(_blocks(content, answer_id)):
        opening = frame({"type": "content_block_start", "index": index, "content_block": start})
        closing = frame({"type": "content_block_stop", "index": index})
        pieces = [frame({"type": "content_block_delta", "index": index, "delta": part}) for part in parts] or [b""]
        pieces[0] = opening + pieces[0]
        pieces[-1] += closing
        deltas += pieces
    stopped = {"stop_reason": STOP_REASONS[content.stop], "stop_sequence": None}
    ending = [
        frame({"type": "message_delta", "delta": stopped, "usage": usage(content.tokens)}),
        frame({"type": "message_stop"}),
    ]
    return Beats.of([frame({"type": "message_start", "message": started}), frame({"type": "ping"})], deltas, ending)


def error_body(status: int, code: str, message: str) -> bytes:
    kind = code or ERROR_TYPES.get(status, "api_error")
    error = {"type": kind, "message": message}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": "req_fake"})


def error_frame(status: int, code: str, message: str) -> bytes:
    return b"event: error\ndata: %b\n\n" % error_body(status, code, message)


def _message(content: Content, model: str, answer_id: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{answer_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": STOP_REASONS[content.stop],
        "stop_sequence": None,
    }


def _tool_block(tool: ToolCall, number: int, answer_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{answer_id}_{number}", "name": tool.name, "input": {}}


def _blocks(content: Content, answer_id: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each content block as its start and its deltas. A signature is the last delta of a thinking block."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if content.thinking:
        parts = [{"type": "thinking_delta", "thinking": piece} for piece in content.thinking]
        signed = [*parts, {"type": "signature_delta", "signature": SIGNATURE}]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, signed))
    if content.text:
        parts = [{"type": "text_delta", "text": piece} for piece in content.text]
        blocks.append(({"type": "text", "text": ""}, parts))
    for number, tool in enumerate(content.tools):
        parts = [{"type": "input_json_delta", "partial_json": piece} for piece in tool.fragments]
        blocks.append((_tool_block(tool, number, answer_id), parts))
    return blocks
