"""`trigate tui` and `trigate demo --tui`, on a terminal of their own."""

import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from gateway.cli.demo import free_port
from gateway.store.lock import GatewayLock
from tests.cli.conftest import Trigate

_LONGEST_S = 60
QUIT = b"\x11"


class Terminal:
    """A program on a terminal of 120 by 36, whose output is kept."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        kept = {name: text for name, text in os.environ.items() if not name.startswith("TRIGATE_")}
        environment = {
            **kept,
            "TRIGATE_DATA_DIR": str(data_dir),
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": str(data_dir),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while read := os.read(self._master, 65_536):
                self._output += read
        except OSError:
            pass

    @property
    def text(self) -> str:
        """What was written, without what moves the cursor and colours it."""
        return re.sub(r"\x1b(\[[0-9;?<>=]*[A-Za-z$]|[^\[])", "", self._output.decode(errors="replace"))

    def expect(self, text: str) -> None:
        deadline = time.monotonic() + _LONGEST_S
        while text not in self.text:
            assert time.monotonic() < deadline, self.text[-2_000:]
            time.sleep(0.02)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        """Its exit code."""
        return self.process.wait(_LONGEST_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        os.close(self._master)


@pytest.fixture
def open_terminals() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def test_the_console_opens_on_an_empty_folder_and_ends_with_ctrl_q(
    data_dir: Path, open_terminals: list[Terminal]
) -> None:
    terminal = Terminal(data_dir, "tui")
    open_terminals.append(terminal)
    terminal.expect("gateway not running")
    terminal.press(QUIT)
    assert terminal.end() == 0


def test_an_unknown_theme_names_those_there_are(trigate: Trigate) -> None:
    said = trigate("tui", "--theme", "plaid")
    assert said.code == 2
    assert "trigate-dark" in said.err


def test_without_a_terminal_it_says_so(trigate: Trigate) -> None:
    said = trigate("tui")
    assert said.code == 2
    assert "needs a terminal" in said.err


def test_read_only_makes_no_database(trigate: Trigate, data_dir: Path) -> None:
    said = trigate("tui", "--read-only")
    assert said.code == 6
    assert not (data_dir / "gateway.db").exists()


def test_the_demo_runs_a_gateway_for_as_long_as_its_console(data_dir: Path, open_terminals: list[Terminal]) -> None:
    terminal = Terminal(data_dir, "demo", "--tui", "--port", str(free_port(18_400)))
    open_terminals.append(terminal)
    terminal.expect("A key with play money")
    terminal.expect("● up")
    with pytest.raises(Exception, match="gateway"), GatewayLock(data_dir / "demo"):
        pass
    terminal.press(b"q")
    terminal.press(QUIT)
    assert terminal.end() == 0
    with GatewayLock(data_dir / "demo"):
        pass


def test_a_killed_console_leaves_no_gateway_behind(data_dir: Path, open_terminals: list[Terminal]) -> None:
    terminal = Terminal(data_dir, "demo", "--tui", "--port", str(free_port(18_500)))
    open_terminals.append(terminal)
    terminal.expect("● up")
    terminal.process.send_signal(signal.SIGKILL)
    terminal.end()
    deadline = time.monotonic() + _LONGEST_S
    while time.monotonic() < deadline:
        try:
            with GatewayLock(data_dir / "demo"):
                return
        except Exception:
            time.sleep(0.05)
    pytest.fail("The gateway is still there.")


def test_a_gateway_that_cannot_start_is_said_instead(data_dir: Path, open_terminals: list[Terminal]) -> None:
    first = Terminal(data_dir, "demo", "--tui", "--port", str(free_port(18_600)))
    open_terminals.append(first)
    first.expect("● up")
    second = Terminal(data_dir, "demo", "--tui", "--port", str(free_port(18_700)))
    open_terminals.append(second)
    assert second.end() == 6
