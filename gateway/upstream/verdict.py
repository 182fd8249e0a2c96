"""What a caller hears of failed attempts. Pure: never an account's name, an upstream's host or its raw words."""

from collections.abc import Sequence

from gateway.dialects.base import UpstreamError
from gateway.errors import (
    BadRequest,
    BodyTooLarge,
    CallError,
    ContextTooLong,
    Overloaded,
    RateLimited,
    Unavailable,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.upstream.cooldown import Cause, Failure

RETRY_AFTER_S = 5.0
_STATUS_ERRORS: dict[int, type[CallError]] = {404: UnknownModel, 413: BodyTooLarge}


def client_error(failure: Failure) -> CallError:
    """A failure of the caller's own making: what the provider said about the caller's request."""
    if failure.cause is Cause.CONTEXT_TOO_LONG:
        return ContextTooLong(failure.public_message)
    kind = _STATUS_ERRORS.get(failure.status, BadRequest)
    return kind(failure.public_message, field=failure.field or None)


def no_answer(failure: Failure, retry_after_s: float | None = None) -> CallError:
    """The last attempt failed and nobody is left: its kind decides, and there is always a time to come back."""
    wait = retry_after_s or failure.retry_after_s or RETRY_AFTER_S
    match failure.cause:
        case Cause.RATE_LIMITED:
            return RateLimited("The provider's rate limit is reached.", retry_after_s=wait)
        case Cause.OVERLOADED:
            return Overloaded("The provider is overloaded.", retry_after_s=wait)
        case Cause.TIMEOUT:
            return UpstreamTimeout("The provider did not answer in time.", retry_after_s=wait)
        case Cause.UNAVAILABLE:
            return Unavailable(failure.public_message, retry_after_s=wait)
        case Cause.QUOTA | Cause.CREDENTIALS | Cause.MODEL_MISSING:
            return Unavailable("No account of this gateway can serve this model now.", retry_after_s=wait)
        case _:
            return UpstreamFailed("The provider failed to answer.", retry_after_s=wait)


def nobody_left(failures: Sequence[Failure], waits: Sequence[tuple[str, float]]) -> CallError:
    """No account is left to try. `waits` are (reason, seconds) of every candidate that is cooling down.

    Every candidate rate limited is 429 with the earliest reset, whether it was refused now or before.
    """
    earliest = min((seconds for _, seconds in waits), default=None)
    limited = all(failure.cause is Cause.RATE_LIMITED for failure in failures) and all(
        reason == Cause.RATE_LIMITED.value for reason, _ in waits
    )
    if limited and (failures or waits):
        return RateLimited("The provider's rate limit is reached.", retry_after_s=earliest or RETRY_AFTER_S)
    if failures:
        return no_answer(failures[-1], earliest)
    return Unavailable("No healthy account serves this model now.", retry_after_s=earliest or RETRY_AFTER_S)


def broken_stream(error: UpstreamError) -> CallError:
    """An upstream that broke off after it had begun to answer."""
    if error.status == 529:
        return Overloaded("The provider became overloaded while it answered.")
    if error.status == 429:
        return RateLimited("The provider's rate limit was reached while it answered.")
    if error.status == 504:
        return UpstreamTimeout("The provider fell silent while it answered.")
    return UpstreamFailed("The provider broke off its answer. What was delivered is incomplete.")
