"""A Responses request as a Messages request."""

import re
from typing import Any

import msgspec

from gateway.errors import BadRequest, Unsupported
from gateway.translate.added_tools import declared_tools
from gateway.translate.base import Blocks, Context, Memo, Translated
from gateway.translate.claude_request import (
    auto_cache,
    claude_format,
    claude_max_tokens,
    claude_sampling,
    claude_tier_asked,
    claude_tool_choice,
    claude_user,
    count_request,
    json_object_note,
    limit_markers,
    settle_thinking,
)
from gateway.translate.effort import ClaudeThinking, claude_thinking
from gateway.translate.reading import a_flag, a_list, a_number, an_object, decode_fields, kind_of, optional_text
from gateway.translate.responses_messages_input import History, read_input
from gateway.translate.responses_messages_tools import ResponsesTools
from gateway.translate.responses_out import echoed_members
from gateway.translate.warnings import Warnings

_ELSEWHERE = (
    "conversation",
    "background",
    "prompt",
    "context_management",
    "access_programs",
    "moderation",
    "image",
    "top_logprobs",
)
"""Members that only OpenAI can honour, and without which the answer would be another one."""
_READ = frozenset(
    (
        "model", "input", "instructions", "previous_response_id", "max_output_tokens", "temperature", "top_p", "tools",
        "tool_choice", "parallel_tool_calls", "text", "reasoning", "include", "prompt_cache_key",
        "prompt_cache_options", "store", "stream", "stream_options", "service_tier", "safety_identifier", "user",
        "truncation", "client_metadata", *_ELSEWHERE,
    )
)  # fmt: skip
"""`client_metadata` is what Codex tells of itself; the other members without a word below ask for nothing here."""
_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_PLACE = re.compile(r"\.(\d+)")
_PATH = re.compile(r"\b(?:input|tools|tool_choice|previous_response_id)(?:\.\w+)+")


def translate_request(fields: dict[str, msgspec.Raw], context: Context) -> Translated:
    """The Messages request, its members in the order Claude's caches read them. Raises BadRequest."""
    try:
        return _translate(decode_fields(fields), context)
    except BadRequest as refusal:
        raise _in_brackets(refusal) from None


def count_body(fields: dict[str, msgspec.Raw], context: Context) -> bytes:
    """The body for `count_tokens` of the translated request."""
    request: dict[str, Any] = msgspec.json.decode(translate_request(fields, context).body)
    return msgspec.json.encode(count_request(request))


def _translate(decoded: dict[str, Any], context: Context) -> Translated:
    warnings = Warnings(context.policy)
    _refuse_what_changes_the_answer(decoded, context)
    tools = ResponsesTools(context, warnings)
    tools.read(declared_tools(decoded, context.history))
    history = read_input(decoded, tools.claude, context, warnings)
    system, messages = history.conversation.finish()
    output_config = _output_config(decoded, context, warnings, system)
    choice = tools.choice(decoded.get("tool_choice"))
    if tools.claude.stub(history.called, "tools"):
        choice = {"type": "none"}
    choice = claude_tool_choice(choice, tools.claude, context, warnings, parallel=_parallel(decoded))
    tools.claude.settle_strict()
    request: dict[str, Any] = {"model": context.upstream_model, "max_tokens": _max_tokens(decoded, context, warnings)}
    optional = {
        "tools": tools.claude.tools,
        "tool_choice": choice,
        "system": system,
        "messages": messages,
        "output_config": output_config,
        "metadata": claude_user(decoded),
        "service_tier": claude_tier_asked(decoded.get("service_tier"), warnings),
        "stream": decoded.get("stream") is True,
    }
    request |= {name: value for name, value in optional.items() if value}
    request |= _sampling(decoded, context, warnings)
    settle_thinking(request, _thinking(decoded, request, history, context, warnings), warnings, path="reasoning.effort")
    limit_markers(request)
    auto_cache(request, context)
    _warn_of_the_rest(decoded, warnings)
    return Translated(msgspec.json.encode(request), _memo(decoded, request, tools, context), warnings.codes)


def _memo(decoded: dict[str, Any], request: dict[str, Any], tools: ResponsesTools, context: Context) -> Memo:
    return Memo(
        context,
        stream=decoded.get("stream") is True,
        include_encrypted=_ENCRYPTED in decoded.get("include", ()) or decoded.get("store") is False,
        names=tools.claude.names.restored,
        custom_tools=frozenset(tools.claude.custom),
        json_object=_format_kind(decoded) == "json_object",
        echo=echoed_members(decoded),
        request=request if tools.searches else {},
        facts={"namespaces": tools.namespaces},
    )


