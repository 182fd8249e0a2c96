"""The master key: what it is needed for, and how it is replaced."""

from pathlib import Path

import pytest

from gateway.settings import DATABASE
from gateway.store.database import open_database
from gateway.store.operators import accounts
from gateway.vault import Vault, new_master_key
from tests.cli.conftest import Trigate

SECRETS = {"main": "sk-ant-1", "spare": "sk-ant-2"}


@pytest.fixture
def key(trigate: Trigate) -> str:
    """The key that the service has in its environment, and two accounts whose credentials are sealed with it."""
    key = new_master_key()
    for name, secret in SECRETS.items():
        add(trigate, name, secret, key)
    return key


def add(trigate: Trigate, name: str, secret: str, key: str) -> None:
    environment = {"TRIGATE_MASTER_KEY": key}
    said = trigate("accounts", "add", name, "--kind", "anthropic", "--secret-stdin", input=secret, env=environment)
    assert said.code == 0, said.err


def opened(data_dir: Path, key: str) -> dict[str, str]:
    """Every stored credential, opened with this key alone."""
    database = open_database(data_dir / DATABASE, read_only=True)
    try:
        return {name: Vault([key]).open(accounts.find(database, name).sealed_secret) for name in SECRETS}
    finally:
        database.close()


@pytest.mark.parametrize(
    "typed",
    [
        ("accounts", "add", "third", "--kind", "anthropic", "--secret-stdin"),
        ("accounts", "rotate", "main", "--secret-stdin"),
        ("accounts", "test", "main"),
        ("accounts", "reseal"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("key")
def test_without_the_services_key_nothing_is_sealed_and_no_key_made(
    trigate: Trigate, data_dir: Path, typed: tuple[str, ...]
) -> None:
    said = trigate(*typed, input="sk-ant-3")
    assert (said.code, said.out) == (3, "")
    assert "TRIGATE_MASTER_KEY" in said.err
    assert not (data_dir / "master.key").exists()


def test_accounts_without_a_credential_need_no_key(trigate: Trigate, data_dir: Path, key: str) -> None:
    assert trigate("accounts", "add", "practice", "--kind", "simulated").code == 0
    assert not (data_dir / "master.key").exists()


def test_reseal_frees_every_credential_from_the_old_key(trigate: Trigate, data_dir: Path, key: str) -> None:
    new = new_master_key()
    said = trigate("accounts", "reseal", "--json", env={"TRIGATE_MASTER_KEY": f"{new}\n{key}"})
    assert said.json["resealed"] == ["main", "spare"]
    assert opened(data_dir, new) == SECRETS


def test_reseal_changes_nothing_if_one_credential_cannot_be_opened(trigate: Trigate, data_dir: Path, key: str) -> None:
    new, lost = new_master_key(), new_master_key()
    add(trigate, "stray", "sk-ant-3", lost)
    said = trigate("accounts", "reseal", env={"TRIGATE_MASTER_KEY": f"{new}\n{key}"})
    assert said.code == 3
    assert "stray" in said.err
    assert opened(data_dir, key) == SECRETS


def test_reseal_where_nothing_is_stored(trigate: Trigate) -> None:
    trigate("db", "migrate")
    assert trigate("accounts", "reseal", "--json").json["resealed"] == []
