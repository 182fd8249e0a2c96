"""A shell as a reader of the documentation has it: `trigate` on the path, a data folder, a port for the gateway."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import httpx

from tests.docs.pages import ROOT, Block

_READY_LIMIT_S = 30
_RUN_LIMIT_S = 60
_WRITTEN = "127.0.0.1:8000"
_EXPORTS = "exports.sh"


class Shell:
    """Runs blocks in bash, one after the other; what one exports, the next has.

    The gateway's address is replaced by a free one, `ports` (port as written -> port in the test) likewise.
    """

    def __init__(self, folder: Path, *, ports: dict[int, int] | None = None, environment: dict[str, str] | None = None):
        self.folder = folder
        self.data_dir = folder / "data"
        self.address = f"127.0.0.1:{free_port()}"
        self._ports = ports or {}
        self._environment = {
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TRIGATE_DATA_DIR": str(self.data_dir),
            **(environment or {}),
        }
        (folder / _EXPORTS).touch()
        _make_command(folder / "bin")

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def run(self, block: Block) -> str:
        """Standard output; an AssertionError with everything it said if it fails."""
        done = self._bash(f"{self._command(block)}\nexport -p > {self.folder / _EXPORTS}")
        output = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, f"{block.name} ended with {done.returncode}:\n{output}"
        return done.stdout

    @contextmanager
    def serving(self, command: str = "trigate serve", **settings: str) -> Iterator[None]:
        """A gateway in the background, from ready to stopped."""
        environment = {f"TRIGATE_{name.upper()}": value for name, value in settings.items()}
        log = self.folder / "gateway.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                env={**self._environment, "TRIGATE_BIND": self.address, **environment},
                cwd=self.folder,
                stdout=output,
                stderr=output,
            )
        try:
            self._wait_until_ready(process, log)
            yield
        finally:
            process.terminate()
            status = process.wait(_RUN_LIMIT_S)
        assert status == 0, f"the gateway ended with {status}:\n{log.read_text()}"

    def output_of(self, command: str) -> str:
        """Standard output of one command that succeeds."""
        done = self._bash(command)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _bash(self, text: str) -> subprocess.CompletedProcess[str]:
        script = f"set -euo pipefail\n. {self.folder / _EXPORTS}\n{text}\n"
        return subprocess.run(
            ["bash", "-c", script],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_RUN_LIMIT_S,
            check=False,
        )

    def _command(self, block: Block) -> str:
        text = block.text.replace(_WRITTEN, self.address)
        for written, actual in self._ports.items():
            text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{actual}")
        if block.language != "python":
            return text
        program = self.folder / "block.py"
        program.write_text(text, "utf-8")
        return f"python {program}"

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + _READY_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"The gateway did not become ready:\n{log.read_text()}")


def _make_command(folder: Path) -> None:
    """`trigate` of this tree, whether or not it is installed."""
    folder.mkdir()
    command = folder / "trigate"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from gateway.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} -c {quote(program)} "$@"\n', "utf-8")
    command.chmod(0o755)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def missing_tools(text: str) -> list[str]:
    """Programs that a block calls and this machine lacks."""
    return [tool for tool in ("curl", "sqlite3", "node") if f"{tool} " in text and shutil.which(tool) is None]
