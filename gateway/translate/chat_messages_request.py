"""A Chat request as a Messages request."""

from typing import Any

import msgspec

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context, Memo, Translated
from gateway.translate.chat_messages_turns import read_messages
from gateway.translate.claude_request import (
    ClaudeTools,
    auto_cache,
    claude_format,
    claude_max_tokens,
    claude_sampling,
    claude_tier_asked,
    claude_tool_choice,
    claude_user,
    count_request,
    enforces_schemas,
    json_object_note,
    limit_markers,
    settle_thinking,
)
from gateway.translate.effort import ClaudeThinking, claude_thinking
from gateway.translate.messages_client import schema_note
from gateway.translate.reading import (
    a_flag,
    a_list,
    a_number,
    a_text,
    an_object,
    decode_fields,
    kind_of,
    member,
    optional_text,
    text_member,
)
from gateway.translate.warnings import Warnings

_READ = frozenset(
    (
        "model", "messages", "max_completion_tokens", "max_tokens", "temperature", "top_p", "top_k", "stop", "stream",
        "stream_options", "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls",
        "response_format", "reasoning_effort", "user", "safety_identifier", "service_tier", "web_search_options",
        "prompt_cache_key", "prompt_cache_options", "n", "logprobs", "top_logprobs", "logit_bias", "modalities",
        "audio", "moderation",
    )
)  # fmt: skip
_HARMLESS: dict[str, tuple[Any, ...]] = {"frequency_penalty": (0,), "presence_penalty": (0,), "store": (False,)}
"""Values of members without a counterpart that ask for nothing."""


def translate_request(fields: dict[str, msgspec.Raw], context: Context) -> Translated:
    """The Messages request, its members in the order Claude's caches read them. Raises BadRequest."""
    decoded = decode_fields(fields)
    warnings = Warnings(context.policy)
    _refuse_what_changes_the_answer(decoded)
    tools = _tools(decoded, context, warnings)
    history = read_messages(decoded, tools, context, warnings)
    system, messages = history.conversation.finish()
    output_config = _output_config(decoded, context, warnings, system)
    request: dict[str, Any] = {
        "model": context.upstream_model,
        "max_tokens": claude_max_tokens(_limit(decoded), context, warnings, _limit_name(decoded)),
    }
    choice = _tool_choice(decoded, tools, warnings)
    if tools.stub(history.called, "tools"):
        choice = {"type": "none"}
    choice = claude_tool_choice(choice, tools, context, warnings, parallel=_parallel(decoded))
    tools.settle_strict()
    optional = {
        "tools": tools.tools,
        "tool_choice": choice,
        "system": system,
        "messages": messages,
        "output_config": output_config,
        "stop_sequences": _stops(decoded, warnings),
        "metadata": claude_user(decoded),
        "service_tier": claude_tier_asked(decoded.get("service_tier"), warnings),
        "stream": decoded.get("stream") or None,
    }
    request |= {name: value for name, value in optional.items() if value}
    request |= _sampling(decoded, context, warnings)
    settle_thinking(request, _thinking(decoded, request, history.loop_without_thinking, context, warnings), warnings)
    limit_markers(request)
    auto_cache(request, context)
    _warn_of_the_rest(decoded, warnings)
    return Translated(msgspec.json.encode(request), _memo(decoded, request, tools, context), warnings.codes)


def count_body(fields: dict[str, msgspec.Raw], context: Context) -> bytes:
    """The body for `count_tokens` of the translated request."""
    request: dict[str, Any] = msgspec.json.decode(translate_request(fields, context).body)
    return msgspec.json.encode(count_request(request))


def _memo(decoded: dict[str, Any], request: dict[str, Any], tools: ClaudeTools, context: Context) -> Memo:
    options = decoded.get("stream_options")
    has_server_tools = any("input_schema" not in tool for tool in tools.tools)
    stream = bool(decoded.get("stream"))
    if stream and tools.custom and context.options.custom_tool_stream == "reject" and context.policy != "lenient":
        raise Unsupported("tools: custom tools cannot be streamed in this API", field="tools")
    return Memo(
        context,
        stream=stream,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        names=tools.names.restored,
        custom_tools=frozenset(tools.custom),
        json_object=_is_bare_json(decoded, request),
        request=request if has_server_tools else {},
    )


