"""The documentation as its tests read it: pages, fenced blocks, generated tables.

A fenced block says in its first line what is done with it. After the language comes one word:

    sh            run, in order, all in one data folder with a gateway on it; `python` likewise
    sh apart      run in a data folder of its own, without a gateway and with made-up credentials
    sh serve      run in the background until the gateway it starts is ready
    sh check      not run (needs npm, the network, root or a real credential): only its syntax is checked

Other languages (`toml`, `ini`, `nginx`, `json`, `text`) are read by their own tests or not at all.
"""

import re
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
"""Every page for people. Decision records and the change log speak of a moment and are not held to the present."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_GENERATED = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


class Block(Struct, frozen=True):
    """A fenced block. `line` is where its text begins."""

    page: Path
    line: int
    language: str
    word: str
    text: str

    @property
    def name(self) -> str:
        """For a test's id: `README.md:42`."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, word = match["info"].strip().partition(" ")
        line = text.count("\n", 0, match.start("text")) + 1
        found.append(Block(page, line, language, word, match["text"]))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def inline_code(page: Path) -> list[str]:
    """What stands between single backquotes."""
    return _INLINE.findall(prose(page))


def all_text() -> str:
    """Every page, joined."""
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def with_tables(text: str, tables: dict[str, str]) -> str:
    """A page with its generated parts made anew: what stands between `generated: NAME` and `end`."""
    return _GENERATED.sub(lambda match: match[1] + tables[match["name"]] + match[4], text)
