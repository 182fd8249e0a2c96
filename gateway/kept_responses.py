"""Responses the gateway keeps itself, for calls that an account answered which has no such thing.

A call that is translated has no response at its provider to go on from. Unless the client said `store: false`, the
answer and what led to it are kept here; the next call gets them in front of its input.
"""

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from gateway.answers import JSON_TYPE, id_headers
from gateway.open_calls import OpenCall, StreamClient
from gateway.services import Services
from gateway.terms import Inbound
from gateway.translate.response_store import (
    deleted,
    history_of,
    input_page,
    is_wanted,
    not_cancellable,
    resolved_items,
    response_in,
    response_of,
)


async def kept_history(customer_id: int, response_id: str, services: Services) -> tuple[dict[str, Any], ...] | None:
    """The items a kept response was made of, and its output; None for an id that is not kept for this customer."""
    kept = await services.reads.response(customer_id, response_id)
    if kept is None:
        return None
    response, items = kept
    return history_of(msgspec.json.decode(items), msgspec.json.decode(response))


async def keep_answer(call: OpenCall, services: Services, answer: bytes) -> None:
    """Keep a translated Responses answer, if the client wants it kept: a whole body, or the last frames of a stream.

    Handed to the writer before the settlement, so it can be found when the client has its answer.
    """
    terms = call.terms
    if not call.translated or terms.dialect_name != "responses" or not is_wanted(terms.peek.fields):
        return
    response = response_in(answer) if terms.peek.stream else response_of(answer)
    if response is None:
        return
    asked = msgspec.json.decode(terms.peek.fields.get("input", b"[]"))
    items = resolved_items(asked, terms.history)
    await services.ledger.keep_response(
        call.row.customer_id,
        response["id"],
        call.row.model,
        msgspec.json.encode(response),
        msgspec.json.encode(items),
    )


async def answer_kept(
    inbound: Inbound, method: str, response_id: str, client: StreamClient, services: Services
) -> bool:
    """GET, DELETE, cancel and input_items of a kept response. False if there is none of that id."""
    customer_id = inbound.caller.customer.id
    kept = await services.reads.response(customer_id, response_id)
    if kept is None:
        return False
    response, items = kept
    if method == "DELETE":
        services.ledger.forget_response(customer_id, response_id)
        body = msgspec.json.encode(deleted(response_id))
    elif method == "POST":
        raise not_cancellable(response_id)
    elif inbound.path.endswith("/input_items"):
        body = msgspec.json.encode(input_page(msgspec.json.decode(items), dict(parse_qsl(inbound.query))))
    else:
        body = response
    await client.respond(200, [JSON_TYPE, *id_headers(inbound.id)], body)
    return True
