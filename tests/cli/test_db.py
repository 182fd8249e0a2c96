"""`trigate db` and `trigate status`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.clock import now_ms
from gateway.settings import DATABASE
from gateway.store.database import connect_raw
from gateway.store.jobs import AccountState, Heartbeat, RememberState
from gateway.store.lock import GatewayLock
from tests.cli.conftest import Trigate
from tests.store.making import make_call, settle


def test_migrate_makes_the_database(trigate: Trigate, data_dir: Path) -> None:
    assert trigate("db", "migrate", "--json").json["applied"] != []
    assert (data_dir / DATABASE).exists()


def test_migrate_twice_does_nothing(trigate: Trigate) -> None:
    trigate("db", "migrate")
    assert trigate("db", "migrate", "--json").json["applied"] == []


@pytest.fixture
def outdated(trigate: Trigate, data_dir: Path) -> None:
    """As if a release before the first migration had made it."""
    data_dir.mkdir()
    connection = connect_raw(data_dir / DATABASE, create=True)
    connection.close()


@pytest.mark.usefixtures("outdated")
def test_a_database_to_be_migrated_is_code_6_and_says_how(trigate: Trigate) -> None:
    said = trigate("keys", "list")
    assert said.code == 6
    assert "trigate db migrate" in said.err


@pytest.mark.usefixtures("outdated")
def test_migrate_waits_for_no_gateway_that_holds_the_database(trigate: Trigate, data_dir: Path) -> None:
    with GatewayLock(data_dir):
        assert trigate("db", "migrate").code == 6


def test_check_of_a_sound_file(trigate: Trigate) -> None:
    trigate("db", "migrate")
    said = trigate("db", "check", "--json")
    assert said.code == 0
    assert (said.json["problems"], said.json["pending"]) == ([], [])


def test_check_names_broken_references(trigate: Trigate, data_dir: Path) -> None:
    trigate("keys", "create", "alice")
    connection = connect_raw(data_dir / DATABASE)
    connection.execute("PRAGMA foreign_keys = off; DELETE FROM balances").fetchall()
    connection.execute("DELETE FROM customers")
    connection.close()
    said = trigate("db", "check")
    assert said.code == 1
    assert "keys row 1 points to a missing row of customers" in said.out


@pytest.fixture
def old_call(trigate: Trigate, gateway_writes: Callable[..., None]) -> str:
    trigate("keys", "create", "alice", "--balance", "5")
    call = make_call(1)
    gateway_writes(settle(call))
    return call.id


def test_a_dry_run_of_prune_counts_and_keeps(trigate: Trigate, old_call: str) -> None:
    said = trigate("db", "prune", "--older-than", "1", "--dry-run", "--json").json
    assert (said["calls"], said["dry_run"]) == (1, True)
    assert trigate("usage", "show", old_call).code == 0


def test_prune_forgets_the_call_and_keeps_the_money(trigate: Trigate, old_call: str) -> None:
    assert trigate("db", "prune", "--older-than", "1", "--yes", "--json").json["calls"] == 1
    assert trigate("usage", "show", old_call).code == 5
    assert len(trigate("ledger", "list", "alice", "--json").json) == 2


def test_prune_without_yes_is_refused_where_nobody_can_be_asked(trigate: Trigate, old_call: str) -> None:
    assert trigate("db", "prune", "--older-than", "1").code == 2
    assert trigate("usage", "show", old_call).code == 0


def beat(*states: AccountState) -> RememberState:
    heartbeat = Heartbeat(
        pid=7,
        host="box",
        version="0.1.0",
        address="http://127.0.0.1:8123",
        state="ready",
        open_calls=2,
        started_at=now_ms() - 61_000,
    )
    return RememberState(list(states), [], [], heartbeat)


def test_status_without_a_database_is_code_1(trigate: Trigate) -> None:
    said = trigate("status", "--json")
    assert (said.code, said.json["running"]) == (1, False)


def test_status_of_a_gateway_that_beats(trigate: Trigate, gateway_writes: Callable[..., None]) -> None:
    gateway_writes(beat(), at=now_ms())
    said = trigate("status", "--json")
    assert said.code == 0
    assert (said.json["running"], said.json["state"], said.json["open_calls"]) == (True, "ready", 2)
    assert ["address", "http://127.0.0.1:8123"] in trigate("status").rows


def test_status_does_not_believe_an_old_heartbeat(trigate: Trigate, gateway_writes: Callable[..., None]) -> None:
    gateway_writes(beat(), at=now_ms() - 6_000)
    said = trigate("status")
    assert said.code == 1
    assert ["gateway", "not running"] in said.rows
    assert "trigate serve" in said.err


def test_status_tells_which_accounts_cool_and_why(trigate: Trigate, gateway_writes: Callable[..., None]) -> None:
    trigate("accounts", "add", "main", "--kind", "simulated")
    at = now_ms()
    gateway_writes(beat(AccountState(1, "", at + 100_000, "rate_limited", 1, True, at)), at=at)
    account = trigate("status", "--json").json["accounts"][0]
    assert account["state"] == "cooling"
    assert account["why"].startswith("rate limited, 1 m")


def test_a_new_keys_lines_name_the_address_that_is_served(
    trigate: Trigate, gateway_writes: Callable[..., None]
) -> None:
    gateway_writes(beat(), at=now_ms())
    assert "http://127.0.0.1:8123/v1" in trigate("keys", "create", "alice").err
