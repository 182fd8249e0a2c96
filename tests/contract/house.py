"""A data folder as an operator would set it up: accounts, models with prices, customers, keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gateway.catalog import Rates
from gateway.catalog.load import shipped_catalog
from gateway.records import AccountKind
from gateway.store.database import Database, open_database
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, keys, models
from gateway.store.operators.accounts import AccountChanges
from gateway.store.operators.keys import KeyChanges
from gateway.store.snapshot import load_overrides
from gateway.vault import Vault, load_vault
from tests.contract.upstream import BROKEN_FIRST, FAILURES, SCRIPTS, SECRET, Upstream

ACTOR = "operator"
BALANCE_MICRO = 100_000_000
RATES = Rates(input=1_000_000, output=10_000_000, cache_read=100_000, cache_write_5m=1_250_000)
"""Of every scripted model, in micro-dollars per million tokens: an input token costs 1, an output token 10."""

SIMULATED = ("claude-sonnet-*", "claude-haiku-*", "claude-opus-*", "gpt-5.5", "gpt-5.4")
"""What the simulated account serves, in all three dialects."""


class Keys(Struct, frozen=True):
    """Secrets of the customers' keys. Every key has a customer of its own name."""

    claude: str
    codex: str
    everything: str
    empty: str
    poor: str
    slow: str
    narrow: str
    disabled: str
    expired: str
    revoked: str
    unlimited: str
    stranger: str
    fleeting: str
    rotated: str
    refilled: str
    spender: str


def furnish(data_dir: Path, upstream: Upstream) -> Keys:
    """A house with every account and key. Makes the database in `data_dir`."""
    with _opened(data_dir) as database:
        _add_simulated(database)
        _add_scripted(database, load_vault(data_dir, {}), upstream)
        return _add_keys(database)


def furnish_keyless(data_dir: Path, upstream: Upstream) -> None:
    """A house with every account and nobody with a key."""
    with _opened(data_dir) as database:
        _add_simulated(database)
        _add_scripted(database, load_vault(data_dir, {}), upstream)


@contextmanager
def _opened(data_dir: Path) -> Iterator[Database]:
    path = data_dir / "gateway.db"
    migrate(path)
    database = open_database(path)
    try:
        yield database
    finally:
        database.close()


def _add_simulated(database: Database) -> None:
    options: dict[str, str | int | float | bool] = {"ttft_ms": 0, "tokens_per_second": 1_000_000, "jitter": 0}
    accounts.add(
        database, ACTOR, "simulated", kind="simulated", fields=AccountChanges(models=SIMULATED, options=options)
    )


def _add_scripted(database: Database, vault: Vault, upstream: Upstream) -> None:
    """An account and a model `claude-SCRIPT` and `gpt-SCRIPT` for each script, and `…-again` for those that fail."""
    for script in (*SCRIPTS, BROKEN_FIRST):
        for name in (script, f"{script}-again") if script in FAILURES else (script,):
            messages = AccountChanges(models=(f"claude-{name}",))
            openai = AccountChanges(models=(f"gpt-{name}",), dialects=("chat", "responses"))
            _add_model(database, f"claude-{name}")
            _add_model(database, f"gpt-{name}")
            _add_account(database, vault, upstream, script, "anthropic", messages, f"{name}-anthropic")
            _add_account(database, vault, upstream, script, "openai", openai, f"{name}-openai")
    first = AccountChanges(models=(f"claude-{BROKEN_FIRST}",), priority=1, extra_headers={"x-broken": "yes"})
    _add_account(database, vault, upstream, BROKEN_FIRST, "anthropic", first, "preferred")


def _add_model(database: Database, model_id: str) -> None:
    catalog = shipped_catalog()
    fields = {
        "id": model_id,
        "vendor": "scripted",
        "dialects": ["messages", "chat", "responses"],
        "context_tokens": 200_000,
        "max_output_tokens": 8_000,
    }
    models.add(database, ACTOR, catalog, fields)
    models.set_price(database, ACTOR, load_overrides(database, catalog), model_id, RATES)


def _add_account(
    database: Database,
    vault: Vault,
    upstream: Upstream,
    script: str,
    kind: AccountKind,
    fields: AccountChanges,
    name: str,
) -> None:
    fields = replace(fields, base_url=upstream.base_url(script))
    accounts.add(database, ACTOR, name, kind=kind, sealed_secret=vault.seal(SECRET), fields=fields)


def _add_keys(database: Database) -> Keys:
    def add(
        name: str, tier: str = "all", balance_micro: int | None = BALANCE_MICRO, limits: KeyChanges | None = None
    ) -> str:
        _, secret = keys.create(database, ACTOR, name, tier=tier, balance_micro=balance_micro, limits=limits)
        return secret

    made = Keys(
        claude=add("claude", "claude"),
        codex=add("codex", "codex"),
        everything=add("everything"),
        empty=add("empty", balance_micro=0),
        poor=add("poor", balance_micro=1_000),
        slow=add("slow", limits=KeyChanges(rpm=1)),
        narrow=add("narrow", limits=KeyChanges(models=("claude-haiku-*",))),
        disabled=add("disabled"),
        expired=add("expired"),
        revoked=add("revoked"),
        unlimited=keys.create(database, ACTOR, "unlimited", unlimited=True)[1],
        stranger=add("stranger"),
        fleeting=add("fleeting"),
        rotated=add("rotated"),
        refilled=add("refilled", balance_micro=0),
        spender=add("spender", balance_micro=3_000),
    )
    keys.disable(database, ACTOR, "disabled")
    keys.revoke(database, ACTOR, "revoked")
    # The operator's functions refuse an expiry in the past.
    database.execute_sql("UPDATE keys SET expires_at = 1 WHERE name = 'expired'")
    return made
