"""The folder of one account: what its CLI takes for home, configuration and working folder, and the environment.

Nothing of the operator's own reaches the CLI but the path to programs, the language and, where the account says so, the
login that the operator already has. Folders and files are for their owner alone.
"""

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.records import Account
from gateway.settings import program_folder
from gateway.upstream.providers.claude_cli.options import CliOptions

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
_STALE_S = 3_600
_FIXED = {
    # Mistakes are the gateway's to retry; half an answer is never followed by a whole one.
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    # The gateway's own deadlines hold.
    "API_TIMEOUT_MS": "3600000",
    "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "3600000",
    "MCP_TOOL_TIMEOUT": "3600000",
    "MAX_MCP_OUTPUT_TOKENS": "10000000",
    # Prompts are the callers': `@path` in one must not read a file of this machine.
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1",
    # What is sent is the conversation, whole and as it came.
    "DISABLE_COMPACT": "1",
    "DISABLE_AUTO_COMPACT": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
    "MCP_CONNECTION_NONBLOCKING": "0",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "DISABLE_AUTOUPDATER": "1",
    # Its log of MCP would have the results of tools in it.
    "XDG_CACHE_HOME": "/dev/null/none",
}


class Folder:
    """An account's folder of its own, made when first needed."""

    def __init__(self, data_dir: Path, account_id: int) -> None:
        self.path = program_folder(data_dir, account_id)
        self.work = self.path / "work"
        self.config = self.path / "config"

    def prepare(self) -> None:
        """Make what is missing. Raises ConfigurationError."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("", "home", "config", "work", "tmp", "prompts"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"The folder {self.path} cannot be used: {error.strerror}.") from error

    def keep_prompt(self, text: str) -> Path:
        """A file that only this user can read. Others could read an argument of the process. Raises OSError."""
        self._remove_stale()
        path = self.path / "prompts" / secrets.token_hex(16)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
        return path

    def _remove_stale(self) -> None:
        """Prompts that were left behind when the gateway was killed. Others may be of a gateway that runs beside."""
        for prompt in (self.path / "prompts").iterdir():
            with suppress(FileNotFoundError):
                if time.time() - prompt.stat().st_mtime > _STALE_S:  # noqa: TID251 - a file's time is wall time
                    prompt.unlink()


def environment(
    account: Account, options: CliOptions, folder: Folder, secret: str, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What a CLI of this account runs in; the secret is in it."""
    values = {name: environ[name] for name in _PASSED_ON if name in environ}
    values |= _FIXED | {"TMPDIR": str(folder.path / "tmp"), "CLAUDE_TMPDIR": str(folder.path / "tmp")}
    # It runs git where it works, and a repository around the data folder can name programs for git to run.
    values["GIT_CEILING_DIRECTORIES"] = str(folder.path)
    if options.login == "operator":
        values["HOME"] = environ.get("HOME", str(Path.home()))
        if "CLAUDE_CONFIG_DIR" in environ:
            values["CLAUDE_CONFIG_DIR"] = environ["CLAUDE_CONFIG_DIR"]
    else:
        values |= {"HOME": str(folder.path / "home"), "CLAUDE_CONFIG_DIR": str(folder.config)}
    if secret:
        values["CLAUDE_CODE_OAUTH_TOKEN" if is_token(secret) else "ANTHROPIC_API_KEY"] = secret
    if account.base_url:
        values["ANTHROPIC_BASE_URL"] = account.base_url.rstrip("/").removesuffix("/v1")
    if account.proxy:
        values |= {"HTTPS_PROXY": account.proxy, "HTTP_PROXY": account.proxy}
    if account.extra_headers:
        lines = (f"{name}: {value}" for name, value in account.extra_headers.items())
        values["ANTHROPIC_CUSTOM_HEADERS"] = "\n".join(lines)
    if file := account.options.get("ca_file"):
        values["NODE_EXTRA_CA_CERTS"] = str(file)
    return values


def is_token(secret: str) -> bool:
    """True for what `claude setup-token` prints; anything else is taken for an API key."""
    return secret.startswith("sk-ant-oat")
