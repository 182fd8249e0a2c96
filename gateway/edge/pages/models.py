"""GET /v1/models, /v1/models/info and /v1/models/{id}: exactly what the caller's key can call now.

One body for both SDK families, which validate different members of it: `object`, `created`, `owned_by` are OpenAI's
(https://developers.openai.com/api/reference/resources/models), `type`, `created_at`, `display_name`, `lifecycle`,
`has_more`, `first_id`, `last_id` Anthropic's (https://platform.claude.com/docs/en/api/models-list), `context_length`
OpenRouter's.
"""

from typing import Any

from gateway.catalog import Model
from gateway.configuration import Configuration
from gateway.edge.pages.model_info import aliases_of, details_of
from gateway.edge.pages.page import Asked, Page, instant, json_page
from gateway.errors import BadRequest, UnknownModel
from gateway.terms import Caller

_MOST_LISTED = 1000


async def list_models(asked: Asked) -> Page:
    """Every model and alias, newest first; a part of them where `limit`, `after_id` or `before_id` ask for one."""
    listed = _listed(asked.services.configuration, await asked.caller())
    return json_page(_page_of(list(listed.values()), asked))


async def list_models_info(asked: Asked) -> Page:
    """The same with limits, capabilities and what the caller pays."""
    caller = await asked.caller()
    configuration = asked.services.configuration
    items = [
        entry | details_of(configuration.served[model_id], configuration, caller)
        for model_id, entry in _models(configuration, caller)
    ]
    return json_page(_page_of(items, asked))


async def show_model(asked: Asked) -> Page:
    """One model under any spelling that a call could name it by. Raises UnknownModel."""
    caller, name = await asked.caller(), asked.where.object_id
    configuration = asked.services.configuration
    listed = _listed(configuration, caller)
    if name not in listed:
        model = configuration.model(name)
        name = configuration.listed_id(caller, model)
    if name not in listed:
        raise UnknownModel(f"You cannot call {asked.where.object_id!r}. GET /v1/models lists the models you can call.")
    return json_page(listed[name])


def _listed(configuration: Configuration, caller: Caller) -> dict[str, dict[str, Any]]:
    """Listed id -> entry: models, newest first, then the aliases that stand for one of them. For callers without a
    key, who go by lists printed long ago, also the retired ids that one of them still answers to."""
    models = dict(_models(configuration, caller))
    listed = {entry["id"]: entry for entry in models.values()}
    for alias, target in aliases_of(configuration):
        if target in models:
            listed.setdefault(alias, models[target] | {"id": alias, "alias_of": models[target]["id"]})
    for model in configuration.snapshot.catalog.models.values() if caller.key is None else ():
        if model.lifecycle == "retired" and model.served_by in models:
            entry = _entry(model, configuration, caller)
            listed.setdefault(entry["id"], entry | {"alias_of": models[model.served_by]["id"]})
    return listed


def _models(configuration: Configuration, caller: Caller) -> list[tuple[str, dict[str, Any]]]:
    """(catalog id, entry) of every model the caller can call."""
    callable_now = sorted(configuration.callable_models(caller), key=lambda served: served.model.id)
    callable_now.sort(key=lambda served: served.model.created_at, reverse=True)
    return [(served.model.id, _entry(served.model, configuration, caller)) for served in callable_now]


def _entry(model: Model, configuration: Configuration, caller: Caller) -> dict[str, Any]:
    return {
        "id": configuration.listed_id(caller, model),
        "object": "model",
        "type": "model",
        "display_name": model.display_name,
        "created": model.created_at // 1000,
        "created_at": instant(model.created_at),
        "owned_by": model.vendor,
        "lifecycle": model.lifecycle,
        "deprecated_at": None,
        "retires_at": None if model.retires_at is None else instant(model.retires_at),
        "shutdown_date": None if model.retires_at is None else instant(model.retires_at)[:10],
        # Nothing is known of a local server's limits.
        "context_length": model.context_tokens or None,
        "max_input_tokens": model.context_tokens or None,
        "max_tokens": model.max_output_tokens or None,
    }


def _page_of(items: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    """`has_more` tells the SDKs to go on, in the direction they go: it must never be true where a cursor is ignored."""
    lifecycles = {*asked.query.get("lifecycle[]", ()), *asked.query.get("lifecycle", ())}
    if lifecycles:
        items = [item for item in items if item["lifecycle"] in lifecycles]
    limit = asked.whole_number("limit", 1, _MOST_LISTED)
    after, before = _position(items, asked, "after_id"), _position(items, asked, "before_id")
    part = items[0 if after is None else after + 1 : before]
    has_more = False
    if limit is not None and len(part) > limit:
        has_more = True
        part = part[-limit:] if before is not None and after is None else part[:limit]
    return {
        "object": "list",
        "data": part,
        "has_more": has_more,
        "first_id": part[0]["id"] if part else None,
        "last_id": part[-1]["id"] if part else None,
    }


def _position(items: list[dict[str, Any]], asked: Asked, name: str) -> int | None:
    """Where a cursor points to; None if it was not given. Raises BadRequest."""
    given = asked.query.get(name)
    if not given or not given[-1]:
        return None
    for position, item in enumerate(items):
        if item["id"] == given[-1]:
            return position
    raise BadRequest(f"{name}: {given[-1][:100]!r} is not in this listing.", field=name)
