"""The gateway's one writer: a thread that owns the write connection and commits in groups.

It takes the first job, drains what else waits (no timer), writes all of it in one transaction, commits, acknowledges.
Under load a group is what arrived during the last commit; alone, a job commits at once.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gateway.clock import now_ms
from gateway.errors import StoreUnavailable
from gateway.store.jobs import Job
from gateway.store.transact import Transactor

Done = Callable[[BaseException | None], None]

LARGEST_GROUP = 500
# A second process polls for the lock every 0.7 ms; without the gap it failed 2 of 3 writes beside a busy writer.
_BUSY_S = 0.1
_GAP_S = 0.002

_log = logging.getLogger(__name__)


class Writer:
    """Made anywhere, started once, closed once. `before_commit` runs inside every transaction (tests slow it down)."""

    def __init__(
        self,
        path: Path,
        *,
        gateway_id: str,
        boot_id: str,
        clock: Callable[[], int] = now_ms,
        before_commit: Callable[[], None] | None = None,
    ) -> None:
        self._path = path
        self._transactor = Transactor(gateway_id, boot_id, clock, before_commit)
        self._queue: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._open = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Open the connection and begin. Raises StoreUnavailable."""
        self._transactor.connect(self._path)
        self._open = True
        self._thread.start()

    def submit(self, job: Job, done: Done) -> None:
        """Queue a job; never blocks. `done` is called in the writer's thread, with None once the job is durable.

        Raises StoreUnavailable after `close`, or once the thread has failed; `done` is then not called.
        """
        with self._gate:
            if not self._open:
                raise StoreUnavailable("The store's writer is closed.")
            self._queue.put((job, done))

    def close(self, timeout_s: float) -> bool:
        """Commit what was submitted, then end. False if that took longer than `timeout_s`."""
        with self._gate:
            was_open, self._open = self._open, False
        if was_open:
            self._queue.put(None)
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._write_until_closed()
        except BaseException as error:
            with self._gate:
                self._open = False
            self._fail_what_waits(error)
            raise
        finally:
            self._transactor.close()

    def _write_until_closed(self) -> None:
        busy_since = time.monotonic()
        while True:
            if self._queue.empty():
                first = self._queue.get()
                busy_since = time.monotonic()
            else:
                first = self._queue.get()
            if first is None:
                return
            group, closing = self._drain(first)
            self._write_group(group)
            if closing:
                return
            if time.monotonic() - busy_since >= _BUSY_S:
                time.sleep(_GAP_S)
                busy_since = time.monotonic()

    def _drain(self, first: tuple[Job, Done]) -> tuple[list[tuple[Job, Done]], bool]:
        group = [first]
        take = self._queue.get_nowait
        try:
            while len(group) < LARGEST_GROUP:
                item = take()
                if item is None:
                    return group, True
                group.append(item)
        except queue.Empty:
            pass
        return group, False

    def _write_group(self, group: list[tuple[Job, Done]]) -> None:
        unanswered = group[::-1]
        try:
            error = self._transactor.transact([job for job, _ in group])
            bad_job = error is not None and len(group) > 1 and not isinstance(error, StoreUnavailable)
            while unanswered:
                job, done = unanswered[-1]
                # After a bad job in their midst, each stands for itself. A busy lock is nobody's fault.
                outcome = self._transactor.transact([job]) if bad_job else error
                unanswered.pop()
                _acknowledge(done, outcome)
        except BaseException as failure:
            for _, done in unanswered:
                _acknowledge(done, failure)
            raise

    def _fail_what_waits(self, error: BaseException) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                _acknowledge(item[1], error)


def _acknowledge(done: Done, error: BaseException | None) -> None:
    try:
        done(error)
    except Exception:
        # The loop that wanted to know has ended; the rows are as durable as without it.
        _log.exception("a job's acknowledgement failed")
