"""Where the CLI is and whether it is one that the gateway can work with."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import trio

from gateway.upstream.providers.claude_cli.options import CliOptions
from gateway.upstream.providers.claude_cli.process import CliProcess, LineTooLong
from gateway.upstream.providers.claude_cli.refusals import Refusal, crashed, hung, missing, not_started, wrong_version

LEAST = (2, 1, 197)
"""The release whose behaviour was observed; an older one may lack `shouldQuery` or one of the switches."""
MAJOR = 2
WANTED = "2.1.197 or a later 2.x"
ANSWER_S = 10.0

_VERSION = re.compile(rb"\A(\d+)\.(\d+)\.(\d+)\b")
_Stamp = tuple[str, int, int]


class Program:
    """The executable of one account. It is asked for its version once, and again when its file has changed.

    What it failed with is not remembered: in the middle of an update its file is there before all that it needs.
    """

    def __init__(self, options: CliOptions) -> None:
        self._options = options
        self._asking = trio.Lock()
        self._asked = 0
        self._good: _Stamp | None = None
        self._refusal: Refusal | None = None
        self.path = ""

    async def check(self, environment: Mapping[str, str], folder: Path) -> Refusal | None:
        """Why it cannot be used; None if it can, and then `path` says where it is."""
        found = _found(self._options.command, environment)
        stamp = None if found is None else _stamp(found)
        if found is None or stamp is None:
            return missing(self._options.command)
        self.path = found
        if self._options.any_version or stamp == self._good:
            return None
        asked_before = self._asked
        async with self._asking:
            # Whoever has waited for another's question takes the answer to that.
            if self._asked == asked_before:
                self._refusal = await _ask(found, environment, folder)
                self._asked += 1
                self._good = stamp if self._refusal is None else None
            return self._refusal


def _found(command: str, environment: Mapping[str, str]) -> str | None:
    path = shutil.which(Path(command).expanduser(), path=environment.get("PATH"))
    return None if path is None else str(Path(path).absolute())


def _stamp(path: str) -> _Stamp | None:
    """What changes when the program is replaced; None if it has gone meanwhile."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return path, status.st_mtime_ns, status.st_size


async def _ask(path: str, environment: Mapping[str, str], folder: Path) -> Refusal | None:
    try:
        process = CliProcess([path, "--version"], environment, folder)
    except OSError as error:
        return not_started(error)
    said: bytes | None = None
    try:
        said = await _first_line(process)
    except* LineTooLong:
        said = b"something else"
    finally:
        await process.end()
    if said is None:
        return hung(ANSWER_S)
    return _judged(said) if said else crashed(process.status, process.words)


async def _first_line(process: CliProcess) -> bytes | None:
    """What it prints; b"" if it ends without a word, None if it takes too long."""
    with trio.move_on_after(ANSWER_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(process.read_words)
            lines = await process.read_lines()
            if lines:
                nursery.cancel_scope.cancel()
        return lines[0] if lines else b""
    return None


def _judged(said: bytes) -> Refusal | None:
    found = _VERSION.match(said.strip())
    if found is None:
        return wrong_version("", WANTED)
    version = tuple(int(part) for part in found.groups())
    if version < LEAST or version[0] != MAJOR:
        return wrong_version(found[0].decode(), WANTED)
    return None
