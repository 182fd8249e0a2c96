"""Signs in a body by which a request on the chat path shows whether it is Chat Completions or Messages."""

from typing import Any

import msgspec

from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import DialectName

_CHAT_MEMBERS = frozenset(
    (
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "stop",
        "store",
        "stream_options",
        "top_logprobs",
        "user",
        "verbosity",
        "web_search_options",
    )
)
_MESSAGES_MEMBERS = frozenset(("system", "stop_sequences", "output_config", "context_management"))
# Tuples, not sets: what a body holds in these places may be a list, which has no hash.
_CHAT_ROLES = ("system", "developer", "tool", "function")
_CHAT_PARTS = ("image_url", "input_audio", "file")
_MESSAGES_PARTS = ("tool_use", "tool_result", "thinking", "redacted_thinking", "document")
_MESSAGES_CHOICES = ("auto", "any", "tool", "none")


class _Message(msgspec.Struct):
    role: Any = None
    content: Any = None
    tool_calls: Any = None


_MESSAGES = msgspec.json.Decoder(list[_Message])


def shape_of(fields: dict[str, msgspec.Raw]) -> DialectName | None:
    """What the body can only be; None where it could be either.

    Any sign of Chat outweighs every sign of Messages. `top_k`, `thinking`, `cache_control`, `metadata` and `max_tokens`
    are signs of neither: OpenAI clients of OpenRouter and of Roo send them.
    """
    if not _CHAT_MEMBERS.isdisjoint(fields):
        return "chat"
    signs = _message_signs(fields) | _tool_signs(fields)
    if not _MESSAGES_MEMBERS.isdisjoint(fields):
        signs.add("messages")
    if "chat" in signs:
        return "chat"
    return "messages" if signs else None


def _message_signs(fields: dict[str, msgspec.Raw]) -> set[DialectName]:
    signs: set[DialectName] = set()
    try:
        messages = _MESSAGES.decode(fields.get("messages", b"[]"))
    except DECODE_ERRORS:
        return signs
    for message in messages:
        if message.role in _CHAT_ROLES or message.tool_calls is not None:
            signs.add("chat")
        for part in message.content if isinstance(message.content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind in _CHAT_PARTS:
                signs.add("chat")
            elif kind in _MESSAGES_PARTS or (kind == "image" and "source" in part):
                signs.add("messages")
    return signs


def _tool_signs(fields: dict[str, msgspec.Raw]) -> set[DialectName]:
    signs: set[DialectName] = set()
    tools = _decoded(fields, "tools")
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and "function" in tool:
            signs.add("chat")
        elif isinstance(tool, dict) and "input_schema" in tool:
            signs.add("messages")
    choice = _decoded(fields, "tool_choice")
    if isinstance(choice, str):
        signs.add("chat")
    elif isinstance(choice, dict):
        signs.add("messages" if choice.get("type") in _MESSAGES_CHOICES else "chat")
    return signs


def _decoded(fields: dict[str, msgspec.Raw], name: str) -> Any:
    try:
        return msgspec.json.decode(fields.get(name, b"null"))
    except DECODE_ERRORS:
        return None