def _refuse_what_changes_the_answer(decoded: dict[str, Any], context: Context) -> None:
    for name in _ELSEWHERE:
        if decoded.get(name):
            raise Unsupported(f"{name} is not supported by {context.asked_model}", field=name)
    if decoded.get("previous_response_id") and not context.history:
        raise Unsupported("previous_response_id: nothing is stored for this model", field="previous_response_id")
    if _LOGPROBS in a_list(decoded.get("include", []), "include"):
        raise Unsupported(f"include: {_LOGPROBS} is not supported by {context.asked_model}", field="include")


def _max_tokens(decoded: dict[str, Any], context: Context, warnings: Warnings) -> int:
    """`max_tokens`. Warming the cache without an answer is what a limit of 0 means to Claude."""
    named = decoded.get("max_output_tokens")
    if named is not None and (isinstance(named, bool) or not isinstance(named, int)):
        raise BadRequest("max_output_tokens: must be a whole number", field="max_output_tokens")
    options = decoded.get("prompt_cache_options")
    if isinstance(options, dict) and options.get("prewarm") is True:
        return 0
    return claude_max_tokens(named, context, warnings, "max_output_tokens")


def _sampling(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    for name in ("temperature", "top_p"):
        if name in decoded:
            a_number(decoded[name], name)
    return claude_sampling(decoded, context, warnings)


def _parallel(decoded: dict[str, Any]) -> bool | None:
    found = decoded.get("parallel_tool_calls")
    return None if found is None else a_flag(found, "parallel_tool_calls")


def _text(decoded: dict[str, Any]) -> dict[str, Any]:
    return an_object(decoded.get("text", {}), "text")


def _format_kind(decoded: dict[str, Any]) -> str:
    found = _text(decoded).get("format")
    return "text" if found is None else kind_of(an_object(found, "text.format"), "text.format")


def _output_config(
    decoded: dict[str, Any], context: Context, warnings: Warnings, system: Blocks
) -> dict[str, Any] | None:
    if _text(decoded).get("verbosity") not in (None, "medium"):
        warnings.dropped("text.verbosity")
    kind = _format_kind(decoded)
    if kind == "text":
        return None
    if kind == "json_object":
        system.append(json_object_note("text.format", warnings))
        return None
    if kind != "json_schema":
        raise Unsupported(f"text.format: type {kind!r} is not supported", field="text.format.type")
    return {"format": claude_format(decoded["text"]["format"].get("schema"), context, warnings, "text.format.schema")}


def _thinking(
    decoded: dict[str, Any], request: dict[str, Any], history: History, context: Context, warnings: Warnings
) -> ClaudeThinking:
    reasoning = an_object(decoded.get("reasoning", {}), "reasoning")
    level = optional_text(reasoning, "effort", "reasoning")
    shown = any(reasoning.get(name) not in (None, "none") for name in ("summary", "generate_summary"))
    for name, default in (("context", "auto"), ("mode", "standard")):
        if reasoning.get(name) not in (None, default):
            warnings.dropped(f"reasoning.{name}")
    found = claude_thinking(
        level,
        context.model.capabilities,
        request["max_tokens"],
        warnings,
        path="reasoning.effort",
        show=shown,
    )
    if found.is_manual and history.loop_without_thinking:
        # Manual thinking wants a tool loop to begin with its thinking, and this one's did not come back.
        warnings.dropped("reasoning.effort")
        return ClaudeThinking()
    return found


def _warn_of_the_rest(decoded: dict[str, Any], warnings: Warnings) -> None:
    """Members without a counterpart that say something."""
    for name, value in decoded.items():
        if name not in _READ and value not in ({}, []):
            warnings.dropped(name)
    if decoded.get("truncation") == "auto":
        warnings.dropped("truncation")
    options = decoded.get("prompt_cache_options")
    if isinstance(options, dict) and options.get("comparison_response_id"):
        warnings.dropped("prompt_cache_options.comparison_response_id")


def _in_brackets(refusal: BadRequest) -> BadRequest:
    """The refusal with its paths as the Responses API writes them: `tools[0].type`."""
    message = _PATH.sub(lambda found: _PLACE.sub(r"[\1]", found.group()), refusal.message)
    field = None if refusal.field is None else _PLACE.sub(r"[\1]", refusal.field)
    return type(refusal)(message, field=field, details=refusal.details)
