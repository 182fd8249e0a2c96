"""A Responses request as a Chat request."""

from typing import Any

import msgspec

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context, Memo, Translated
from gateway.translate.openai_pairs import (
    effort_asked,
    identity,
    output_limit,
    refuse,
    sampling,
    schema_in_words,
    tier_asked,
    warn_of_the_rest,
)
from gateway.translate.reading import a_list, a_text, an_object, decode_fields, kind_of
from gateway.translate.responses_chat_items import ItemMessages, ItemNames
from gateway.translate.responses_chat_tools import ResponsesTools
from gateway.translate.responses_out import echoed_members
from gateway.translate.warnings import Warnings

NAMESPACES = "namespaces"
"""In `Memo.facts`: flat name of a tool -> its namespace and its name there."""

_ENCRYPTED = "reasoning.encrypted_content"
_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
_READ = frozenset(
    (
        "model", "input", "instructions", "previous_response_id", "max_output_tokens", "temperature", "top_p", "stream",
        "stream_options", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "include", "store",
        "metadata", "service_tier", "safety_identifier", "user", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "client_metadata", "background", "conversation", "prompt", "context_management",
        "access_programs", "moderation", "image", "top_logprobs",
    )
)  # fmt: skip
_HARMLESS = {"truncation": "disabled"}
_ELSEWHERE = ("background", "conversation", "prompt", "context_management", "access_programs", "moderation", "image")
"""What is kept or run at OpenAI."""


def translate_request(fields: dict[str, msgspec.Raw], context: Context) -> Translated:
    """The Chat request. What `previous_response_id` names is in `context.history`. Raises BadRequest."""
    decoded = decode_fields(fields)
    warnings = Warnings(context.policy)
    refuse(decoded, *_ELSEWHERE, "top_logprobs")
    if decoded.get("previous_response_id") and not context.history:
        raise Unsupported("previous_response_id: nothing is stored for this model", field="previous_response_id")
    include = _included(decoded)
    stream = decoded.get("stream") is True
    # A Chat stream has no shape for freeform calls, not even OpenAI's own.
    names = ItemNames(wrap=stream or context.flavour != "openai")
    tools = ResponsesTools(decoded, names, context, warnings)
    choice = tools.choice()
    form, note = _format(decoded, context, warnings)
    effort = _effort(decoded, tools, context, warnings)
    optional = {
        "tools": tools.tools or None,
        "tool_choice": choice,
        "parallel_tool_calls": tools.parallel(),
        "web_search_options": tools.search,
        "response_format": form,
        "verbosity": _verbosity(decoded, context, warnings),
        "reasoning_effort": effort,
    }
    request: dict[str, Any] = {
        "model": context.upstream_model,
        **{name: value for name, value in optional.items() if value is not None},
        "messages": _messages(decoded, note, names, context, warnings),
        **_limit(decoded, context, warnings),
        **sampling(decoded, effort, context, warnings),
        **_identity(decoded, context, warnings),
        **tier_asked(decoded, context, warnings, known=_TIERS),
        **_stream_members(context, stream=stream),
    }
    warn_of_the_rest(decoded, _READ, _HARMLESS, warnings)
    memo = Memo(
        context,
        stream=stream,
        include_encrypted=_ENCRYPTED in include or decoded.get("store") is False,
        names=names.legal.restored,
        custom_tools=frozenset(tools.custom),
        json_object=bool(note),
        echo=echoed_members(decoded),
        facts={NAMESPACES: names.namespaces},
    )
    return Translated(msgspec.json.encode(request), memo, warnings.codes)


def count_body(fields: dict[str, msgspec.Raw], context: Context) -> bytes:
    """The translated request, of which an estimate can be made: Chat has no token count of its own."""
    return translate_request(fields, context).body


def _included(decoded: dict[str, Any]) -> list[Any]:
    """`include`. Of what it can ask for Chat has only the reasoning; probabilities would be missed, the rest is not
    there to be included."""
    include = a_list(decoded.get("include", []), "include")
    if "message.output_text.logprobs" in include:
        raise Unsupported("include: message.output_text.logprobs is not supported by this model", field="include")
    return include


