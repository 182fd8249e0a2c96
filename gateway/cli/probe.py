"""Asking an upstream account something, for the operator: its list of models, or one short answer.

It goes the way that calls go (provider, transport, dialect), past the gateway: nobody is billed and no cool-down
follows.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import trio
from msgspec import Struct, structs

from gateway.catalog import Catalog
from gateway.clock import now_ms
from gateway.dialects import dialect_named
from gateway.errors import OperatorError, UsageError
from gateway.records import Account, DialectName
from gateway.upstream.attempt import MAX_ANSWER_BYTES, close_response, read_bounded
from gateway.upstream.cooldown import Cause
from gateway.upstream.failures import failure_of_exception
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.serving import build_serving, cheapest, dialects_of
from gateway.upstream.upstreams import Upstream, Upstreams

DEADLINE_S = 60.0

Answer = TypeVar("Answer")

_PATHS: dict[DialectName, str] = {"messages": "/messages", "chat": "/chat/completions", "responses": "/responses"}
_QUESTION = "Reply with the word ok."
_ADVICE = {
    Cause.CREDENTIALS: "Give it the right secret with `trigate accounts rotate NAME`.",
    Cause.QUOTA: "The account has no credit left at its provider.",
    Cause.MODEL_MISSING: "Name another model with --model, or read its own list with `trigate accounts sync NAME`.",
    Cause.NETWORK: "Is the base URL right, and can this machine reach it?",
    Cause.TIMEOUT: "Is the upstream overloaded, or is a proxy in the way?",
    Cause.GARBAGE: "Is the base URL the one of its API?",
}


class Probe(Struct, frozen=True):
    """What one short call to an account brought. `message` says what went wrong, in the upstream's words, and what to
    do."""

    account: str
    ok: bool
    dialect: str
    model: str
    status: int
    duration_ms: int
    message: str = ""


class ListingFailed(OperatorError):
    """The account did not give its list of models."""


def list_models(account: Account, open_secret: Callable[[bytes], str], *, data_dir: Path | None = None) -> list[str]:
    """The ids in the account's own list. Raises ListingFailed, or ConfigurationError for an account that is wrong."""

    async def ask(upstream: Upstream) -> list[str]:
        status, body = await _exchange(upstream, upstream.models_request())
        if status != 200:
            error = dialect_named("chat").read_error(status, body)
            raise ListingFailed(f"{account.name} answered {status} when asked for its models: {error.message}")
        return upstream.provider.read_models(body)

    try:
        return _run(account, open_secret, ask, data_dir)
    except (httpx.HTTPError, OSError, trio.TooSlowError) as error:
        raise ListingFailed(f"{account.name} did not give its list of models. {_broken(error)}") from error


def try_account(
    account: Account,
    open_secret: Callable[[bytes], str],
    catalog: Catalog,
    *,
    model: str | None = None,
    dialect: DialectName | None = None,
    data_dir: Path | None = None,
) -> Probe:
    """One short call. Without `model` the cheapest one the account serves is asked. Raises UsageError where there is
    none, ConfigurationError for an account that is wrong."""
    spoken, upstream_model = _choose(account, catalog, model, dialect)
    started_at = now_ms()

    async def ask(upstream: Upstream) -> Probe:
        operation = UpstreamOperation(spoken, _PATHS[spoken])
        body = msgspec.json.encode(_question(account, spoken, upstream_model))
        status, answer = await _exchange(upstream, upstream.request(operation, body, {}, {"connect": 15.0}))
        said = _verdict(upstream, spoken, status, answer)
        return Probe(account.name, not said, spoken, upstream_model, status, now_ms() - started_at, said)

    try:
        return _run(account, open_secret, ask, data_dir)
    except (httpx.HTTPError, OSError, trio.TooSlowError) as error:
        duration_ms = now_ms() - started_at
        return Probe(account.name, False, spoken, upstream_model, 0, duration_ms, _broken(error))


def _choose(
    account: Account, catalog: Catalog, model: str | None, dialect: DialectName | None
) -> tuple[DialectName, str]:
    """The dialect to speak and the upstream's name of the model."""
    spoken = dialects_of(account)
    if dialect is not None and dialect not in spoken:
        raise UsageError(f"{account.name} speaks {', '.join(spoken)}, not {dialect}.")
    enabled = structs.replace(account, enabled=True)
    served = build_serving([enabled], catalog, lambda model: True)
    for candidate in (dialect,) if dialect else spoken:
        found = served.get(model) if model else cheapest(served.values(), candidate, now_ms())
        if found is not None and candidate in found.seats:
            return candidate, found.seats[candidate][0].upstream_model
    if model is not None and spoken:
        return dialect or spoken[0], model
    raise UsageError(
        f"{account.name} serves no model yet. Name one with --model, give it --models, or read its own list with "
        f"`trigate accounts sync {account.name}`."
    )


def _question(account: Account, dialect: DialectName, model: str) -> dict[str, object]:
    if dialect == "responses":
        return {"model": model, "input": _QUESTION, "max_output_tokens": 16, "store": False}
    messages = [{"role": "user", "content": _QUESTION}]
    official = (urlsplit(account.base_url).hostname or "").endswith("api.openai.com")
    usual = "max_completion_tokens" if dialect == "chat" and official else "max_tokens"
    limit = str(account.options.get("limit_field", usual))
    return {"model": model, "messages": messages, limit: 16}


def _verdict(upstream: Upstream, dialect: DialectName, status: int, body: bytes) -> str:
    """What was wrong with an answer; "" if nothing."""
    module = dialect_named(dialect)
    error = module.read_error(status, body) if status != 200 else module.read_body(body, echo_model="").error
    if error is None:
        return ""
    advice = _ADVICE.get(upstream.provider.classify(status, {}, error).cause, "")
    if "trigate accounts" in error.message:
        advice = ""  # it says already what to do
    return f"{error.message} {advice}".replace("NAME", upstream.account.name).strip()


def _broken(error: Exception) -> str:
    return f"{error} {_ADVICE.get(failure_of_exception(error).cause, '')}".strip()


async def _exchange(upstream: Upstream, request: httpx.Request) -> tuple[int, bytes]:
    response = await upstream.transport.handle_async_request(request)
    try:
        return response.status_code, await read_bounded(response, MAX_ANSWER_BYTES)
    finally:
        await close_response(response)


def _run(
    account: Account,
    open_secret: Callable[[bytes], str],
    ask: Callable[[Upstream], Awaitable[Answer]],
    data_dir: Path | None,
) -> Answer:
    """Run `ask` with this one account, within a deadline."""

    async def run() -> Answer:
        async with Upstreams(open_secret, data_dir=data_dir) as upstreams:
            await upstreams.refresh([structs.replace(account, enabled=True)])
            upstream = upstreams.get(account.id)
            if upstream is None:
                raise UsageError(upstreams.problems[account.id])
            with trio.fail_after(DEADLINE_S):
                return await ask(upstream)

    return trio.run(run)
