"""The writer's thread. Real threads, so no virtual time and no sleeping: tests wait for acknowledgements."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.database import Database, connect_raw, rows
from gateway.store.jobs import Gauge, Heartbeat, Job, RememberState
from gateway.store.operators import customers
from gateway.store.queries import views
from gateway.store.wallet_reads import load_balances
from gateway.store.writer import Writer
from tests.store.making import BOOT, GATEWAY, make_call, settle

Answers = list[BaseException | None]


@pytest.fixture(autouse=True)
def alice(database: Database) -> None:
    customers.create(database, "test", "alice", balance_micro=10_000)


class Slowly:
    """A writer whose first commit waits until the test lets it go on."""

    def __init__(self, path: Path) -> None:
        self.in_commit, self.go_on, self.commits = threading.Event(), threading.Event(), 0
        self.writer = Writer(path, gateway_id=GATEWAY, boot_id=BOOT, before_commit=self.pause)
        self.answered, self.answers = threading.Semaphore(0), Answers()

    def pause(self) -> None:
        self.commits += 1
        self.in_commit.set()
        self.go_on.wait(10)

    def submit(self, *jobs: Job) -> None:
        for job in jobs:
            self.writer.submit(job, self.done)

    def done(self, error: BaseException | None) -> None:
        self.answers.append(error)
        self.answered.release()

    def wait(self, count: int) -> Answers:
        for _ in range(count):
            assert self.answered.acquire(timeout=10)
        return self.answers


@pytest.fixture
def slowly(path: Path) -> Iterator[Slowly]:
    slowly = Slowly(path)
    slowly.writer.start()
    yield slowly
    slowly.go_on.set()
    assert slowly.writer.close(10)


def test_what_arrives_during_a_commit_is_the_next_group(slowly: Slowly, database: Database) -> None:
    slowly.submit(settle(make_call(0)))
    slowly.in_commit.wait(10)
    slowly.submit(*(settle(make_call(n)) for n in range(1, 31)))
    slowly.go_on.set()
    assert slowly.wait(31) == [None] * 31
    assert slowly.commits == 2
    assert load_balances(database)[0] == {1: 10_000 - 31 * 300}


def test_a_bad_job_fails_alone(slowly: Slowly, database: Database) -> None:
    slowly.submit(settle(make_call(0)))
    slowly.in_commit.wait(10)
    unknown_customer, beyond_int64 = make_call(2, customer_id=99), make_call(4, cost_micro=2**63)
    slowly.submit(settle(make_call(1)), settle(unknown_customer), settle(make_call(3)), settle(beyond_int64))
    slowly.go_on.set()
    assert [type(answer).__name__ for answer in slowly.wait(5)] == [
        "NoneType",
        "NoneType",
        "ConstraintError",
        "NoneType",
        "OverflowError",
    ]
    assert load_balances(database)[0] == {1: 10_000 - 3 * 300}
    assert rows(database, "SELECT sum(calls) FROM rollups WHERE period = 'day'") == [(3,)]


def test_a_balance_never_leaves_int64(slowly: Slowly, database: Database) -> None:
    slowly.go_on.set()
    most = 2**63 - 1
    slowly.submit(settle(make_call(1, cost_micro=most)), settle(make_call(2, cost_micro=most)))
    assert sorted(type(answer).__name__ for answer in slowly.wait(2)) == ["ConstraintError", "NoneType"]
    assert load_balances(database)[0] == {1: 10_000 - most}


def test_nothing_is_acknowledged_before_the_commit(slowly: Slowly, database: Database) -> None:
    slowly.submit(settle(make_call()))
    slowly.in_commit.wait(10)
    assert slowly.answers == []
    assert load_balances(database)[0] == {1: 10_000}


def test_closing_commits_what_was_submitted(path: Path, database: Database) -> None:
    writer, answers = Writer(path, gateway_id=GATEWAY, boot_id=BOOT), Answers()
    writer.start()
    for number in range(50):
        writer.submit(settle(make_call(number)), answers.append)
    assert writer.close(10)
    assert answers == [None] * 50
    with pytest.raises(StoreUnavailable):
        writer.submit(settle(make_call(51)), answers.append)


def test_a_busy_database_is_said_so_and_nothing_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.transact._LOCK_TIMEOUT_S", 0.01)
    slowly = Slowly(path)
    slowly.go_on.set()
    slowly.writer.start()
    other = connect_raw(path)
    other.execute("BEGIN IMMEDIATE")
    slowly.submit(settle(make_call()))
    assert isinstance(slowly.wait(1)[0], StoreUnavailable)
    other.execute("ROLLBACK")
    other.close()
    slowly.submit(settle(make_call()))
    assert slowly.wait(1)[1] is None
    assert slowly.writer.close(10)


def test_a_listener_that_fails_stops_nobody(slowly: Slowly) -> None:
    def fail(_: BaseException | None) -> None:
        raise RuntimeError("the loop has ended")

    slowly.go_on.set()
    slowly.writer.submit(settle(make_call(1)), fail)
    slowly.submit(settle(make_call(2)))
    assert slowly.wait(1) == [None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_thread_fails_everyone_is_told(path: Path) -> None:
    def die() -> None:
        raise SystemExit

    slowly = Slowly(path)
    writer = Writer(path, gateway_id=GATEWAY, boot_id=BOOT, before_commit=die)
    writer.start()
    writer.submit(settle(make_call(1)), slowly.done)
    assert isinstance(slowly.wait(1)[0], SystemExit)
    assert writer.close(10)
    with pytest.raises(StoreUnavailable):
        writer.submit(settle(make_call(2)), slowly.done)


def test_gauges_that_are_no_longer_named_are_gone(slowly: Slowly, database: Database) -> None:
    slowly.go_on.set()
    beat = Heartbeat(1, "host", "0.1.0", "127.0.0.1:8000", "ready", 3, 5)
    slowly.submit(RememberState([], [], [Gauge("held_micro", 1, 70)], beat))
    slowly.wait(1)
    assert views.customer_views(database, 0)[0].held_micro == 70
    slowly.submit(RememberState([], [], []))
    slowly.wait(1)
    assert views.customer_views(database, 0)[0].held_micro == 0
    assert [(beat.state, beat.boot_id) for beat in views.heartbeats(database)] == [("ready", BOOT)]
