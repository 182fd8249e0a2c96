"""Errors on the wire: the one envelope every client understands, and reading whatever upstreams send instead.

The envelope is Anthropic's and OpenAI's at once; both SDK families, Claude Code and Codex were run against it.
"""

from typing import Any

import msgspec

from gateway.dialects.base import ERROR_TYPES, UpstreamError
from gateway.errors import CallError, OutOfCredit, Overloaded, UnknownModel, UpstreamFailed
from gateway.records import DialectName

_MAX_MESSAGE_CHARACTERS = 2_000
_MAX_RAW_BYTES = 65_536

VALIDATION_ERROR = "validation_error"
_WHOLE_BODY = "body"

_STATUS_BY_CODE = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "validation_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_error": 500,
    "server_is_overloaded": 503,
    "overloaded": 503,
    "slow_down": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def status_of(dialect: DialectName, error: CallError) -> int:
    """The HTTP status of an error: 529 is Anthropic's own, and Codex takes only a 429 for an empty balance."""
    if error.wire_status is not None:
        return error.wire_status
    if dialect != "messages" and error.status == 529:
        return 503
    if dialect == "responses" and error.status == 402:
        return 429
    return error.status


def code_of(dialect: DialectName, error: CallError) -> str:
    """The machine word of an error. Codex ends its retries on `server_is_overloaded`, so Responses says that."""
    if dialect == "responses" and isinstance(error, Overloaded):
        return "server_is_overloaded"
    return error.code


def failed_response_code(error: CallError) -> str:
    """The code inside `response.failed`: the ones clients act on, otherwise the vendor's `server_error`."""
    if isinstance(error, OutOfCredit | Overloaded) or error.code in ("context_length_exceeded", "rate_limit_exceeded"):
        return code_of("responses", error)
    return "server_error"


def envelope(dialect: DialectName, error: CallError, request_id: str) -> dict[str, Any]:
    """The error as JSON values. `param` and `details.field` name the member of the caller's body that is to blame,
    `details.issue` says what is wrong with it."""
    types = ERROR_TYPES[dialect]
    code = code_of(dialect, error)
    inner: dict[str, Any] = {
        "type": error.wire_type or types.get(error.status, types[500]),
        "message": error.message,
        "code": code,
        "param": error.field,
    }
    details = dict(error.details or {})
    field = error.field or (_WHOLE_BODY if error.wire_type == VALIDATION_ERROR else None)
    if field is not None:
        details |= {"field": field, "issue": error.issue or error.message}
    if dialect == "messages":
        # Anthropic clients branch on this word; their SDK exposes `error.details`, not `error.code`.
        details.setdefault("error_code", code)
    if details:
        inner["details"] = details
    return {"type": "error", "error": inner, "request_id": request_id}


def without_keys(error: CallError) -> CallError:
    """An error as a gateway without keys words it, whose callers are told of four kinds of failure: what is wrong with
    a request is a `validation_error` in every dialect, its details always complete, and an account that failed is a
    500. What has another status is worded as ever."""
    if error.status == 400 or (isinstance(error, UnknownModel) and error.field is not None):
        error.wire_type = VALIDATION_ERROR
    elif isinstance(error, UpstreamFailed):
        error.wire_status = 500
    return error


def error_body(dialect: DialectName, error: CallError, request_id: str) -> tuple[int, bytes]:
    """HTTP status and body."""
    return status_of(dialect, error), msgspec.json.encode(envelope(dialect, error, request_id))


def read_error(status: int, body: bytes) -> UpstreamError:
    """An upstream's error answer: Anthropic's and OpenAI's shapes, a bare string, FastAPI's `detail`, HTML, nothing.

    A status below 400 (an error inside a 200) is replaced by what its code stands for, 502 where that is unknown.
    """
    try:
        found: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    inner = found
    if isinstance(found, dict):
        inner = next((found[name] for name in ("error", "detail") if found.get(name)), found)
    fields: dict[str, Any] = inner if isinstance(inner, dict) else {}
    message = inner if isinstance(inner, str) else fields.get("message")
    code, status = _code_and_status(fields, status)
    return UpstreamError(
        status=status,
        code=code,
        message=message[:_MAX_MESSAGE_CHARACTERS] if isinstance(message, str) else "",
        raw=body[:_MAX_RAW_BYTES],
    )


def wrong_answer(body: bytes, message: str) -> UpstreamError:
    """An answer or event under a good status that is an error: what it says of itself, otherwise this message."""
    found = read_error(200, body)
    return UpstreamError(
        status=found.status, code=found.code or "invalid_answer", message=found.message or message, raw=found.raw
    )


def stream_error(data: bytes) -> UpstreamError:
    """The data of an error event."""
    return wrong_answer(data, "The upstream ended its answer with an error.")


def _code_and_status(fields: dict[str, Any], status: int) -> tuple[str, int]:
    details = fields.get("details")
    words = [details.get("error_code") if isinstance(details, dict) else None, fields.get("code"), fields.get("type")]
    named = [word for word in words if isinstance(word, str) and word and word != "error"]
    code = named[0] if named else ""
    if status < 400:
        number = fields.get("code")
        if isinstance(number, int) and 400 <= number <= 599:
            return code, number
        status = next((_STATUS_BY_CODE[word] for word in named if word in _STATUS_BY_CODE), 502)
    return code, status
