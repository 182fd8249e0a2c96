"""A program that runs under supervision: in a process group of its own, which is killed as a whole and always."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import trio

from gateway.upstream.providers.claude_cli import launch

GRACE_S = 0.4
LAST_S = 2.0
"""SIGTERM, this long, SIGKILL, and at most this long until the kernel has buried it."""
MAX_LINE_BYTES = 64 * 1024 * 1024
KEPT_WORDS = 300
_RECEIVE_BYTES = 262_144


class LineTooLong(Exception):
    """The program printed something that is no line."""


class CliProcess:
    """Started when made; `end` is to be called once, whatever happens. Raises OSError.

    It is started by this thread, not by a worker: the kernel ends it when the thread that started it does, and trio's
    workers end when they are idle.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        self._popen = subprocess.Popen(
            [*launcher, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._writing = trio.Lock()
        self._received = b""
        self.words = ""
        with ExitStack() as undone:
            # Where descriptors run out now, nobody would ever wait for it.
            undone.push(self._popen)
            undone.callback(self._signal, signal.SIGKILL)
            self._ending = os.pidfd_open(self.pid)
            undone.callback(os.close, self._ending)
            pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
            self._stdin, self._stdout, self._stderr = (_taken(pipe, undone) for pipe in pipes)
            undone.pop_all()

    @property
    def status(self) -> int | None:
        """What it ended with; negative is the signal."""
        return self._popen.returncode

    async def write(self, line: bytes) -> None:
        """Raises trio.BrokenResourceError if it no longer reads."""
        async with self._writing:
            await self._stdin.send_all(line)

    async def read_lines(self) -> list[bytes]:
        """The lines that have come, at least one; [] at the end. Raises LineTooLong."""
        pieces = [self._received]
        size = len(self._received)
        while True:
            data = await self._stdout.receive_some(_RECEIVE_BYTES)
            if not data:
                return []
            pieces.append(bytes(data))
            size += len(data)
            if b"\n" in data:
                break
            if size > MAX_LINE_BYTES:
                raise LineTooLong
        *lines, self._received = b"".join(pieces).split(b"\n")
        return lines

    async def read_words(self) -> None:
        """Take what it prints on standard error, so that it does not wait; the last line is kept."""
        while data := await self._stderr.receive_some(_RECEIVE_BYTES):
            if said := [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]:
                self.words = said[-1].strip()[:KEPT_WORDS]

    def stop(self) -> None:
        """Ask it to end now. `end` makes sure that it does."""
        self._signal(signal.SIGTERM)

    async def end(self) -> None:
        """Returns when nothing of it is left. Bounded, and not to be cancelled."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_S + LAST_S):
            try:
                self.stop()
                with trio.move_on_after(GRACE_S):
                    await trio.lowlevel.wait_readable(self._ending)
                # Once more when it has ended: until it is waited for, its group's number is not given to others.
                self._signal(signal.SIGKILL)
                await trio.lowlevel.wait_readable(self._ending)
                self._popen.wait()
            finally:
                self._close()

    def _close(self) -> None:
        trio.lowlevel.notify_closing(self._ending)
        os.close(self._ending)
        for stream in (self._stdin, self._stdout, self._stderr):
            stream.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._popen.returncode is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                return

    def memory_bytes(self) -> int:
        """What it has in memory now; 0 once it has ended."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _taken(pipe: IO[bytes] | None, undone: ExitStack) -> trio.lowlevel.FdStream:
    """The pipe as trio's; the file object that `subprocess` made of it is closed. `undone` closes what was made."""
    assert pipe is not None
    with pipe:
        stream = trio.lowlevel.FdStream(os.dup(pipe.fileno()))
    undone.callback(stream.close)
    return stream
