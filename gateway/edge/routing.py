"""Which operation a path means, and which dialect a body on the chat path speaks. Pure.

Clients are given base URLs with and without `/v1` and join them as they like, so every path is accepted under an
optional `/openai` or `/anthropic`, after zero or more `/v1`, with or without a trailing slash.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec
from msgspec import Struct

from gateway.dialects.evidence import shape_of
from gateway.errors import MethodNotAllowed
from gateway.records import DialectName


class Operation(Enum):
    """What a request wants done."""

    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    CHAT = "chat"
    RESPONSES = "responses"
    INPUT_TOKENS = "input_tokens"
    COMPACT = "compact"
    RESPONSES_SOCKET = "responses_socket"
    RESPONSE = "response"
    RESPONSE_DELETE = "response_delete"
    RESPONSE_INPUT_ITEMS = "response_input_items"
    RESPONSE_CANCEL = "response_cancel"
    MODELS = "models"
    MODELS_INFO = "models_info"
    MODEL = "model"
    USAGE = "usage"
    USAGE_RECORD = "usage_record"
    BALANCE = "balance"
    PREFLIGHT = "preflight"
    ROOT = "root"
    PAGE = "page"


class Route(Struct, frozen=True):
    """Where a request goes.

    `dialect` types its errors; None on the bare chat path, where the body decides (`chat_path_dialect`). `path` is the
    canonical spelling, `object_id` the model, response or request id in it.
    """

    operation: Operation
    path: str
    dialect: DialectName | None
    object_id: str = ""


_ACTIONS: dict[str, tuple[Operation, DialectName | None]] = {
    "messages": (Operation.MESSAGES, "messages"),
    "messages/count_tokens": (Operation.COUNT_TOKENS, "messages"),
    "chat/completions": (Operation.CHAT, None),
    "responses": (Operation.RESPONSES, "responses"),
    "responses/input_tokens": (Operation.INPUT_TOKENS, "responses"),
    "responses/compact": (Operation.COMPACT, "responses"),
}
_LISTINGS = {
    "models": Operation.MODELS,
    "models/info": Operation.MODELS_INFO,
    "usage": Operation.USAGE,
    "balance": Operation.BALANCE,
}
_NAMESPACES = ("openai", "anthropic")

_EXACT: dict[tuple[str, str], Route] = {
    ("POST", f"/v1/{tail}"): Route(operation, f"/v1/{tail}", dialect) for tail, (operation, dialect) in _ACTIONS.items()
} | {("POST", "/openai/v1/chat/completions"): Route(Operation.CHAT, "/v1/chat/completions", "chat")}
"""The spellings nearly every request has: one dictionary look-up."""


def route(method: str, path: str, headers: Mapping[str, str]) -> Route:
    """The route of a request; `path` is decoded and without its query. Raises MethodNotAllowed.

    What is not listed here is a PAGE: the web framework answers it, with a 404 if need be.
    """
    exact = _EXACT.get((method, path))
    if exact is not None:
        return exact
    if method == "OPTIONS":
        return Route(Operation.PREFLIGHT, path, None)
    namespace, tail = _tail(path)
    if tail in _ACTIONS:
        return _action_route(method, namespace, tail, headers)
    if tail.startswith("responses/"):
        return _response_route(method, tail)
    return _listing_route(method, path, namespace, tail, headers)


def error_dialect(path: str, headers: Mapping[str, str]) -> DialectName:
    """How to word an error of a request that has no route or whose body was never read."""
    namespace, tail = _tail(path)
    if tail == "messages" or tail.startswith("messages/"):
        return "messages"
    if tail == "responses" or tail.startswith("responses/"):
        return "responses"
    return _listing_dialect(namespace, headers)


def is_bare_chat_path(path: str) -> bool:
    """Chat's path outside the `/openai` namespace, where the body decides what it is."""
    namespace, tail = _tail(path)
    return tail == "chat/completions" and namespace != "openai"


