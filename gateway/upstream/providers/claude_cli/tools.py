"""The client's tools, as the CLI knows them: those of one MCP server that is the gateway itself. Pure.

The CLI asks for them over its own standard streams (`control_request` with an `mcp_message`), calls them
`mcp__gw__NAME` and does not let a model use any but them.
"""

import re
from typing import Any

from gateway.errors import BadRequest, Unsupported

SERVER = "gw"
PREFIX = f"mcp__{SERVER}__"
TOOL_USE_ID = "claudecode/toolUseId"

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_LONGEST_DESCRIPTION = 2_000
"""Characters; the CLI cuts a description at 2,048."""


class Tools:
    """The tools of one request. Names the CLI would change, or that are too long with its prefix, go by another."""

    def __init__(self, declared: list[dict[str, Any]]) -> None:
        self._aliases: dict[str, str] = {}
        self._declared = frozenset(str(tool.get("name")) for tool in declared)
        self.listing: list[dict[str, Any]] = []
        for number, tool in enumerate(declared):
            self._declare(number, tool)
        self._names = {alias: name for name, alias in self._aliases.items()}

    def _declare(self, number: int, tool: dict[str, Any]) -> None:
        name, field = tool.get("name"), f"tools.{number}"
        if tool.get("type") not in (None, "custom"):
            raise Unsupported(
                f"A tool of type {tool['type']!r} is run by the provider, which an account of the Claude CLI cannot "
                "ask for. Declare the tool with an `input_schema`.",
                field=f"{field}.type",
            )
        if not isinstance(name, str) or not name or not isinstance(tool.get("input_schema"), dict):
            raise BadRequest("A tool needs a `name` and an `input_schema`.", field=field)
        self._aliases[name] = name if _PLAIN.match(name) else self._unused(f"tool_{number}")
        self.listing.append(_described(self._aliases[name], tool.get("description"), tool["input_schema"]))

    def _unused(self, alias: str) -> str:
        while alias in self._declared:
            alias += "_"
        return alias

    def __bool__(self) -> bool:
        return bool(self.listing)

    def to_cli(self, name: str) -> str:
        """What the model calls this tool."""
        return PREFIX + self._aliases.get(name, name)

    def from_cli(self, name: str) -> str:
        """What the client calls it."""
        alias = name.removeprefix(PREFIX)
        return self._names.get(alias, alias)

    def answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The result of an MCP request (specification of 2025-11-25); None for a call of a tool: that takes time."""
        method = message.get("method")
        if method == "tools/call":
            return None
        if method == "initialize":
            version = (message.get("params") or {}).get("protocolVersion")
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": _SERVER_INFO}
        return {"tools": self.listing} if method == "tools/list" else {}


_SERVER_INFO = {"name": SERVER, "version": "1"}


def _described(name: str, description: object, schema: dict[str, Any]) -> dict[str, Any]:
    """A tool as MCP lists it. What is too long for a description goes on in that of the input."""
    text = description if isinstance(description, str) else ""
    if len(text) > _LONGEST_DESCRIPTION:
        schema = {**schema, "description": text}
        text = text[: _LONGEST_DESCRIPTION - 60] + " … (in full: the description of its input)"
    return {"name": name, "description": text, "inputSchema": {"type": "object", **schema}}


def mcp_result(block: dict[str, Any]) -> dict[str, Any] | None:
    """A `tool_result` block as the result of an MCP call; None where it has content that MCP has no equal for."""
    content = block.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        return None
    parts = [_mcp_content(part) for part in content]
    if any(part is None for part in parts):
        return None
    return {"content": parts, "isError": block.get("is_error") is True}


def _mcp_content(part: Any) -> dict[str, Any] | None:
    if not isinstance(part, dict):
        return None
    if part.get("type") == "text" and isinstance(part.get("text"), str) and part["text"].strip():
        return {"type": "text", "text": part["text"]}
    source = part.get("source")
    if part.get("type") == "image" and isinstance(source, dict) and source.get("type") == "base64":
        return {"type": "image", "data": source.get("data"), "mimeType": source.get("media_type")}
    return None
