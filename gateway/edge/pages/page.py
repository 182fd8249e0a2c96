"""What a page is asked, and what it answers. Pages know nothing of Quart."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from gateway.edge.routing import Route
from gateway.errors import BadRequest, MethodNotAllowed
from gateway.services import Services
from gateway.terms import Caller

Headers = list[tuple[bytes, bytes]]
_MOST_PARAMETERS = 50


class Asked(Struct, frozen=True):
    """One request for a page. `caller` raises what a missing or wrong key deserves; pages without a key never call it.

    `query` holds every value of each parameter.
    """

    method: str
    where: Route
    query: Mapping[str, list[str]]
    caller: Callable[[], Awaitable[Caller]]
    services: Services

    def whole_number(self, name: str, least: int, most: int) -> int | None:
        """A parameter as a number; None if it was not given. Raises BadRequest."""
        texts = self.query.get(name)
        if not texts:
            return None
        text = texts[-1]
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise BadRequest(f"{name}: {text[:40]!r} is not a whole number from {least} to {most}.", field=name)
        return int(text)


class Page(Struct, frozen=True):
    """A whole answer."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Headers = []


View = Callable[[Asked], Awaitable[Page]]


def json_page(value: Any, status: int = 200) -> Page:
    """A JSON answer. Everything here is of one moment or of one caller: nobody between may keep it."""
    return Page(msgspec.json.encode(value), status=status, headers=[(b"cache-control", b"no-store")])


def read_only(asked: Asked) -> None:
    """Pages are read. Raises MethodNotAllowed."""
    if asked.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(
            f"{asked.method} is not possible here, only GET, HEAD.",
            details={"allow": "GET, HEAD"},
            headers=[(b"allow", b"GET, HEAD")],
        )


def parse_query(raw: bytes) -> dict[str, list[str]]:
    """A query string's parameters. Raises BadRequest where there are absurdly many."""
    try:
        return parse_qs(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise BadRequest(f"More than {_MOST_PARAMETERS} query parameters.") from None


def instant(at_ms: int) -> str:
    """`1772600767890` -> `2026-03-04T05:06:07.890Z`; whole seconds are written without decimals."""
    moment = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")
