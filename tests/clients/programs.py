"""Claude Code and Codex CLI as processes: what they are started with and what they leave behind.

Each run has a home and a working folder of its own, and an environment in which nothing of this machine's is left: the
clients find no settings, no credentials and no repository but what is put there. `{folder}` in a prompt stands for the
working folder, which a prompt cannot know.
"""

import os
import platform
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from struct import pack

from msgspec import Struct

from tests.clients.task import NOTE

INSTALLED = Path(__file__).parents[2] / ".clients" / "node_modules"
LIMIT_S = 100
_MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_CODEX_CONFIG = """\
model_provider = "gateway"

[model_providers.gateway]
name = "Gateway"
base_url = "{url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
"""


class Finished(Struct, frozen=True):
    """A run that has ended by itself. `folder` is where it worked."""

    status: int
    output: str
    errors: str
    folder: Path

    def read(self, name: str) -> str:
        """A file of the working folder; empty if it is not there."""
        path = self.folder / name
        return path.read_text("utf-8").strip() if path.exists() else ""


def claude_program() -> Path:
    """The executable that npm has installed for this machine."""
    system = f"{sys.platform}-{_MACHINES[platform.machine()]}"
    return INSTALLED / "@anthropic-ai" / f"claude-code-{system}" / "claude"


def claude_code(url: str, key: str, model: str, prompt: str, scratch: Path) -> Finished:
    """`claude --print`, whose output is the answer or the error. It asks nobody before it uses a tool."""
    command = [str(claude_program()), "--print", prompt]
    environment = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # To root, tools are given without a question only inside of a sandbox.
        "IS_SANDBOX": "1",
    }
    return _run([*command, "--model", model, "--dangerously-skip-permissions"], environment, scratch)


def codex(url: str, key: str, model: str, prompt: str, scratch: Path) -> Finished:
    """`codex exec`, whose output is the last message; its errors tell the story of the run."""
    home = scratch / "codex"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(_CODEX_CONFIG.format(url=url), "utf-8")
    command = ["node", str(INSTALLED / "@openai" / "codex" / "bin" / "codex.js"), "exec", "--skip-git-repo-check"]
    flags = ["--dangerously-bypass-approvals-and-sandbox", "--model", model]
    return _run([*command, *flags, prompt], {"CODEX_HOME": str(home), "GATEWAY_KEY": key}, scratch)


PROGRAMS: dict[str, Callable[[str, str, str, str, Path], Finished]] = {"claude_code": claude_code, "codex": codex}


def _run(command: list[str], environment: Mapping[str, str], scratch: Path) -> Finished:
    home, folder = scratch / "home", scratch / "work"
    home.mkdir(parents=True)
    folder.mkdir()
    (folder / "note.txt").write_text(NOTE + "\n", "utf-8")
    (folder / "picture.png").write_bytes(_picture())
    finished = subprocess.run(
        [part.replace("{folder}", str(folder)) for part in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr, folder)


def _picture() -> bytes:
    """A grey PNG of 8 by 8 pixels."""
    header = pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress((b"\0" + b"\x80" * 8) * 8)), (b"IEND", b""))
    chunks = (pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data)) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
