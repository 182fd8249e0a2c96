"""Who is tried, and when. `failover` tries one account after the other until one answers; `race` may have several at
work at once, in one nursery: the first that answers wins, and the others are told so before anybody reads the answer.

An entrant's `run` ends with its first semantic frame. What it holds then is the caller's if it won; every other
entrant has ended, or was handed over to the drains, when `race` returns.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, Protocol, TypeVar

import structlog
import trio

from gateway.errors import BadRequest, CallError
from gateway.records import AttemptReason
from gateway.upstream.attempt import AttemptFailed
from gateway.upstream.cooldown import Failure
from gateway.upstream.drains import Drains
from gateway.upstream.pool import Lease, Pool
from gateway.upstream.serving import Seat
from gateway.upstream.verdict import client_error

logger = structlog.get_logger(__name__)

T = TypeVar("T")
A = TypeVar("A", bound="Held")
R = TypeVar("R", bound="Held", covariant=True)
Ending = Literal["lost", "draining", "cancelled"]


class Held(Protocol):
    """An answer that has begun. Closing it ends the upstream's connection."""

    async def aclose(self) -> None: ...


class Entrant(Protocol[R]):
    """One attempt in a race."""

    async def run(self) -> R:
        """Up to the first semantic frame. Raises AttemptFailed or CallError."""
        ...

    def end(self, how: Ending) -> None:
        """Told at most once, before `run` is cancelled: how the attempt's row is to be concluded. With `draining` it is
        not cancelled: `run` goes on, and then `drain`."""
        ...

    async def drain(self) -> None:
        """Read what is left of the answer, to know what it cost. Ends early when cancelled."""
        ...


class Policy(Protocol):
    """When another account joins the ones at work."""

    def wait_s(self, latest: Lease) -> float | None:
        """How long the attempt that began last may stay alone; None: for ever."""
        ...

    def another(self, tried: set[int]) -> tuple[Lease, AttemptReason] | None:
        """A place for one more; None where there is none or it may not be had, and it is not asked again."""
        ...


class Tries:
    """Whom a call has tried, and how they failed."""

    def __init__(
        self,
        pool: Pool,
        seats: tuple[Seat, ...],
        model_id: str,
        *,
        bound: int | None = None,
        borrowed: int | None = None,
        avoided: int | None = None,
        on_failure: Callable[[int, Failure], None] = lambda account_id, failure: None,
    ) -> None:
        """`bound`, `borrowed` and `avoided` are the conversation's own accounts; `on_failure` hears of every account's
        failure."""
        self.pool = pool
        self.seats = seats
        self.model_id = model_id
        self.tried: set[int] = set()
        self.failures: list[Failure] = []
        self._bound = bound
        self._borrowed = borrowed
        self._avoided = avoided
        self._on_failure = on_failure
        self._refusal: BadRequest | None = None

    async def next(self) -> Lease:
        """A place at the best account that is left. Raises the caller's error when nobody is."""
        lease = await self.pool.lease(
            self.seats,
            self.model_id,
            self.tried,
            bound=self._bound,
            borrowed=self._borrowed,
            avoided=self._avoided,
        )
        if lease is None:
            raise self.nobody_left()
        self.tried.add(lease.seat.account.id)
        return lease

    def failed(self, lease: Lease, error: AttemptFailed | BadRequest) -> CallError | None:
        """Learn from a failure. A CallError is the caller's own fault: no other account can help."""
        lease.release()
        if isinstance(error, BadRequest):
            # What this account cannot be asked by translation, another may take as it is.
            self._refusal = self._refusal or error
            return None
        failure = error.failure
        if failure.client_fault:
            self.pool.answered(lease)
            return client_error(failure)
        self.pool.failed(lease, failure)
        self._on_failure(lease.seat.account.id, failure)
        self.failures.append(failure)
        return None

    def nobody_left(self) -> CallError:
        if self._refusal is not None and not self.failures:
            return self._refusal
        return self.pool.none_left(self.seats, self.model_id, self.failures)


async def failover(tries: Tries, attempt: Callable[[Lease, AttemptReason], Awaitable[T]]) -> T:
    """The first answer. Raises the caller's error at once where the fault is the caller's, or when nobody is left."""
    while True:
        reason: AttemptReason = "failover" if tries.tried else "first"
        lease = await tries.next()
        try:
            answer = await attempt(lease, reason)
        except (AttemptFailed, BadRequest) as error:
            if (fault := tries.failed(lease, error)) is not None:
                raise fault from None
        except BaseException:
            lease.release()
            raise
        else:
            tries.pool.answered(lease)
            return answer


