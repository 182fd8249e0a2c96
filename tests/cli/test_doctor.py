"""`trigate doctor`: each check, well and ill, with what to do about it."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.clock import now_ms
from gateway.settings import DATABASE
from gateway.store.database import connect_raw
from gateway.store.jobs import Heartbeat, RememberState
from gateway.vault import new_master_key
from tests.cli.conftest import Said, Trigate

SIMULATED = ("accounts", "add", "sim", "--kind", "simulated", "--option", "ttft_ms=0", "--option", "seed=1")
LOCAL = ("accounts", "add", "local", "--kind", "openai", "--models", "llama-4")


@pytest.fixture
def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def doctor(trigate: Trigate, free_address: str) -> Callable[..., Said]:
    """`doctor("--offline")`, with an address that is free."""

    def run(*options: str, env: dict[str, str] | None = None) -> Said:
        return trigate("doctor", "--json", *options, env={"TRIGATE_BIND": free_address, **(env or {})})

    return run


Doctor = Callable[..., Said]


def found(said: Said, check: str) -> dict[str, str]:
    return next(each for each in said.json if each["check"] == check)


def test_a_machine_without_a_data_folder_is_well(doctor: Doctor) -> None:
    said = doctor()
    assert said.code == 0
    assert found(said, "migrations") == {
        "check": "migrations",
        "state": "note",
        "said": "no database yet",
        "fix": "`trigate init` or `trigate serve` makes one.",
    }


def test_a_gateway_with_an_account_that_answers_is_well(trigate: Trigate, doctor: Doctor) -> None:
    trigate(*SIMULATED)
    said = doctor()
    assert said.code == 0
    assert found(said, "account sim")["state"] == "ok"
    assert found(said, "prices")["state"] == "ok"
    assert {each["check"] for each in said.json} >= {
        *("settings", "python", "libraries", "sqlite", "disk", "file modes", "migrations", "integrity"),
        *("master key", "address", "descriptors", "clock", "terminal"),
    }


def test_a_line_is_state_check_and_what_was_found_with_its_fix(trigate: Trigate, free_address: str) -> None:
    said = trigate("doctor", env={"TRIGATE_BIND": free_address})
    state, check, text = next(row for row in said.rows if row[1] == "migrations")
    assert (state, check) == ("note", "migrations")
    assert text == "no database yet -> `trigate init` or `trigate serve` makes one."


def test_an_account_that_fails_is_broken_and_ends_with_1(trigate: Trigate, doctor: Doctor) -> None:
    trigate(*LOCAL, "--base-url", "http://127.0.0.1:1", "--free")
    said = doctor()
    assert said.code == 1
    assert found(said, "account local")["state"] == "broken"
    assert "account local" in said.err


def test_offline_asks_no_account(trigate: Trigate, doctor: Doctor) -> None:
    trigate(*LOCAL, "--base-url", "http://127.0.0.1:1", "--free")
    said = doctor("--offline")
    assert said.code == 0
    assert not [each for each in said.json if each["check"].startswith("account")]


def test_a_disabled_account_is_not_asked(trigate: Trigate, doctor: Doctor) -> None:
    trigate(*SIMULATED)
    trigate("accounts", "disable", "sim")
    assert found(doctor(), "account sim")["said"] == "disabled"


def test_a_model_without_a_price_is_broken(trigate: Trigate, doctor: Doctor) -> None:
    trigate(*LOCAL, "--base-url", "http://127.0.0.1:1")
    prices = found(doctor("--offline"), "prices")
    assert prices["state"] == "broken"
    assert "llama-4" in prices["said"]
    assert "--free" in prices["fix"]


@pytest.mark.parametrize(
    ("name", "state"), [("", "note"), ("gateway.db", "broken"), ("master.key", "broken"), ("config.toml", "broken")]
)
def test_what_others_can_read_is_told(trigate: Trigate, doctor: Doctor, data_dir: Path, name: str, state: str) -> None:
    """The folder alone is only worth a note: what is in it is the owner's."""
    trigate("db", "migrate")
    for made in ("master.key", "config.toml"):
        (data_dir / made).touch(0o600)
    (data_dir / name).chmod(0o755)
    modes = found(doctor("--offline"), "file modes")
    assert modes["state"] == state
    assert modes["fix"] == f"chmod {'600' if name else '700'} {data_dir / name}"


def test_a_pending_migration_is_broken(doctor: Doctor, data_dir: Path) -> None:
    data_dir.mkdir(0o700)
    connect_raw(data_dir / DATABASE, create=True).close()
    assert found(doctor(), "migrations")["fix"] == "`trigate db migrate`"


