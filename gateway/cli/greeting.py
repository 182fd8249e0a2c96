"""Lines to paste into a shell: what to set for the usual clients, and curl commands that answer."""

import os
from collections.abc import Iterable
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from gateway.cli.command import Session
from gateway.errors import OperatorError
from gateway.records import DialectName

if TYPE_CHECKING:
    from gateway.store.database import Database

_PATHS: dict[DialectName, str] = {
    "messages": "/v1/messages",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
}
_QUESTION = "Say hello in five words."


def how_to_call(session: Session, database: "Database", secret: str, tier: str) -> list[str]:
    """What to do with a new key: exports for the SDKs and agents, and one curl command."""
    from gateway.store.operators import tiers

    url = gateway_url(session, database)
    models = models_on_offer(database, tier)
    lines = ["", *exports(url, secret, tiers.find(database, tier).dialects)]
    dialect = next(iter(models), None)
    if dialect is None:
        return [*lines, "", "No account serves this tier yet. Add one: trigate accounts add NAME --kind KIND"]
    return [*lines, "", curl(url, secret, dialect, models[dialect])]


def exports(url: str, secret: str, dialects: Iterable[DialectName]) -> list[str]:
    """Environment variables that the official SDKs, Claude Code and Codex read."""
    lines = []
    if "messages" in dialects:
        lines += [f"export ANTHROPIC_BASE_URL={url}", f"export ANTHROPIC_AUTH_TOKEN={secret}"]
    if set(dialects) - {"messages"}:
        lines += [f"export OPENAI_BASE_URL={url}/v1", f"export OPENAI_API_KEY={secret}"]
    return lines


def curl(url: str, secret: str, dialect: DialectName, model: str, *, stream: bool = False) -> str:
    """One command on one line."""
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


def gateway_url(session: Session, database: "Database | None" = None) -> str:
    """Where clients reach the gateway: where one served last, else where one will."""
    from gateway.settings import load_settings
    from gateway.store.queries.views import heartbeats

    beats = heartbeats(database) if database is not None else []
    known = [address for beat in beats for address in beat.address.split(", ") if address.startswith("http")]
    if known:
        return _reachable(known[0])
    try:
        settings = load_settings({}, os.environ, session.config_path, session.data_dir)
    except OperatorError:
        return "http://127.0.0.1:8000"
    bind = next((each for each in settings.bind if not each.startswith("unix:")), "127.0.0.1:8000")
    return _reachable(f"{'https' if settings.tls_cert else 'http'}://{bind}")


def models_on_offer(database: "Database", tier_name: str) -> dict[DialectName, str]:
    """For each dialect of a tier in which something is served: the cheapest model that answers."""
    from gateway.catalog.load import shipped_catalog
    from gateway.catalog.resolve import matches, price_at
    from gateway.cli.probe import cheapest
    from gateway.clock import now_ms
    from gateway.store.snapshot import load_snapshot
    from gateway.upstream.providers import provider_for
    from gateway.upstream.serving import build_serving

    snapshot = load_snapshot(database, shipped_catalog())
    tier, at = snapshot.tiers[tier_name], now_ms()
    served = build_serving(
        snapshot.accounts,
        snapshot.catalog,
        lambda account: provider_for(account.kind).dialects(account),
        lambda model: price_at(model, at) is not None,
    )
    allowed = {model_id: each for model_id, each in served.items() if matches(tier.models, model_id)}
    found = {dialect: cheapest(allowed, dialect) for dialect in tier.dialects}
    return {dialect: each.model.id for dialect, each in found.items() if each is not None}


def _reachable(address: str) -> str:
    """An address that listens everywhere, as one that can be called."""
    return address.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
