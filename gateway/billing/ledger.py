"""The trio side of the one writer: submit, wait for the commit, retry what failed, know when it is behind.

A settlement is submitted without waiting, so no cancellation can come between a charge leaving the wallet and its
job reaching the queue. Whoever must not speak before the money is on disk waits on the returned `Commit`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import trio

from gateway.clock import now_ms
from gateway.errors import StoreUnavailable, Unavailable
from gateway.records import Attempt, Call, Settlement
from gateway.store.jobs import Checkpoint, FinishDrain, Job, RememberObjects, RememberResponses, Settle
from gateway.store.responses import pack

RETRY_EVERY_S = 1.0


class JobWriter(Protocol):
    """What the ledger needs of the store's writer. `done` is called on the writer's thread."""

    def submit(self, job: Job, done: Callable[[BaseException | None], None]) -> None: ...


class Commit:
    """A submitted settlement. `wait` returns once it is on disk; the deadline is the caller's."""

    __slots__ = ("_ledger", "_waiter", "committed", "drained", "failed", "settlement", "submitted_at")

    def __init__(self, ledger: "Ledger", settlement: Settlement, submitted_at: float) -> None:
        self._ledger = ledger
        self._waiter: trio.lowlevel.Task | None = None
        self.settlement = settlement
        self.submitted_at = submitted_at
        self.committed = False
        self.failed = False
        self.drained: tuple[Attempt, ...] = ()

    async def wait(self, timeout_s: float) -> None:
        """Raises Unavailable if the commit failed or took longer; the job stays queued and is retried."""
        if not self.committed and not self.failed:
            # A cancel scope for the deadline costs 5 us a call; the ledger's service looks at all of them at once.
            waiting = self._ledger.waiting
            waiting[self] = trio.current_time() + timeout_s
            self._waiter = trio.lowlevel.current_task()
            try:
                await trio.lowlevel.wait_task_rescheduled(self._abort)
            finally:
                del waiting[self]
        if not self.committed:
            self._ledger.note_late(self)
            raise Unavailable("The answer could not be recorded. Nothing was lost; retry shortly.", retry_after_s=5)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        # At once, not when the task next runs: the commit may come before that, and no task is woken twice.
        self._waiter = None
        return trio.lowlevel.Abort.SUCCEEDED

    def finish(self, error: BaseException | None) -> None:
        """On the loop's thread: the writer has answered."""
        self.committed = error is None
        self.failed = error is not None
        self.wake()

    def wake(self) -> None:
        """End the wait: the writer has answered, or it took too long."""
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None