BROKEN = {
    "a table is missing": "PRAGMA foreign_keys = off; DROP TABLE accounts",
    "a row cannot be read": "UPDATE accounts SET options = 'no JSON'",
    "a row means nothing": "UPDATE accounts SET kind = 'nobody'",
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=list(BROKEN))
def test_a_database_that_cannot_be_read_is_broken_and_the_rest_is_still_examined(
    trigate: Trigate, doctor: Doctor, data_dir: Path, damage: str
) -> None:
    trigate(*SIMULATED)
    connection = connect_raw(data_dir / DATABASE)
    connection.execute(damage).fetchall()
    connection.close()
    said = doctor()
    assert (said.code, found(said, "database")["state"]) == (1, "broken")
    assert "backup" in found(said, "database")["fix"]
    assert [found(said, check)["state"] for check in ("integrity", "address", "descriptors")] == ["ok"] * 3


def test_a_file_that_is_no_database_is_to_be_replaced_by_a_backup(doctor: Doctor, data_dir: Path) -> None:
    data_dir.mkdir(0o700)
    (data_dir / DATABASE).write_bytes(b"no database" * 1_000)
    assert "backup" in found(doctor(), "migrations")["fix"]


def test_a_broken_reference_is_broken(trigate: Trigate, doctor: Doctor, data_dir: Path) -> None:
    trigate("keys", "create", "alice")
    connection = connect_raw(data_dir / DATABASE)
    connection.execute("PRAGMA foreign_keys = off; DELETE FROM balances; DELETE FROM customers").fetchall()
    connection.close()
    said = doctor()
    assert (said.code, found(said, "integrity")["state"]) == (1, "broken")


def test_a_master_key_that_does_not_open_what_is_stored_is_broken(trigate: Trigate, doctor: Doctor) -> None:
    sealed_with = {"TRIGATE_MASTER_KEY": new_master_key()}
    trigate("accounts", "add", "main", "--kind", "anthropic", "--secret-stdin", input="sk-ant-1", env=sealed_with)
    assert found(doctor("--offline", env=sealed_with), "master key")["state"] == "ok"
    other = found(doctor("--offline", env={"TRIGATE_MASTER_KEY": new_master_key()}), "master key")
    assert (other["state"], "main" in other["said"]) == ("broken", True)


def test_a_missing_master_key_is_broken_and_not_made(trigate: Trigate, doctor: Doctor, data_dir: Path) -> None:
    sealed_with = {"TRIGATE_MASTER_KEY": new_master_key()}
    trigate("accounts", "add", "main", "--kind", "anthropic", "--secret-stdin", input="sk-ant-1", env=sealed_with)
    assert found(doctor("--offline"), "master key")["state"] == "broken"
    assert not (data_dir / "master.key").exists()


def test_an_address_that_somebody_else_holds_is_broken(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = doctor(env={"TRIGATE_BIND": address})
    assert found(said, "address")["state"] == "broken"
    assert address in found(said, "address")["said"]


def test_an_address_that_the_gateway_itself_holds_is_well(doctor: Doctor, gateway_writes: Callable[..., None]) -> None:
    beat = Heartbeat(4711, "host", "0.1.0", "http://127.0.0.1:8000", "ready", 0, now_ms())
    gateway_writes(RememberState([], [], [], beat), at=now_ms())
    assert "process 4711" in found(doctor(), "address")["said"]


def test_a_setting_that_cannot_be_is_broken_and_the_rest_is_still_examined(doctor: Doctor) -> None:
    said = doctor(env={"TRIGATE_DRAIN_S": "soon"})
    assert said.code == 1
    assert "drain_s" in found(said, "settings")["said"]
    assert found(said, "sqlite")["state"] == "ok"


def test_entries_of_a_time_to_come_are_broken(trigate: Trigate, doctor: Doctor, data_dir: Path) -> None:
    trigate("customers", "create", "alice", "--balance", "5")
    connection = connect_raw(data_dir / DATABASE)
    connection.execute("DROP TRIGGER IF EXISTS ledger_is_append_only").fetchall()
    connection.execute(
        "INSERT INTO ledger (customer_id, kind, amount_micro, at, gateway_id, boot_id, actor) "
        "SELECT customer_id, 'adjust', 1, ?, gateway_id, boot_id, actor FROM ledger LIMIT 1",
        (now_ms() + 3_600_000,),
    ).fetchall()
    connection.close()
    assert found(doctor(), "time of entries")["state"] == "broken"
