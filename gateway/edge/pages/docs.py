"""GET /docs: what a key holder needs to know, on one page that loads nothing from anywhere."""

from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

import gateway
from gateway import errors
from gateway.dialects.base import ERROR_TYPES
from gateway.edge.pages.openapi import DOCUMENT
from gateway.edge.pages.page import Asked, Page
from gateway.errors import CallError

MEANINGS: dict[type[CallError], str] = {
    errors.BadRequest: "The body or a header is wrong; error.details.field names the place.",
    errors.ContextTooLong: "Prompt and answer do not fit the model's context.",
    errors.Unsupported: "The model that is to answer has no equal of this; error.param names it.",
    errors.NoSuchPrevious: "previous_response_id names no response of yours.",
    errors.WrongEndpoint: "This key is served under other paths; the message names them.",
    errors.Unauthenticated: "The key is missing, unknown, expired, disabled or revoked.",
    errors.OutOfCredit: "The balance or a spend limit does not cover the call. 429 on /v1/responses.",
    errors.Forbidden: "The key may not do this; the message says what it may.",
    errors.UnknownModel: "No such model. GET /v1/models lists what this key can call.",
    errors.UnknownObject: "No such response, usage record or path, or it is somebody else's.",
    errors.MethodNotAllowed: "This path takes another method.",
    errors.RequestTimeout: "The request did not arrive, or the call did not end, in time.",
    errors.BodyTooLarge: "The body is larger than this gateway accepts.",
    errors.UpgradeRequired: "WebSocket is not served. POST with stream: true.",
    errors.RateLimited: "Too many requests or tokens a minute, or every upstream is at its limit. Wait retry-after.",
    errors.InternalError: "The gateway failed. Report the request id to its operator.",
    errors.UpstreamFailed: "The upstream answered with an error or not properly.",
    errors.Unavailable: "No upstream is available, or the gateway is stopping. Retry shortly.",
    errors.UpstreamTimeout: "The upstream did not answer in time.",
    errors.Overloaded: "The provider is overloaded. 503 outside the Messages API.",
}
"""Every error a caller can get, in a sentence."""

_SECURITY = b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def _endpoint_rows() -> str:
    return _rows(
        (f"{method.upper()} {path}", about["summary"], "no" if about.get("security") == [] else "yes")
        for path, methods in DOCUMENT["paths"].items()
        for method, about in methods.items()
    )


def _error_rows() -> str:
    return _rows(
        (
            str(kind.status),
            kind.code,
            ERROR_TYPES["messages"][kind.status],
            ERROR_TYPES["chat"][kind.status],
            "yes" if kind.retryable else "no",
            meaning,
        )
        for kind, meaning in MEANINGS.items()
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)


_HTML = (
    Template(resources.files(__package__).joinpath("docs.html").read_text("utf-8"))
    .substitute(version=escape(gateway.__version__), endpoints=_endpoint_rows(), errors=_error_rows())
    .encode()
)


async def show_docs(_: Asked) -> Page:
    """The documentation, with this gateway's own address in its examples."""
    return Page(_HTML, "text/html; charset=utf-8", headers=[(b"content-security-policy", _SECURITY)])
