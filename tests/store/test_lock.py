import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.lock import GatewayLock


def test_the_second_gateway_is_told_who_is_first(tmp_path: Path) -> None:
    with (
        GatewayLock(tmp_path),
        pytest.raises(StoreUnavailable, match=f"process {os.getpid()} on {socket.gethostname()}") as refused,
        GatewayLock(tmp_path),
    ):
        pass
    assert refused.value.exit_code == 6


def test_after_the_first_has_ended_the_next_may_begin(tmp_path: Path) -> None:
    with GatewayLock(tmp_path):
        pass
    with GatewayLock(tmp_path) as lock:
        holder = lock.holder()
    assert holder is not None
    assert holder.pid == os.getpid()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys\n"
        "from gateway.store.lock import GatewayLock\n"
        "GatewayLock(pathlib.Path(sys.argv[1])).__enter__()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -9
    with GatewayLock(tmp_path):
        pass
