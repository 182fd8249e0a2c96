"""What the gateway keeps of a Responses call where the account keeps nothing, and how it goes on from there.

A response is kept with the items that led to it, those of the responses before it included, each with an id. Going on
from it puts these and its output in front of the new input; its instructions are not carried over. Everything is the
customer's whose key made the call: to anybody else an id is unknown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.dialects.peek import DECODE_ERRORS
from gateway.errors import BadRequest, NoSuchPrevious, UnknownObject

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
}
_FINISHED = frozenset(_PREFIXES) - {"reasoning"}
"""Items that have a status; in what the client sends, they are done."""
_TEXTS = {"assistant": {"type": "output_text", "annotations": [], "logprobs": []}}
_TERMINALS = (b"event: response.completed\n", b"event: response.incomplete\n")


def is_wanted(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a peeked Responses request wants its answer kept: unless it says no."""
    return bytes(fields.get("store", b"true")) != b"false"


def resolved_items(asked: Any, history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items a response was made of: the history, then the decoded `input`, each with an id.

    Ids that the client gave stay; those made here count along the conversation. What it wrote in short (a string, a
    message without parts) is written out.
    """
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    first = len(history) + 1
    return [*history, *[_with_id(item, first + number) for number, item in enumerate(found)]]


def history_of(items: Sequence[dict[str, Any]], response: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """What goes in front of the next input: the items of a kept response, then its output."""
    output = response.get("output")
    return (*items, *[item for item in output if isinstance(item, dict)]) if isinstance(output, list) else (*items,)


def response_in(terminal: bytes) -> dict[str, Any] | None:
    """The response in the frames that end a client's stream well; None where there is none."""
    for frame in terminal.split(b"\n\n"):
        if frame.startswith(_TERMINALS):
            return response_of(frame.partition(b"\ndata: ")[2], inside="response")
    return None


def response_of(body: bytes, *, inside: str = "") -> dict[str, Any] | None:
    """A response from its JSON, or from the member of another object; None for anything that has no id and output."""
    try:
        found: Any = msgspec.json.decode(body)
    except DECODE_ERRORS:
        return None
    if inside:
        found = found.get(inside) if isinstance(found, dict) else None
    whole = isinstance(found, dict) and isinstance(found.get("id"), str) and isinstance(found.get("output"), list)
    return found if whole else None


def input_page(items: Sequence[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of `input_items`: `limit` (1 to 100, 20), `order` (desc: the newest first), `after` an id.

    Raises BadRequest naming the parameter.
    """
    limit = _page_size(query.get("limit", str(DEFAULT_PAGE)))
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("order must be 'asc' or 'desc'", field="order")
    ordered = list(items if order == "asc" else reversed(items))
    after = query.get("after")
    if after is not None:
        places = [number for number, item in enumerate(ordered) if item.get("id") == after]
        if not places:
            raise BadRequest(f"after: there is no item {after!r}", field="after")
        ordered = ordered[places[0] + 1 :]
    page = ordered[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(ordered) > limit,
    }


def deleted(response_id: str) -> dict[str, Any]:
    """The answer to DELETE."""
    return {"id": response_id, "object": "response", "deleted": True}


def not_cancellable(response_id: str) -> BadRequest:
    """The answer to cancel: what is kept has ended, for nothing here runs in the background."""
    return BadRequest(f"Response {response_id!r} is not a background response and cannot be cancelled.")


def not_found(response_id: str) -> UnknownObject:
    """The refusal of an id in a path that is nobody's, or another customer's."""
    return UnknownObject(f"Response with id '{response_id}' not found.")


def previous_not_found(response_id: str) -> NoSuchPrevious:
    """The refusal of a `previous_response_id` that is nobody's, or another customer's."""
    return NoSuchPrevious(f"Previous response with id '{response_id}' not found.", field="previous_response_id")


def _with_id(item: dict[str, Any], number: int) -> dict[str, Any]:
    kind = item.get("type") or "message"
    given = item.get("id")
    own = given if isinstance(given, str) and given else None
    made = f"{_PREFIXES.get(str(kind), 'item_')}in_{number}"
    kept = {"id": own or made, "type": kind, **{name: value for name, value in item.items() if name != "id"}}
    if kind in _FINISHED:
        kept.setdefault("status", "completed")
    if kind == "message" and isinstance(item.get("content"), str):
        part = _TEXTS.get(str(item.get("role")), {"type": "input_text"})
        kept["content"] = [{**part, "text": item["content"]}]
    return kept


def _page_size(text: str) -> int:
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= size <= LARGEST_PAGE:
        raise BadRequest(f"limit must be a whole number from 1 to {LARGEST_PAGE}", field="limit")
    return size
