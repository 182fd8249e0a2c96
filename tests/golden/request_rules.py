"""What the vendors refuse in a request though its types are right."""

from typing import Any

import msgspec

from tests.golden.sdk_types import Bad


def check_messages_request(body: dict[str, Any], where: str) -> None:
    """Turns, tool results, empty texts, cache markers, schemas and budgets as the Messages API wants them."""
    pending: list[str] | None = None
    ids: set[str] = set()
    messages = body["messages"]
    for number, message in enumerate(messages):
        here = f"{where}: messages[{number}]"
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if any(block["type"] == "text" and not block["text"] for block in blocks):
            raise Bad(f"{here} empty text block")
        if message["role"] == "system":
            _check_placement(messages, number, here)
            continue
        _check_results(message, blocks, pending, here)
        pending = None
        if message["role"] == "assistant":
            uses = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if len(set(uses)) != len(uses) or ids & set(uses):
                raise Bad(f"{here} duplicate tool_use id")
            ids |= set(uses)
            pending = uses or None
            if not blocks:
                raise Bad(f"{here} empty assistant content")
    if pending:
        raise Bad(f"{where}: trailing unanswered tool_use {pending}")
    _check_rest(body, where)


def check_chat_request(body: dict[str, Any], where: str) -> None:
    """Tool messages, arguments and ids as Chat Completions wants them."""
    pending: list[str] = []
    for number, message in enumerate(body["messages"]):
        here = f"{where}: messages[{number}]"
        if message["role"] == "tool":
            if message["tool_call_id"] not in pending:
                raise Bad(f"{here} tool message without a call")
            pending.remove(message["tool_call_id"])
            continue
        if pending:
            raise Bad(f"{here} comes before results for {pending}")
        calls = message.get("tool_calls") or []
        if message["role"] == "assistant":
            pending = [call["id"] for call in calls]
            for call in calls:
                if call["type"] == "function":
                    msgspec.json.decode(call["function"]["arguments"])
                if len(call["id"]) > 40:
                    raise Bad(f"{here} tool call id over 40 characters")
            if message.get("content") is None and not calls and not message.get("refusal"):
                raise Bad(f"{here} assistant without content")
    if pending:
        raise Bad(f"{where}: unanswered {pending}")
    if "parallel_tool_calls" in body and not body.get("tools"):
        raise Bad(f"{where}: parallel_tool_calls without tools")
    if "stream_options" in body and not body.get("stream"):
        raise Bad(f"{where}: stream_options without stream")


def check_responses_request(body: dict[str, Any], where: str) -> None:
    """Calls, outputs and reasoning items as Responses wants them."""
    items = body.get("input")
    if not isinstance(items, list):
        return
    calls = set()
    for number, item in enumerate(items):
        here = f"{where}: input[{number}]"
        kind = item.get("type", "message")
        if kind in ("function_call", "custom_tool_call"):
            calls.add(item["call_id"])
            if len(item["call_id"]) > 64:
                raise Bad(f"{here} call_id over 64 characters")
        answers = kind in ("function_call_output", "custom_tool_call_output")
        if answers and not body.get("previous_response_id") and item["call_id"] not in calls:
            raise Bad(f"{here} output without call")
        if kind == "reasoning":
            _check_follower(items[number + 1] if number + 1 < len(items) else None, here)


CHECKS = {
    "messages": check_messages_request,
    "chat": check_chat_request,
    "responses": check_responses_request,
    "count_tokens": lambda body, where: None,
}


def _check_placement(messages: list[dict[str, Any]], number: int, here: str) -> None:
    before = messages[number - 1]["role"] if number else None
    after = messages[number + 1]["role"] if number + 1 < len(messages) else None
    if before not in ("user", "system"):
        raise Bad(f"{here} a system message must follow a user turn")
    if after not in (None, "assistant", "system"):
        raise Bad(f"{here} a system message must precede an assistant turn or end the messages")


def _check_results(message: dict[str, Any], blocks: list[Any], pending: list[str] | None, here: str) -> None:
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if pending is None:
        if results:
            raise Bad(f"{here} orphan tool_result")
        return
    if message["role"] != "user" or sorted(results) != sorted(pending):
        raise Bad(f"{here} tool_results {results} do not answer {pending}")
    firsts = [block["type"] == "tool_result" for block in blocks]
    if firsts != sorted(firsts, reverse=True):
        raise Bad(f"{here} tool_result blocks must come first")


def _check_rest(body: dict[str, Any], where: str) -> None:
    markers = msgspec.json.encode(body).count(b'"cache_control"')
    if markers > 4:
        raise Bad(f"{where}: {markers} cache_control markers")
    for tool in body.get("tools", []):
        if "input_schema" in tool and tool["input_schema"].get("type") != "object":
            raise Bad(f"{where}: input_schema.type must be object")
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled" and not (1024 <= thinking["budget_tokens"] < body["max_tokens"]):
        raise Bad(f"{where}: budget_tokens out of range")


def _check_follower(item: dict[str, Any] | None, here: str) -> None:
    kind = None if item is None else item.get("type", "message")
    if kind not in ("function_call", "custom_tool_call", "message", "reasoning"):
        raise Bad(f"{here} reasoning item not followed by its item")
    if item is not None and kind == "message" and item.get("role") != "assistant":
        raise Bad(f"{here} reasoning item followed by a {item.get('role')} message")
