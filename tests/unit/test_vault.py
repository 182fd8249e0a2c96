"""The vault: what is sealed opens again, with the right key and no other."""

import stat

import pytest

from gateway.errors import ConfigurationError, NotPermitted
from gateway.vault import Vault, load_vault, new_master_key

SECRET = "sk-ant-api03-ähem"


def test_what_is_sealed_opens_again():
    vault = Vault([new_master_key()])
    sealed = vault.seal(SECRET)
    assert SECRET.encode() not in sealed
    assert vault.open(sealed) == SECRET


def test_another_key_does_not_open_and_the_error_says_what_to_do():
    sealed = Vault([new_master_key()]).seal(SECRET)
    with pytest.raises(ConfigurationError, match="trigate accounts rotate NAME"):
        Vault([new_master_key()], origin="the test").open(sealed)


def test_a_new_key_on_top_opens_what_the_old_one_sealed():
    old, new = new_master_key(), new_master_key()
    assert Vault([new, old]).open(Vault([old]).seal(SECRET)) == SECRET


def test_resealing_frees_from_the_old_key():
    old, new = new_master_key(), new_master_key()
    sealed = Vault([new, old]).reseal(Vault([old]).seal(SECRET))
    assert Vault([new]).open(sealed) == SECRET


def test_the_key_is_made_on_first_use_for_its_owner_alone(tmp_path):
    sealed = load_vault(tmp_path / "data", {}).seal(SECRET)
    path = tmp_path / "data" / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["master.key"]
    assert load_vault(tmp_path / "data", {}).open(sealed) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_reach_is_refused_with_the_remedy(tmp_path, mode):
    load_vault(tmp_path, {})
    (tmp_path / "master.key").chmod(mode)
    with pytest.raises(NotPermitted, match=f"chmod 600 {tmp_path}/master.key"):
        load_vault(tmp_path, {})


def test_the_environment_outranks_the_file(tmp_path):
    key = new_master_key()
    vault = load_vault(tmp_path, {"TRIGATE_MASTER_KEY": f"{key}\n{new_master_key()}\n"})
    assert Vault([key]).open(vault.seal(SECRET)) == SECRET
    assert not (tmp_path / "master.key").exists()


def test_the_systemd_credential_outranks_the_environment(tmp_path):
    key = new_master_key()
    (tmp_path / "trigate-master-key").write_text(key)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TRIGATE_MASTER_KEY": new_master_key()}
    assert Vault([key]).open(load_vault(tmp_path, environ).seal(SECRET)) == SECRET


def test_a_credentials_folder_without_ours_is_passed_over(tmp_path):
    key = new_master_key()
    vault = load_vault(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path), "TRIGATE_MASTER_KEY": key})
    assert vault.origin == "TRIGATE_MASTER_KEY"


@pytest.mark.parametrize("text", ["hunter2", "a" * 44])
def test_a_malformed_key_says_how_to_make_one_and_not_what_it_was(tmp_path, text):
    with pytest.raises(ConfigurationError, match="head -c 32 /dev/urandom") as caught:
        load_vault(tmp_path, {"TRIGATE_MASTER_KEY": text})
    assert text not in str(caught.value)


def test_an_empty_key_file_is_refused(tmp_path):
    (tmp_path / "master.key").touch(0o600)
    with pytest.raises(ConfigurationError, match="is empty"):
        load_vault(tmp_path, {})


def test_a_vault_does_not_show_its_key():
    key = new_master_key()
    assert key not in repr(Vault([key]))
