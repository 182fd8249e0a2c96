"""A house whose accounts speak one dialect each, so that two of three clients have to be translated for.

A model is named for its account's dialect and for what its provider does: `chat-person` is served by a Chat provider
that describes a person. After a failure an account rests, so each client has failing accounts of its own:
`chat-failing-messages`.
"""

from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai

from gateway.catalog.load import shipped_catalog
from gateway.records import AccountKind, DialectName
from gateway.store.database import Database, open_database
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, keys, models
from gateway.store.operators.accounts import AccountChanges
from gateway.store.snapshot import load_overrides
from gateway.vault import Vault, load_vault
from tests.contract.clients import hello
from tests.contract.gateway import Gateway
from tests.contract.house import ACTOR, BALANCE_MICRO, RATES
from tests.contract.upstream import PLAIN, SCRIPTS, SECRET, TOKENS, WEATHER, Upstream
from tests.fakes.content import Tokens
from tests.fakes.play import Asked
from tests.fakes.verbs import Act, stream

CUSTOMER = "anybody"
PLAYED = ("plain", "person", "bytewise", "cut", "ended", "error-midway")
FAILING = ("invalid", "limited", "overloaded", "unauthorized", "failing", "html")
SILENCE_S = 1.5
_THOUGHT = ("The weather ", "is a tool away.")
OWN: dict[str, Act] = {
    "late": PLAIN.but(first_delay=SILENCE_S),
    "pausing": stream("Good ", "morning.", first=0, gap=SILENCE_S, tokens=TOKENS),
    "long": PLAIN.but(content=stream("Once upon", " a time", tokens=TOKENS, stop="length").content),
    "refusal": PLAIN.but(content=stream("I ", "cannot", tokens=TOKENS, stop="refusal").content),
}
"""Scripts that the other houses have no use for, beside `errand`."""

_KINDS: dict[DialectName, AccountKind] = {"messages": "anthropic", "chat": "openai", "responses": "openai"}
_CAPABILITIES = {"thinking": ["adaptive", "disabled"], "efforts": ["none", "low", "medium", "high"]}


def act(asked: Asked) -> Act:
    """What the provider of this request's path does. `errand` takes two turns: it asks for tools, then it reports."""
    script = asked.path.split("/")[1].partition("-")[2]
    if script != "errand":
        return OWN.get(script) or SCRIPTS[script]
    if b"degrees" in asked.body:
        return stream("Mild ", "in both.", tokens=Tokens(input=300, output=9))
    return stream("Let me look.", thinking=_THOUGHT, tools=WEATHER, tokens=Tokens(input=100, output=30, reasoning=11))


def furnish(data_dir: Path, upstream: Upstream) -> str:
    """Makes the database in `data_dir`; gives the secret of a key that may do everything."""
    migrate(data_dir / "gateway.db")
    with closing(open_database(data_dir / "gateway.db")) as database:
        vault = load_vault(data_dir, {})
        for script in (*PLAYED, *OWN, "errand"):
            for dialect in _KINDS:
                _add(database, vault, upstream, dialect, script, f"{dialect}-{script}")
        for script, dialect, client in product(FAILING, _KINDS, _KINDS):
            if client != dialect:
                _add(database, vault, upstream, dialect, script, f"{dialect}-{script}-{client}")
        return keys.create(database, ACTOR, CUSTOMER, tier="all", balance_micro=BALANCE_MICRO)[1]


def _add(database: Database, vault: Vault, upstream: Upstream, dialect: DialectName, script: str, name: str) -> None:
    catalog = shipped_catalog()
    fields: dict[str, Any] = {
        "id": name,
        "vendor": "scripted",
        "dialects": [dialect],
        "context_tokens": 200_000,
        "max_output_tokens": 8_000,
        "capabilities": _CAPABILITIES,
    }
    models.add(database, ACTOR, catalog, fields)
    models.set_price(database, ACTOR, load_overrides(database, catalog), name, RATES)
    options: dict[str, str | int | float | bool] = {"flavour": "openai"} if dialect == "responses" else {}
    changes = AccountChanges(
        base_url=upstream.base_url(f"{dialect}-{script}"), models=(name,), dialects=(dialect,), options=options
    )
    accounts.add(database, ACTOR, name, kind=_KINDS[dialect], sealed_secret=vault.seal(SECRET), fields=changes)


def receipt(gateway: Gateway, response: httpx.Response) -> tuple[int, int, int]:
    """Prompt, cached and output tokens of the call that this was the answer to, which is complete and charged once."""
    headers = response.headers
    call = gateway.story(headers.get("request-id") or headers["x-request-id"]).call
    assert (call.outcome, call.usage_basis) == ("completed", "reported")
    assert gateway.charges(call.id) == [-call.cost_micro]
    return call.usage.prompt_tokens, call.usage.cache_read_tokens, call.usage.output_tokens


class Told:
    """What an SDK made of an answer, and the response it came in."""

    def __init__(self, answer: Any, response: Any) -> None:
        self.answer = answer
        self.response = response


def message(client: anthropic.Anthropic, *, streamed: bool, **asked: Any) -> Told:
    asked = {"max_tokens": 2_000, "messages": hello(), **asked}
    if streamed:
        with client.messages.stream(**asked) as stream:
            return Told(stream.get_final_message(), stream.response)
    raw = client.messages.with_raw_response.create(**asked)
    return Told(raw.parse(), raw.http_response)


def completion(client: openai.OpenAI, *, streamed: bool, **asked: Any) -> Told:
    asked = {"messages": hello(), **asked}
    if streamed:
        with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
            return Told(stream.get_final_completion(), stream._response)
    raw = client.chat.completions.with_raw_response.create(**asked)
    return Told(raw.parse(), raw.http_response)


def response(client: openai.OpenAI, *, streamed: bool, **asked: Any) -> Told:
    asked = {"input": "Hello", **asked}
    if streamed:
        with client.responses.stream(**asked) as stream:
            return Told(stream.get_final_response(), stream._response)
    raw = client.responses.with_raw_response.create(**asked)
    return Told(raw.parse(), raw.http_response)


def check_errand(upstream: Upstream, model: str, *, reasoning: bool) -> None:
    """The second turn has both calls and both results, in order, and the reasoning if the provider wants it back."""
    body = upstream.requests(model)[-1].json
    flat = str(body)
    assert flat.index("Tokyo") < flat.index("Oslo") < flat.index("9 degrees")
    assert flat.count("9 degrees") == 2
    assert ("gAAAAABfake" in flat or "RmFrZVNpZ25hdHVyZQ==" in flat) is reasoning


def check_partial(gateway: Gateway, call_id: str) -> None:
    call = gateway.story(call_id).call
    assert call.outcome == "partial"
    assert gateway.charges(call.id) == [-call.cost_micro]
    assert call.cost_micro > 0


def schema_asked(upstream: Upstream, model: str) -> dict[str, Any]:
    """The schema of the last request, wherever its dialect has it."""
    body = upstream.requests(model)[-1].json
    if model.startswith("messages"):
        found = body["output_config"]["format"]["schema"]
    elif model.startswith("chat"):
        found = body["response_format"]["json_schema"]["schema"]
    else:
        found = body["text"]["format"]["schema"]
    return dict(found)