def _messages(
    decoded: dict[str, Any], note: str, names: ItemNames, context: Context, warnings: Warnings
) -> list[dict[str, Any]]:
    """Instructions first, then what was said before, then what is said now."""
    messages = ItemMessages(names, context, warnings)
    instructions = decoded.get("instructions")
    if isinstance(instructions, list):
        for position, item in enumerate(instructions):
            messages.item(an_object(item, f"instructions[{position}]"), f"instructions[{position}]")
    elif instructions is not None and a_text(instructions, "instructions"):
        messages.told(instructions)
    if note:
        messages.told(note)
    for position, item in enumerate(context.history):
        messages.item(item, f"previous_response_id[{position}]")
    asked = decoded.get("input", [])
    if isinstance(asked, str):
        messages.item({"type": "message", "role": "user", "content": asked}, "input")
    else:
        for position, item in enumerate(a_list(asked, "input")):
            messages.item(an_object(item, f"input[{position}]"), f"input[{position}]")
    found = messages.finish()
    if not found:
        raise BadRequest("input: there is nothing to answer", field="input")
    return found


def _limit(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, int]:
    limit = output_limit(decoded, "max_output_tokens", context, warnings, least=1)
    own = "max_completion_tokens" if context.flavour == "openai" else "max_tokens"
    return {} if limit is None else {context.options.limit_field or own: limit}


def _effort(decoded: dict[str, Any], tools: ResponsesTools, context: Context, warnings: Warnings) -> str | None:
    """The effort. Some models call tools over Chat only while they do not reason, and say no to a default that does."""
    reasoning = an_object(decoded.get("reasoning", {}), "reasoning")
    for name, usual in (("mode", "standard"), ("context", "auto")):
        if reasoning.get(name) not in (None, usual):
            warnings.dropped(f"reasoning.{name}")
    effort = effort_asked(reasoning.get("effort"), "reasoning.effort", context, warnings)
    can = context.model.capabilities
    if not tools.tools or can.chat_tools_with_reasoning or effort == "none":
        return effort
    if effort is None and can.default_effort == "none":
        return None
    if "none" not in can.efforts:
        raise Unsupported("tools: this model takes no tools over Chat Completions", field="tools")
    warnings.clamped("reasoning.effort")
    return "none"


def _format(decoded: dict[str, Any], context: Context, warnings: Warnings) -> tuple[dict[str, Any] | None, str]:
    """`response_format`, and the instruction that stands for a schema where none is enforced."""
    asked = an_object(decoded.get("text", {}), "text").get("format")
    if asked is None:
        return None, ""
    kind = kind_of(an_object(asked, "text.format"), "text.format")
    if kind != "json_schema":
        return (None if kind == "text" else {"type": kind}), ""
    if not context.model.capabilities.structured_output:
        return None, schema_in_words(asked.get("schema"), "text.format.schema", context, warnings)
    held = {name: value for name, value in asked.items() if name != "type" and value is not None}
    return {"type": kind, "json_schema": {"name": "output", **held}}, ""


def _verbosity(decoded: dict[str, Any], context: Context, warnings: Warnings) -> str | None:
    verbosity = an_object(decoded.get("text", {}), "text").get("verbosity")
    if verbosity is None or context.flavour == "openai":
        return None if verbosity is None else a_text(verbosity, "text.verbosity")
    if verbosity != "medium":
        warnings.dropped("text.verbosity")
    return None


def _identity(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    """Who the user is and how to cache. Chat can neither warm a cache nor tell how well it was used."""
    found = identity(decoded, context, warnings)
    options = found.get("prompt_cache_options")
    if not isinstance(options, dict):
        return found
    if options.get("prewarm"):
        raise Unsupported("prompt_cache_options.prewarm is not supported by this model", field="prompt_cache_options")
    if options.get("comparison_response_id"):
        warnings.dropped("prompt_cache_options.comparison_response_id")
    kept = {name: value for name, value in options.items() if name not in ("prewarm", "comparison_response_id")}
    return {**found, "prompt_cache_options": kept}


def _stream_members(context: Context, *, stream: bool) -> dict[str, Any]:
    if not stream:
        return {}
    options = {"stream_options": {"include_usage": True}} if context.options.include_usage else {}
    return {"stream": True, **options}
