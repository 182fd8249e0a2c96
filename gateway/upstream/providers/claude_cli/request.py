"""A request of the Messages API as a turn of the CLI. Pure.

What the CLI has an option for goes there; every other member goes into the request that the CLI makes, as it came, by
`CLAUDE_CODE_EXTRA_BODY`: temperature, top_p, top_k, stop_sequences, tool_choice, thinking and the rest. So the API
itself judges what it does not know.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from gateway.errors import BadRequest
from gateway.upstream.providers.claude_cli.history import Message, normalised, results_of
from gateway.upstream.providers.claude_cli.tools import Tools

EFFORTS = ("low", "medium", "high", "xhigh", "max")
LONGEST_EXTRA_BODY = 120_000
"""Bytes. Linux takes no environment variable beyond 131,072."""

_OWN = frozenset(("model", "messages", "system", "stream", "tools", "max_tokens", "metadata", "cache_control"))
"""Members that have their own way, or that the CLI fills in itself: whose the account is, and where caches end."""
_ADAPTIVE_THINKING_TOKENS = 31_999


class Shape(Struct, frozen=True):
    """What a process is started with. Processes of one shape that have read nothing yet are alike; `key` names it."""

    model: str
    system: str
    tools: Tools
    max_tokens: int | None
    thinking_tokens: int
    effort: str
    extra_body: str
    key: bytes

    def environment(self) -> dict[str, str]:
        """The part of the process's environment that the request decides."""
        values = {"MAX_THINKING_TOKENS": str(self.thinking_tokens), "CLAUDE_CODE_EXTRA_BODY": self.extra_body}
        if self.max_tokens is not None:
            values["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(self.max_tokens)
        return values


class Turn(Struct, frozen=True):
    """One request: the shape, the conversation, whether the answer is streamed.

    `results` are those the last message brings, if it brings nothing else. `digest` names the conversation up to and
    with the question that is asked now, `earlier` the one that the calls of these results answered.
    """

    shape: Shape
    messages: list[Message]
    streamed: bool
    results: dict[str, dict[str, Any]]
    digest: bytes
    earlier: bytes


def read_turn(body: bytes) -> Turn:
    """Raises BadRequest, and Unsupported for what only another kind of account can be asked."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    tools = Tools(_list(fields, "tools"))
    shape = _shape(fields, tools)
    messages = normalised(fields.get("messages"), tools)
    results = results_of(messages)
    return Turn(
        shape,
        messages,
        fields.get("stream") is True,
        results,
        _digest(shape, messages),
        _digest(shape, messages[:-2]) if results else b"",
    )


def _shape(fields: Mapping[str, Any], tools: Tools) -> Shape:
    system, max_tokens = _system(fields.get("system")), fields.get("max_tokens")
    extra = {name: value for name, value in fields.items() if name not in _OWN and value is not None}
    effort = _take_effort(extra)
    thinking_tokens = _thinking_tokens(extra.get("thinking"))
    if isinstance(choice := extra.get("tool_choice"), dict) and isinstance(choice.get("name"), str):
        extra["tool_choice"] = {**choice, "name": tools.to_cli(choice["name"])}
    if not tools:
        extra.pop("tool_choice", None)
    extra_body = msgspec.json.encode(extra).decode()
    if len(extra_body.encode()) > LONGEST_EXTRA_BODY:
        names = ", ".join(sorted(extra))
        raise BadRequest(f"{names} together are larger than the {LONGEST_EXTRA_BODY} bytes that the Claude CLI takes.")
    model = str(fields.get("model"))
    parts = (model, system, tools.listing, max_tokens, thinking_tokens, effort, extra_body)
    key = sha256(msgspec.json.encode(parts)).digest()
    return Shape(model, system, tools, max_tokens, thinking_tokens, effort, extra_body, key)


def _take_effort(extra: dict[str, Any]) -> str:
    """The effort, which is an option of the CLI's own; the rest of `output_config` stays where it is."""
    config = extra.get("output_config")
    if not isinstance(config, dict) or config.get("effort") not in EFFORTS:
        return ""
    rest = {name: value for name, value in config.items() if name != "effort"}
    if rest:
        extra["output_config"] = rest
    else:
        del extra["output_config"]
    return str(config["effort"])


def _thinking_tokens(thinking: object) -> int:
    """What has the CLI send thinking back to the model, and ask for the betas that go with it."""
    if not isinstance(thinking, dict) or thinking.get("type") not in ("enabled", "adaptive"):
        return 0
    budget = thinking.get("budget_tokens")
    return budget if isinstance(budget, int) and budget > 0 else _ADAPTIVE_THINKING_TOKENS


def _system(system: object) -> str:
    if isinstance(system, list):
        texts = [block.get("text") for block in system if isinstance(block, dict)]
        return "\n\n".join(text for text in texts if isinstance(text, str))
    return system if isinstance(system, str) else ""


def _list(fields: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadRequest(f"`{name}` must be a list of objects.", field=name)
    return value


def _digest(shape: Shape, messages: list[Message]) -> bytes:
    return sha256(shape.key + msgspec.json.encode(messages, order="deterministic")).digest()