def _tail(path: str) -> tuple[str, str]:
    """The namespace and what is left of a path without it, its `/v1`s and its outer slashes."""
    segments = path.strip("/").split("/")
    if "" in segments:
        segments = [segment for segment in segments if segment] or [""]
    start = 0
    namespace = ""
    if segments[0] in _NAMESPACES:
        namespace = segments[0]
        start = 1
    while start < len(segments) and segments[start] == "v1":
        start += 1
    return namespace, "/".join(segments[start:])


def _action_route(method: str, namespace: str, tail: str, headers: Mapping[str, str]) -> Route:
    operation, dialect = _ACTIONS[tail]
    if operation is Operation.RESPONSES and method == "GET" and "websocket" in headers.get("upgrade", "").lower():
        return Route(Operation.RESPONSES_SOCKET, "/v1/responses", "responses")
    if method != "POST":
        raise _not_allowed(method, "POST")
    if operation is Operation.CHAT and namespace == "openai":
        dialect = "chat"
    return Route(operation, f"/v1/{tail}", dialect)


def _response_route(method: str, tail: str) -> Route:
    """Stored responses: `responses/{id}`, `responses/{id}/input_items`, `responses/{id}/cancel`."""
    _, response_id, *rest = tail.split("/")
    allowed = {
        (): {"GET": Operation.RESPONSE, "DELETE": Operation.RESPONSE_DELETE},
        ("input_items",): {"GET": Operation.RESPONSE_INPUT_ITEMS},
        ("cancel",): {"POST": Operation.RESPONSE_CANCEL},
    }.get(tuple(rest))
    if allowed is None:
        return Route(Operation.PAGE, f"/v1/{tail}", "responses")
    if method not in allowed:
        raise _not_allowed(method, ", ".join(allowed))
    return Route(allowed[method], f"/v1/{tail}", "responses", response_id)


def _listing_route(method: str, path: str, namespace: str, tail: str, headers: Mapping[str, str]) -> Route:
    """What is read: listings, the caller's usage, pages. A model's id may hold slashes, colons and dots."""
    dialect = _listing_dialect(namespace, headers)
    object_id = ""
    operation = _LISTINGS.get(tail)
    if operation is None and tail.startswith("models/"):
        operation, object_id = Operation.MODEL, tail.removeprefix("models/")
    elif operation is None and tail.startswith("usage/"):
        operation, object_id = Operation.USAGE_RECORD, tail.removeprefix("usage/")
    elif path == "/" and method in ("GET", "HEAD"):
        return Route(Operation.ROOT, "/", dialect)
    if operation is None:
        return Route(Operation.PAGE, path, dialect)
    if method not in ("GET", "HEAD"):
        raise _not_allowed(method, "GET, HEAD")
    return Route(operation, f"/v1/{tail}", dialect, object_id)


def _listing_dialect(namespace: str, headers: Mapping[str, str]) -> DialectName:
    if namespace == "openai":
        return "chat"
    return "messages" if namespace == "anthropic" or "anthropic-version" in headers else "chat"


def _not_allowed(method: str, allowed: str) -> MethodNotAllowed:
    return MethodNotAllowed(f"{method} is not possible here, only {allowed}.", headers=[(b"allow", allowed.encode())])


def chat_path_dialect(
    fields: dict[str, msgspec.Raw],
    headers: Mapping[str, str],
    *,
    has_credential: bool,
    keyless_default: DialectName = "messages",
) -> DialectName:
    """Whether a request on the bare `/v1/chat/completions` is Chat or Messages.

    By the `anthropic-version` header, then by what only one of the two has in its body, then by the credential: the
    openai SDKs always send one, and the examples of those who serve Messages on this path send none. The `/openai`
    namespace has been decided by `route` already.
    """
    if "anthropic-version" in headers:
        return "messages"
    return shape_of(fields) or ("chat" if has_credential else keyless_default)
