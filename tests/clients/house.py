"""A gateway's data folder with one account per dialect, and the models that only it serves."""

from contextlib import closing
from pathlib import Path

from gateway.catalog import Rates
from gateway.catalog.load import shipped_catalog
from gateway.records import AccountKind, DialectName
from gateway.store.database import Database, open_database
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, models
from gateway.store.operators.accounts import AccountChanges
from gateway.store.snapshot import load_overrides
from gateway.vault import Vault, load_vault
from tests.contract.upstream import SECRET, Upstream

ACTOR = "operator"
LOCAL_MODEL = "qwen-heron"
RATES = Rates(input=1_000_000, output=10_000_000)
MODELS: dict[DialectName, str] = {"messages": "claude-sonnet-5", "responses": "gpt-5.5", "chat": LOCAL_MODEL}
"""The model of each dialect's account."""
PATCHING: dict[DialectName, str] = {"messages": "gpt-5.5-heron", "chat": "gpt-5.5-reed"}
"""For models whose name begins as these do, Codex declares a freeform tool that takes patches."""
SCRIPTING: dict[DialectName, str] = {"messages": "gpt-6-sol", "chat": "gpt-5.6-luna"}
"""For these, Codex declares all of its tools in an item of the input; most are called from scripts in the first."""


def furnish(data_dir: Path, upstream: Upstream) -> None:
    path = data_dir / "gateway.db"
    migrate(path)
    with closing(open_database(path)) as database:
        vault = load_vault(data_dir, {})
        for model in (LOCAL_MODEL, *PATCHING.values()):
            _add_local_model(database, model)
        _add_account(database, vault, upstream, "messages", "anthropic")
        _add_account(database, vault, upstream, "responses", "openai", flavour="openai")
        _add_account(database, vault, upstream, "chat", "openai")


def _add_local_model(database: Database, model: str) -> None:
    catalog = shipped_catalog()
    fields = {
        "id": model,
        "vendor": "local",
        "dialects": ["chat"],
        "context_tokens": 200_000,
        "max_output_tokens": 32_000,
    }
    models.add(database, ACTOR, catalog, fields)
    models.set_price(database, ACTOR, load_overrides(database, catalog), model, RATES)


def _add_account(
    database: Database, vault: Vault, upstream: Upstream, dialect: DialectName, kind: AccountKind, **options: str
) -> None:
    served = tuple(named[dialect] for named in (MODELS, PATCHING, SCRIPTING) if dialect in named)
    fields = AccountChanges(
        base_url=upstream.base_url(dialect), models=served, dialects=(dialect,), options=dict(options)
    )
    accounts.add(database, ACTOR, dialect, kind=kind, sealed_secret=vault.seal(SECRET), fields=fields)
