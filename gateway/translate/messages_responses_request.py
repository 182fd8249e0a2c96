"""A Messages request as a Responses request."""

from typing import Any

import msgspec

from gateway.errors import Unsupported
from gateway.translate.base import Context, Memo, Translated
from gateway.translate.ids import ToolNames
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
    takes_breakpoints,
    tier_members,
    user_members,
)
from gateway.translate.messages_responses_input import ResponsesInput
from gateway.translate.reading import a_list, an_object, decode_fields
from gateway.translate.schemas import fits_openai_strict
from gateway.translate.warnings import Warnings

MIN_OUTPUT_TOKENS = 16
"""The least OpenAI takes for `max_output_tokens` (measured)."""

_ENCRYPTED = "reasoning.encrypted_content"
_SOURCES = "web_search_call.action.sources"
_COUNTED = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")
_READ = frozenset(
    (
        "model", "max_tokens", "messages", "system", "stop_sequences", "stream", "temperature", "top_p", "top_k",
        "thinking", "output_config", "output_format", "tools", "tool_choice", "metadata", "service_tier", "speed",
        "cache_control", "container", "inference_geo", "diagnostics", "mcp_servers", "fallbacks", "compaction",
        "fallback_credit_token", "context_management",
    )
)  # fmt: skip

Tools = list[Function | WebSearch]


def translate_request(fields: dict[str, msgspec.Raw], context: Context) -> Translated:
    """The Responses request, what is cached first: nothing is stored upstream, and reasoning comes back encrypted.

    Raises BadRequest.
    """
    decoded = decode_fields(fields)
    warnings = Warnings(context.policy)
    check_version(decoded, context)
    refuse_what_stays(decoded, warnings)
    names = ToolNames()
    tools = list(read_tools(decoded, names, context, warnings, searches=context.flavour == "openai"))
    tool_members = _tool_members(decoded, tools, names, warnings)
    effort = read_effort(decoded, context, warnings)
    schema = openai_schema(decoded, context, warnings)
    enforced = context.model.capabilities.structured_output
    note = schema_note(schema) if schema is not None and not enforced else ""
    prompt = _input(decoded, names, note, context, warnings)
    stops = tuple(stop for stop in read_stops(decoded) if stop)
    if stops:
        warnings.emulated("stop_sequences")
    stream = decoded.get("stream") is True
    include = _include(context, tools)
    request: dict[str, Any] = {
        "model": context.upstream_model,
        **tool_members,
        "input": prompt.finish(),
        **_limit(decoded, context, warnings),
        **_reasoning(decoded, effort, context),
        **openai_sampling(decoded, effort, context, warnings),
        **({"text": {"format": _format(schema)}} if schema is not None and enforced else {}),
        **_cache_options(decoded, context, marked=prompt.marked),
        **user_members(decoded, context),
        **tier_members(decoded, context, warnings),
        "store": False,
        **({"include": include} if include else {}),
        **({"stream": True} if stream else {}),
    }
    for name, value in decoded.items():
        if name not in _READ and value not in ({}, []):
            warnings.dropped(name)
    memo = Memo(
        context,
        stream=stream,
        names=names.restored,
        stop_sequences=stops,
        json_object=bool(note),
        facts={"web_search": any(isinstance(tool, WebSearch) for tool in tools)},
    )
    return Translated(msgspec.json.encode(request), memo, warnings.codes)


def count_body(fields: dict[str, msgspec.Raw], context: Context) -> bytes:
    """The body for `input_tokens` of the translated request."""
    translated = translate_request({"max_tokens": msgspec.Raw(b"16"), **fields}, context)
    request: dict[str, Any] = msgspec.json.decode(translated.body)
    return msgspec.json.encode({name: request[name] for name in _COUNTED if name in request})


def _input(
    decoded: dict[str, Any], names: ToolNames, note: str, context: Context, warnings: Warnings
) -> ResponsesInput:
    prompt = ResponsesInput(context, names, warnings)
    prompt.system(decoded.get("system"), note=note)
    messages = a_list(decoded.get("messages"), "messages")
    for n, message in enumerate(messages):
        prompt.message(an_object(message, f"messages.{n}"), f"messages.{n}")
    if messages and messages[-1]["role"] == "assistant":
        field = f"messages.{len(messages) - 1}"
        raise Unsupported("Prefilling assistant messages is not supported for this model.", field=field)
    return prompt