def _refuse_what_changes_the_answer(decoded: dict[str, Any]) -> None:
    """Answering with less than was asked for would be read as the whole."""
    if decoded.get("n", 1) != 1:
        raise Unsupported("n must be 1 for this model", field="n")
    for name in ("logprobs", "top_logprobs", "logit_bias", "audio"):
        if decoded.get(name):
            raise Unsupported(f"{name} is not supported by this model", field=name)
    if any(kind != "text" for kind in decoded.get("modalities") or ()):
        raise Unsupported("modalities: this model writes nothing but text", field="modalities")
    if "moderation" in decoded:
        raise Unsupported("moderation is not supported by this model", field="moderation")


def _limit(decoded: dict[str, Any]) -> int | None:
    found = decoded.get("max_completion_tokens", decoded.get("max_tokens"))
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise BadRequest(f"{_limit_name(decoded)}: must be a whole number", field=_limit_name(decoded))
    return found


def _limit_name(decoded: dict[str, Any]) -> str:
    return (
        "max_tokens" if "max_tokens" in decoded and "max_completion_tokens" not in decoded else "max_completion_tokens"
    )


def _tools(decoded: dict[str, Any], context: Context, warnings: Warnings) -> ClaudeTools:
    tools = ClaudeTools(warnings)
    for position, tool in enumerate(a_list(decoded.get("tools", []), "tools")):
        _tool(an_object(tool, f"tools.{position}"), tools, f"tools.{position}")
    for position, function in enumerate(a_list(decoded.get("functions", []), "functions")):
        _function(an_object(function, f"functions.{position}"), tools, f"functions.{position}")
    search = decoded.get("web_search_options")
    if search is not None:
        _web_search(an_object(search, "web_search_options"), tools, context, warnings)
    return tools


def _tool(tool: dict[str, Any], tools: ClaudeTools, path: str) -> None:
    kind = kind_of(tool, path)
    if kind == "function":
        _function(an_object(member(tool, "function", path), f"{path}.function"), tools, f"{path}.function")
    elif kind == "custom":
        custom = an_object(member(tool, "custom", path), f"{path}.custom")
        form = custom.get("format")
        grammar = form.get("grammar") if isinstance(form, dict) else None
        tools.freeform(
            text_member(custom, "name", f"{path}.custom"),
            optional_text(custom, "description", f"{path}.custom"),
            grammar,
            path=path,
            grammar_path=f"{path}.custom.format.grammar",
        )
    else:
        raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")


def _function(function: dict[str, Any], tools: ClaudeTools, path: str) -> None:
    tools.function(
        text_member(function, "name", path),
        optional_text(function, "description", path),
        function.get("parameters"),
        strict=function.get("strict") is True,
        path=path,
    )


def _web_search(search: dict[str, Any], tools: ClaudeTools, context: Context, warnings: Warnings) -> None:
    version = context.options.web_search
    if not version:
        if not warnings.lenient:
            raise Unsupported("web_search_options: there is no web search here", field="web_search_options")
        warnings.dropped("web_search_options")
        return
    location = search.get("user_location")
    approximate = location.get("approximate") if isinstance(location, dict) else None
    near = {"user_location": {"type": "approximate", **approximate}} if isinstance(approximate, dict) else {}
    if search.get("search_context_size", "medium") != "medium":
        warnings.dropped("web_search_options.search_context_size")
    tools.web_search(version, **near)


def _tool_choice(decoded: dict[str, Any], tools: ClaudeTools, warnings: Warnings) -> dict[str, Any] | None:
    """The choice in Claude's form. Where only some tools are allowed, the others are left out."""
    choice = decoded.get("tool_choice")
    if choice is None:
        choice = _old_choice(decoded.get("function_call"))
    if choice is None or isinstance(choice, str):
        return _named_choice(choice)
    kind = kind_of(an_object(choice, "tool_choice"), "tool_choice")
    if kind in ("function", "custom"):
        named = an_object(member(choice, kind, "tool_choice"), f"tool_choice.{kind}")
        name = tools.names.upstream(text_member(named, "name", f"tool_choice.{kind}"))
        return {"type": "tool", "name": name}
    if kind != "allowed_tools":
        raise Unsupported(f"tool_choice: type {kind!r} is not supported by this model", field="tool_choice.type")
    path = "tool_choice.allowed_tools"
    allowed = an_object(member(choice, "allowed_tools", "tool_choice"), path)
    names = [_allowed_name(tool, f"{path}.tools.{n}") for n, tool in enumerate(a_list(allowed.get("tools"), path))]
    tools.allow_only(names)
    warnings.emulated(path)
    return {"type": "any"} if allowed.get("mode") == "required" else {"type": "auto"}


