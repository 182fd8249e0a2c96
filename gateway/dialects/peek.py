"""Looking at a request body without decoding it, and putting it together again with a few members exchanged."""

from typing import Any, TypeVar

import msgspec

from gateway.dialects.base import Peek
from gateway.errors import BadRequest

T = TypeVar("T")

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MAX_LIMIT = 2**53
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything msgspec raises for bytes it cannot read; nesting past the interpreter's limit is a RecursionError."""


def read_fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level members of a JSON object as raw bytes, the last of duplicates. Raises BadRequest.

    What is forwarded is this dictionary encoded again, never the received bytes: a second `model` is ignored here and
    might not be elsewhere.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise BadRequest("The body begins with a byte order mark; JSON is sent without one.")
    try:
        fields = _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise BadRequest("The body must be a JSON object.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8.") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
    if not body.isascii():
        _check_text(body, fields)
    return fields


def _check_text(body: bytes, fields: dict[str, msgspec.Raw]) -> None:
    """Members are raw, so the decoder has not seen their text: one pass over the whole body (0.05 ms/MB) has."""
    try:
        body.decode()
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8.", field=_first_bad(fields)) from None


def _first_bad(fields: dict[str, msgspec.Raw]) -> str | None:
    for name, raw in fields.items():
        try:
            bytes(raw).decode()
        except UnicodeDecodeError:
            return name
    return None


def read_member(fields: dict[str, msgspec.Raw], name: str, kind: type[T], default: T) -> T:
    """A member of this type, or the default where it is missing or null. Raises BadRequest naming it."""
    raw = fields.get(name)
    if raw is None:
        return default
    try:
        value: T | None = _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        raise BadRequest(f"`{name}`: {error}", field=name) from None
    except DECODE_ERRORS:
        raise BadRequest(f"`{name}` cannot be read.", field=name) from None
    return default if value is None else value


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Made once for each of the few types: a decoder costs twice what it is used for."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind | None)
    return decoder


def read_model(fields: dict[str, msgspec.Raw]) -> str:
    """The model asked for. Raises BadRequest."""
    model = read_member(fields, "model", str, "")
    if not model:
        raise BadRequest("`model` is required: the id of the model to call.", field="model")
    return model


def read_count(fields: dict[str, msgspec.Raw], name: str) -> int | None:
    """A member that counts something, None where it is missing or null. Raises BadRequest."""
    value = read_member(fields, name, int, -1)
    if value == -1 and _is_absent(fields, name):
        return None
    if not 0 <= value <= _MAX_LIMIT:
        raise BadRequest(f"`{name}` must be a whole number that is not negative.", field=name)
    return value


def _is_absent(fields: dict[str, msgspec.Raw], name: str) -> bool:
    raw = fields.get(name)
    return raw is None or bytes(raw) == b"null"


def require_array(fields: dict[str, msgspec.Raw], name: str) -> None:
    """Raises BadRequest unless the member is there and an array. Its elements are the upstream's to judge."""
    raw = fields.get(name)
    if raw is None:
        raise BadRequest(f"`{name}` is required.", field=name)
    if bytes(memoryview(raw)[:1]) != b"[":
        raise BadRequest(f"`{name}` must be an array.", field=name)


def put_together(peek: Peek, changes: dict[str, Any]) -> bytes:
    """The body with these members exchanged, in their places; every other byte of every value as it came."""
    return msgspec.json.encode({**peek.fields, **changes})


def lowered_limits(peek: Peek, names: tuple[str, ...], limit: int | None, default_name: str) -> dict[str, Any]:
    """The limit members to change: each one the caller named, never raised; where there is none, the default."""
    if limit is None:
        return {}
    changes: dict[str, Any] = {}
    for name in names:
        own = read_count(peek.fields, name)
        if own is not None:
            changes[name] = min(own, limit)
    return changes or {default_name: limit}
