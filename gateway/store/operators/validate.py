"""What operators type, checked before it is written. Every refusal says what would be accepted."""

import difflib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from gateway.errors import NotFound, UsageError

# A billion dollars. Far below INT64, so that sums of entries stay far below it too.
MOST_MICRO = 10**15
_MOST_COUNT = 10**9
_DIALECTS = ("messages", "chat", "responses")


def name(text: str, noun: str) -> str:
    if not 1 <= len(text) <= 100 or text != text.strip() or not text.isprintable():
        raise UsageError(f"A {noun}'s name is 1 to 100 printable characters without space around it, not {text!r}.")
    return text


def amount(micro: int, what: str, *, negative: bool = False) -> int:
    """Micro-dollars within a billion dollars either way; below zero only with `negative`."""
    if isinstance(micro, bool) or not isinstance(micro, int):
        raise UsageError(f"The {what} is a whole number of micro-dollars.")
    if micro < 0 and not negative:
        raise UsageError(f"The {what} cannot be negative.")
    if abs(micro) > MOST_MICRO:
        raise UsageError(f"The {what} is beyond a billion dollars. Check the unit: it is given in USD.")
    return micro


def limit(value: int | None, what: str, *, least: int = 1) -> int | None:
    if value is not None and not least <= value <= _MOST_COUNT:
        raise UsageError(f"{what} is a number from {least} to {_MOST_COUNT}, or none for no limit.")
    return value


def globs(patterns: Iterable[str], what: str = "A model pattern") -> tuple[str, ...]:
    found = tuple(dict.fromkeys(patterns))
    for pattern in found:
        if not re.fullmatch(r"[A-Za-z0-9._:/@+*?\[\]!-]{1,200}", pattern) or pattern.count("[") != pattern.count("]"):
            raise UsageError(
                f"{what} is a model id in which * and ? stand for anything, such as claude-*; not {pattern!r}."
            )
    return found


def networks(addresses: Iterable[str]) -> tuple[str, ...]:
    """Addresses and CIDR networks in their canonical spelling."""
    found = []
    for address in addresses:
        try:
            found.append(str(ipaddress.ip_network(address, strict=False)))
        except ValueError:
            raise UsageError(f"{address!r} is no IP address or network. Write 203.0.113.7 or 2001:db8::/32.") from None
    return tuple(dict.fromkeys(found))


def dialects(names: Iterable[str], *, empty: bool = False) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(names))
    unknown = [given for given in found if given not in _DIALECTS]
    if unknown or (not found and not empty):
        raise UsageError(f"Dialects are {', '.join(_DIALECTS)}; not {', '.join(unknown) or 'none'}.")
    return found


def one_of(value: str, choices: Sequence[str], what: str) -> str:
    if value not in choices:
        raise UsageError(f"The {what} is one of {', '.join(choices)}; not {value!r}.")
    return value


def url(text: str, what: str, schemes: tuple[str, ...] = ("http", "https"), *, credentials: bool = False) -> str:
    """An absolute URL without a trailing slash; user and password only with `credentials`."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not text.isascii() or not text.isprintable() or " " in text or parts.query or parts.fragment:
        raise UsageError(f"The {what} is a URL such as {schemes[-1]}://host:port/path, not {text!r}.")
    if (parts.username or parts.password) and not credentials:
        raise UsageError(f"The {what} holds a password; give the credential with --secret-stdin or --secret-env.")
    return text.rstrip("/")


def headers(given: dict[str, str]) -> dict[str, str]:
    for field, value in given.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", field) or not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise UsageError(f"{field!r} is no header that can be sent: a name, then printable ASCII.")
    return {field.lower(): value for field, value in given.items()}


def changes_of(changes: msgspec.Struct) -> dict[str, Any]:
    """The fields that were given. Raises UsageError when none was."""
    given = {field: getattr(changes, field) for field in changes.__struct_fields__}
    given = {field: value for field, value in given.items() if value is not UNSET}
    if not given:
        raise UsageError("Nothing to change: name at least one option.")
    return given


def missing(noun: str, asked: str, known: Iterable[str]) -> NotFound:
    """The refusal of a name that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(asked, list(known), n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"`trigate {noun}s list` shows them."
    return NotFound(f"There is no {noun} {asked!r}. {advice}")
