"""What every request to OpenAI from a Messages client needs: the version's rules, sampling, tools, schema, user, tier.

Used for Chat and for Responses upstreams, whose members differ in name and nesting only.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context
from gateway.translate.claude_tools import CLIENT_TOOLS
from gateway.translate.effort import openai_effort
from gateway.translate.ids import ToolNames, opaque_user
from gateway.translate.reading import a_flag, a_list, a_number, a_text, an_object, kind_of, optional_text, text_member
from gateway.translate.schemas import fits_openai_strict
from gateway.translate.warnings import Warnings

BILLING_HEADER = "x-anthropic-billing-header:"
"""First words of a system block that Claude Code writes anew for every request: in front of a prompt they would keep
it from ever being cached."""

_SAMPLING = ("temperature", "top_p", "top_k")
_NO_SAMPLING_SINCE = "2026-10-21"
_ELSEWHERE = ("container", "mcp_servers", "fallbacks", "fallback_credit_token", "compaction")
"""Members that make Anthropic do something nobody else can; leaving them out would change the answer."""
_DROPPED = ("inference_geo", "diagnostics")


class Function(Struct):
    """A tool as a function. `strict` is None where the client said nothing of it."""

    name: str
    description: str | None
    parameters: dict[str, Any]
    strict: bool | None = None


class WebSearch(Struct):
    """A server-side search the client asks for: the members of Claude's tool."""

    members: dict[str, Any]
    path: str


def check_version(fields: dict[str, Any], context: Context) -> None:
    """The rules of the API version the client declared hold whatever the upstream takes. Raises BadRequest."""
    if not is_new_version(context):
        return
    for name in _SAMPLING:
        if name in fields:
            raise BadRequest(f"{name}: Extra inputs are not permitted", field=name)


def is_new_version(context: Context) -> bool:
    """Whether the client declared the API version that has fewer members than the one before it."""
    version = context.headers.get("anthropic-version", "")
    return version[:4].isdigit() and version >= _NO_SAMPLING_SINCE


def refuse_what_stays(fields: dict[str, Any], warnings: Warnings) -> None:
    """Members that only Anthropic understands: refused where the answer depends on them, otherwise dropped."""
    for name in _ELSEWHERE:
        if fields.get(name):
            raise Unsupported(f"{name}: is not supported by this model", field=name)
    for name in _DROPPED:
        if fields.get(name):
            warnings.dropped(name)
    management = fields.get("context_management")
    if management:
        # Claude Code sends this with every request and cannot do without an answer; only compaction changes it.
        edits = an_object(management, "context_management").get("edits")
        kinds = [edit.get("type") for edit in edits if isinstance(edit, dict)] if isinstance(edits, list) else []
        if any(isinstance(kind, str) and kind.startswith("compact") for kind in kinds):
            raise Unsupported("context_management.edits: compaction is not supported", field="context_management.edits")
        if not all(isinstance(kind, str) and kind.startswith("clear_thinking") for kind in kinds):
            # Which thinking stays in the prompt is the upstream's business anyway, so clearing it loses nothing.
            warnings.dropped("context_management")


def system_blocks(system: Any, path: str = "system") -> list[tuple[dict[str, Any], str]]:
    """The text blocks of a system prompt, each with its path, without Claude Code's billing header and without empty
    ones."""
    if system is None:
        return []
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else a_list(system, path)
    found = []
    for position, element in enumerate(blocks):
        where = path if isinstance(system, str) else f"{path}.{position}"
        block = an_object(element, where)
        if kind_of(block, where) != "text":
            raise Unsupported(f"{where}: only text may stand here", field=f"{where}.type")
        text = text_member(block, "text", where)
        if text.startswith(BILLING_HEADER):
            text = text.partition("\n")[2].lstrip("\n")
        if text:
            found.append(({**block, "text": text}, where))
    return found


