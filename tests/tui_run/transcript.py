"""The session as a page of the manual: written from the screens that came, and read again to compare."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from tests.tui_run.script import STEPS, Step

PAGE = Path(__file__).resolve().parents[2] / "docs" / "console-session.md"

_HEAD = """\
# A session at the console

From an empty gateway to the second call, by keystrokes alone: a customer, a key, a top-up, a call watched while it is
answered, an account drained, and the next call that avoids it. It starts like this, and needs nothing but the checkout:

```sh check
trigate demo --tui --fresh
```

These are the screens of a terminal of 120 by 36. What the keys do is listed in [The console](console.md).
"""
_SCREEN = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECRET = re.compile(r"(?<=cc_user_)(\w{12})(\w+)")

# Ids and figures differ from one session to the next, and with them how much room there is before the next column.
_IDS = re.compile(r"\b(?:cc_user_[\w•]+|(?:call|msg|req)_\w+|[\w-]+@\d{4}-\d\d-\d\d\.\w+)")
_KEY_ID = re.compile(r"(?<=▏ id {13})\w{12}")
_FIGURES = re.compile(r"\d[\d.,:/-]*(?:ms|[smhkM]\b)?")
_PACE = re.compile(r"[┄━·]+")
_BLANKS = re.compile(r"[ ]+")
_USER = re.compile(r"console:[^ ]+")
# Below and right of this toasts come and go.
_TOASTS_FROM_LINE, _TOASTS_FROM_COLUMN = 20, 57


def words_of(screen: str) -> str:
    """What is the same in every session: words, states, names and the order they stand in, but no figures.

    Of a dialog what is in its box; else everything without the top line, which is about this second, and the corner
    of the toasts.
    """
    lines = screen.split("\n")
    last = len(lines) - 1
    kept = _in_the_box(lines) or [
        line[:_TOASTS_FROM_COLUMN] if _TOASTS_FROM_LINE <= number < last else line
        for number, line in enumerate(lines)
        if number
    ]
    return "\n".join(map(_masked, kept)).rstrip()


def _in_the_box(lines: Sequence[str]) -> list[str]:
    top = next((number for number, line in enumerate(lines) if "╭" in line and "╮" in line), None)
    bottom = next((number for number, line in enumerate(lines) if "╰" in line and "╯" in line), None)
    if top is None or bottom is None:
        return []
    left, right = lines[top].index("╭"), lines[top].index("╮") + 1
    return [line[left:right] for line in lines[top : bottom + 1]]


def _masked(line: str) -> str:
    for pattern, mask in ((_IDS, "ID"), (_KEY_ID, "ID"), (_USER, "console:USER"), (_PACE, "·"), (_FIGURES, "#")):
        line = pattern.sub(mask, line)
    return _BLANKS.sub(" ", line).rstrip()


def written(screens: Sequence[str]) -> str:
    """The whole page. Secrets are hidden: they are void, but look like good ones."""
    parts = [_HEAD]
    for step, screen in zip(STEPS, screens, strict=False):
        shown = _SECRET.sub(lambda secret: secret[1] + "•" * len(secret[2]), screen).rstrip()
        parts += [*_told(step), f"```text\n{shown}\n```\n"]
    parts += [part for step in STEPS[len(screens) :] for part in _told(step)]
    return "\n".join(parts)


def _told(step: Step) -> list[str]:
    told = [f"{step.told}\n"]
    if step.keys:
        told.append(f"Keys: {' '.join(_shown(key) for key in keys_of(step.keys))}\n")
    if step.call is not None:
        told.append(f"```sh check\n{step.call.command}\n```\n")
    return told


def keys_of(keys: str) -> list[tuple[str, bool]]:
    """(key or text, whether it is text that is typed)."""
    lexer = shlex.shlex(keys, posix=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    return [(token.strip('"'), token.startswith('"')) for token in lexer]


def _shown(key: tuple[str, bool]) -> str:
    name, typed = key
    return f"*{name}*" if typed else f"`{name}`"


def screens_in(page: str) -> list[str]:
    """The screens of a page, in order."""
    return [each.removesuffix("\n") for each in _SCREEN.findall(page)]


def told_in(page: str) -> str:
    """A page without its screens."""
    return _SCREEN.sub("", page)
