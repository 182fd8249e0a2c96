"""What in a request only some accounts can read or go on with."""

import re
from typing import Any

import msgspec

from gateway.dialects.base import Peek
from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import DialectName

_ENCRYPTED = re.compile(rb'"encrypted_content"\s*:\s*"(?!gwr1\.)[^"]')
# An envelope of `gateway.translate.envelope` whose first member is `e`, OpenAI's encrypted content.
_SEALED_OPENAI = re.compile(rb'"gwr1\.[^."]+\.eyJlIjoi')
_SERVER_TOOL = re.compile(
    r"web_search|web_fetch|code_execution|tool_search_tool|mcp|advisor|file_search|code_interpreter|image_generation"
)


class _Role(msgspec.Struct):
    role: Any = None


class _Tool(msgspec.Struct):
    type: Any = None


_ROLE = msgspec.json.Decoder(_Role)
_TOOLS = msgspec.json.Decoder(list[_Tool])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


def asks_for_sealed(peek: Peek, dialect: DialectName) -> bool:
    """Whether a client of this dialect is given OpenAI's reasoning encrypted, to give it back: a Responses client that
    asks for it, and a Messages client always, in an envelope. Chat has no place for it."""
    include = peek.fields.get("include")
    return dialect == "messages" or (include is not None and b"encrypted_content" in bytes(include))


def is_sealed(peek: Peek, dialect: DialectName) -> bool:
    """The request gives back reasoning that only the organisation which made it can read: OpenAI's encrypted content,
    as it came or in an envelope of ours. Any account of Anthropic's reads the signed thinking of another."""
    text = peek.text
    if dialect == "responses":
        return b'"encrypted_content"' in text and _ENCRYPTED.search(text) is not None
    return dialect == "messages" and b'"gwr1.' in text and _SEALED_OPENAI.search(text) is not None


def has_bound_state(peek: Peek, dialect: DialectName) -> bool:
    """The call is not to be made at a second account beside the first: it refers to what one of them keeps, gives back
    sealed reasoning, goes on within a turn of signed thinking, or uses tools that the provider runs."""
    if peek.references or is_sealed(peek, dialect) or "mcp_servers" in peek.fields:
        return True
    if "web_search_options" in peek.fields or _has_server_tool(peek.fields):
        return True
    return dialect == "messages" and (b'"encrypted_content"' in peek.text or _in_signed_turn(peek))


def _has_server_tool(fields: dict[str, msgspec.Raw]) -> bool:
    """A tool that the provider itself runs: twice the searches, twice the containers."""
    raw = fields.get("tools")
    if raw is None:
        return False
    try:
        tools = _TOOLS.decode(raw)
    except DECODE_ERRORS:
        return False
    return any(isinstance(tool.type, str) and _SERVER_TOOL.match(tool.type) is not None for tool in tools)


def _in_signed_turn(peek: Peek) -> bool:
    """Claude has thought in this turn and waits for a tool's result: newer models read such thinking at the account
    that made it alone, and a turn is not to change accounts."""
    if b'"tool_result"' not in peek.text or not any(mark in peek.text for mark in (b'"signature"', b'"redacted_')):
        return False
    try:
        return _signed(_RAWS.decode(peek.fields["messages"]))
    except DECODE_ERRORS:
        return False


def _signed(turns: list[msgspec.Raw]) -> bool:
    for raw in reversed(turns):
        turn = bytes(raw)
        if b'"signature"' in turn or b'"redacted_thinking"' in turn:
            return True
        # Claude Code puts turns of the system between a tool's result and the next call.
        if b'"tool_result"' not in turn and b'"tool_use"' not in turn and _ROLE.decode(raw).role != "system":
            return False
    return False
