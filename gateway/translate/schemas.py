"""JSON Schemas as the vendors enforce them: Claude takes a subset, OpenAI's strict mode asks for completeness."""

import re
from typing import Any

from gateway.errors import BadRequest
from gateway.translate.reading import compact

MAX_STRICT_TOOLS = 20
MAX_OPTIONAL_MEMBERS = 24
MAX_UNIONS = 16
"""Claude's limits over all strict tools of a request (structured outputs, October 2026)."""

WRAPPED = "value"
"""The member in which a schema that is no object goes where only objects are taken."""

_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
_UNENFORCED = frozenset(
    (
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties",
    )
)  # fmt: skip
_HARD_PATTERN = re.compile(r"\(\?[=!<]|\\[1-9bB]")
_UNIONS = ("anyOf", "oneOf", "allOf")
_SCHEMA_LISTS = (*_UNIONS, "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_EMPTY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


def object_schema(parameters: Any) -> dict[str, Any]:
    """A tool's parameters as `input_schema`: an object in any case; without a top-level union, which Claude refuses.

    The branches of a union become one object in which nothing is required; the model sees them in its description.
    """
    if not isinstance(parameters, dict) or not parameters:
        return dict(_EMPTY_OBJECT)
    schema = dict(parameters)
    unions = {name: schema.pop(name) for name in _UNIONS if name in schema}
    schema["type"] = "object"
    return _with_branches(schema, unions) if unions else schema


def enforceable(schema: dict[str, Any], path: str) -> tuple[dict[str, Any], list[str]]:
    """A schema Claude can enforce, and the keywords that had to move into descriptions, in order of appearance.

    Every object is closed. Raises BadRequest for recursion and references to other documents.
    """
    moved: dict[str, None] = {}
    _refuse_recursion(schema, schema, path, (), set())
    return _enforceable(schema, moved), list(moved)


def fits_openai_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes the schema: every object closed, and every member of it required."""
    if isinstance(schema, list):
        return all(fits_openai_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        members = schema.get("properties")
        if schema.get("additionalProperties") is not False:
            return False
        if isinstance(members, dict) and set(members) != set(schema.get("required") or ()):
            return False
    parts = [schema.get(name) for name in ("items", *_SCHEMA_LISTS)]
    for name in _SCHEMA_MAPS:
        found = schema.get(name)
        parts += found.values() if isinstance(found, dict) else ()
    return all(fits_openai_strict(part) for part in parts)


def strict_cost(schema: Any) -> tuple[int, int]:
    """How many optional members and how many unions a schema has, which Claude limits over all strict tools."""
    if isinstance(schema, list):
        costs = [strict_cost(part) for part in schema]
    elif isinstance(schema, dict):
        members = schema.get("properties")
        optional = len(set(members) - set(schema.get("required") or ())) if isinstance(members, dict) else 0
        union = int(any(name in schema for name in _UNIONS) or isinstance(schema.get("type"), list))
        costs = [(optional, union), *(strict_cost(part) for part in schema.values() if isinstance(part, dict | list))]
    else:
        return 0, 0
    return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)


def _with_branches(schema: dict[str, Any], unions: dict[str, Any]) -> dict[str, Any]:
    members = dict(schema.get("properties") or {})
    for branches in unions.values():
        for branch in branches if isinstance(branches, list) else ():
            found = branch.get("properties") if isinstance(branch, dict) else None
            for name, member in (found if isinstance(found, dict) else {}).items():
                members.setdefault(name, member)
    note = "".join(f"{{{name}: {compact(branches)}}}" for name, branches in unions.items())
    return _described({**schema, "properties": members}, note)


def _enforceable(schema: Any, moved: dict[str, None]) -> Any:
    if isinstance(schema, list):
        return [_enforceable(part, moved) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in schema.items():
        if _is_unenforced(name, value):
            moved[name] = None
            notes.append(f"{name}: {value if isinstance(value, str) else compact(value)}")
        elif name in _SCHEMA_MAPS and isinstance(value, dict):
            kept[name] = {key: _enforceable(part, moved) for key, part in value.items()}
        elif name == "items" or name in _SCHEMA_LISTS:
            kept[name] = _enforceable(value, moved)
        else:
            kept[name] = value
    if schema.get("type") == "object" or "properties" in schema:
        kept["additionalProperties"] = False
    return _described(kept, "{" + ", ".join(notes) + "}") if notes else kept


def _is_unenforced(name: str, value: Any) -> bool:
    if name == "minItems":
        return value not in (0, 1)
    if name == "format":
        return value not in _FORMATS
    if name == "pattern":
        return not isinstance(value, str) or _HARD_PATTERN.search(value) is not None
    return name in _UNENFORCED and not isinstance(value, dict)


def _described(schema: dict[str, Any], note: str) -> dict[str, Any]:
    before = schema.get("description")
    return {**schema, "description": f"{before}\n\n{note}" if before else note}


def _refuse_recursion(schema: Any, root: dict[str, Any], path: str, above: tuple[str, ...], checked: set[str]) -> None:
    """`above` are the references that led here; each one is followed once, or a few of them could name each other
    often enough to take for ever."""
    if isinstance(schema, list):
        for part in schema:
            _refuse_recursion(part, root, path, above, checked)
    elif isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if not reference.startswith("#/") or reference in above:
                raise BadRequest(f"{path}: recursive and external references are not supported", field=path)
            if reference not in checked:
                _refuse_recursion(_referenced(root, reference), root, path, (*above, reference), checked)
                checked.add(reference)
        for name, part in schema.items():
            if name not in ("$defs", "definitions") and isinstance(part, dict | list):
                _refuse_recursion(part, root, path, above, checked)


def _referenced(root: dict[str, Any], reference: str) -> Any:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
