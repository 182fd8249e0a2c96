"""What Chat and Responses have in common where one stands for the other: limits, effort, sampling, the 400s."""

from typing import Any

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context
from gateway.translate.effort import nearest
from gateway.translate.messages_client import schema_note
from gateway.translate.reading import a_number, a_text
from gateway.translate.warnings import Warnings

IDENTITY = ("safety_identifier", "user", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
"""Members that both dialects of OpenAI have, and mean the same by."""


def output_limit(decoded: dict[str, Any], name: str, context: Context, warnings: Warnings, *, least: int) -> int | None:
    """The output limit to ask for: the caller's, never more than the model writes or the call may cost.

    None: nobody limits it but the model. `least` is the smallest the upstream takes. Raises BadRequest.
    """
    named = decoded.get(name)
    if named is None:
        return None if context.output_limit is None else max(least, context.output_limit)
    if isinstance(named, bool) or not isinstance(named, int):
        raise BadRequest(f"{name}: must be a whole number", field=name)
    if named < 1:
        raise Unsupported(f"{name}: must be at least 1", field=name)
    model_max = context.model.max_output_tokens or named
    if named < least or (named > model_max and context.output_limit is None):
        warnings.clamped(name)
    allowed = [named, model_max, *([] if context.output_limit is None else [context.output_limit])]
    return max(least, min(allowed))


def effort_asked(level: Any, path: str, context: Context, warnings: Warnings) -> str | None:
    """The effort in a word the model knows; None: leave it out."""
    if level is None:
        return None
    efforts = context.model.capabilities.efforts
    wanted = a_text(level, path)
    if not efforts:
        if wanted != "none":
            warnings.dropped(path)
        return None
    found = nearest(wanted, efforts)
    if found != wanted:
        warnings.clamped(path)
    return found


def sampling(decoded: dict[str, Any], effort: str | None, context: Context, warnings: Warnings) -> dict[str, Any]:
    """`temperature` and `top_p`. A model that reasons takes them only while it does not."""
    can = context.model.capabilities
    allowed = can.sampling or (effort or can.default_effort) == "none"
    found: dict[str, Any] = {}
    for name in ("temperature", "top_p"):
        if name not in decoded:
            continue
        value = a_number(decoded[name], name)
        if allowed:
            found[name] = value
        elif value != 1:
            warnings.dropped(name)
    return found


def refuse(decoded: dict[str, Any], *names: str) -> None:
    """Raises BadRequest for members that would change what the client reads, or need what is not here."""
    for name in names:
        if decoded.get(name):
            raise Unsupported(f"{name} is not supported by this model", field=name)


def schema_in_words(schema: Any, path: str, context: Context, warnings: Warnings) -> str:
    """The instruction for a model that enforces no schema, unless the account would rather refuse."""
    if context.options.structured_output == "reject" and not warnings.lenient:
        raise Unsupported(f"{path}: this model enforces no schema", field=path)
    warnings.emulated(path)
    return schema_note(schema if isinstance(schema, dict) else {"type": "object"})


def identity(decoded: dict[str, Any], context: Context, warnings: Warnings) -> dict[str, Any]:
    """Who the user is and how to cache: as it came for OpenAI, `user` alone for a compatible server."""
    if context.flavour == "openai":
        return {name: decoded[name] for name in IDENTITY if name in decoded}
    options = decoded.get("prompt_cache_options")
    if isinstance(options, dict) and options.get("prewarm"):
        raise Unsupported("prompt_cache_options.prewarm: there is no cache here to warm", field="prompt_cache_options")
    user = decoded.get("safety_identifier") or decoded.get("user")
    return {} if user is None else {"user": user}


def tier_asked(
    decoded: dict[str, Any], context: Context, warnings: Warnings, *, known: tuple[str, ...]
) -> dict[str, Any]:
    """`service_tier`, which only OpenAI has; another dialect's fastest is this one's priority."""
    tier = decoded.get("service_tier")
    if tier is None:
        return {}
    if context.flavour != "openai":
        if tier not in ("auto", "default"):
            warnings.dropped("service_tier")
        return {}
    if tier not in known:
        warnings.clamped("service_tier")
        return {"service_tier": "priority"}
    return {"service_tier": tier}


def breakpoint_of(part: dict[str, Any], context: Context) -> dict[str, Any]:
    """A content part's cache breakpoint, for models that have them."""
    found = part.get("prompt_cache_breakpoint")
    taken = context.flavour == "openai" and context.model.capabilities.cache_breakpoints
    return {"prompt_cache_breakpoint": found} if taken and isinstance(found, dict) else {}


def warn_of_the_rest(
    decoded: dict[str, Any], read: frozenset[str], harmless: dict[str, Any], warnings: Warnings
) -> None:
    """Warn of every member that nothing has read, unless its value asks for nothing."""
    for name, value in decoded.items():
        if name not in read and value not in ({}, [], harmless.get(name)):
            warnings.dropped(name)
