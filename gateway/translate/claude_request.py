"""What every request to Claude from an OpenAI client needs: limits, sampling, tools, thinking, cache markers.

The conversation itself is put together in `claude_turns`.
"""

from typing import Any

from gateway.errors import Unsupported
from gateway.translate.base import Blocks, Context
from gateway.translate.effort import ClaudeThinking
from gateway.translate.ids import ToolNames, opaque_user
from gateway.translate.reading import an_object
from gateway.translate.schemas import (
    MAX_OPTIONAL_MEMBERS,
    MAX_STRICT_TOOLS,
    MAX_UNIONS,
    enforceable,
    object_schema,
    strict_cost,
)
from gateway.translate.toolcalls import WRAPPER_SCHEMA, wrapper_description
from gateway.translate.warnings import Warnings

MAX_MARKERS = 4
_EPHEMERAL = {"type": "ephemeral"}
_JSON_ONLY = "Answer with exactly one JSON object. Write nothing before it, nothing after it and no code fence."


def claude_max_tokens(named: int | None, context: Context, warnings: Warnings, path: str) -> int:
    """`max_tokens`: the caller's, or the account's default; never more than the model writes or the call may cost."""
    if named == 0:
        raise Unsupported(f"{path}: must be at least 1", field=path)
    model_max = context.model.max_output_tokens or context.options.default_max_tokens
    wanted = context.options.default_max_tokens if named is None else named
    if named is not None and named > model_max and context.output_limit is None:
        warnings.clamped(path)
    limits = [wanted, model_max, *([] if context.output_limit is None else [context.output_limit])]
    return max(1, min(limits))


