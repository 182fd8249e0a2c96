"""What `trigate doctor` says of the machine: versions, disk, limits."""

import resource
from pathlib import Path

import apsw
import pytest

from gateway.cli import checks_machine as checks
from gateway.cli.requirements import satisfies, unmet


@pytest.mark.parametrize(
    ("version", "wanted", "met"),
    [
        ("8.2.8", "==8.2.*", True),
        ("8.3.0", "==8.2.*", False),
        ("0.35.0", "<1,>=0.31", True),
        ("0.30.9", "<1,>=0.31", False),
        ("1.0.0", "<1,>=0.31", False),
        ("3.51.3.0", ">=3.51.3", True),
        ("4", "", True),
    ],
)
def test_a_version_is_held_to_what_is_wanted(version: str, wanted: str, met: bool) -> None:
    assert satisfies(version, wanted) is met


def test_the_libraries_here_are_the_ones_wanted() -> None:
    assert unmet("trigate") == []


def test_a_library_of_another_version_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.metadata, "version", lambda name: "0.1" if name == "httpx" else "999")
    finding = checks.check_libraries()
    assert finding.state == "broken"
    assert "httpx 0.1, wanted ==0.28.*" in finding.said


def test_an_sqlite_that_can_corrupt_the_database_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    assert checks.check_sqlite().state == "broken"


@pytest.mark.parametrize(("kind", "state"), [("ext4", "ok"), ("nfs4", "broken"), ("fuse.sshfs", "broken")])
def test_a_disk_of_another_machine_is_broken(tmp_path: Path, kind: str, state: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"30 22 0:50 / {tmp_path.parent} rw,relatime shared:1 - {kind} server:/export rw\n"
        f"31 22 0:51 / {tmp_path.parent}-beside rw - nfs4 server:/other rw\n"
    )
    assert checks.check_disk(tmp_path / "not" / "made", mounts).state == state


@pytest.mark.parametrize(("hard", "state"), [(20_000, "ok"), (4_096, "note"), (512, "broken")])
def test_too_few_descriptors(monkeypatch: pytest.MonkeyPatch, hard: int, state: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, hard))
    finding = checks.check_descriptors(10_000)
    assert finding.state == state
    assert state == "ok" or "LimitNOFILE=20000" in finding.fix


def test_the_clock_is_asked_of_the_kernel() -> None:
    assert checks.check_clock().state in ("ok", "note")


def test_without_a_terminal_the_rest_works() -> None:
    assert checks.check_terminal().state == "note"
