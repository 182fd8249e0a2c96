"""The simulated provider's Chat Completions: a request read, an answer as JSON or as chunks."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.records import Usage
from gateway.upstream.providers.simulated.memory import Part
from gateway.upstream.providers.simulated.script import Ask, Script, Tool, ToolCall, question_in, tokens_in
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

_FINISH_REASONS = {"end": "stop", "limit": "length", "stop": "stop", "tools": "tool_calls"}
_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_IMAGE_TOKENS = 1_500
_MOST_CHOICES = 128
_OVERHEAD = 3


class Turn(Struct, frozen=True):
    """Everything an answer is made of: one script a choice."""

    ask: Ask
    scripts: tuple[Script, ...]
    usage: Usage
    include_usage: bool
    id: str
    created_s: int


def read(body: Mapping[str, Any]) -> Ask:
    """The request as an `Ask`. Raises Refusal as the vendor does.

    Chunks have no form for calls of custom tools, so a stream is not answered with one.
    """
    model = model_of(body)
    messages = _messages(body)
    _check_tool_messages(messages)
    limit = whole_number(body, "max_completion_tokens", 1) or whole_number(body, "max_tokens", 1)
    asked: dict[str, Any] = next((each for each in reversed(messages) if each["role"] == "user"), {})
    return Ask(
        model=model,
        question=question_in(text_of(asked.get("content"))),
        parts=tuple(_parts(body, messages)),
        tool_results=tuple(reversed([text_of(each.get("content")) for each in _trailing_results(messages)])),
        tools=tuple(_tools(body)),
        tool_choice=named_tool(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body, messages),
        effort=effort_of(body.get("reasoning_effort")),
        output_limit=limit,
        stops=texts(body.get("stop")),
    )


def choices(body: Mapping[str, Any]) -> int:
    """How many answers the request wants. Raises Refusal."""
    count = whole_number(body, "n", 1) or 1
    if count > _MOST_CHOICES:
        raise Refusal(f"Invalid 'n': it must be at most {_MOST_CHOICES}.", param="n", code="integer_above_max_value")
    return count


def cache_scope(body: Mapping[str, Any]) -> str:
    """What the prompt cache of this request is shared by."""
    return f"{body.get('model')}:{body.get('prompt_cache_key')}"


def answer(turn: Turn, ids: Identifiers) -> bytes:
    """The whole answer as JSON."""
    return msgspec.json.encode(
        {
            **_head(turn, "chat.completion"),
            "choices": [
                {
                    "index": index,
                    "message": _message(script, ids),
                    "logprobs": None,
                    "finish_reason": _FINISH_REASONS[script.stop],
                }
                for index, script in enumerate(turn.scripts)
            ],
            "usage": _usage(turn),
        }
    )


def stream(turn: Turn, ids: Identifiers, beat: Beat) -> Iterator[Frame]:
    """The answer as chunks, choice after choice, then usage if it was asked for, then [DONE]."""
    head = _head(turn, "chat.completion.chunk")
    if turn.include_usage:
        head["usage"] = None
    yield beat.first(), b""
    for index, script in enumerate(turn.scripts):
        for delay, delta in _deltas(script, ids, beat):
            yield delay, _chunk(head, index, delta, None)
        yield 0.0, _chunk(head, index, {}, _FINISH_REASONS[script.stop])
    if turn.include_usage:
        yield 0.0, _data({**head, "choices": [], "usage": _usage(turn)})
    yield 0.0, b"data: [DONE]\n\n"


def error_body(refusal: Refusal) -> bytes:
    """An error as OpenAI writes it, in both its protocols."""
    return msgspec.json.encode({"error": _error(refusal)})


def error_chunk(refusal: Refusal) -> bytes:
    """The chunk that ends a stream as a failure; no [DONE] follows."""
    return _data({"error": _error(refusal)})


def tokens_of_part(part: Mapping[str, Any]) -> int:
    """Tokens of one content part or item of OpenAI's protocols."""
    if part.get("type") in ("image_url", "input_image", "file", "input_file", "input_audio"):
        return _IMAGE_TOKENS
    return tokens_in(str(part["text"]) if isinstance(part.get("text"), str) else msgspec.json.encode(part))


def is_breakpoint(content: Any) -> bool:
    """True if the caller wants the prompt cached up to this content."""
    return any(part.get("prompt_cache_breakpoint") for part in elements(content))


def named_tool(choice: Any) -> str:
    """`tool_choice` of either OpenAI protocol as auto, none, required or a tool's name."""
    if isinstance(choice, str):
        return choice
    choice = members(choice)
    kind = choice.get("type")
    if kind == "allowed_tools":
        return "required" if members(choice.get("allowed_tools") or choice).get("mode") == "required" else "auto"
    name = members(choice.get(kind)).get("name") if isinstance(kind, str) else None
    return str(name or choice.get("name") or "auto")