def openai_limit(fields: dict[str, Any], context: Context, warnings: Warnings) -> int:
    """The output limit: the caller's, never above what the model writes or the call may cost. 0 stays 0."""
    named = fields.get("max_tokens")
    if isinstance(named, bool) or not isinstance(named, int) or named < 0:
        raise BadRequest("max_tokens: must be a whole number", field="max_tokens")
    model_max = context.model.max_output_tokens or named
    if named > model_max and context.output_limit is None:
        warnings.clamped("max_tokens")
    return min([named, model_max, *([] if context.output_limit is None else [context.output_limit])])


def openai_sampling(fields: dict[str, Any], effort: str | None, context: Context, warnings: Warnings) -> dict[str, Any]:
    """`temperature` and `top_p`. A model that reasons takes them only while it does not."""
    can = context.model.capabilities
    allowed = can.sampling or (effort or can.default_effort) == "none"
    found: dict[str, Any] = {}
    for name in ("temperature", "top_p"):
        value = fields.get(name)
        if value is None:
            continue
        a_number(value, name)
        if allowed:
            found[name] = value
        elif value != 1:
            warnings.dropped(name)
    if fields.get("top_k") is not None:
        warnings.dropped("top_k")
    return found


def read_effort(fields: dict[str, Any], context: Context, warnings: Warnings) -> str | None:
    """The effort for the model that answers. Raises BadRequest for members of the wrong type."""
    for name in ("thinking", "output_config"):
        if fields.get(name) is not None:
            an_object(fields[name], name)
    return openai_effort(fields, context.model.capabilities, warnings)


def read_tools(
    fields: dict[str, Any], names: ToolNames, context: Context, warnings: Warnings, *, searches: bool
) -> Iterator[Function | WebSearch]:
    """Every tool, in order, as what it can be elsewhere. `searches`: the upstream has a web search of its own.

    Tools of Anthropic's that the client runs become functions; those its servers run are refused, never sent as
    functions without parameters that the client could not answer.
    """
    for position, element in enumerate(a_list(fields.get("tools") or [], "tools")):
        path = f"tools.{position}"
        tool = an_object(element, path)
        kind = tool.get("type") or "custom"
        if kind == "custom":
            yield _custom(tool, path, names, warnings)
        elif kind in CLIENT_TOOLS:
            warnings.emulated(f"{path}({kind})")
            description, schema = CLIENT_TOOLS[kind]
            yield Function(names.upstream(text_member(tool, "name", path)), description, schema)
        elif isinstance(kind, str) and kind.startswith("web_search_") and searches:
            yield WebSearch(tool, path)
        elif isinstance(kind, str) and kind.startswith("web_search_") and warnings.lenient:
            warnings.dropped(path)
        else:
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")


def openai_tool_choice(fields: dict[str, Any], names: ToolNames, declared: list[str]) -> tuple[str | None, bool | None]:
    """(choice, parallel): `auto`, `required`, `none`, or `name:` and the upstream's name of a function.

    A tool that is not there cannot be forced. Both are None where nothing was said or there are no tools.
    """
    choice = fields.get("tool_choice")
    if choice is None or not declared:
        return None, None
    choice = an_object(choice, "tool_choice")
    kind = kind_of(choice, "tool_choice")
    disabled = a_flag(choice.get("disable_parallel_tool_use") or False, "tool_choice.disable_parallel_tool_use")
    parallel = False if disabled and kind != "none" else None
    if kind == "tool":
        name = names.upstream(text_member(choice, "name", "tool_choice"))
        return (f"name:{name}" if name in declared else None), parallel
    words = {"auto": "auto", "any": "required", "none": "none"}
    if kind not in words:
        raise BadRequest(f"tool_choice: type {kind!r} is not known", field="tool_choice.type")
    return words[kind], parallel


def strict_for_openai(function: Function, path: str, warnings: Warnings) -> bool | None:
    """Whether a function may go out as strict: only where OpenAI would take its schema as such."""
    if not function.strict:
        return None
    if fits_openai_strict(function.parameters):
        return True
    warnings.dropped(f"{path}.strict")
    return False


