"""The store's reads: real threads on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from gateway import reads as module
from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.reads import MOST_OBJECTS, READERS, StoreReads
from gateway.records import Settlement, UpstreamObject, Usage
from gateway.store.database import open_database
from gateway.store.jobs import Checkpoint, RememberObjects, Settle
from gateway.store.migrate import migrate
from gateway.store.operators import customers
from gateway.store.transact import Transactor
from tests.store.making import make_attempt, make_call, settle

USAGE = Usage(
    input_tokens=781, output_tokens=921, reasoning_tokens=40, cache_read_tokens=7, cache_write_5m_tokens=5,
    cache_write_1h_tokens=6,
)  # fmt: skip


class Store:
    """A database with the customers 1 and 2, written to by the one writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        migrate(path)
        database = open_database(path)
        for name in ("alpha", "beta"):
            customers.create(database, "test", name)
        database.close()
        self._transactor = Transactor("gateway", "boot_test", now_ms)
        self._transactor.connect(path)

    def write(self, *jobs: object) -> None:
        assert self._transactor.transact(jobs) is None

    def close(self) -> None:
        self._transactor.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "gateway.db")
    yield store
    store.close()


def response(number: int = 1, customer_id: int = 1) -> UpstreamObject:
    return UpstreamObject(f"resp_{number}", "response", customer_id, 1, 0, 1)


async def test_a_receipt_has_the_tokens_and_the_cost(store: Store) -> None:
    call = make_call(usage=USAGE, cost_micro=18_234, price_version="v1", multiplier_bp=12_000)
    store.write(settle(call))
    with StoreReads(store.path) as reads:
        receipt = await reads.receipt(call.id, 1)
    assert receipt is not None
    expected = {
        "request_id": call.id,
        "model": "claude-sonnet-4-6",
        "input_tokens": 781,
        "output_tokens": 921,
        "reasoning_tokens": 40,
        "cache_read_input_tokens": 7,
        "cost_micro": 18_234,
        "price_version": "v1",
        "multiplier_bp": 12_000,
        "usage_basis": "reported",
        "outcome": "completed",
        "started_at": "2026-03-04T05:06:07.890Z",
    }
    assert receipt == receipt | expected
    assert receipt["cache_creation"]["ephemeral_5m_input_tokens"] == 5
    assert receipt["cache_creation"]["ephemeral_1h_input_tokens"] == 6


async def test_a_receipt_counts_the_attempts_and_shows_nothing_of_the_operators(store: Store) -> None:
    call = make_call(account_id=2, upstream_cost_micro=777_777)
    attempts = [make_attempt(call, 1, outcome="failed"), make_attempt(call, 2, account_id=2)]
    store.write(settle(call, attempts=attempts))
    with StoreReads(store.path) as reads:
        receipt = await reads.receipt(call.id, 1)
    assert receipt is not None
    assert receipt["attempts"] == 2
    assert not any("account" in name or "upstream" in name for name in receipt)
    assert 777_777 not in receipt.values()


async def test_a_receipt_is_its_customers_alone(store: Store) -> None:
    call = make_call()
    store.write(settle(call))
    with StoreReads(store.path) as reads:
        assert await reads.receipt(call.id, 2) is None


async def test_a_summary_adds_up_by_day_and_model(store: Store) -> None:
    now = now_ms()
    calls = [make_call(1, at=now), make_call(2, at=now), make_call(3, at=now, model="gpt-5.5")]
    store.write(*(settle(call) for call in calls), settle(make_call(4, at=now, customer_id=2)))
    with StoreReads(store.path) as reads:
        summary = await reads.usage_summary(1, 30)
    rows = [(row["model"], row["calls"], row["cost_micro"]) for row in summary["data"]]
    assert rows == [("claude-sonnet-4-6", 2, 600), ("gpt-5.5", 1, 300)]
    assert (summary["total"]["cost_micro"], summary["total"]["output_tokens"]) == (900, 150)


async def test_a_summary_of_one_day_leaves_yesterday_out(store: Store) -> None:
    store.write(settle(make_call(1, at=now_ms() - 86_400_000)))
    with StoreReads(store.path) as reads:
        assert (await reads.usage_summary(1, 1))["data"] == []
        assert len((await reads.usage_summary(1, 2))["data"]) == 1


async def test_an_id_just_made_is_known_without_the_database(store: Store) -> None:
    with StoreReads(store.path) as reads:
        reads.remember([response()])
        assert await reads.object(1, "resp_1") == response()
        assert await reads.object(2, "resp_1") is None


async def test_an_unknown_id_is_asked_for_again(store: Store) -> None:
    with StoreReads(store.path) as reads:
        assert await reads.object(1, "resp_1") is None
        store.write(RememberObjects([response()]))
        assert await reads.object(1, "resp_1") == response()


async def test_a_forgotten_id_is_not_remembered(store: Store) -> None:
    with StoreReads(store.path) as reads:
        reads.remember([response()])
        reads.forget(1, "resp_1")
        assert await reads.object(1, "resp_1") is None


async def test_the_least_used_ids_make_room(store: Store) -> None:
    with StoreReads(store.path) as reads:
        reads.remember(response(number) for number in range(MOST_OBJECTS))
        await reads.object(1, "resp_0")
        reads.remember([response(MOST_OBJECTS)])
        assert await reads.object(1, "resp_0") is not None
        assert await reads.object(1, "resp_1") is None


async def test_many_reads_at_once_are_all_answered(store: Store) -> None:
    calls = [make_call(number) for number in range(20)]
    store.write(*(settle(call) for call in calls))
    found: list[str] = []

    with StoreReads(store.path) as reads:

        async def read(call_id: str) -> None:
            receipt = await reads.receipt(call_id, 1)
            assert receipt is not None
            found.append(receipt["request_id"])

        async with trio.open_nursery() as nursery:
            for call in calls * 3:
                nursery.start_soon(read, call.id)
    assert sorted(found) == sorted([call.id for call in calls] * 3)
    assert len(calls) > READERS


async def test_a_database_that_fails_is_a_503(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise module.apsw.IOError("disk I/O error")

    monkeypatch.setattr(module, "find_call", broken)
    with StoreReads(store.path) as reads, pytest.raises(Unavailable) as raised:
        await reads.receipt("req_1", 1)
    assert "disk" not in raised.value.message


async def test_a_read_that_takes_too_long_is_a_503(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_DEADLINE_S", 0)
    with StoreReads(store.path) as reads, pytest.raises(Unavailable):
        await reads.receipt("req_1", 1)


async def test_an_open_call_has_no_outcome_yet(store: Store) -> None:
    call = replace(make_call(), state="open")
    store.write(Checkpoint([call]))
    with StoreReads(store.path) as reads:
        receipt = await reads.receipt(call.id, 1)
    assert receipt is not None
    assert (receipt["state"], receipt["outcome"], receipt["ended_at"]) == ("open", None, None)


async def test_a_call_that_was_not_charged_has_a_receipt(store: Store) -> None:
    call = make_call(outcome="failed", status=502, error_code="upstream_error", cost_micro=0, usage=Usage())
    store.write(Settle(Settlement(call, [], None)))
    with StoreReads(store.path) as reads:
        receipt = await reads.receipt(call.id, 1)
    assert receipt is not None
    assert (receipt["status"], receipt["error_code"], receipt["cost_micro"]) == (502, "upstream_error", 0)
