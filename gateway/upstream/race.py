"""Who is tried, and when: `failover` tries one account after the other until one answers."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import BadRequest
from gateway.upstream.attempt import AttemptFailed
from gateway.upstream.cooldown import Failure
from gateway.upstream.pool import Lease, Pool
from gateway.upstream.serving import Seat
from gateway.upstream.verdict import client_error

T = TypeVar("T")


async def failover(pool: Pool, seats: tuple[Seat, ...], model_id: str, attempt: Callable[[Lease], Awaitable[T]]) -> T:
    """The first answer. Raises the caller's error at once where the fault is the caller's, or when nobody is left."""
    failures: list[Failure] = []
    refusal: BadRequest | None = None
    tried: set[int] = set()
    while (lease := await pool.lease(seats, model_id, tried)) is not None:
        tried.add(lease.seat.account.id)
        try:
            answer = await attempt(lease)
        except AttemptFailed as failed:
            failure = failed.failure
            if failure.client_fault:
                pool.answered(lease)
                lease.release()
                raise client_error(failure) from None
            pool.failed(lease, failure)
            lease.release()
            failures.append(failure)
        except BadRequest as error:
            # What this account cannot be asked by translation, another may take as it is.
            lease.release()
            refusal = refusal or error
        except BaseException:
            lease.release()
            raise
        else:
            pool.answered(lease)
            return answer
    if refusal is not None and not failures:
        raise refusal
    raise pool.none_left(seats, model_id, failures)
