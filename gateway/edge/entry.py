"""The application: one QuartTrio subclass whose ASGI entry serves the calls itself and gives everything else to Quart.

The entry owns a call from its first byte to its settlement; no web framework's response object can lose it on the way.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
import trio
from quart_trio import QuartTrio

from gateway.answers import error_headers
from gateway.clock import new_id, now_ms
from gateway.dialects import dialect_named
from gateway.dialects.base import Dialect
from gateway.dialects.peek import read_fields
from gateway.edge.address import UNIX_PEER, client_address, parse_networks
from gateway.edge.auth import check_guessing, credential_of, has_valid_key, identify
from gateway.edge.client import Client
from gateway.edge.cors import cors_headers, preflight_headers
from gateway.edge.headers import header_map
from gateway.edge.keyless import KeylessCallers
from gateway.edge.pages import register_pages
from gateway.edge.routing import Operation, Route, chat_path_dialect, error_dialect, is_bare_chat_path, route
from gateway.errors import BodyTooLarge, CallError, InternalError, Unauthenticated, UpgradeRequired
from gateway.records import DialectName
from gateway.relay import relay
from gateway.services import Services
from gateway.stored import count_tokens, stored_response
from gateway.terms import Caller, Inbound

logger = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CALLS = {
    Operation.MESSAGES: "/messages",
    Operation.CHAT: "/chat/completions",
    Operation.RESPONSES: "/responses",
    Operation.COMPACT: "/responses/compact",
}
COUNTS = {
    Operation.COUNT_TOKENS: "/messages/count_tokens",
    Operation.INPUT_TOKENS: "/responses/input_tokens",
}
STORED = {
    Operation.RESPONSE: "GET",
    Operation.RESPONSE_DELETE: "DELETE",
    Operation.RESPONSE_INPUT_ITEMS: "GET",
    Operation.RESPONSE_CANCEL: "POST",
}
FAILED = "The gateway failed. The operator's log has the details."
HANDLED_HERE = {*CALLS, *COUNTS, *STORED, Operation.RESPONSES_SOCKET, Operation.PREFLIGHT}


class Gateway(QuartTrio):
    """The ASGI application."""

    def __init__(self, services: Services) -> None:
        super().__init__("gateway.edge", static_folder=None)
        self.services = services
        self._trusted = parse_networks(services.settings.trusted_proxies)
        self._trust_unix = UNIX_PEER in services.settings.trusted_proxies
        self._keyless = services.settings.auth == "none"
        self._keyless_callers = KeylessCallers(services.settings, services.limiter)
        register_pages(self, services)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        headers = header_map(scope["headers"])
        client = Client(send, cors_headers(headers, self.services.settings.cors_origins))
        path = scope["path"]
        request_id = new_id("req_")
        try:
            where = self._route(scope, headers, client)
            if where.operation not in HANDLED_HERE:
                scope["trigate.request_id"] = request_id
                scope["trigate.headers"] = client.headers
                await super().__call__(scope, receive, send)
                return
            await self._handle(where, scope, headers, receive, client, request_id)
        except CallError as error:
            await self._refuse(error, self._words(path, headers), client, request_id)
        except OSError:
            return
        except Exception:
            logger.exception("request_failed", request_id=request_id, path=path)
            await self._refuse(InternalError(FAILED), self._words(path, headers), client, request_id)

    async def caller(self, scope: Any, headers: dict[str, str]) -> Caller:
        """Who calls, for every route that needs a key. Raises Unauthenticated, Forbidden, RateLimited.

        A key may be a moment older than the snapshot, and a 401 is final to every SDK: before one is given, the
        database is looked at once more.
        """
        services = self.services
        address = self.address(scope, headers)
        try:
            return identify(headers, address, services.configuration.snapshot, keyless=self._keyless, now_ms=now_ms())
        except Unauthenticated:
            if credential_of(headers) is None:
                raise
        rate = services.settings.invalid_key_rpm
        check_guessing(address, services.limiter, rate=rate, now=trio.current_time())
        await services.condition.wait_followed()
        return identify(headers, address, services.configuration.snapshot, keyless=self._keyless, now_ms=now_ms())

    def address(self, scope: Any, headers: dict[str, str]) -> str:
        """The client's address, as far as it can be believed."""
        peer = scope.get("client")
        return client_address(peer[0] if peer else None, headers, self._trusted, trust_unix=self._trust_unix)

    def _route(self, scope: Any, headers: dict[str, str], client: Client) -> Route:
        """Where a request goes. Without a key it is counted first, if it can go anywhere."""
        keyless = self._keyless and not has_valid_key(headers, self.services.configuration.snapshot, now_ms())
        address = self.address(scope, headers) if keyless else ""
        try:
            where = route(scope["method"], scope["path"], headers)
        except CallError:
            if keyless:
                self._keyless_callers.tell(address, client)
            raise
        if keyless:
            self._keyless_callers.admit(where.operation, headers, address, client)
        return where

    async def _handle(
        self, where: Route, scope: Any, headers: dict[str, str], receive: Receive, client: Client, request_id: str
    ) -> None:
        operation = where.operation
        if operation is Operation.PREFLIGHT:
            await client.respond(204, preflight_headers(headers, self.services.settings.cors_origins), b"")
            return
        if operation is Operation.RESPONSES_SOCKET:
            raise UpgradeRequired("WebSocket is not served here. POST /v1/responses with stream: true.")
        caller = await self.caller(scope, headers)
        body = await read_body(receive, headers, self.services.settings.max_body_bytes)
        watch = scope["extensions"]["trigate.client"].watch
        dialect, fields = self._dialect(where, headers, body)
        required = where.path == "/v1/messages"
        query = scope["query_string"].decode("latin-1")
        path = upstream_path(where, dialect)
        address = self.address(scope, headers)
        inbound = Inbound(request_id, caller, dialect, path, headers, address, body, query, required, fields)
        try:
            if operation in STORED:
                await stored_response(inbound, STORED[operation], where.object_id, client, self.services, watch)
            elif operation in COUNTS:
                await count_tokens(inbound, client, self.services, watch)
            else:
                await relay(inbound, client, self.services, watch)
        except CallError as error:
            await self._refuse(error, dialect, client, request_id)

    def _dialect(
        self, where: Route, headers: dict[str, str], body: bytes
    ) -> tuple[Dialect, dict[str, msgspec.Raw] | None]:
        """The dialect of a call, and the body's members where it took them to know."""
        if where.dialect is not None:
            return dialect_named(where.dialect), None
        fields = read_fields(body)
        return dialect_named(self._chat_path_dialect(fields, headers)), fields

    def _words(self, path: str, headers: dict[str, str]) -> Dialect:
        """The dialect of an error whose request was never read. Where callers have no keys, the bare chat path is
        what it is taken for when a body does not tell."""
        name = error_dialect(path, headers)
        if self._keyless and is_bare_chat_path(path):
            name = self._chat_path_dialect({}, headers)
        return dialect_named(name)

    def _chat_path_dialect(self, fields: dict[str, msgspec.Raw], headers: dict[str, str]) -> DialectName:
        return chat_path_dialect(
            fields,
            headers,
            has_credential=credential_of(headers) is not None,
            keyless_default=self.services.settings.keyless_chat_dialect,
        )

    async def _refuse(self, error: CallError, dialect: Dialect, client: Client, request_id: str) -> None:
        """The error in the words of a dialect. After the head has gone out only closing is left."""
        self.services.metrics.limit_refused(error.code)
        try:
            if client.started:
                await client.abort()
                return
            status, body = dialect.error_body(self.services.worded(error), request_id)
            closing = [(b"connection", b"close")] if isinstance(error, BodyTooLarge) else []
            await client.respond(status, [*error_headers(error, request_id), *closing], body)
        except OSError:
            return


def upstream_path(where: Route, dialect: Dialect) -> str:
    """Below the API's root: the client's own but for Messages on the chat path."""
    if where.operation in STORED:
        return where.path.removeprefix("/v1")
    if where.operation is Operation.CHAT and dialect.name == "messages":
        return CALLS[Operation.MESSAGES]
    return CALLS.get(where.operation) or COUNTS[where.operation]


async def read_body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The body, counted as it arrives. Raises BodyTooLarge, before reading where the length was declared."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        parts.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ConnectionResetError("The client left before its request was complete.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes.")
