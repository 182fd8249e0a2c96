"""`trigate backup FILE`."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gateway.store.database import connect_raw
from tests.cli.conftest import Trigate


def test_a_backup_is_a_whole_data_folder_with_every_balance(trigate: Trigate, tmp_path: Path) -> None:
    trigate("customers", "create", "alice", "--balance", "5")
    copy = tmp_path / "restored" / "gateway.db"
    copy.parent.mkdir()
    said = trigate("backup", str(copy), "--json")
    assert (said.code, said.json["path"], said.json["size_bytes"]) == (0, str(copy), copy.stat().st_size)
    restored = trigate("--data-dir", str(copy.parent), "customers", "show", "alice", "--json")
    assert restored.json["balance_micro"] == 5_000_000


def test_a_backup_is_its_owners_alone(trigate: Trigate, tmp_path: Path) -> None:
    trigate("db", "migrate")
    trigate("backup", str(tmp_path / "copy.db"))
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def test_no_file_is_overwritten(trigate: Trigate, tmp_path: Path) -> None:
    trigate("db", "migrate")
    (tmp_path / "copy.db").write_text("precious")
    said = trigate("backup", str(tmp_path / "copy.db"))
    assert (said.code, (tmp_path / "copy.db").read_text()) == (2, "precious")


def test_a_folder_that_is_not_there_is_code_5(trigate: Trigate, tmp_path: Path) -> None:
    trigate("db", "migrate")
    assert trigate("backup", str(tmp_path / "nowhere" / "copy.db")).code == 5


def test_a_database_that_is_not_there_is_code_6(trigate: Trigate, tmp_path: Path) -> None:
    said = trigate("backup", str(tmp_path / "copy.db"))
    assert said.code == 6
    assert list(tmp_path.glob("*copy*")) == []


def test_an_older_releases_database_can_be_backed_up_before_it_is_migrated(
    trigate: Trigate, data_dir: Path, tmp_path: Path
) -> None:
    data_dir.mkdir()
    connect_raw(data_dir / "gateway.db", create=True).close()
    assert trigate("backup", str(tmp_path / "copy.db")).code == 0


def test_a_name_that_was_taken_meanwhile_is_no_success(
    trigate: Trigate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigate("db", "migrate")

    def taken(source: Path, target: Path) -> None:
        raise FileExistsError

    monkeypatch.setattr(os, "link", taken)
    assert trigate("backup", str(tmp_path / "copy.db")).code == 2
    assert list(tmp_path.glob("*copy*")) == []


def test_a_copy_that_cannot_be_written_to_the_disk_is_no_success(
    trigate: Trigate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigate("db", "migrate")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = trigate("backup", str(tmp_path / "copy.db"))
    assert (said.code, "No space left on device" in said.err) == (6, True)
    assert list(tmp_path.glob("*copy*")) == []


def test_what_a_killed_backup_left_is_in_nobodys_way(trigate: Trigate, tmp_path: Path) -> None:
    trigate("db", "migrate")
    (tmp_path / f".copy.db.{os.getpid()}").write_text("half")
    assert trigate("backup", str(tmp_path / "copy.db")).code == 0
