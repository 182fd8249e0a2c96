"""Server-sent events as a plain client reads them."""

from typing import Any

import msgspec


def events_of(body: bytes) -> list[Any]:
    """The data of every event, decoded; `[DONE]` stays text."""
    found = [line.removeprefix(b"data:").strip() for line in body.split(b"\n") if line.startswith(b"data:")]
    return ["[DONE]" if data == b"[DONE]" else msgspec.json.decode(data) for data in found]
