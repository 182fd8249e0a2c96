"""The pages: everything the application answers that is not a call."""

from typing import Any, Protocol

import structlog
from quart import Response, request
from quart_trio.asgi import TrioASGIHTTPConnection

from gateway.answers import error_headers
from gateway.dialects import dialect_named
from gateway.edge.headers import header_map
from gateway.edge.pages.docs import show_docs
from gateway.edge.pages.health import show_health, show_metrics, show_readiness, show_root
from gateway.edge.pages.models import list_models, list_models_info, show_model
from gateway.edge.pages.openapi import show_openapi
from gateway.edge.pages.page import Asked, Headers, Page, View, parse_query, read_only
from gateway.edge.pages.usage import show_balance, show_usage, summarize_usage
from gateway.edge.routing import Operation, Route, error_dialect, route
from gateway.errors import CallError, InternalError, UnknownObject
from gateway.services import Services
from gateway.terms import Caller

logger = structlog.get_logger(__name__)

OPERATIONS: dict[Operation, View] = {
    Operation.ROOT: show_root,
    Operation.MODELS: list_models,
    Operation.MODELS_INFO: list_models_info,
    Operation.MODEL: show_model,
    Operation.USAGE: summarize_usage,
    Operation.USAGE_RECORD: show_usage,
    Operation.BALANCE: show_balance,
}
PLAIN: dict[str, View] = {
    "/health": show_health,
    "/healthz": show_health,
    "/readyz": show_readiness,
    "/metrics": show_metrics,
    "/openapi.json": show_openapi,
    "/docs": show_docs,
}
"""Pages outside the API, by path."""

_DOCUMENTS = (show_openapi, show_docs)
_BASES = {"", "v1", "openai", "anthropic"}
# No page reads a body; what a client sends all the same is dropped beyond this.
_MOST_BODY_BYTES = 65_536


class PageHost(Protocol):
    """What is needed of the application: the QuartTrio subclass of `gateway.edge.entry`."""

    config: Any
    asgi_http_class: Any

    async def caller(self, scope: Any, headers: dict[str, str]) -> Caller: ...
    def before_request(self, func: Any, /) -> Any: ...
    def register_error_handler(self, code_or_exception: Any, func: Any, /) -> Any: ...


def register_pages(app: PageHost, services: Services) -> None:
    """Have `app` answer every request that reaches Quart, whatever its path and method.

    Before Quart's own routing, which would redirect `//v1/models` and answer unknown methods in HTML.
    """

    async def answer() -> Response:
        scope, headers = _scope(), _headers()
        where = route(request.method, scope["path"], headers)
        asked = Asked(
            request.method,
            where,
            parse_query(scope["query_string"]),
            lambda: app.caller(scope, headers),
            services,
        )
        view = view_of(where, services)
        read_only(asked)
        return _respond(await view(asked))

    async def refuse(error: CallError) -> Response:
        return _respond(_error_page(services.worded(error)))

    async def fail(error: Exception) -> Response:
        logger.error("page_failed", request_id=_request_id(), path=_scope()["path"], exc_info=error)
        return await refuse(InternalError("The gateway failed. The operator's log has the details."))

    app.config["MAX_CONTENT_LENGTH"] = _MOST_BODY_BYTES
    # The connection has its own deadlines.
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    app.asgi_http_class = PageConnection
    app.before_request(answer)
    app.register_error_handler(CallError, refuse)
    app.register_error_handler(Exception, fail)


class PageConnection(TrioASGIHTTPConnection):
    """Quart answers in a nursery of its own; a client that left is no group of errors to the entry."""

    def __init__(self, app: Any, scope: Any) -> None:
        # No page looks at `Host`, and Quart's URL map breaks on one that is no domain name.
        headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        without_host: Any = {**scope, "headers": headers}
        super().__init__(app, without_host)

    async def __call__(self, receive: Any, send: Any) -> None:
        try:
            await super().__call__(receive, send)
        except* OSError:
            logger.debug("client_gone", path=self.scope["path"])


def view_of(where: Route, services: Services) -> View:
    """Which page a route means. Raises UnknownObject."""
    view = OPERATIONS.get(where.operation) or PLAIN.get(where.path.rstrip("/"))
    if view is None and where.operation is Operation.PAGE and _BASES.issuperset(where.path.split("/")):
        view = show_root
    if view is None or (view in _DOCUMENTS and not services.settings.docs_enabled):
        raise UnknownObject(f"There is nothing at {where.path[:200]}.")
    return view


def _error_page(error: CallError) -> Page:
    dialect = error_dialect(_scope()["path"], _headers())
    status, body = dialect_named(dialect).error_body(error, _request_id())
    return Page(body, "application/json", status, error_headers(error, _request_id()))


def _respond(page: Page) -> Response:
    response = Response(page.body, page.status, content_type=page.content_type)
    headers: Headers = [
        (b"request-id", _request_id().encode()),
        (b"x-request-id", _request_id().encode()),
        *page.headers,
        *_scope()["trigate.headers"],
    ]
    for name, value in headers:
        response.headers[name.decode("latin-1")] = value.decode("latin-1")
    return response


def _scope() -> Any:
    """The ASGI scope, with what the entry has put into it."""
    return request.scope


def _headers() -> dict[str, str]:
    return header_map(_scope()["headers"])


def _request_id() -> str:
    """The entry's, which the answer's headers and the log agree on."""
    identity: str = _scope()["trigate.request_id"]
    return identity
