"""Ids in a request or an answer that name something an upstream remembers: responses, files, containers.

An account remembers for all of the gateway's customers alike, so every one of these is checked against its owner. A
body that names none costs a few searches over its bytes; only one that might is decoded.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.dialects.base import ObjectReference
from gateway.dialects.peek import DECODE_ERRORS
from gateway.errors import BadRequest
from gateway.records import DialectName

_MARKS: dict[DialectName, tuple[bytes, ...]] = {
    "messages": (b'"file_id"',),
    "chat": (b'"file_id"', b'"audio"'),
    "responses": (b'"file_id"', b'"container_id"', b'"item_reference"'),
}
_TOOL_MARKS = (b'"file_ids"', b'"container"', b'"file_id"', b'"vector_store_ids"')


class _Head(msgspec.Struct):
    id: Any = None
    type: Any = None
    role: Any = None


_HEADS = msgspec.json.Decoder(list[_Head])
_NULL = msgspec.Raw(b"null")
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_TOP_LEVEL = {"previous_response_id": "response", "conversation": "conversation", "container": "container"}
_KINDS = {"file_id": "file", "container_id": "container"}
_LIST_KINDS = {"file_ids": "file", "vector_store_ids": "vector_store"}
# What tools are given, and how they are described, is the caller's own JSON: ids in it name nothing upstream.
_CALLERS_OWN = frozenset(
    ("input", "input_schema", "input_examples", "parameters", "arguments", "schema", "metadata", "format")
)


def find_references(fields: dict[str, msgspec.Raw], text: bytes, dialect: DialectName) -> tuple[ObjectReference, ...]:
    """Every reference of a request, each with the path it stands at. Raises BadRequest.

    `text` is the body without its base64: no member's name can stand in what was left out.
    """
    try:
        return _find(fields, text, dialect)
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def _find(fields: dict[str, msgspec.Raw], text: bytes, dialect: DialectName) -> tuple[ObjectReference, ...]:
    found: list[ObjectReference] = []
    for name, kind in _TOP_LEVEL.items():
        if name in fields:
            found += _named(_decode(fields[name], name), kind, name)
    if "prompt" in fields:
        found += _named(_decode(fields["prompt"], "prompt"), "prompt", "prompt", text_is_id=False)
    cache_options = _decode(fields.get("prompt_cache_options", _NULL), "prompt_cache_options")
    if isinstance(cache_options, dict):
        field = "prompt_cache_options.comparison_response_id"
        found += _named(cache_options.get("comparison_response_id"), "response", field)
    # A name may be spelled with escapes (`file\u005fid`), so an escaped letter is reason enough to look everywhere.
    escaped = b"\\u00" in text and _ESCAPED_LETTER.search(text) is not None
    marked = escaped or any(mark in text for mark in _MARKS[dialect])
    for name in ("messages", "input"):
        raw = fields.get(name)
        if raw is not None and (marked or (name == "input" and _has_bare_item(raw))):
            found += _walk(_decode(raw, name), name)
    for name in ("tools", "container"):
        raw = fields.get(name)
        if raw is not None and (escaped or name == "container" or any(mark in bytes(raw) for mark in _TOOL_MARKS)):
            found += _walk(_decode(raw, name), name)
    return tuple(dict.fromkeys(found))


def ids_in(value: Any) -> Iterator[tuple[str, str]]:
    """(kind, id) of the files and containers a decoded piece of an answer speaks of."""
    for reference in _walk(value, ""):
        if reference.kind in ("file", "container"):
            yield reference.kind, reference.object_id


def _decode(raw: msgspec.Raw, name: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except DECODE_ERRORS:
        raise BadRequest(f"`{name}` cannot be read.", field=name) from None


def _has_bare_item(raw: msgspec.Raw) -> bool:
    """Clients that replay their history give an id in every item, so the items are read for nothing but their heads."""
    if bytes(memoryview(raw)[:1]) != b"[":
        return False
    try:
        heads = _HEADS.decode(raw)
    except DECODE_ERRORS:
        return True
    return any(head.id is not None and head.type is None and head.role is None for head in heads)


def _named(value: Any, kind: str, field: str, *, text_is_id: bool = True) -> list[ObjectReference]:
    """A top-level member that is an id, or an object with one."""
    if isinstance(value, dict):
        value, field = value.get("id"), f"{field}.id"
    elif not text_is_id:
        return []
    return [ObjectReference(value, kind, field)] if isinstance(value, str) and value else []


def _walk(value: Any, path: str) -> Iterator[ObjectReference]:
    """Depth first over decoded JSON. What is deep enough may raise RecursionError here though it could be decoded."""
    if isinstance(value, list):
        for position, element in enumerate(value):
            yield from _walk(element, f"{path}[{position}]")
    elif isinstance(value, dict):
        yield from _own_references(value, path)
        for name, element in value.items():
            if name not in _CALLERS_OWN and isinstance(element, dict | list):
                yield from _walk(element, f"{path}.{name}" if path else name)


def _own_references(value: dict[str, Any], path: str) -> Iterator[ObjectReference]:
    prefix = f"{path}." if path else ""
    own_id = value.get("id")
    kind = value.get("type")
    if isinstance(own_id, str) and (kind == "item_reference" or _is_bare_item(value, path)):
        yield ObjectReference(own_id, "item", f"{prefix}id")
    for name, of_kind in _KINDS.items():
        if isinstance(value.get(name), str):
            yield ObjectReference(value[name], of_kind, prefix + name)
    for name, of_kind in _LIST_KINDS.items():
        for position, element in enumerate(value.get(name) or ()) if isinstance(value.get(name), list) else ():
            if isinstance(element, str):
                yield ObjectReference(element, of_kind, f"{prefix}{name}[{position}]")
    if isinstance(value.get("container"), str):
        yield ObjectReference(value["container"], "container", f"{prefix}container")
    audio = value.get("audio")
    if value.get("role") == "assistant" and isinstance(audio, dict) and isinstance(audio.get("id"), str):
        yield ObjectReference(audio["id"], "audio", f"{prefix}audio.id")
    if kind == "custom" and isinstance(value.get("skill_id"), str):
        yield ObjectReference(value["skill_id"], "skill", f"{prefix}skill_id")


def _is_bare_item(value: dict[str, Any], path: str) -> bool:
    """Responses takes an input element without type, role or content as a reference to a stored item."""
    is_element = path.startswith("input[") and path.endswith("]") and path.count("[") == 1
    return is_element and value.get("type") is None and value.get("role") is None
