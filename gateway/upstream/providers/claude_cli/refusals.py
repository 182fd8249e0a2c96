"""Why the CLI gave no answer, as an answer of the Messages API: status, type, and words for the operator. Pure.

The words may name paths and commands: `classify` keeps them from callers, `trigate accounts test` prints them.
"""

import re

import msgspec
from msgspec import Struct

from gateway.clock import now_ms
from gateway.dialects.base import ERROR_TYPES
from gateway.upstream.providers.claude_cli.lines import Result

LOG_IN = "Log it in with `trigate accounts login NAME`."

PUBLIC = {
    "cli_missing": "The Claude CLI of this gateway is not installed, or not where its operator said it is.",
    "cli_version": "The Claude CLI of this gateway is of a release that the gateway cannot work with.",
    "cli_not_logged_in": "The Claude CLI of this gateway is not logged in. Its operator runs `trigate accounts login`.",
    "cli_crashed": "The Claude CLI of this gateway ended before it had answered.",
    "cli_hung": "The Claude CLI of this gateway did not start in time.",
    "cli_memory": "The Claude CLI of this gateway used more memory than it may.",
}
"""What callers hear where the program itself is the reason, by code."""

_STATUS = re.compile(r"API Error: (?:Request rejected \()?(\d{3})\)?(?: ·)? ?")
_PREFIXES = re.compile(
    r"\A(?:Failed to authenticate\. )?(?:API Error: )?(?:Request rejected )?(?:\(?\d{3}\)? )?(?:· )?"
)
_TOO_LONG = re.compile(r"(\d+) tokens \(limit (\d+)\)")


class Refusal(Struct, frozen=True):
    """An error answer. `code` is the envelope's `type`."""

    status: int
    code: str
    message: str
    retry_after_s: float | None = None

    @property
    def body(self) -> bytes:
        return msgspec.json.encode({"type": "error", "error": {"type": self.code, "message": self.message}})

    @property
    def headers(self) -> list[tuple[str, str]]:
        headers = [("content-type", "application/json")]
        if self.retry_after_s is not None:
            headers.append(("retry-after", f"{self.retry_after_s:.0f}"))
        return headers


NOT_SERVED = Refusal(404, "not_found_error", "The Claude CLI answers messages only; it has no list and counts nothing.")


def busy(processes: int) -> Refusal:
    """Every process of the account is at work, and none came free in time."""
    return Refusal(529, "overloaded_error", f"All {processes} processes of this account are busy.", 1.0)


def missing(command: str) -> Refusal:
    return Refusal(
        503,
        "cli_missing",
        f"There is no program {command!r}. Install it (`npm install -g @anthropic-ai/claude-code`), or say where it is "
        "with `trigate accounts set NAME --option command=/path/to/claude`.",
    )


def wrong_version(found: str, wanted: str) -> Refusal:
    return Refusal(
        503,
        "cli_version",
        f"The Claude CLI says it is {found or 'something else'}; this gateway works with {wanted}. Install such a one, "
        "or try this one with `trigate accounts set NAME --option any_version=true`.",
    )


def hung(seconds: float) -> Refusal:
    return Refusal(503, "cli_hung", f"The Claude CLI was not ready within {seconds:g} s. Does it run in a terminal?")


def not_started(error: OSError) -> Refusal:
    return Refusal(503, "cli_crashed", f"The Claude CLI could not be started: {error.strerror}.")


def crashed(status: int | None, words: str) -> Refusal:
    """It ended without an answer. `words` are its own, from its standard error."""
    ending = "by a signal" if status is not None and status < 0 else f"with status {status}"
    said = f", saying: {words}" if words else ""
    return Refusal(503, "cli_crashed", f"The Claude CLI ended {ending}{said}")


def garbage() -> Refusal:
    return Refusal(
        503,
        "cli_version",
        "The Claude CLI printed what no Claude CLI prints that this gateway knows. Install another release of it.",
    )


def too_large(limit_mb: int) -> Refusal:
    return Refusal(
        503,
        "cli_memory",
        f"The Claude CLI used more than {limit_mb} MB and was ended. `--option memory_mb=N` allows it more.",
    )


def refused(result: Result) -> Refusal:
    """What a `result` line with an error means. The CLI wraps the API's words in its own, which are taken off again."""
    text = result.text
    if not result.is_error:
        return Refusal(502, "api_error", "The Claude CLI ended its turn without an answer.")
    if "Not logged in" in text or "Please run /login" in text:
        return Refusal(401, "cli_not_logged_in", f"The Claude CLI says: {text[:200]}. {LOG_IN}")
    if (found := _TOO_LONG.search(text)) and text.startswith("Prompt is too long"):
        message = f"prompt is too long: {found[1]} tokens > {found[2]} maximum"
        return Refusal(400, "invalid_request_error", message)
    if text.startswith("Credit balance is too low"):
        return Refusal(402, "billing_error", text)
    if "issue with the selected model" in text:
        return Refusal(404, "not_found_error", f"model: {text}")
    status = _status(result)
    message = _PREFIXES.sub("", text) or "The Claude CLI failed without saying why."
    if status in (401, 403):
        message = f"{message} {LOG_IN}"
    return Refusal(status, ERROR_TYPES["messages"].get(status, "api_error"), message, _retry_after(status, result))


def _status(result: Result) -> int:
    if result.status is not None:
        return result.status
    if found := _STATUS.search(result.text):
        return int(found[1])
    return 529 if "Overloaded" in result.text else 502


def _retry_after(status: int, result: Result) -> float | None:
    """When the plan's limit is lifted, where the CLI has said so."""
    if status != 429 or result.resets_at_s is None:
        return None
    return max(1.0, result.resets_at_s - now_ms() / 1000)