class Ledger:
    """Settlements on their way to disk. `healthy` is false while any failed or is overdue."""

    def __init__(self, writer: JobWriter) -> None:
        self._writer = writer
        self.on_commit: Callable[[float], None] | None = None
        """Told how many seconds each commit took."""
        self.waiting: dict[Commit, float] = {}
        """Commits that somebody waits for, and the instant at which that is over; `retry_failed` sees to it."""
        self._token = trio.lowlevel.current_trio_token()
        self._answers: deque[tuple[Commit, BaseException | None]] = deque()
        self._troubled: set[Commit] = set()
        self._to_retry: list[Commit] = []
        self._drained_to_retry: list[Attempt] = []
        self._pending = 0
        self._idle = trio.Event()
        self.last_error: str = ""

    @property
    def healthy(self) -> bool:
        return not self._troubled

    @property
    def pending(self) -> int:
        """Settlements submitted and not yet on disk."""
        return self._pending

    def settle(self, settlement: Settlement) -> Commit:
        """Queue one call's receipt, attempts and charge as one transaction."""
        commit = Commit(self, settlement, trio.current_time())
        self._pending += 1
        self._send(commit)
        return commit

    def checkpoint(self, calls: list[Call], attempts: list[Attempt]) -> None:
        """Have the database know open calls and their attempts as they stand, should the process die."""
        self.submit(Checkpoint(calls, attempts))

    def finish_drain(self, attempt: Attempt, settled: Commit) -> None:
        """Have the database know what an attempt cost that was still being read when its call was settled. Not before
        it knows the call, and again until it does: nothing else would correct the upper bound."""
        if settled.committed:
            self._send_drained(attempt)
        else:
            settled.drained += (attempt,)

    async def keep_response(
        self, customer_id: int, response_id: str, model: str, response: bytes, items: bytes
    ) -> None:
        """Have the database keep a response, unless it is too large. Compressed in a thread: 10 ms a megabyte."""
        row = await trio.to_thread.run_sync(
            partial(pack, customer_id, response_id, model, response, items, now_at=now_ms())
        )
        if row is not None:
            self.submit(RememberResponses([row]))

    def forget_response(self, customer_id: int, response_id: str) -> None:
        """A customer deleted a response."""
        self.submit(RememberResponses([], [(customer_id, response_id)]))

    def forget_object(self, customer_id: int, object_id: str) -> None:
        """An upstream no longer keeps this id."""
        self.submit(RememberObjects([], [(customer_id, object_id)]))

    def submit(self, job: Job) -> None:
        """Queue a job nobody waits for: its failure is recorded, its next run repeats it."""
        try:
            self._writer.submit(job, self._note_error)
        except StoreUnavailable as error:
            self._note_error(error)

    def note_late(self, commit: Commit) -> None:
        """A commit over its deadline: until it is on disk, new calls are refused."""
        self._troubled.add(commit)

    async def retry_failed(self) -> None:
        """Service task: resubmit what failed, and end waits that are overdue, within a second.

        Settlements are idempotent, so a lost acknowledgement charges once.
        """
        while True:
            await trio.sleep(RETRY_EVERY_S)
            now = trio.current_time()
            for commit in [each for each, over_at in self.waiting.items() if over_at <= now]:
                commit.wake()
            failed, self._to_retry = self._to_retry, []
            for commit in failed:
                commit.failed = False
                self._send(commit)
            drained, self._drained_to_retry = self._drained_to_retry, []
            for attempt in drained:
                self._send_drained(attempt)

    async def drained(self) -> None:
        """Returns when every settlement is on disk. The deadline is the caller's."""
        while self._pending:
            self._idle = trio.Event()
            await self._idle.wait()

    def _send(self, commit: Commit) -> None:
        try:
            self._writer.submit(Settle(commit.settlement), lambda error: self._answered(commit, error))
        except StoreUnavailable as error:
            self._answered(commit, error)

    def _send_drained(self, attempt: Attempt) -> None:
        def answered(error: BaseException | None) -> None:
            if error is not None:
                self._note_error(error)
                self._drained_to_retry.append(attempt)

        try:
            self._writer.submit(FinishDrain(attempt), answered)
        except StoreUnavailable as error:
            answered(error)

    def _answered(self, commit: Commit, error: BaseException | None) -> None:
        """On the writer's thread. One wake-up serves every answer of a group commit.

        Appending before looking is what makes it safe: with more than one waiting, the loop's thread has not yet
        taken the earlier one and will look again.
        """
        self._answers.append((commit, error))
        if len(self._answers) == 1:
            try:
                self._token.run_sync_soon(self._take_answers)
            except trio.RunFinishedError:
                return

    def _take_answers(self) -> None:
        now = trio.current_time()
        while self._answers:
            commit, error = self._answers.popleft()
            commit.finish(error)
            if error is None:
                self._pending -= 1
                self._troubled.discard(commit)
                if self.on_commit is not None:
                    self.on_commit(now - commit.submitted_at)
                for attempt in commit.drained:
                    self._send_drained(attempt)
            else:
                self.last_error = repr(error)
                self._troubled.add(commit)
                self._to_retry.append(commit)
        if not self._pending:
            self._idle.set()

    def _note_error(self, error: BaseException | None) -> None:
        if error is not None:
            self.last_error = repr(error)
