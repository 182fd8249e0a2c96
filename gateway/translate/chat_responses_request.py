"""A Chat request as a Responses request."""

from typing import Any

import msgspec

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context, Memo, Translated
from gateway.translate.chat_responses_input import ChatItems
from gateway.translate.ids import ToolNames
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
from gateway.translate.reading import (
    a_flag,
    a_list,
    a_text,
    an_object,
    decode_fields,
    kind_of,
    member,
    optional_text,
    text_member,
)
from gateway.translate.schemas import object_schema
from gateway.translate.toolcalls import WRAPPER_SCHEMA, wrapper_description
from gateway.translate.warnings import Warnings

MIN_OUTPUT_TOKENS = 16
"""The least OpenAI takes for `max_output_tokens` (measured)."""

_ENCRYPTED = "reasoning.encrypted_content"
_TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
_READ = frozenset(
    (
        "model", "messages", "max_completion_tokens", "max_tokens", "temperature", "top_p", "stop", "stream",
        "stream_options", "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls",
        "response_format", "verbosity", "reasoning_effort", "user", "safety_identifier", "service_tier", "store",
        "metadata", "web_search_options", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "n",
        "logprobs", "top_logprobs", "logit_bias", "modalities", "audio", "moderation",
    )
)  # fmt: skip
_HARMLESS = {"frequency_penalty": 0, "presence_penalty": 0}
_COUNTED = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")


def translate_request(fields: dict[str, msgspec.Raw], context: Context) -> Translated:
    """The Responses request. Raises BadRequest."""
    decoded = decode_fields(fields)
    warnings = Warnings(context.policy)
    _refuse_what_changes_the_answer(decoded)
    names = ToolNames()
    tools = _Tools(decoded, names, context, warnings)
    stream = decoded.get("stream") is True
    reject_custom = context.options.custom_tool_stream == "reject" and not warnings.lenient
    if stream and tools.custom and reject_custom:
        raise Unsupported("tools: custom tools cannot be streamed in this API", field="tools")
    text, note = _text(decoded, context, warnings)
    items = ChatItems(names, context, warnings, wrap=tools.wrap)
    if note:
        items.told(note)
    for position, message in enumerate(a_list(decoded.get("messages"), "messages")):
        items.message(an_object(message, f"messages.{position}"), f"messages.{position}")
    effort = effort_asked(decoded.get("reasoning_effort"), "reasoning_effort", context, warnings)
    optional = {
        "tools": tools.tools,
        "tool_choice": tools.choice(),
        "parallel_tool_calls": tools.parallel(),
        "text": text,
        "reasoning": _reasoning(effort, context),
        "include": _include(tools, context),
    }
    request: dict[str, Any] = {
        "model": context.upstream_model,
        "store": _store(decoded, context, warnings),
        **{name: value for name, value in optional.items() if value not in (None, [], {})},
        "input": items.finish(),
        **_limit(decoded, context, warnings),
        **sampling(decoded, effort, context, warnings),
        **identity(decoded, context, warnings),
        **tier_asked(decoded, context, warnings, known=_TIERS),
        **({"metadata": decoded["metadata"]} if decoded.get("metadata") else {}),
        **({"stream": True} if stream else {}),
    }
    stops = _stops(decoded, warnings)
    warn_of_the_rest(decoded, _READ, _HARMLESS, warnings)
    options = decoded.get("stream_options")
    memo = Memo(
        context,
        stream=stream,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        names=names.restored,
        custom_tools=frozenset(tools.custom if tools.wrap else ()),
        stop_sequences=stops,
        json_object=bool(note),
    )
    return Translated(msgspec.json.encode(request), memo, warnings.codes)


def count_body(fields: dict[str, msgspec.Raw], context: Context) -> bytes:
    """The body for `input_tokens` of the translated request."""
    request: dict[str, Any] = msgspec.json.decode(translate_request(fields, context).body)
    return msgspec.json.encode({name: request[name] for name in _COUNTED if name in request})


