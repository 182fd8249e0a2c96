"""The fake provider's Chat Completions: https://platform.openai.com/docs/api-reference/chat."""

from typing import Any

import msgspec

from tests.fakes.content import CREATED, Beats, Content, Tokens, ToolCall

FINISH_REASONS = {"end": "stop", "length": "length", "tools": "tool_calls", "refusal": "content_filter"}
ERROR_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 404: "invalid_request_error"}
ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
DONE = b"data: [DONE]\n\n"


def usage(tokens: Tokens) -> dict[str, Any]:
    """`prompt_tokens` includes what the caches read and wrote, unlike Anthropic's `input_tokens`."""
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cache_read,
            "cache_write_tokens": tokens.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def body(content: Content, model: str, answer_id: str) -> bytes:
    """The whole answer of a call that is not streamed."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(content.text) if content.text else None,
        "refusal": None,
        "annotations": [],
    }
    if content.thinking:
        message["reasoning_content"] = "".join(content.thinking)
    if content.tools:
        message["tool_calls"] = [
            _tool(tool, number, answer_id) | {"function": {"name": tool.name, "arguments": tool.arguments}}
            for number, tool in enumerate(content.tools)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH_REASONS[content.stop]}
    return msgspec.json.encode(
        _head(model, answer_id, "chat.completion") | {"choices": [choice], "usage": usage(content.tokens)}
    )


def beats(content: Content, model: str, answer_id: str, *, include_usage: bool) -> Beats:
    """The same answer as chunks. With `include_usage` every chunk has a null usage but the one after the finish."""
    head = _head(model, answer_id, "chat.completion.chunk")
    tail = {"usage": None} if include_usage else {}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b"data: %b\n\n" % msgspec.json.encode(head | {"choices": [choice]} | tail)

    deltas = [chunk({"reasoning_content": piece}) for piece in content.thinking]
    deltas += [chunk({"content": piece}) for piece in content.text]
    for number, tool in enumerate(content.tools):
        deltas += [chunk({"tool_calls": [part]}) for part in _tool_parts(tool, number, answer_id)]
    ending = [chunk({}, FINISH_REASONS[content.stop])]
    if include_usage:
        counted = head | {"choices": [], "usage": usage(content.tokens)}
        ending.append(b"data: %b\n\n" % msgspec.json.encode(counted))
    opening = chunk({"role": "assistant", "content": "", "refusal": None})
    return Beats.of([opening], deltas, [*ending, DONE])


def error_body(status: int, code: str, message: str) -> bytes:
    kind = ERROR_TYPES.get(status, "rate_limit_error" if status == 429 else "server_error")
    error = {"message": message, "type": kind, "param": None, "code": code or ERROR_CODES.get(status)}
    return msgspec.json.encode({"error": error})


def error_frame(status: int, code: str, message: str) -> bytes:
    return b"data: %b\n\n" % error_body(status, code, message)


def _head(model: str, answer_id: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{answer_id}",
        "object": kind,
        "created": CREATED,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _tool(tool: ToolCall, number: int, answer_id: str) -> dict[str, Any]:
    return {"id": f"call_{answer_id}_{number}", "type": "function", "function": {"name": tool.name, "arguments": ""}}


def _tool_parts(tool: ToolCall, number: int, answer_id: str) -> list[dict[str, Any]]:
    """Id and name go out once, in the first fragment: accumulators concatenate them."""
    opening = {"index": number} | _tool(tool, number, answer_id)
    fragments = tool.fragments or ("{}",)
    return [opening, *({"index": number, "function": {"arguments": piece}} for piece in fragments)]
