"""A gateway as a child process, for as long as a console is open."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import OperatorError

LOG = "gateway.log"
_READY_S = 30.0
# Longer than the gateway gives open calls and their settlements (drain_s is 3 here).
_END_S = 15.0
_PR_SET_PDEATHSIG = 1


@contextmanager
def gateway_beside(data_dir: Path, host: str, port: int) -> Iterator[None]:
    """A gateway that listens once this is entered and has settled its calls once it is left. Its log is `gateway.log`.

    It ends with this process, however that ends. Raises OperatorError where it does not begin to listen.
    """
    log = data_dir / LOG
    command = [sys.executable, "-m", "gateway", "serve", "--data-dir", str(data_dir), "--bind", f"{host}:{port}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIGATE_")}
    with open(log, "wb", opener=_private) as output:
        child = subprocess.Popen(
            [*command, "--log-format", "json", "--drain-s", "3"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C and a hang-up are the console's to deal with.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        _await_listening(child, (host, port), log)
        yield
    finally:
        _end(child)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _end_with_parent() -> None:
    """prctl(2): a killed console, or a dropped ssh session, leaves no gateway behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_listening(child: "subprocess.Popen[bytes]", address: tuple[str, int], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise OperatorError(f"The gateway did not start: {said[-1] if said else 'it said nothing'}")
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise OperatorError(f"The gateway did not begin to listen within {_READY_S:g} s. See {log}.")


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
