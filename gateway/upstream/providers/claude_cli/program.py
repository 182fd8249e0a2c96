"""Where the CLI is and whether it is one that the gateway can work with."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import trio

from gateway.upstream.providers.claude_cli.options import CliOptions
from gateway.upstream.providers.claude_cli.refusals import Refusal, hung, missing, wrong_version

LEAST = (2, 1, 197)
"""The release whose behaviour was observed; an older one may lack `shouldQuery` or one of the switches."""
MAJOR = 2
WANTED = "2.1.197 or a later 2.x"
ANSWER_S = 10.0

_VERSION = re.compile(rb"\A(\d+)\.(\d+)\.(\d+)\b")
_Stamp = tuple[str, int, int]


class Program:
    """The executable of one account. It is asked for its version once, and again when its file has changed."""

    def __init__(self, options: CliOptions) -> None:
        self._options = options
        self._asking = trio.Lock()
        self._known: tuple[_Stamp, Refusal | None] | None = None
        self.path = ""

    async def check(self, environment: Mapping[str, str], folder: Path) -> Refusal | None:
        """Why it cannot be used; None if it can, and then `path` says where it is."""
        found = _found(self._options.command, environment)
        if found is None:
            return missing(self._options.command)
        self.path = found
        if self._options.any_version:
            return None
        stamp = _stamp(self.path)
        async with self._asking:
            if self._known is None or self._known[0] != stamp:
                refusal = await _ask(self.path, environment, folder)
                if refusal is not None and refusal.code == "cli_hung":
                    return refusal
                self._known = (stamp, refusal)
            return self._known[1]


def _found(command: str, environment: Mapping[str, str]) -> str | None:
    path = shutil.which(Path(command).expanduser(), path=environment.get("PATH"))
    return None if path is None else str(Path(path).absolute())


def _stamp(path: str) -> _Stamp:
    status = Path(path).stat()
    return path, status.st_mtime_ns, status.st_size


async def _ask(path: str, environment: Mapping[str, str], folder: Path) -> Refusal | None:
    with trio.move_on_after(ANSWER_S):
        try:
            finished = await trio.run_process(
                [path, "--version"],
                stdin=b"",
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
                check=False,
                env=dict(environment),
                cwd=folder,
            )
        except OSError as error:
            return wrong_version(f"not to be run: {error.strerror}", WANTED)
        return _judged(finished.stdout)
    return hung(ANSWER_S)


def _judged(said: bytes) -> Refusal | None:
    found = _VERSION.match(said.strip())
    if found is None:
        return wrong_version("", WANTED)
    version = tuple(int(part) for part in found.groups())
    if version < LEAST or version[0] != MAJOR:
        return wrong_version(found[0].decode(), WANTED)
    return None