def openai_schema(fields: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any] | None:
    """The JSON Schema the answer must follow: `output_config.format`, or `output_format` as the beta had it."""
    config = fields.get("output_config")
    path = "output_config.format"
    found = an_object(config, "output_config").get("format") if config is not None else None
    if found is None and "structured-outputs" in context.headers.get("anthropic-beta", ""):
        found, path = fields.get("output_format"), "output_format"
    if found is None:
        return None
    held = an_object(found, path)
    if kind_of(held, path) != "json_schema":
        raise Unsupported(f"{path}: type {held['type']!r} is not supported", field=f"{path}.type")
    schema = an_object(held.get("schema"), f"{path}.schema")
    if not context.model.capabilities.structured_output:
        if context.options.structured_output == "reject":
            raise Unsupported(f"{path}: this model enforces no schema", field=path)
        warnings.emulated(path)
    return schema


def schema_note(schema: dict[str, Any]) -> str:
    """The instruction that stands for a schema on a model that enforces none."""
    return (
        "Answer with exactly one JSON object that follows this JSON Schema. Write nothing before it, nothing after it "
        f"and no code fence.\n{msgspec.json.encode(schema).decode()}"
    )


def read_stops(fields: dict[str, Any]) -> list[str]:
    found = a_list(fields.get("stop_sequences") or [], "stop_sequences")
    return [a_text(stop, f"stop_sequences.{position}") for position, stop in enumerate(found)]


def user_members(fields: dict[str, Any], context: Context) -> dict[str, Any]:
    """Who the client's user is, opaquely: OpenAI's `safety_identifier`, `user` on compatible servers."""
    metadata = fields.get("metadata")
    user = an_object(metadata, "metadata").get("user_id") if metadata is not None else None
    if not isinstance(user, str) or not user:
        return {}
    found = {"safety_identifier" if context.flavour == "openai" else "user": opaque_user(user)}
    if context.options.prompt_cache_key and context.flavour == "openai":
        conversation = "\n".join((context.tenant, context.session or user, context.model.id))
        found["prompt_cache_key"] = hashlib.sha256(conversation.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return found


def tier_members(fields: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    """`service_tier`; Claude's fast mode only where the operator said it may cost what OpenAI's costs."""
    if fields.get("speed") == "fast":
        if context.options.fast_is_priority and context.flavour == "openai":
            return {"service_tier": "priority"}
        warnings.dropped("speed")
    asked = fields.get("service_tier")
    if asked is None or context.flavour != "openai":
        return {}
    if asked not in ("auto", "standard_only"):
        raise BadRequest("service_tier: must be auto or standard_only", field="service_tier")
    return {"service_tier": "auto" if asked == "auto" else "default"}


def breakpoint_of(block: dict[str, Any], context: Context) -> dict[str, Any]:
    """The cache marker of a block as OpenAI has it. Both of Claude's lifetimes fit into OpenAI's shortest."""
    if not takes_breakpoints(context) or not isinstance(block.get("cache_control"), dict):
        return {}
    return {"prompt_cache_breakpoint": {"mode": "explicit"}}


def takes_breakpoints(context: Context) -> bool:
    return context.flavour == "openai" and context.model.capabilities.cache_breakpoints


def cache_options(fields: dict[str, Any], context: Context, *, marked: bool) -> dict[str, Any]:
    """`prompt_cache_options`: explicit where the client marked anything, or it would pay for more than it asked for."""
    if not takes_breakpoints(context):
        return {}
    if fields.get("cache_control"):
        return {"prompt_cache_options": {"mode": "implicit"}}
    return {"prompt_cache_options": {"mode": "explicit"}} if marked else {}


def _custom(tool: dict[str, Any], path: str, names: ToolNames, warnings: Warnings) -> Function:
    for name in ("defer_loading", "allowed_callers"):
        if tool.get(name) and tool[name] != ["direct"]:
            warnings.dropped(f"{path}.{name}")
    strict = tool.get("strict")
    return Function(
        names.upstream(text_member(tool, "name", path)),
        optional_text(tool, "description", path),
        an_object(tool.get("input_schema"), f"{path}.input_schema"),
        None if strict is None else a_flag(strict, f"{path}.strict"),
    )