def _limit(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    """`max_output_tokens`. A limit of 0 asks for a warm cache and no answer: `_cache_options` says so instead."""
    limit = openai_limit(decoded, context, warnings)
    if limit == 0:
        if not takes_breakpoints(context):
            raise Unsupported("max_tokens: must be at least 1 for this model", field="max_tokens")
        return {}
    if limit < MIN_OUTPUT_TOKENS:
        warnings.clamped("max_tokens")
    return {"max_output_tokens": max(MIN_OUTPUT_TOKENS, limit)}


def _tool_members(decoded: dict[str, Any], tools: Tools, names: ToolNames, warnings: Warnings) -> dict[str, Any]:
    """`tools` and everything that only goes with tools."""
    sent: list[dict[str, Any]] = []
    declared: list[str] = []
    members: dict[str, Any] = {}
    for position, tool in enumerate(tools):
        if isinstance(tool, Function):
            sent.append(_function(tool, f"tools.{position}", warnings))
            declared.append(tool.name)
        else:
            sent.append(_web_search(tool, warnings))
            declared.append(str(tool.members.get("name")))
            if tool.members.get("max_uses") is not None:
                # The nearest there is: a limit on everything that runs at the provider.
                warnings.emulated(f"{tool.path}.max_uses")
                members["max_tool_calls"] = tool.members["max_uses"]
    if not sent:
        return {}
    choice, parallel = openai_tool_choice(decoded, names, declared)
    if choice is not None:
        members["tool_choice"] = _choice(choice, sent, declared)
    if parallel is not None:
        members["parallel_tool_calls"] = parallel
    return {"tools": sent, **members}


def _choice(choice: str, sent: list[dict[str, Any]], declared: list[str]) -> Any:
    name = choice.removeprefix("name:")
    if name == choice:
        return choice
    kind = sent[declared.index(name)]["type"]
    return {"type": kind, "name": name} if kind == "function" else {"type": kind}


def _function(tool: Function, path: str, warnings: Warnings) -> dict[str, Any]:
    """OpenAI takes a function for strict where nothing is said of it, so something always is."""
    strict = strict_for_openai(tool, path, warnings) or False
    described = {"description": tool.description} if tool.description else {}
    return {"type": "function", "name": tool.name, **described, "parameters": tool.parameters, "strict": strict}


def _web_search(search: WebSearch, warnings: Warnings) -> dict[str, Any]:
    members, path = search.members, search.path
    sent: dict[str, Any] = {"type": "web_search"}
    if members.get("allowed_domains"):
        sent["filters"] = {"allowed_domains": a_list(members["allowed_domains"], f"{path}.allowed_domains")}
    if members.get("blocked_domains"):
        warnings.dropped(f"{path}.blocked_domains")
    if members.get("user_location"):
        sent["user_location"] = an_object(members["user_location"], f"{path}.user_location")
    return sent


def _reasoning(decoded: dict[str, Any], effort: str | None, context: Context) -> dict[str, Any]:
    """`reasoning`: how much, and a summary where the client wants to read the thinking."""
    thinking = decoded.get("thinking") or {}
    shown = thinking.get("display") == "summarized" and bool(context.model.capabilities.efforts)
    found = {**({"effort": effort} if effort else {}), **({"summary": "auto"} if shown else {})}
    return {"reasoning": found} if found else {}


def _include(context: Context, tools: Tools) -> list[str]:
    """Models that do not reason refuse to be asked for encrypted reasoning."""
    reasoning = [_ENCRYPTED] if context.model.capabilities.efforts else []
    return reasoning + ([_SOURCES] if any(isinstance(tool, WebSearch) for tool in tools) else [])


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "name": "output", "schema": schema, "strict": fits_openai_strict(schema)}


def _cache_options(decoded: dict[str, Any], context: Context, *, marked: bool) -> dict[str, Any]:
    found = cache_options(decoded, context, marked=marked).get("prompt_cache_options", {})
    if decoded.get("max_tokens") == 0:
        found = {**found, "prewarm": True}
    return {"prompt_cache_options": found} if found else {}
