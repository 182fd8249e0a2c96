"""Sits at the console and carries the script out; sends its calls from another terminal."""

import os
import re
import shlex
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from tests.tui_run.script import LANDMARKS, Call, Step
from tests.tui_run.terminals import LONGEST_S, Terminal, wait_for
from tests.tui_run.transcript import keys_of


class Session:
    """One console, one other terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._shell = ThreadPoolExecutor(1)
        self._environment: dict[str, str] = {}
        self._answer: Future[str] | None = None

    def carry_out(self, step: Step) -> str:
        """The screen that it leads to. An AssertionError with the one it led to instead."""
        for key, typed in keys_of(step.keys):
            for each in key if typed else [key]:
                self.terminal.press(each)
            if not typed and key in LANDMARKS:
                landmark = LANDMARKS[key]
                wait_for(self.terminal, f"The screen after {key}", lambda screen, landmark=landmark: landmark in screen)
        if step.call is not None:
            wait_for(self.terminal, f"The end of {step.after!r}", lambda screen: step.after not in screen)
            self._answer = self._shell.submit(answer_to, step.call, self._environment)
        if step.ends:
            assert self._answer is not None
            said = self._answer.result(LONGEST_S)
            assert "message_stop" in said, said
        screen = wait_for(self.terminal, _what(step), lambda screen: _holds(step, screen))
        if step.pastes:
            self._environment = exported(self._pasted())
        return screen

    def _pasted(self) -> str:
        """tmux puts it where it can be asked for a moment after."""
        wait_for(self.terminal, "The clipboard", lambda _: self.terminal.clipboard())
        return self.terminal.clipboard()

    def close(self) -> None:
        self._shell.shutdown(cancel_futures=True)
        self.terminal.close()

    def ended(self) -> int:
        """The console's exit code."""
        deadline = time.monotonic() + LONGEST_S
        while (code := self.terminal.ended()) is None:
            assert time.monotonic() < deadline, self.terminal.screen()
            time.sleep(0.05)
        return code


def _holds(step: Step, screen: str) -> bool:
    return all(text in screen for text in step.sees) and not any(text in screen for text in step.misses)


def _what(step: Step) -> str:
    without = f" without {', '.join(map(repr, step.misses))}" if step.misses else ""
    return f"After {step.keys or 'nothing more'}: {', '.join(map(repr, step.sees))}{without}"


def exported(lines: str) -> dict[str, str]:
    """What `export NAME=value` lines set."""
    return dict(re.findall(r"^export (\w+)=(\S+)$", lines, re.MULTILINE))


def answer_to(call: Call, environment: Mapping[str, str]) -> str:
    """What the call's command prints, run by sh; sent from here where there is no curl."""
    if shutil.which("curl") is None:
        return _sent(call, environment)
    done = subprocess.run(
        ["sh", "-c", call.command],
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*", **environment},
        capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def _sent(call: Call, environment: Mapping[str, str]) -> str:
    words = [
        re.sub(r"\$(\w+)", lambda name: environment[name[1]], word)
        for word in shlex.split(call.command.replace("\\\n", " "))
    ]
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    url = next(word for word in words if word.startswith("http"))
    request = urllib.request.Request(url, words[words.index("-d") + 1].encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=LONGEST_S) as response:
        answered: bytes = response.read()
    return answered.decode()
