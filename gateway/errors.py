"""Every failure the gateway tells a caller or an operator about.

TrigateError
├ OperatorError                 for whoever runs the gateway; `exit_code` is the command line's
│ ├ UsageError          2       the command does not make sense as given
│ ├ ConfigurationError  3       a setting, catalog or file is wrong
│ ├ NotPermitted        4       file modes, unsafe binds
│ ├ NotFound            5       no such customer, key, account, call
│ └ StoreUnavailable    6       database busy, held by another gateway, or in need of migration
└ CallError                     for the caller; each dialect renders it as its own envelope
  ├ BadRequest          400     the body or a header is wrong; `field` names where
  │ ├ ContextTooLong    400     prompt and answer do not fit the model
  │ ├ Unsupported       400     a value that the model or account to answer does not take
  │ ├ NoSuchPrevious    400     `previous_response_id` names nothing of this customer's
  │ └ WrongEndpoint     400     this key or model is served under another path
  ├ Unauthenticated     401
  ├ OutOfCredit         402     balance or spend limit (Responses: 429 insufficient_quota)
  ├ Forbidden           403
  ├ UnknownModel        404
  ├ UnknownObject       404     a response, usage record or route that is not there
  ├ MethodNotAllowed    405
  ├ RequestTimeout      408     the request did not arrive in time
  ├ BodyTooLarge        413
  ├ UpgradeRequired     426     WebSocket on /v1/responses
  ├ RateLimited         429
  ├ InternalError       500
  ├ UpstreamFailed      502     the last account answered with an error or garbage
  ├ Unavailable         503     no healthy account, or the ledger cannot commit
  ├ UpstreamTimeout     504
  └ Overloaded          529     the provider is overloaded (Chat and Responses: 503)

`retryable` becomes `x-should-retry`. Types and codes per dialect: `gateway.dialects.base.ERROR_TYPES`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class TrigateError(Exception):
    """Base of everything raised on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OperatorError(TrigateError):
    """Something the operator can mend. The message says what happened and what to do."""

    exit_code: ClassVar[int] = 1


class UsageError(OperatorError):
    exit_code = 2


class ConfigurationError(OperatorError):
    exit_code = 3


class NotPermitted(OperatorError):
    exit_code = 4


class NotFound(OperatorError):
    exit_code = 5


class StoreUnavailable(OperatorError):
    exit_code = 6


class CallError(TrigateError):
    """A call that ends in an error.

    `status` is the HTTP status in the Messages dialect; `code` a stable machine word; `field` the path in the
    caller's body that is to blame, `issue` what is wrong with it in a few words (empty: the message says it);
    `retry_after_s` becomes `retry-after`; `details` are extra public facts; `headers` go out with the answer as they
    are. `wire_type` and `wire_status` take the place of the dialect's own, see `gateway.dialects.envelope`.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    issue: ClassVar[str] = ""
    retryable: ClassVar[bool] = False
    wire_type: str | None = None
    wire_status: int | None = None

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
        details: dict[str, Any] | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.headers = headers
        self.field = field
        self.retry_after_s = retry_after_s
        self.details = details


class BadRequest(CallError):
    status = 400
    code = "validation_error"


class ContextTooLong(BadRequest):
    code = "context_length_exceeded"


class Unsupported(BadRequest):
    code = "unsupported_value"


class NoSuchPrevious(BadRequest):
    code = "previous_response_not_found"


class WrongEndpoint(BadRequest):
    code = "wrong_endpoint"


class Unauthenticated(CallError):
    status = 401
    code = "invalid_api_key"


class OutOfCredit(CallError):
    status = 402
    code = "insufficient_quota"


class Forbidden(CallError):
    status = 403
    code = "permission_denied"


class UnknownModel(CallError):
    status = 404
    code = "model_not_found"
    issue = "Model not found"


class UnknownObject(CallError):
    status = 404
    code = "not_found"


class MethodNotAllowed(CallError):
    status = 405
    code = "method_not_allowed"


class RequestTimeout(CallError):
    status = 408
    code = "request_timeout"
    retryable = True


class BodyTooLarge(CallError):
    status = 413
    code = "request_too_large"


class UpgradeRequired(CallError):
    status = 426
    code = "upgrade_required"


class RateLimited(CallError):
    status = 429
    code = "rate_limit_exceeded"
    retryable = True


class InternalError(CallError):
    status = 500
    code = "internal_error"
    retryable = True


class UpstreamFailed(CallError):
    status = 502
    code = "upstream_error"
    retryable = True


class Unavailable(CallError):
    status = 503
    code = "unavailable"
    retryable = True


class UpstreamTimeout(CallError):
    status = 504
    code = "timeout"
    retryable = True


class Overloaded(CallError):
    status = 529
    code = "overloaded"
    retryable = True
