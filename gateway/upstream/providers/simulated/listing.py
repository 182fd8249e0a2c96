"""The simulated provider's model list, in one shape that both vendors' clients read."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from gateway.catalog import Catalog
from gateway.records import Account
from gateway.upstream.providers.simulated.wire import Refusal, read_options

_MODEL_AGE_UNKNOWN_S = 1_767_225_600


def list_models(account: Account, catalog: Catalog) -> dict[str, Any]:
    """Every model of the account: its own names, and the catalog's that its globs take."""
    data = [_entry(name, catalog) for name in _names(account, catalog)]
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def model_entry(account: Account, catalog: Catalog, name: str) -> dict[str, Any]:
    """One model of the list. Raises Refusal."""
    if name not in _names(account, catalog):
        raise Refusal(f"The model '{name}' does not exist.", status=404, code="model_not_found", param="model")
    return _entry(name, catalog)


def _names(account: Account, catalog: Catalog) -> list[str]:
    options = read_options(account)
    known = [model.id for model in catalog.models.values() if model.lifecycle != "retired" and not model.served_by]
    patterns = account.models or ("*",)
    own = [name for name in account.models if not set(name) & set("*?[")]
    names = [*own, *(name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns))]
    return [name for name in dict.fromkeys(names) if not options.refuses(name)]


def _entry(name: str, catalog: Catalog) -> dict[str, Any]:
    model = catalog.models.get(name)
    created_s = model.created_at // 1_000 if model else _MODEL_AGE_UNKNOWN_S
    entry: dict[str, Any] = {
        "id": name,
        "object": "model",
        "type": "model",
        "created": created_s,
        "created_at": datetime.fromtimestamp(created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "display_name": model.display_name if model else name,
        "owned_by": "simulated",
        "lifecycle": "active",
    }
    if model:
        entry["max_input_tokens"] = model.context_tokens
        entry["max_tokens"] = model.max_output_tokens
    return entry
