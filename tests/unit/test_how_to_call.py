"""What is told of a new key: a model that it can be tried with, and where."""

from shlex import split

import pytest

from gateway.catalog.load import shipped_catalog
from gateway.how_to_call import EVERY_PAIR, Trial, curl, served_at, trial_of
from gateway.records import Account, DialectName, Snapshot, Tier
from gateway.translate import PAIRS

CATALOG = shipped_catalog()
NOW = 1_800_000_000_000
URL, SECRET = "http://127.0.0.1:8000", "NOTAREALSECRET"


def account(kind: str, base_url: str = "", **fields: object) -> Account:
    return Account(**{"id": 1, "name": "main", "kind": kind, "base_url": base_url} | fields)


def tried(
    *accounts: Account, dialects: tuple[DialectName, ...] = ("messages", "chat"), allowed: tuple[str, ...] = ()
) -> Trial | None:
    tier = Tier("all", "sk-", dialects)
    return trial_of(Snapshot(1, {}, {}, {"all": tier}, accounts, CATALOG), "all", allowed, NOW)


def test_a_key_is_tried_with_the_cheapest_model_of_its_own() -> None:
    served = [model for model in CATALOG.models.values() if model.id.startswith("claude-opus-")]
    trial = tried(account("anthropic"), allowed=("claude-opus-*",))
    assert trial is not None
    assert trial.dialect == "messages"
    cheapest = min(model.prices[-1].rates.output for model in served if model.lifecycle == "active")
    assert CATALOG.models[trial.model].prices[-1].rates.output == cheapest


def test_a_dialect_that_needs_no_translation_comes_first() -> None:
    trial = tried(account("openai", "http://localhost:11434", models=("llama-4",), free=True))
    assert trial == Trial("chat", "llama-4")


def test_a_tier_of_another_dialect_is_tried_by_translation() -> None:
    trial = tried(account("anthropic"), dialects=("chat",))
    assert trial is not None
    assert trial.dialect == "chat"
    assert trial.model.startswith("claude-")


def test_a_model_without_a_price_is_not_tried() -> None:
    assert tried(account("openai", "http://localhost:11434", models=("llama-4",))) is None


def test_what_can_be_tried_by_translation_is_what_is_translated() -> None:
    assert set(EVERY_PAIR) == set(PAIRS)


@pytest.mark.parametrize(
    ("addresses", "url"),
    [
        ([], None),
        (["unix:/run/trigate.sock"], None),
        (["unix:/run/trigate.sock, http://0.0.0.0:8000", "http://10.0.0.1:80"], "http://127.0.0.1:8000"),
        (["https://[::]:443"], "https://[::1]:443"),
    ],
)
def test_a_gateway_is_called_where_the_newest_one_listens(addresses: list[str], url: str | None) -> None:
    assert served_at(addresses) == url


def test_a_shell_cannot_be_made_to_run_what_a_name_holds() -> None:
    words = split(curl(URL, SECRET, Trial("messages", "it's $(reboot)")))
    assert '"model":"it\'s $(reboot)"' in words[-1]


@pytest.mark.parametrize(
    ("dialect", "path", "credential"),
    [
        ("messages", "/v1/messages", "x-api-key: NOTAREALSECRET"),
        ("chat", "/v1/chat/completions", "Authorization: Bearer NOTAREALSECRET"),
        ("responses", "/v1/responses", "Authorization: Bearer NOTAREALSECRET"),
    ],
)
def test_each_dialect_has_its_path_and_its_header(dialect: DialectName, path: str, credential: str) -> None:
    line = curl(URL, SECRET, Trial(dialect, "m"), stream=True)
    assert line.startswith(f"curl -sSN {URL}{path} -H '{credential}'")
    assert '"stream":true' in line