def _refuse_what_changes_the_answer(decoded: dict[str, Any]) -> None:
    """Answering with less than was asked for would be read as the whole."""
    if decoded.get("n", 1) != 1:
        raise Unsupported("n must be 1 for this model", field="n")
    refuse(decoded, "logprobs", "top_logprobs", "logit_bias", "audio", "moderation")
    if any(kind != "text" for kind in a_list(decoded.get("modalities", []), "modalities")):
        raise Unsupported("modalities: this model writes nothing but text", field="modalities")


def _limit(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, int]:
    old = "max_tokens" in decoded and "max_completion_tokens" not in decoded
    name = "max_tokens" if old else "max_completion_tokens"
    limit = output_limit(decoded, name, context, warnings, least=MIN_OUTPUT_TOKENS)
    return {} if limit is None else {"max_output_tokens": limit}


def _store(decoded: dict[str, Any], context: Context, warnings: Warnings) -> bool:
    """Chat stores nothing unless it is asked to, Responses everything."""
    wanted = decoded.get("store") is True
    if wanted and context.flavour != "openai":
        warnings.dropped("store")
        return False
    return wanted


def _reasoning(effort: str | None, context: Context) -> dict[str, Any]:
    found = {} if effort is None else {"effort": effort}
    shown = context.options.reasoning_field != "none" and context.model.capabilities.efforts and effort != "none"
    return {**found, "summary": "auto"} if shown else found


def _include(tools: "_Tools", context: Context) -> list[str]:
    """Reasoning that led to a call has to come back with its result, and the client has nowhere to keep it."""
    reasons = context.flavour == "openai" and bool(context.model.capabilities.efforts)
    return [_ENCRYPTED] if tools.tools and reasons and context.options.remember_reasoning else []


def _text(decoded: dict[str, Any], context: Context, warnings: Warnings) -> tuple[dict[str, Any], str]:
    """The member `text`, and the instruction that stands for a schema where none is enforced."""
    verbosity = decoded.get("verbosity")
    text: dict[str, Any] = {}
    if verbosity is not None and context.flavour == "openai":
        text["verbosity"] = a_text(verbosity, "verbosity")
    elif verbosity not in (None, "medium"):
        warnings.dropped("verbosity")
    asked = decoded.get("response_format")
    if asked is None:
        return text, ""
    kind = kind_of(an_object(asked, "response_format"), "response_format")
    if kind != "json_schema":
        return {"format": {"type": kind}, **text} if kind != "text" else text, ""
    path = "response_format.json_schema"
    held = an_object(member(asked, "json_schema", "response_format"), path)
    if not context.model.capabilities.structured_output:
        return text, schema_in_words(held.get("schema"), f"{path}.schema", context, warnings)
    schema = {"schema": {"type": "object"}, **held}
    return {"format": {"type": "json_schema", **schema}, **text}, ""


def _stops(decoded: dict[str, Any], warnings: Warnings) -> tuple[str, ...]:
    """Stop sequences, which Responses has no field for: the gateway watches for them."""
    found = decoded.get("stop", [])
    stops = [found] if isinstance(found, str) else [a_text(stop, "stop") for stop in a_list(found, "stop")]
    if any(stops):
        warnings.emulated("stop")
    return tuple(stop for stop in stops if stop)


