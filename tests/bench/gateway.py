"""A gateway under measurement: configured by its command line on a folder of its own, run as `trigate serve`."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

_READY_LIMIT_S = 15
_STOP_LIMIT_S = 15
# What the `trigate` script does, wherever it is installed.
_TRIGATE = (sys.executable, "-c", "import sys; from gateway.cli import main; sys.exit(main())")
_BALANCE_USD = "1000000"
_TIER = "all"


class Gateway:
    """One data folder: `prepare` once, then `with gateway:` starts and stops a server on it, as often as needed.

    `secret` is a key of a funded customer, so that holds, ledger and balance take part in every call. `started_s` is
    the time from the start of the process to its first answer to a key, the list of models.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._environment = os.environ | {"TRIGATE_DATA_DIR": str(data_dir), "BENCH_UPSTREAM_SECRET": "none"}
        self.secret = ""
        self.port = 0
        self.pid = 0
        self.started_s = 0.0

    @property
    def database(self) -> Path:
        return self._data_dir / "gateway.db"

    def prepare(self, upstream_url: str) -> None:
        """Makes the account, the customer and the key. Raises RuntimeError with the command's own words."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._run("init")
        self.add_account("mock", upstream_url)
        made = self._run("keys", "create", "bench", "--balance", _BALANCE_USD, "--tier", _TIER, "--json")
        self.secret = msgspec.json.decode(made)["key"]

    def add_account(self, name: str, upstream_url: str, *options: str) -> None:
        """One more account for the same models. Raises RuntimeError."""
        self._run(
            *("accounts", "add", name, "--kind", "openai", "--base-url", upstream_url),
            *("--secret-env", "BENCH_UPSTREAM_SECRET", "--models", "gpt-*", *options),
        )

    def set_policy(self, policy: str) -> None:
        """`failover`, `hedge` or `race`, for the next server started. Raises RuntimeError."""
        self._run("tiers", "set", _TIER, "--policy", policy)

    def _run(self, *arguments: str) -> bytes:
        done = subprocess.run([*_TRIGATE, *arguments], env=self._environment, capture_output=True, check=False)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"trigate {' '.join(arguments[:2])} ended with {done.returncode}: {words}")
        return done.stdout

    def __enter__(self) -> Self:
        self.port = _free_port()
        begun = time.perf_counter()
        with (self._data_dir / "serve.log").open("ab") as log:
            command = [*_TRIGATE, "serve", "--bind", f"127.0.0.1:{self.port}"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        self.pid = self._process.pid
        try:
            self._wait_ready(begun)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def _wait_ready(self, begun: float) -> None:
        """Asks for the list of models every 2 ms until it is answered."""
        request = (
            f"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.secret}\r\nconnection: close\r\n\r\n"
        )
        while time.perf_counter() - begun < _READY_LIMIT_S:
            if _answers(self.port, request.encode()):
                self.started_s = time.perf_counter() - begun
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.002)
        last = (self._data_dir / "serve.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"The gateway did not become ready. Its last words:\n{last}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
