"""Terminals that a program runs on and whose screen can be read: one made of pyte, and tmux."""

import base64
import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyte

COLUMNS, LINES = 120, 36
LONGEST_S = 30.0
_LOOK_EVERY_S = 0.03
_CLIPBOARD = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")
# pyte draws the rest of what it does not know, such as the keyboard protocol of kitty (CSI > 1 u).
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[A-Za-z]|\x1bP[^\x1b]*\x1b\\|\x1b\[\?[0-9;]*\$p")
_UNFINISHED = re.compile(rb"\x1b(\[[0-9;?<>=]*|P[^\x1b]*\x1b?|\][^\x07\x1b]*)?\Z")

_PTY = {"enter": "\r", "tab": "\t", "esc": "\x1b", "up": "\x1b[A", "down": "\x1b[B", "ctrl+s": "\x13", "ctrl+q": "\x11"}
_TMUX = {"enter": "Enter", "tab": "Tab", "esc": "Escape", "up": "Up", "down": "Down", "ctrl+s": "C-s", "ctrl+q": "C-q"}


class Terminal(Protocol):
    """A program on a terminal of `COLUMNS` by `LINES`. `folder` is for what the terminal itself keeps."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None: ...

    def press(self, key: str) -> None:
        """A key by its name (`enter`, `ctrl+s`), or a character."""

    def screen(self) -> str:
        """What is on it, line by line, without blanks at the ends."""

    def clipboard(self) -> str:
        """What the program sent to the terminal's clipboard last."""

    def ended(self) -> int | None:
        """The program's exit code, once it has ended."""

    def close(self) -> None:
        """End the program, whatever it does."""


def wait_for(terminal: Terminal, what: str, holds: Callable[[str], object]) -> str:
    """The first screen for which `holds`. An AssertionError with the screen where none comes."""
    deadline = time.monotonic() + LONGEST_S
    while True:
        screen = terminal.screen()
        if holds(screen):
            return screen
        code = terminal.ended()
        assert code is None, f"{what} did not come: the program ended with {code}. The screen:\n{screen}"
        assert time.monotonic() < deadline, f"{what} did not come within {LONGEST_S:g} s. The screen:\n{screen}"
        time.sleep(_LOOK_EVERY_S)


class Emulated:
    """A pseudo-terminal, read by an emulator in this process."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], _folder: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )  # fmt: skip
        os.close(slave)
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._clipboard = b""
        self._rest = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while read := os.read(self._master, 65_536):
                self._take(self._rest + read)
        except OSError:
            # Nobody is at the other end any more.
            return

    def _take(self, output: bytes) -> None:
        unfinished = _UNFINISHED.search(output)
        end = unfinished.start() if unfinished else len(output)
        self._rest, whole = output[end:], output[:end]
        with self._lock:
            for copied in _CLIPBOARD.findall(whole):
                self._clipboard = copied
            self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", _CLIPBOARD.sub(b"", whole)))

    def press(self, key: str) -> None:
        os.write(self._master, _PTY.get(key, key).encode())

    def screen(self) -> str:
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def clipboard(self) -> str:
        with self._lock:
            return base64.b64decode(self._clipboard).decode()

    def ended(self) -> int | None:
        return self._process.poll()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._reader.join(LONGEST_S)
        os.close(self._master)


class Tmux:
    """A window of a tmux server of its own, which ends with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        # A socket's path has room for 107 bytes.
        self._socket = Path(os.path.relpath(folder / "tmux"))
        settings = folder / "tmux.conf"
        settings.write_text(
            "set -g status off\nset -g set-clipboard on\nset -s escape-time 0\n"
            'set -g default-terminal "tmux-256color"\nset -g remain-on-exit on\n'
        )
        self._environment = dict(environment)
        # tmux itself now and then misses how its program ended.
        self._code = folder / "ended"
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        program = f"{shlex.join(command)}; echo $? > {shlex.quote(str(self._code))}"
        self._tmux("-f", str(settings), "new-session", "-d", *size, program)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            env=self._environment, capture_output=True, text=True, timeout=LONGEST_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"tmux {arguments[0]}: {done.stderr}"
        return done.stdout

    def press(self, key: str) -> None:
        if key in _TMUX:
            self._tmux("send-keys", _TMUX[key])
        else:
            self._tmux("send-keys", "-l", "--", key)

    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self._tmux("capture-pane", "-p").split("\n")[:LINES])

    def clipboard(self) -> str:
        return self._tmux("show-buffer", check=False)

    def ended(self) -> int | None:
        code = self._code.read_text() if self._code.exists() else ""
        return int(code) if code else None

    def close(self) -> None:
        self._tmux("kill-server", check=False)
