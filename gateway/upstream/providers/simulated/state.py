"""The simulated provider's stored responses: what is kept of an answer and how it is asked for again."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.upstream.providers.simulated.memory import Responses, Stored
from gateway.upstream.providers.simulated.wire import Frame, Refusal

_TERMINALS = (b"event: response.completed\n", b"event: response.incomplete\n")
_PAGE, _LARGEST_PAGE = 20, 100


class StoredResponses:
    """GET, DELETE, input_items and cancel on the responses in `memory`, and putting them there."""

    def __init__(self, memory: Responses) -> None:
        self._memory = memory

    def keep(self, response: dict[str, Any], items: list[dict[str, Any]]) -> None:
        """Remember an answer with the conversation that led to it."""
        size = len(msgspec.json.encode([response, items]))
        self._memory.put(Stored(response, items, size))

    def keeping(
        self, frames: Iterator[Frame], response: dict[str, Any], items: list[dict[str, Any]]
    ) -> Iterator[Frame]:
        """The frames as they are; the answer is kept when its terminal goes out, not if it is cancelled before."""
        for delay, data in frames:
            if response["store"] and data.startswith(_TERMINALS):
                self.keep(response, items)
            yield delay, data

    def item(self, item_id: str) -> dict[str, Any] | None:
        """An input or output item of any kept response."""
        for stored in self._memory.newest_first():
            for item in (*stored.response["output"], *stored.input_items):
                if item["id"] == item_id:
                    return dict(item)
        return None

    def answer(self, method: str, response_id: str, rest: list[str], query: Mapping[str, str]) -> dict[str, Any]:
        """The JSON answer to a request about one response. Raises Refusal."""
        stored = self._memory.get(response_id)
        if stored is None:
            raise Refusal(f"Response with id '{response_id}' not found.", status=404)
        match (method, *rest):
            case ("GET",):
                if query.get("stream") in ("true", "1"):
                    raise Refusal("Only responses created with background=true can be streamed again.", param="stream")
                return stored.response
            case ("DELETE",):
                self._memory.forget(response_id)
                return {"id": response_id, "object": "response", "deleted": True}
            case ("GET", "input_items"):
                return _page(stored.input_items, query)
            case ("POST", "cancel"):
                raise Refusal("Cannot cancel a synchronous response.")
        raise Refusal("Not Found", status=404, code="not_found")


def _page(items: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """A page of items, newest first unless `order` is asc, after the item `after`. Raises Refusal."""
    limit = query.get("limit", str(_PAGE))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= _LARGEST_PAGE:
        raise Refusal(f"limit must be between 1 and {_LARGEST_PAGE}.", param="limit", code="invalid_value")
    ordered = items if query.get("order") == "asc" else items[::-1]
    if after := query.get("after"):
        position = next((number for number, item in enumerate(ordered) if item["id"] == after), None)
        if position is None:
            raise Refusal(f"Item with id '{after}' not found.", param="after")
        ordered = ordered[position + 1 :]
    data = ordered[: int(limit)]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else "",
        "last_id": data[-1]["id"] if data else "",
        "has_more": len(ordered) > len(data),
    }