class _Tools:
    """The tools of a Chat request, flat as Responses has them, and the choice among them.

    `custom` are the names of freeform tools. Compatible servers know none: there, `wrap`, they go out as functions.
    """

    def __init__(self, decoded: dict[str, Any], names: ToolNames, context: Context, warnings: Warnings) -> None:
        self.tools: list[dict[str, Any]] = []
        self.custom: set[str] = set()
        self.wrap = context.flavour != "openai"
        self._decoded = decoded
        self._names = names
        self._context = context
        self._warnings = warnings
        for position, tool in enumerate(a_list(decoded.get("tools", []), "tools")):
            self._tool(an_object(tool, f"tools.{position}"), f"tools.{position}")
        for position, function in enumerate(a_list(decoded.get("functions", []), "functions")):
            self._function(an_object(function, f"functions.{position}"), f"functions.{position}")
        if "web_search_options" in decoded:
            self._web_search(an_object(decoded["web_search_options"], "web_search_options"))

    def choice(self) -> Any:
        """`tool_choice`; None: leave it out."""
        choice = self._decoded.get("tool_choice", self._decoded.get("function_call"))
        if not self.tools or choice is None:
            return None
        if isinstance(choice, str):
            if choice not in ("auto", "none", "required"):
                raise BadRequest(f"tool_choice: {choice!r} is not one of auto, none and required", field="tool_choice")
            return choice
        if "tool_choice" not in self._decoded:
            choice = {"type": "function", "function": choice}
        kind = kind_of(an_object(choice, "tool_choice"), "tool_choice")
        if kind != "allowed_tools":
            return self._named(choice, "tool_choice")
        path = "tool_choice.allowed_tools"
        allowed = an_object(member(choice, kind, "tool_choice"), path)
        listed = a_list(member(allowed, "tools", path), f"{path}.tools")
        tools = [
            self._named(an_object(tool, f"{path}.tools.{n}"), f"{path}.tools.{n}") for n, tool in enumerate(listed)
        ]
        return {"type": "allowed_tools", "mode": allowed.get("mode", "auto"), "tools": tools}

    def parallel(self) -> bool | None:
        """`parallel_tool_calls`, which is refused where there are no tools."""
        found = self._decoded.get("parallel_tool_calls")
        return None if found is None or not self.tools else a_flag(found, "parallel_tool_calls")

    def _named(self, tool: dict[str, Any], path: str) -> dict[str, Any]:
        kind = kind_of(tool, path)
        if kind not in ("function", "custom"):
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")
        held = an_object(tool.get(kind, tool), f"{path}.{kind}")
        name = self._names.upstream(text_member(held, "name", f"{path}.{kind}"))
        return {"type": "function" if self.wrap else kind, "name": name}

    def _tool(self, tool: dict[str, Any], path: str) -> None:
        kind = kind_of(tool, path)
        if kind == "function":
            self._function(an_object(member(tool, "function", path), f"{path}.function"), f"{path}.function")
        elif kind == "custom":
            self._freeform(an_object(member(tool, "custom", path), f"{path}.custom"), path)
        else:
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _function(self, function: dict[str, Any], path: str) -> None:
        """A function. `strict` is said in any case: it is off in Chat where it is not said, and on in Responses."""
        parameters = function.get("parameters")
        self.tools.append(
            {
                "type": "function",
                "name": self._names.upstream(text_member(function, "name", path)),
                **_described(optional_text(function, "description", path)),
                "parameters": object_schema(None) if parameters is None else an_object(parameters, path),
                "strict": function.get("strict") is True,
            }
        )

    def _freeform(self, custom: dict[str, Any], path: str) -> None:
        name = text_member(custom, "name", f"{path}.custom")
        description = optional_text(custom, "description", f"{path}.custom")
        form = custom.get("format")
        grammar = form.get("grammar") if isinstance(form, dict) else None
        self.custom.add(name)
        made = {"name": self._names.upstream(name)}
        if not self.wrap:
            told = {"type": "grammar", **grammar} if isinstance(grammar, dict) else form
            self.tools.append(
                {"type": "custom", **made, **_described(description), **({"format": told} if told else {})}
            )
            return
        self._warnings.emulated(f"{path}(custom)")
        if grammar is not None:
            self._warnings.dropped(f"{path}.custom.format.grammar")
        told = wrapper_description(description, grammar)
        function = {"type": "function", **made, **_described(told)}
        self.tools.append({**function, "parameters": WRAPPER_SCHEMA, "strict": False})

    def _web_search(self, search: dict[str, Any]) -> None:
        """OpenAI's search: in Chat a member of the request, in Responses a tool."""
        if self._context.flavour != "openai":
            if not self._warnings.lenient:
                raise Unsupported("web_search_options: there is no web search here", field="web_search_options")
            self._warnings.dropped("web_search_options")
            return
        tool: dict[str, Any] = {"type": "web_search"}
        if search.get("search_context_size") is not None:
            tool["search_context_size"] = search["search_context_size"]
        location = search.get("user_location")
        approximate = location.get("approximate") if isinstance(location, dict) else None
        if isinstance(approximate, dict):
            tool["user_location"] = {"type": "approximate", **approximate}
        self.tools.append(tool)


def _described(description: str | None) -> dict[str, str]:
    return {} if not description else {"description": description}
