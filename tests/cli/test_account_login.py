"""`trigate accounts` with the Claude CLI, for which the stand-in stands."""

import shutil
from pathlib import Path

import pytest

from gateway.cli import account_login
from gateway.settings import DATABASE
from gateway.store.database import open_database
from gateway.store.operators import accounts
from gateway.vault import load_vault
from tests.cli.conftest import Trigate
from tests.fakes.claude_cli import install


@pytest.fixture
def account(trigate: Trigate, tmp_path: Path) -> str:
    program = install(tmp_path / "stand-in")
    said = trigate("accounts", "add", "plan", "--kind", "claude-cli", "--option", f"command={program}")
    assert said.code == 0, said.err
    assert "not signed in yet: `trigate accounts login plan`" in said.err
    return "plan"


def stored(data_dir: Path) -> tuple[bytes, str]:
    database = open_database(data_dir / DATABASE, read_only=True)
    try:
        account = accounts.find(database, "plan")
    finally:
        database.close()
    return account.sealed_secret, account.on_cancel


def test_a_token_is_sealed(trigate: Trigate, account: str, data_dir: Path) -> None:
    said = trigate("accounts", "login", account, "--secret-stdin", input="sk-ant-oat01-token\n")
    assert (said.code, "has its token" in said.err) == (0, True)
    assert load_vault(data_dir, {}).open(stored(data_dir)[0]) == "sk-ant-oat01-token"


def test_signing_in_hands_over_to_the_program_in_the_accounts_own_folder(
    trigate: Trigate, account: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_login, "can_ask", lambda: True)
    said = trigate("accounts", "login", account)
    assert (said.code, "is signed in" in said.err) == (0, True)
    assert (data_dir / "claude-cli" / "1" / "config" / "login").exists()


def test_without_a_terminal_it_says_how_else(trigate: Trigate, account: str) -> None:
    said = trigate("accounts", "login", account)
    assert (said.code, "claude setup-token" in said.err) == (2, True)


def test_other_kinds_have_no_login(trigate: Trigate) -> None:
    trigate("accounts", "add", "sim", "--kind", "simulated")
    said = trigate("accounts", "login", "sim", "--secret-stdin", input="x")
    assert (said.code, "trigate accounts rotate sim" in said.err) == (2, True)


def test_a_cancelled_call_is_known_to_cost_nothing_more(trigate: Trigate, account: str, data_dir: Path) -> None:
    assert stored(data_dir)[1] == "stops"


def test_testing_it_asks_the_program(trigate: Trigate, account: str) -> None:
    said = trigate("accounts", "test", account)
    assert (said.code, said.out.startswith("plan answers:")) == (0, True)


def test_testing_one_that_is_not_signed_in_says_what_to_do(trigate: Trigate, account: str, tmp_path: Path) -> None:
    install(tmp_path / "stand-in", mode="logged-out")
    said = trigate("accounts", "test", account)
    assert (said.code, "trigate accounts login plan" in said.out) == (1, True)


def test_testing_one_that_is_not_installed_says_what_to_do(trigate: Trigate, account: str) -> None:
    trigate("accounts", "set", account, "--option", "command=/nowhere/claude")
    said = trigate("accounts", "test", account, "--json")
    assert said.json["status"] == 503
    assert "npm install -g @anthropic-ai/claude-code" in said.json["message"]


def test_an_option_that_means_nothing_is_refused(trigate: Trigate, account: str) -> None:
    assert trigate("accounts", "set", account, "--option", "memory_mb=much").code == 3


def test_it_has_no_list_of_models(trigate: Trigate, account: str) -> None:
    said = trigate("accounts", "sync", account)
    assert (said.code, "has no list" in said.err) == (1, True)


def test_removing_it_removes_its_login(trigate: Trigate, account: str, data_dir: Path) -> None:
    trigate("accounts", "test", account)
    assert (data_dir / "claude-cli" / "1").exists()
    trigate("accounts", "remove", account, "--yes")
    assert not (data_dir / "claude-cli" / "1").exists()


def test_a_login_that_cannot_be_deleted_is_told_of(
    trigate: Trigate, account: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigate("accounts", "test", account)
    monkeypatch.setattr(shutil, "rmtree", lambda path, **how: None)
    said = trigate("accounts", "remove", account, "--yes")
    assert (said.code, f"Delete {data_dir / 'claude-cli' / '1'} yourself" in said.err) == (0, True)
