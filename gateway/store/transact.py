"""What one group of jobs does to the database: a transaction, all of it or nothing."""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, assert_never

import apsw

from gateway.store import statements
from gateway.store.affinity import remember_bindings
from gateway.store.database import begin_immediate, connect_raw, roll_back
from gateway.store.jobs import (
    Checkpoint,
    FinishDrain,
    Job,
    RememberObjects,
    RememberPrices,
    RememberResponses,
    RememberState,
    Settle,
)
from gateway.store.responses import remember_responses
from gateway.store.settling import checkpoint_calls, finish_drain, remember_objects, settle_calls

_LOCK_TIMEOUT_S = 5.0


class Transactor:
    """The write connection and what is written with it. For the one thread that called `connect`."""

    def __init__(
        self,
        gateway_id: str,
        boot_id: str,
        clock: Callable[[], int],
        before_commit: Callable[[], None] | None = None,
    ) -> None:
        self._gateway_id = gateway_id
        self._boot_id = boot_id
        self._clock = clock
        self._before_commit = before_commit

    def connect(self, path: Path) -> None:
        """Raises StoreUnavailable."""
        self._connection = connect_raw(path)

    def close(self) -> None:
        self._connection.close()

    def transact(self, jobs: Sequence[Job]) -> Exception | None:
        """Write the jobs in one transaction. Returns what went wrong; nothing is kept then."""
        connection = self._connection
        try:
            begin_immediate(connection, _LOCK_TIMEOUT_S)
            for kind, same in groupby(jobs, type):
                self._write(connection, kind, list(same))
            if self._before_commit is not None:
                self._before_commit()
            connection.execute("COMMIT")
        except Exception as error:
            roll_back(connection)
            return error
        except BaseException:
            roll_back(connection)
            raise
        return None

    def _write(self, connection: apsw.Connection, kind: type[Job], jobs: list[Any]) -> None:
        """Jobs of one kind, in the order they came. Settlements of a group share their statements and roll-ups."""
        if kind is Settle:
            settle_calls(
                connection,
                [job.settlement for job in jobs],
                at=self._clock(),
                gateway_id=self._gateway_id,
                boot_id=self._boot_id,
            )
            return
        for job in jobs:
            self._write_one(connection, job)

    def _write_one(self, connection: apsw.Connection, job: Job) -> None:
        match job:
            case Checkpoint():
                checkpoint_calls(connection, job, gateway_id=self._gateway_id, boot_id=self._boot_id)
            case FinishDrain(attempt=attempt):
                finish_drain(connection, attempt)
            case RememberState():
                self._remember_state(connection, job)
            case RememberPrices(prices=prices):
                connection.executemany(statements.INSERT_PRICE, prices)
            case RememberObjects(objects=objects, forgotten=forgotten):
                remember_objects(connection, objects, forgotten)
            case RememberResponses(responses=responses, forgotten=forgotten):
                remember_responses(connection, responses, forgotten)
            case Settle():
                self._write(connection, Settle, [job])
            case _:
                assert_never(job)

    def _remember_state(self, connection: apsw.Connection, job: RememberState) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO account_state "
            "(account_id, model, until_at, reason, strikes, half_open, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (s.account_id, s.model, s.until_at, s.reason, s.strikes, s.half_open, s.changed_at)
                for s in job.account_states
            ],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO key_state (key_id, last_used_at, last_ip) VALUES (?, ?, ?)",
            [(state.key_id, state.last_used_at, state.last_ip) for state in job.key_states],
        )
        connection.execute("DELETE FROM gauges WHERE gateway_id = ?", (self._gateway_id,))
        connection.executemany(
            "INSERT INTO gauges (gateway_id, name, subject_id, value) VALUES (?, ?, ?, ?)",
            [(self._gateway_id, gauge.name, gauge.subject_id, gauge.value) for gauge in job.gauges],
        )
        remember_bindings(connection, job.bindings, now_at=self._clock())
        beat = job.heartbeat
        if beat is not None:
            connection.execute(
                "INSERT OR REPLACE INTO heartbeat "
                "(gateway_id, boot_id, pid, host, version, address, state, open_calls, started_at, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._gateway_id, self._boot_id, beat.pid, beat.host, beat.version, beat.address,
                    beat.state, beat.open_calls, beat.started_at, self._clock(),
                ),
            )  # fmt: skip