def _old_choice(choice: Any) -> Any:
    """`function_call`, as it was before there were tools."""
    return {"type": "function", "function": choice} if isinstance(choice, dict) else choice


def _named_choice(choice: str | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    if choice not in kinds:
        raise BadRequest(f"tool_choice: {choice!r} is not one of auto, none and required", field="tool_choice")
    return {"type": kinds[choice]}


def _allowed_name(tool: Any, path: str) -> str:
    found = an_object(tool, path)
    held = found.get(kind_of(found, path), found)
    return text_member(an_object(held, path), "name", path)


def _parallel(decoded: dict[str, Any]) -> bool | None:
    found = decoded.get("parallel_tool_calls")
    return None if found is None else a_flag(found, "parallel_tool_calls")


def _format_kind(decoded: dict[str, Any]) -> str:
    found = decoded.get("response_format")
    return "text" if found is None else kind_of(an_object(found, "response_format"), "response_format")


def _is_bare_json(decoded: dict[str, Any], request: dict[str, Any]) -> bool:
    """Whether JSON was asked for in words only, so that it may come in a code fence."""
    return _format_kind(decoded) != "text" and "format" not in request.get("output_config", {})


def _output_config(
    decoded: dict[str, Any], context: Context, warnings: Warnings, system: list[dict[str, Any]]
) -> dict[str, Any] | None:
    kind = _format_kind(decoded)
    if kind == "text":
        return None
    if kind == "json_object":
        system.append(json_object_note("response_format", warnings))
        return None
    if kind != "json_schema":
        raise Unsupported(f"response_format: type {kind!r} is not supported", field="response_format.type")
    held = an_object(
        member(decoded["response_format"], "json_schema", "response_format"), "response_format.json_schema"
    )
    path = "response_format.json_schema.schema"
    schema = an_object(held.get("schema", {"type": "object"}), path)
    if not enforces_schemas(context, warnings, path):
        system.append({"type": "text", "text": schema_note(schema)})
        return None
    return {"format": claude_format(schema, context, warnings, path)}


def _sampling(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    for name in ("temperature", "top_p", "top_k"):
        if name in decoded:
            a_number(decoded[name], name)
    found = claude_sampling(decoded, context, warnings)
    if "top_k" in decoded:
        if context.model.capabilities.sampling:
            found["top_k"] = decoded["top_k"]
        else:
            warnings.dropped("top_k")
    return found


def _stops(decoded: dict[str, Any], warnings: Warnings) -> list[str]:
    found = decoded.get("stop", [])
    stops = [found] if isinstance(found, str) else [a_text(stop, "stop") for stop in a_list(found, "stop")]
    kept = [stop for stop in stops if stop.strip()]
    if len(kept) < len(stops):
        warnings.dropped("stop")
    return kept


def _thinking(
    decoded: dict[str, Any], request: dict[str, Any], loop_without_thinking: bool, context: Context, warnings: Warnings
) -> ClaudeThinking:
    level = decoded.get("reasoning_effort")
    if level is not None:
        a_text(level, "reasoning_effort")
    show = context.options.reasoning_field != "none"
    found = claude_thinking(level, context.model.capabilities, request["max_tokens"], warnings, show=show)
    if found.is_manual and loop_without_thinking:
        # Manual thinking wants a tool loop to begin with its thinking, and this one's is not remembered any more.
        warnings.dropped("reasoning_effort")
        return ClaudeThinking()
    return found


def _warn_of_the_rest(decoded: dict[str, Any], warnings: Warnings) -> None:
    for name, value in decoded.items():
        if name not in _READ and value not in _HARMLESS.get(name, ()) and value not in ({}, []):
            warnings.dropped(name)