def claude_sampling(fields: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    """`temperature` and `top_p`, on models that take them: there they exclude each other, and 1 is the most."""
    found: dict[str, Any] = {}
    temperature = fields.get("temperature")
    top_p = fields.get("top_p")
    if not context.model.capabilities.sampling:
        for name, value in (("temperature", temperature), ("top_p", top_p)):
            if value is not None and value != 1:
                warnings.dropped(name)
        return {}
    if temperature is not None:
        found["temperature"] = min(temperature, 1)
        if temperature > 1:
            warnings.clamped("temperature")
        if top_p is not None and top_p != 1:
            warnings.dropped("top_p")
    elif top_p is not None:
        found["top_p"] = top_p
    return found


class ClaudeTools:
    """The `tools` of a Claude request, one client tool after another. `names` remembers renamings, `custom` the
    client's names of freeform tools."""

    def __init__(self, warnings: Warnings) -> None:
        self.tools: Blocks = []
        self.names = ToolNames()
        self.custom: set[str] = set()
        self._warnings = warnings
        self._strict: list[tuple[dict[str, Any], dict[str, Any], str]] = []

    def function(self, name: str, description: str | None, parameters: Any, *, strict: bool, path: str) -> None:
        """A function. A strict one has its schema brought into the subset Claude enforces, if that can be done."""
        schema = object_schema(parameters)
        tool: dict[str, Any] = {"name": self.names.upstream(name)}
        if description:
            tool["description"] = description
        tool["input_schema"] = schema
        if strict:
            closed, moved = enforceable(schema, f"{path}.parameters")
            if moved:
                self._warnings.emulated(f"{path}.parameters({','.join(moved)})")
            tool |= {"input_schema": closed, "strict": True}
            self._strict.append((tool, schema, path))
        self.tools.append(tool)

    def freeform(self, name: str, description: str | None, grammar: Any, *, path: str, grammar_path: str) -> None:
        """A freeform tool, as a function with one string."""
        self.custom.add(name)
        self._warnings.emulated(f"{path}(custom)")
        if grammar is not None:
            self._warnings.dropped(grammar_path)
        told = wrapper_description(description, grammar)
        tool: dict[str, Any] = {"name": self.names.upstream(name)}
        if told:
            tool["description"] = told
        self.tools.append({**tool, "input_schema": WRAPPER_SCHEMA})

    def web_search(self, version: str, **members: Any) -> None:
        """Claude's own web search."""
        self.tools.append({"type": version, "name": "web_search", **members})

    def stub(self, names: list[str], path: str) -> bool:
        """Definitions for tools that the history uses and the request does not declare; whether any were needed.

        Claude's servers refuse tool blocks in a request without tools.
        """
        if self.tools or not names:
            return False
        self._warnings.emulated(path)
        for name in dict.fromkeys(names):
            self.tools.append({"name": name, "input_schema": object_schema(None)})
        return True

    def allow_only(self, names: list[str]) -> None:
        """Leave only these tools (the client's names)."""
        kept = {self.names.upstream(name) for name in names}
        self.tools = [tool for tool in self.tools if tool["name"] in kept]

    def settle_strict(self) -> None:
        """Where the strict tools are more than Claude compiles, none of them is strict."""
        costs = [strict_cost(schema) for _, schema, _ in self._strict]
        optional, unions = (sum(cost[part] for cost in costs) for part in (0, 1))
        if len(costs) <= MAX_STRICT_TOOLS and optional <= MAX_OPTIONAL_MEMBERS and unions <= MAX_UNIONS:
            return
        for tool, schema, path in self._strict:
            self._warnings.dropped(f"{path}.strict")
            del tool["strict"]
            tool["input_schema"] = schema


def claude_tool_choice(
    choice: dict[str, Any] | None,
    tools: ClaudeTools,
    context: Context,
    warnings: Warnings,
    *,
    parallel: bool | None,
) -> dict[str, Any] | None:
    """`tool_choice` of a Claude request; None: leave it out. `choice` is Claude's own form already.

    A model that cannot be forced is not asked to be, unless the account or the tier says that asking nicely will do.
    """
    if not tools.tools:
        return None
    if choice is not None and choice["type"] in ("any", "tool") and not context.model.capabilities.forced_tools:
        if context.options.forced_tool_choice == "reject" and not warnings.lenient:
            raise Unsupported("tool_choice: this model cannot be forced to call a tool", field="tool_choice")
        warnings.clamped("tool_choice")
        named = [tool for tool in tools.tools if tool["name"] == choice.get("name") and "input_schema" in tool]
        for tool in named:
            tool["input_schema"], _ = enforceable(tool["input_schema"], "tools")
            tool["strict"] = True
        choice = {"type": "auto"}
    if parallel is False and (choice is None or choice["type"] != "none"):
        return {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return choice


def settle_thinking(
    request: dict[str, Any], thinking: ClaudeThinking, warnings: Warnings, *, path: str = "reasoning_effort"
) -> None:
    """Put `thinking` and the effort into a request that is complete but for them.

    Manual thinking and a forced tool exclude each other: the force stays. Manual thinking and sampling do as well.
    """
    forced = request.get("tool_choice", {}).get("type") in ("any", "tool")
    if thinking.is_manual and forced:
        warnings.dropped(path)
        return
    if thinking.thinking is not None:
        request["thinking"] = thinking.thinking
    if thinking.is_manual:
        if request.pop("temperature", 1) != 1:
            warnings.dropped("temperature")
        if not 0.95 <= request.get("top_p", 1) <= 1:
            del request["top_p"]
            warnings.dropped("top_p")
    if thinking.effort is not None:
        request["output_config"] = {**request.get("output_config", {}), "effort": thinking.effort}


def claude_format(schema: Any, context: Context, warnings: Warnings, path: str) -> dict[str, Any]:
    """`output_config.format` for a JSON Schema, brought into the subset Claude enforces.

    Raises BadRequest on a model that enforces none: there `enforces_schemas` is to be asked first.
    """
    an_object(schema, path)
    if not context.model.capabilities.structured_output:
        raise Unsupported(f"{path}: this model enforces no schema", field=path)
    closed, moved = enforceable(schema, path)
    if moved:
        warnings.emulated(f"{path}({','.join(moved)})")
    return {"type": "json_schema", "schema": closed}


def enforces_schemas(context: Context, warnings: Warnings, path: str) -> bool:
    """Whether the model holds itself to a schema. If not, and the account does not want a refusal, it is asked to."""
    if context.model.capabilities.structured_output or context.options.structured_output == "reject":
        return True
    warnings.emulated(path)
    return False


def json_object_note(path: str, warnings: Warnings) -> dict[str, Any]:
    """The system block that asks for one JSON object, which Claude has no mode for."""
    warnings.emulated(path)
    return {"type": "text", "text": _JSON_ONLY}


def limit_markers(request: dict[str, Any]) -> None:
    """Leave the last four cache markers, in the order of the prompt, and none that outlives one before it.

    Claude refuses a fifth, and a one-hour marker behind a five-minute one.
    """
    marked = list(_marked(request))
    for block in marked[:-MAX_MARKERS]:
        del block["cache_control"]
    short = False
    for block in marked[-MAX_MARKERS:]:
        if short and block["cache_control"].get("ttl") == "1h":
            block["cache_control"] = dict(_EPHEMERAL)
        short = short or block["cache_control"].get("ttl") != "1h"


def auto_cache(request: dict[str, Any], context: Context) -> None:
    """Let Claude cache the prompt of a client that marks nothing, because OpenAI needs no marks.

    A write costs a quarter more than reading afresh, so only conversations that will be sent again are worth it.
    """
    if not context.options.auto_cache or any(_marked(request)):
        return
    if request.get("tools") or len(request["messages"]) >= 3:
        request["cache_control"] = dict(_EPHEMERAL)


def cache_marker(part: dict[str, Any]) -> dict[str, Any]:
    """The `cache_control` member for a content part: from OpenAI's breakpoint, or as OpenRouter's clients send it."""
    own = part.get("cache_control")
    if isinstance(own, dict):
        return {"cache_control": own}
    breakpoint_ = part.get("prompt_cache_breakpoint")
    if not isinstance(breakpoint_, dict):
        return {}
    return {"cache_control": {**_EPHEMERAL, "ttl": "1h"} if breakpoint_.get("ttl") == "12h" else dict(_EPHEMERAL)}


def claude_user(fields: dict[str, Any]) -> dict[str, Any] | None:
    """`metadata`, from whatever the client named its user by."""
    user = fields.get("safety_identifier") or fields.get("user")
    return {"user_id": opaque_user(user)} if isinstance(user, str) and user else None


def claude_tier_asked(tier: Any, warnings: Warnings) -> str | None:
    """`service_tier` of a request. Nothing a client asks for switches on fast mode, which costs twice as much."""
    if tier is None:
        return None
    if tier in ("auto", "default"):
        return "auto" if tier == "auto" else "standard_only"
    warnings.clamped("service_tier")
    return "auto"


def count_request(request: dict[str, Any]) -> dict[str, Any]:
    """What of a request its tokens are counted of."""
    counted = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config", "cache_control")
    return {name: request[name] for name in counted if name in request}


def _marked(request: dict[str, Any]) -> Blocks:
    """Every block with a cache marker, in the order of the prompt."""
    found = [tool for tool in request.get("tools", ()) if "cache_control" in tool]
    found += [block for block in request.get("system", ()) if "cache_control" in block]
    for message in request["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            inner = block.get("content")
            found += [part for part in inner if "cache_control" in part] if isinstance(inner, list) else []
            found += [block] if "cache_control" in block else []
    return found
