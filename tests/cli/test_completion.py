"""`trigate completion SHELL`, and what the shell then asks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.completion import SHELLS, VARIABLE
from tests.cli.conftest import Trigate


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_the_program_itself(trigate: Trigate, shell: str) -> None:
    said = trigate("completion", shell)
    assert said.code == 0
    assert f"{VARIABLE}={shell}_complete" in said.out


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_sound(trigate: Trigate, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    script = trigate("completion", shell).out
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_shell_is_code_2(trigate: Trigate) -> None:
    assert trigate("completion", "csh").code == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("trigate acc", "accounts"), ("trigate keys re", "revoke"), ("trigate accounts add --k", "--kind")],
)
def test_bash_is_offered_what_can_follow(tmp_path: Path, typed: str, offered: str) -> None:
    environment = {
        **os.environ,
        VARIABLE: "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
        "TRIGATE_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "gateway"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert offered in [line.partition(",")[2] for line in done.stdout.splitlines()]