def effort_of(value: Any) -> str:
    """An effort as the script knows it; none and absent are no reasoning at all."""
    return value if isinstance(value, str) and value != "none" else ""


def _deltas(script: Script, ids: Identifiers, beat: Beat) -> Iterator[tuple[float, dict[str, Any]]]:
    """Reasoning is not shown in this protocol: it only takes its time before the first text."""
    yield beat.tokens(len(script.thoughts)), {"role": "assistant", "content": "", "refusal": None}
    for piece in script.text:
        yield beat.tokens(), {"content": piece}
    for number, call in enumerate(script.calls):
        first = {
            "index": number,
            "id": ids.new("call_"),
            "type": "function",
            "function": {"name": call.tool.name, "arguments": ""},
        }
        yield beat.tokens(), {"tool_calls": [first]}
        for piece in call.pieces:
            yield beat.tokens(), {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}


def _message(script: Script, ids: Identifiers) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(script.text) if script.text or not script.calls else None,
        "refusal": None,
        "annotations": [],
    }
    if script.calls:
        message["tool_calls"] = [_tool_call(call, ids) for call in script.calls]
    return message


def _tool_call(call: ToolCall, ids: Identifiers) -> dict[str, Any]:
    if call.tool.kind == "custom":
        return {
            "id": ids.new("call_"),
            "type": "custom",
            "custom": {"name": call.tool.name, "input": call.arguments},
        }
    return {
        "id": ids.new("call_"),
        "type": "function",
        "function": {"name": call.tool.name, "arguments": call.arguments},
    }


def _head(turn: Turn, kind: str) -> dict[str, Any]:
    return {
        "id": turn.id,
        "object": kind,
        "created": turn.created_s,
        "model": turn.ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _chunk(head: dict[str, Any], index: int, delta: dict[str, Any], finish_reason: str | None) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data({**head, "choices": [choice]})


def _usage(turn: Turn) -> dict[str, Any]:
    """In this protocol the prompt's count includes what was cached."""
    usage = turn.usage
    output = sum(script.output_tokens for script in turn.scripts)
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": usage.prompt_tokens + output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_30m_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": sum(len(script.thoughts) for script in turn.scripts),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    for number, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise Refusal(
                f"Invalid value: {role!r}. Supported values are: {', '.join(_ROLES)}.",
                param=f"messages[{number}].role",
                code="invalid_value",
            )
    return messages


def _check_tool_messages(messages: list[dict[str, Any]]) -> None:
    """Each tool call is answered by the tool messages right after it, and there are no others."""
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            call_id = str(message.get("tool_call_id"))
            if call_id not in waiting:
                raise Refusal(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages[{number}].role",
                )
            waiting.remove(call_id)
            continue
        if waiting:
            break
        waiting = [str(call.get("id")) for call in elements(message.get("tool_calls"))]
    if waiting:
        raise Refusal(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
            param="messages",
        )


def _trailing_results(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in reversed(messages):
        if message["role"] not in ("tool", "function"):
            return
        yield message


def _tools(body: Mapping[str, Any]) -> Iterator[Tool]:
    for tool in elements(body.get("tools")):
        function, custom = members(tool.get("function")), members(tool.get("custom"))
        if isinstance(function.get("name"), str):
            yield Tool(function["name"], function.get("parameters"))
        elif isinstance(custom.get("name"), str) and not body.get("stream"):
            yield Tool(custom["name"], kind="custom")


def _schema(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> Any:
    form = members(body.get("response_format"))
    if form.get("type") == "json_schema":
        return members(form.get("json_schema")).get("schema")
    if form.get("type") == "json_object":
        if not any("json" in text_of(each.get("content")).lower() for each in messages):
            raise Refusal(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                param="messages",
            )
        return {"type": "object"}
    return None


def _parts(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> Iterator[Part]:
    """The prompt, a part a message. With a cache key, or after a breakpoint, every turn is worth keeping."""
    keyed = isinstance(body.get("prompt_cache_key"), str)
    for tool in elements(body.get("tools")):
        data = msgspec.json.encode(tool)
        yield Part(data, tokens_in(data), "30m" if keyed else None)
    for number, message in enumerate(messages):
        content = message.get("content")
        parts = [{"text": content}] if isinstance(content, str) else elements(content)
        tokens = 4 + sum(tokens_of_part(part) for part in parts)
        if calls := message.get("tool_calls"):
            tokens += tokens_in(msgspec.json.encode(calls))
        cached = keyed or is_breakpoint(content)
        yield Part(msgspec.json.encode(message), tokens + _OVERHEAD * (number == 0), "30m" if cached else None)


def _error(refusal: Refusal) -> dict[str, Any]:
    return {"message": refusal.message, "type": refusal.kind, "param": refusal.param, "code": refusal.code}


def _data(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
