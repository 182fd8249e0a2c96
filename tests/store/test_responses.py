"""Responses kept for customers: whose they are, how many, how long."""

from collections.abc import Iterable

import pytest

from gateway.store import responses
from gateway.store.database import Database, rows
from gateway.store.jobs import RememberResponses
from gateway.store.responses import LIFE_MS, StoredResponse, find_response, pack, prune_responses
from gateway.store.transact import Transactor
from tests.store.making import NOW


def kept(response_id: str = "resp_1", *, customer_id: int = 1, at: int = NOW, text: bytes = b"{}") -> StoredResponse:
    row = pack(customer_id, response_id, "claude-haiku-4-5", text, b"[]", now_at=at)
    assert row is not None
    return row


def remember(transactor: Transactor, *new: StoredResponse, forgotten: Iterable[tuple[int, str]] = ()) -> None:
    assert transactor.transact([RememberResponses(list(new), list(forgotten))]) is None


def find(database: Database, response_id: str = "resp_1", *, customer_id: int = 1, now_at: int = NOW) -> bytes | None:
    found = find_response(database, customer_id, response_id, now_at=now_at)
    return None if found is None else found.response


def held_bytes(database: Database) -> tuple[int, int]:
    """What the sum says, and what the rows come to."""
    said = rows(database, "SELECT coalesce(sum(bytes), 0) FROM stored_response_sums")[0][0]
    return said, rows(database, "SELECT coalesce(sum(length(response) + length(items)), 0) FROM stored_responses")[0][0]


def test_a_response_comes_back_as_it_was_kept(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept(text=b'{"id":"resp_1"}'))
    assert find(database) == b'{"id":"resp_1"}'


def test_another_customer_does_not_know_the_id(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept())
    assert find(database, customer_id=2) is None


def test_two_customers_may_have_the_same_id(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept(text=b"1"), kept(customer_id=2, text=b"2"))
    assert (find(database), find(database, customer_id=2)) == (b"1", b"2")


def test_the_same_id_again_replaces_what_was_kept(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept(text=b"1"))
    remember(transactor, kept(text=b"22222"))
    assert find(database) == b"22222"
    assert held_bytes(database)[0] == held_bytes(database)[1]


def test_a_deleted_response_is_gone(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept())
    remember(transactor, forgotten=[(1, "resp_1")])
    assert find(database) is None
    assert held_bytes(database) == (0, 0)


def test_nobody_deletes_what_is_anothers(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept())
    remember(transactor, forgotten=[(2, "resp_1")])
    assert find(database) is not None


def test_after_thirty_days_it_is_unknown_and_pruned(transactor: Transactor, database: Database) -> None:
    remember(transactor, kept(), kept("resp_2", at=NOW + 1))
    assert find(database, now_at=NOW + LIFE_MS) is None
    assert prune_responses(database, now_at=NOW + LIFE_MS) == 1
    assert find(database, "resp_2", now_at=NOW + LIFE_MS) is not None


def test_a_customer_with_too_many_loses_the_oldest(
    transactor: Transactor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "MOST_BYTES_PER_CUSTOMER", 2 * kept().bytes)
    remember(transactor, *[kept(f"resp_{number}", at=NOW + number) for number in range(4)], kept(customer_id=2))
    assert [find(database, f"resp_{number}") for number in range(4)] == [None, None, b"{}", b"{}"]
    assert find(database, customer_id=2) is not None
    assert held_bytes(database)[0] == held_bytes(database)[1]


def test_what_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MOST_BYTES", 10)
    assert pack(1, "resp_1", "m", b"{}", b"[]", now_at=NOW) is None
