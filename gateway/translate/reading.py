"""Taking decoded JSON apart, with the client's own path in every complaint.

Paths are written with dots (`messages.1.content.0`) for Messages and Chat; Responses writes `input[1]` in its own.
"""

from typing import Any

import msgspec

from gateway.dialects.peek import DECODE_ERRORS
from gateway.errors import BadRequest


def decode_fields(fields: dict[str, msgspec.Raw]) -> dict[str, Any]:
    """A peeked body as JSON values; members that are null are left out, as the vendors do. Raises BadRequest."""
    decoded: dict[str, Any] = {}
    for name, raw in fields.items():
        try:
            value = msgspec.json.decode(raw)
        except DECODE_ERRORS:
            raise BadRequest(f"`{name}` cannot be read.", field=name) from None
        if value is not None:
            decoded[name] = value
    return decoded


def an_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{path}: must be an object", field=path)
    return value


def a_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"{path}: must be an array", field=path)
    return value


def a_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{path}: must be a string", field=path)
    return value


def a_number(value: Any, path: str) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{path}: must be a number", field=path)
    return value


def a_flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(f"{path}: must be a boolean", field=path)
    return value


def member(value: dict[str, Any], name: str, path: str) -> Any:
    """A member that has to be there. Raises BadRequest naming it."""
    if value.get(name) is None:
        raise BadRequest(f"{path}.{name}: is required", field=f"{path}.{name}")
    return value[name]


def text_member(value: dict[str, Any], name: str, path: str) -> str:
    return a_text(member(value, name, path), f"{path}.{name}")


def optional_text(value: dict[str, Any], name: str, path: str) -> str | None:
    found = value.get(name)
    return None if found is None else a_text(found, f"{path}.{name}")


def kind_of(value: dict[str, Any], path: str) -> str:
    """The `type` of a block, part, item or tool. Raises BadRequest."""
    return text_member(value, "type", path)


def compact(value: Any) -> str:
    """JSON text without a space, members in their order, nothing escaped that need not be: the same every turn."""
    return msgspec.json.encode(value).decode()


def read_arguments(text: str) -> dict[str, Any] | None:
    """A tool call's arguments; the empty string is no arguments. None for what is not a JSON object."""
    if not text.strip():
        return {}
    try:
        found = msgspec.json.decode(text)
    except (*DECODE_ERRORS, UnicodeEncodeError):
        return None
    return found if isinstance(found, dict) else None