async def race(tries: Tries, begin: Callable[[Lease, AttemptReason], Entrant[A]], policy: Policy, drains: Drains) -> A:
    """The first answer of accounts that may be at work at once. Raises as `failover` does.

    Cancelled from outside, it has closed what it opened, an answer that had just won included.
    """
    contest = _Contest(tries, begin, policy, drains)
    try:
        async with trio.open_nursery() as nursery:
            await contest.decide(nursery)
            if contest.answer is None:
                contest.stop()
    except BaseException:
        contest.stop()
        if contest.answer is not None:
            await contest.answer.aclose()
        raise
    if contest.answer is None:
        raise contest.error or tries.nobody_left()
    return contest.answer


class _Contender(Generic[A]):
    """An entrant at work, its place at an account, and the scope that ends it."""

    def __init__(self, entrant: Entrant[A], lease: Lease) -> None:
        self.entrant = entrant
        self.lease = lease
        self.scope = trio.CancelScope()
        self.over = trio.Event()
        self.begun = False
        self.won = False


class _Contest(Generic[A]):
    def __init__(
        self, tries: Tries, begin: Callable[[Lease, AttemptReason], Entrant[A]], policy: Policy, drains: Drains
    ) -> None:
        self.answer: A | None = None
        self.error: Exception | None = None
        self._tries = tries
        self._begin = begin
        self._policy = policy
        self._drains = drains
        self._running: list[_Contender[A]] = []
        self._leaving: list[_Contender[A]] = []
        self._changed = trio.Event()
        self._join_at = math.inf

    async def decide(self, nursery: trio.Nursery) -> None:
        """Until somebody has won and those it beat are gone, the caller is at fault, or nobody is left."""
        while self.answer is None:
            if not self._running:
                if self.error is not None:
                    return
                reason: AttemptReason = "failover" if self._tries.tried else "first"
                try:
                    lease = await self._tries.next()
                except CallError as error:
                    self.error = error
                    return
                self._start(nursery, lease, reason)
            await self._something_happens()
            if self.answer is None and self._running and trio.current_time() >= self._join_at:
                self._let_another_join(nursery)
        for loser in self._leaving:
            await loser.over.wait()

    def stop(self) -> None:
        """The call is over before the race is: whoever is still at work stops."""
        stopped, self._running = self._running, []
        for contender in stopped:
            contender.entrant.end("cancelled")
            contender.scope.cancel()

    def _start(self, nursery: trio.Nursery, lease: Lease, reason: AttemptReason) -> None:
        contender = _Contender(self._begin(lease, reason), lease)
        # Where cancelling saves nothing, the attempt may have to outlive the call, so it is the drains' from the start.
        home = self._drains.nursery if self._drains.may_take(lease.seat.account) else nursery
        home.start_soon(self._run, contender)
        self._running.append(contender)
        wait_s = self._policy.wait_s(lease)
        self._join_at = math.inf if wait_s is None else trio.current_time() + wait_s

    def _let_another_join(self, nursery: trio.Nursery) -> None:
        joining = self._policy.another(self._tries.tried)
        if joining is None:
            self._join_at = math.inf
            return
        lease, reason = joining
        self._tries.tried.add(lease.seat.account.id)
        self._start(nursery, lease, reason)

    async def _something_happens(self) -> None:
        """An entrant has ended, or it is time for another to join."""
        with trio.CancelScope(deadline=self._join_at):
            await self._changed.wait()
        self._changed = trio.Event()

    async def _run(self, contender: _Contender[A]) -> None:
        try:
            await self._compete(contender)
        except Exception as error:
            if not isinstance(error, CallError):
                # Another may answer this call, and then nobody else would hear of it.
                logger.exception("attempt_failed", account=contender.lease.seat.account.name)
            self.error = error
        finally:
            contender.over.set()
            self._drains.ended(contender.scope)
            if contender in self._running:
                self._running.remove(contender)
                if not contender.begun:
                    contender.entrant.end("cancelled")
            if not contender.won:
                contender.lease.release()
            self._changed.set()

    async def _compete(self, contender: _Contender[A]) -> None:
        try:
            with contender.scope:
                # Ended before its first step, it sends nothing: a request may go out before anything waits.
                await trio.lowlevel.checkpoint_if_cancelled()
                contender.begun = True
                answer = await contender.entrant.run()
                if contender in self._running:
                    # From here to the end of the scope nothing waits: nobody else can win, and no cancellation comes.
                    self._win(contender, answer)
                else:
                    self._tries.pool.answered(contender.lease)
                    await contender.entrant.drain()
        except (AttemptFailed, BadRequest) as error:
            fault = self._tries.failed(contender.lease, error)
            self.error = self.error or fault

    def _win(self, winner: _Contender[A], answer: A) -> None:
        self.answer = answer
        winner.won = True
        self._running.remove(winner)
        self._tries.pool.answered(winner.lease)
        losers, self._running = self._running, []
        for loser in losers:
            if loser.begun and self._drains.take(loser.lease.seat.account, loser.scope):
                loser.entrant.end("draining")
            else:
                loser.entrant.end("lost")
                loser.scope.cancel()
                self._leaving.append(loser)
