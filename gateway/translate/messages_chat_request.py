"""A Messages request as a Chat request."""

from typing import Any

import msgspec

from gateway.errors import Unsupported
from gateway.translate.base import Context, Memo, Translated
from gateway.translate.ids import ToolNames
from gateway.translate.messages_chat_turns import read_messages
from gateway.translate.messages_client import (
    Function,
    WebSearch,
    cache_options,
    check_version,
    openai_limit,
    openai_sampling,
    openai_schema,
    openai_tool_choice,
    read_effort,
    read_stops,
    read_tools,
    refuse_what_stays,
    schema_note,
    strict_for_openai,
    tier_members,
    user_members,
)
from gateway.translate.reading import decode_fields
from gateway.translate.schemas import fits_openai_strict
from gateway.translate.warnings import Warnings

MAX_STOPS = 4
_READ = frozenset(
    (
        "model", "max_tokens", "messages", "system", "stop_sequences", "stream", "temperature", "top_p", "top_k",
        "thinking", "output_config", "output_format", "tools", "tool_choice", "metadata", "service_tier", "speed",
        "cache_control", "container", "inference_geo", "diagnostics", "mcp_servers", "fallbacks", "compaction",
        "fallback_credit_token", "context_management",
    )
)  # fmt: skip


def translate_request(fields: dict[str, msgspec.Raw], context: Context) -> Translated:
    """The Chat request, what is cached first. Raises BadRequest."""
    decoded = decode_fields(fields)
    warnings = Warnings(context.policy)
    check_version(decoded, context)
    refuse_what_stays(decoded, warnings)
    names = ToolNames()
    tools, search = _tools(decoded, names, context, warnings)
    effort = _effort(decoded, context, warnings, has_tools=bool(tools))
    schema = openai_schema(decoded, context, warnings)
    enforced = context.model.capabilities.structured_output
    note = schema_note(schema) if schema is not None and not enforced else None
    history = read_messages(decoded, names, context, warnings, note=note)
    sent_stops, watched_stops = _stops(decoded, context, warnings)
    stream = decoded.get("stream") is True
    request: dict[str, Any] = {
        "model": context.upstream_model,
        **tools,
        **search,
        "messages": history.messages,
        **_limit(decoded, context, warnings),
        **({} if effort is None else {"reasoning_effort": effort}),
        **openai_sampling(decoded, effort, context, warnings),
        **({"response_format": _format(schema)} if schema is not None and enforced else {}),
        **({"stop": sent_stops} if sent_stops else {}),
        **cache_options(decoded, context, marked=history.marked),
        **user_members(decoded, context),
        **tier_members(decoded, context, warnings),
        **_stream_members(context, stream=stream),
    }
    for name, value in decoded.items():
        if name not in _READ and value not in ({}, []):
            warnings.dropped(name)
    memo = Memo(
        context,
        stream=stream,
        names=names.restored,
        stop_sequences=tuple(watched_stops),
        json_object=note is not None,
    )
    return Translated(msgspec.json.encode(request), memo, warnings.codes)


def count_body(fields: dict[str, msgspec.Raw], context: Context) -> bytes:
    """The translated request, of which an estimate can be made: Chat has no token count of its own."""
    return translate_request({**fields, "max_tokens": msgspec.Raw(b"1")}, context).body


def _tools(
    decoded: dict[str, Any], names: ToolNames, context: Context, warnings: Warnings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members `tools`, `tool_choice` and `parallel_tool_calls`, and those of a web search."""
    tools: list[dict[str, Any]] = []
    search: dict[str, Any] = {}
    for position, tool in enumerate(
        read_tools(decoded, names, context, warnings, searches=context.options.chat_web_search)
    ):
        if isinstance(tool, WebSearch):
            search = {"web_search_options": _search_options(tool, warnings)}
        else:
            tools.append(_function(tool, f"tools.{position}", warnings))
    choice, parallel = openai_tool_choice(decoded, names, [tool["function"]["name"] for tool in tools])
    if not tools:
        return {}, search
    members: dict[str, Any] = {"tools": tools}
    if choice is not None:
        named = choice.removeprefix("name:")
        members["tool_choice"] = choice if named == choice else {"type": "function", "function": {"name": named}}
    if parallel is not None:
        members["parallel_tool_calls"] = parallel
    return members, search


def _function(function: Function, path: str, warnings: Warnings) -> dict[str, Any]:
    members: dict[str, Any] = {"name": function.name}
    if function.description:
        members["description"] = function.description
    members["parameters"] = function.parameters
    strict = strict_for_openai(function, path, warnings)
    if strict is not None:
        members["strict"] = strict
    return {"type": "function", "function": members}


def _search_options(search: WebSearch, warnings: Warnings) -> dict[str, Any]:
    for name in ("max_uses", "allowed_domains", "blocked_domains"):
        if search.members.get(name):
            warnings.dropped(f"{search.path}.{name}")
    location = search.members.get("user_location")
    if not isinstance(location, dict):
        return {}
    approximate = {name: value for name, value in location.items() if name != "type" and value is not None}
    return {"user_location": {"type": "approximate", "approximate": approximate}}


def _effort(decoded: dict[str, Any], context: Context, warnings: Warnings, *, has_tools: bool) -> str | None:
    """The effort. Some models call tools over Chat only while they do not reason, and say no to a default that does."""
    effort = read_effort(decoded, context, warnings)
    can = context.model.capabilities
    if not has_tools or can.chat_tools_with_reasoning or (effort or can.default_effort) == "none":
        return effort
    if "none" not in can.efforts:
        raise Unsupported("tools: this model takes no tools over Chat Completions", field="tools")
    warnings.clamped("thinking" if "thinking" in decoded else "output_config.effort")
    return "none"


def _limit(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, int]:
    limit = openai_limit(decoded, context, warnings)
    if limit == 0:
        raise Unsupported("max_tokens: must be at least 1 for this model", field="max_tokens")
    name = "max_completion_tokens" if context.flavour == "openai" else "max_tokens"
    return {context.options.limit_field or name: limit}


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    named = {"name": "output", "schema": schema, "strict": fits_openai_strict(schema)}
    return {"type": "json_schema", "json_schema": named}


def _stops(decoded: dict[str, Any], context: Context, warnings: Warnings) -> tuple[list[str], list[str]]:
    """Stop sequences for the upstream, and those the gateway watches for because the upstream would not."""
    stops = read_stops(decoded)
    if len(stops) <= MAX_STOPS and context.model.capabilities.stop_sequences:
        return stops, []
    if stops:
        warnings.emulated("stop_sequences")
    return [], stops


def _stream_members(context: Context, *, stream: bool) -> dict[str, Any]:
    if not stream:
        return {}
    options = {"stream_options": {"include_usage": True}} if context.options.include_usage else {}
    return {"stream": True, **options}
