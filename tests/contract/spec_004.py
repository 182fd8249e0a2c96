"""The printed examples of a gateway without keys, as programs: their host stays, their port becomes the gateway's."""

import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec

_PAGE = Path(__file__).with_name("spec_004_examples.md")
_SECTION = re.compile(r"^## (?P<title>[^\n]+)\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_WRITTEN_PORT = "localhost:8000"
_LIMIT_S = 30

TEXTS = {match["title"]: match["text"] for match in _SECTION.finditer(_PAGE.read_text("utf-8"))}
"""Title -> example, as printed."""

ANTHROPIC_BODY: dict[str, Any] = msgspec.json.decode(TEXTS["The body in the Anthropic format"])
OPENAI_BODY: dict[str, Any] = msgspec.json.decode(TEXTS["The body in the OpenAI format"])
STREAMING_BODY: dict[str, Any] = msgspec.json.decode(TEXTS["The streaming body"])
MODELS = ("claude-3-5-sonnet-20241022", "claude-3-7-sonnet-20250219", "claude-opus-4-20250514")
"""The models that the page names, each with a context of 200,000 tokens."""


def example(title: str, port: int) -> str:
    """An example that reaches the gateway on this port."""
    return TEXTS[title].replace(_WRITTEN_PORT, f"localhost:{port}")


def run_python(title: str, port: int, **names: Any) -> dict[str, Any]:
    """Runs an example with these names defined. Returns all names it leaves behind."""
    left = dict(names)
    exec(compile(example(title, port), title, "exec"), left)
    return left


def run_curl(title: str, port: int) -> Any:
    """The JSON that curl printed."""
    return msgspec.json.decode(_output_of(["bash", "-c", example(title, port).replace("curl ", "curl -sS ", 1)]))


def run_node(title: str, port: int, after: str, folder: Path, **names: Any) -> Any:
    """Runs an example with these names defined, then `after`, whose last word is to print JSON."""
    given = "".join(f"const {name} = {msgspec.json.encode(value).decode()};\n" for name, value in names.items())
    # Imports stand at the top wherever they are written, so what is given may come first.
    program = folder / "example.mjs"
    program.write_text(given + example(title, port) + after, "utf-8")
    return msgspec.json.decode(_output_of(["node", str(program)]))


def _output_of(command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=_LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
