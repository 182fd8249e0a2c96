"""Lines to paste into a shell for a key: what to set for the usual clients, and curl commands that answer. Pure.

For the command line as for the console: both say the same of one key.
"""

from collections.abc import Iterable
from shlex import quote
from typing import NamedTuple

import msgspec

from gateway.catalog.resolve import matches, price_at
from gateway.records import DialectName, Snapshot
from gateway.upstream.serving import ASKED_IN, build_serving, cheapest

DEFAULT_URL = "http://127.0.0.1:8000"
EVERY_PAIR = tuple((client, upstream) for client, others in ASKED_IN.items() for upstream in others)
"""(client, upstream): what the gateway translates, and so what a key can be tried with."""

_PATHS: dict[DialectName, str] = {
    "messages": "/v1/messages",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
}
_QUESTION = "Say hello in five words."


class Trial(NamedTuple):
    """What a key can be tried with."""

    dialect: DialectName
    model: str


def trial_of(snapshot: Snapshot, tier_name: str, allowed: tuple[str, ...], at_ms: int) -> Trial | None:
    """The cheapest model that a key of that tier can be tried with, and in which of its dialects: where one is asked
    without translation, in that. `allowed` are the key's own globs, none meaning all. None: no account serves any."""
    tier = snapshot.tiers[tier_name]
    for pairs in ((), EVERY_PAIR):
        served = build_serving(
            snapshot.accounts, snapshot.catalog, lambda model: price_at(model, at_ms) is not None, pairs
        )
        offered = [
            each
            for model_id, each in served.items()
            if matches(tier.models, model_id) and (not allowed or matches(allowed, model_id))
        ]
        for dialect in tier.dialects:
            best = cheapest(offered, dialect, at_ms)
            if best is not None:
                return Trial(dialect, best.model.id)
    return None


def exports(url: str, secret: str, dialects: Iterable[DialectName]) -> list[tuple[str, list[str]]]:
    """(clients, lines): the environment variables that the official SDKs, Claude Code and Codex read."""
    spoken = set(dialects)
    found = []
    if "messages" in spoken:
        lines = [f"export ANTHROPIC_BASE_URL={url}", f"export ANTHROPIC_AUTH_TOKEN={secret}"]
        found.append(("Anthropic SDK, Claude Code", lines))
    if spoken - {"messages"}:
        found.append(("OpenAI SDK, Codex", [f"export OPENAI_BASE_URL={url}/v1", f"export OPENAI_API_KEY={secret}"]))
    return found


def curl(url: str, secret: str, trial: Trial, *, stream: bool = False) -> str:
    """A command on one line that asks for a short answer."""
    dialect, model = trial
    header = f"x-api-key: {secret}" if dialect == "messages" else f"Authorization: Bearer {secret}"
    body: dict[str, object] = {"model": model}
    if dialect == "responses":
        body["input"] = _QUESTION
    else:
        body["messages"] = [{"role": "user", "content": _QUESTION}]
    if dialect == "messages":
        body["max_tokens"] = 200
    if stream:
        body["stream"] = True
    data = msgspec.json.encode(body).decode()
    options = "-sSN" if stream else "-sS"
    return (
        f"curl {options} {quote(url + _PATHS[dialect])} -H {quote(header)} "
        f"-H 'Content-Type: application/json' -d {quote(data)}"
    )


def curl_get(url: str, secret: str, path: str) -> str:
    """A command that reads a page of the caller's own."""
    return f"curl -sS {quote(url + path)} -H {quote('Authorization: Bearer ' + secret)}"


def served_at(addresses: Iterable[str]) -> str | None:
    """The first URL among what gateways last said they listen on (`HeartbeatView.address`), the newest first."""
    known = [each for address in addresses for each in address.split(", ") if each.startswith("http")]
    return reachable(known[0]) if known else None


def reachable(url: str) -> str:
    """An address that listens everywhere, as one that can be called."""
    return url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
