"""What an operator does, and the advice with which nonsense is refused."""

from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import records
from gateway.catalog import Catalog, Model, Rates
from gateway.errors import NotFound, OperatorError, StoreUnavailable, UsageError
from gateway.keys import hash_secret, new_secret, public_id_of
from gateway.store.database import Database, open_database, operator_transaction, rows
from gateway.store.operators import accounts, customers, keys, models, tiers
from gateway.store.operators.accounts import AccountChanges
from gateway.store.operators.customers import CustomerChanges
from gateway.store.operators.keys import KeyChanges
from gateway.store.operators.tiers import TierChanges
from gateway.store.queries import views
from gateway.store.snapshot import load_overrides, load_snapshot, read_revision
from gateway.store.transact import Transactor
from gateway.store.wallet_reads import load_balances
from tests.store.making import make_call, settle

CATALOG = Catalog({"m-1": Model("m-1", "acme", "M 1", ("chat",), 0, 1_000, 100)}, {"m": "m-1"})
OPS = "ops"


def audit(database: Database) -> list[tuple[str, str]]:
    return [(entry.action, entry.subject) for entry in reversed(views.list_audit(database))]


def test_a_secret_carries_its_public_id_and_256_bits() -> None:
    secret = new_secret("sk-cs2-")
    public_id = public_id_of(secret)
    assert len(secret) == len("sk-cs2-") + 12 + 43
    assert public_id == secret[7:19]
    assert new_secret("x_", public_id)[2:14] == public_id


@pytest.mark.parametrize("text", ["", "sk-cs2-short", "sk-" + "a" * 54 + "-", "k" * 400, "ü" * 60, "a" * 54 + "\n"])
def test_what_cannot_be_a_key_has_no_public_id(text: str) -> None:
    assert public_id_of(text) is None


def test_creating_a_key_makes_its_customer(database: Database) -> None:
    key, secret = keys.create(database, OPS, "ci", tier="claude", balance_micro=5_000_000)
    assert secret.startswith("sk-cs2-")
    assert public_id_of(secret) == key.public_id
    assert compare_digest(key.secret_hash, hash_secret(secret))
    assert customers.find(database, "ci").id == key.customer_id
    assert load_balances(database)[0] == {key.customer_id: 5_000_000}
    assert audit(database) == [("customers.create", "ci"), ("keys.create", "ci")]


def test_no_secret_is_stored(path: Path, database: Database) -> None:
    _, first = keys.create(database, OPS, "ci")
    _, second = keys.rotate(database, OPS, "ci", grace_s=60)
    accounts.add(database, OPS, "main", kind="openai", fields=AccountChanges(extra_headers={"x-token": "hunter2"}))
    log = msgspec.json.encode(views.list_audit(database)).decode()
    database.close()
    stored = b"".join(entry.read_bytes() for entry in path.parent.glob("gateway.db*"))
    assert first[-43:].encode() not in stored
    assert second[-43:].encode() not in stored
    assert "hunter2" not in log


def test_a_balance_for_a_customer_that_exists_is_a_top_up(database: Database) -> None:
    customers.create(database, OPS, "alice", balance_micro=7)
    with pytest.raises(UsageError, match="trigate customers topup alice"):
        keys.create(database, OPS, "ci", customer="alice", balance_micro=5)
    assert rows(database, "SELECT count(*) FROM keys") == [(0,)]
    keys.create(database, OPS, "ci", customer="alice")
    assert load_balances(database)[0] == {1: 7}


def test_a_top_up_with_a_reference_is_made_once(database: Database) -> None:
    customers.create(database, OPS, "alice")
    first = customers.topup(database, OPS, "alice", 1_000, note="invoice 7", reference="pay_1")
    assert customers.topup(database, OPS, "alice", 1_000, reference="pay_1") == first
    with pytest.raises(UsageError, match="another amount"):
        customers.topup(database, OPS, "alice", 2_000, reference="pay_1")
    assert load_balances(database)[0] == {1: 1_000}
    assert (first.kind, first.note, first.actor) == ("topup", "invoice 7", OPS)


def test_rotation_keeps_the_old_secret_for_a_while(database: Database) -> None:
    before, old = keys.create(database, OPS, "ci")
    after, new = keys.rotate(database, OPS, "ci", grace_s=3_600)
    assert public_id_of(new) == public_id_of(old) == after.public_id
    assert after.previous_hash == before.secret_hash == hash_secret(old)
    assert after.previous_until is not None
    assert after.secret_hash == hash_secret(new)


def test_rotation_without_grace_forgets_it(database: Database) -> None:
    keys.create(database, OPS, "ci")
    after, _ = keys.rotate(database, OPS, "ci")
    assert (after.previous_hash, after.previous_until) == (None, None)


def test_a_revoked_keys_name_is_free_again(database: Database) -> None:
    revoked, _ = keys.create(database, OPS, "ci")
    keys.revoke(database, OPS, "ci")
    fresh, _ = keys.create(database, OPS, "ci", customer="ci")
    assert keys.find(database, "ci") == fresh
    assert keys.find(database, revoked.public_id).revoked_at is not None


def test_changes_leave_the_rest(database: Database) -> None:
    keys.create(database, OPS, "ci", limits=KeyChanges(rpm=60, models=("claude-*",)))
    key = keys.change(database, OPS, "ci", KeyChanges(rpm=None, ip_allow=("10.1.2.3/8", "::1")))
    assert (key.rpm, key.models, key.ip_allow) == (None, ("claude-*",), ("10.0.0.0/8", "::1/128"))
    customer = customers.change(database, OPS, "ci", CustomerChanges(name="team", day_limit_micro=5))
    assert (customer.name, customer.day_limit_micro, customer.enabled) == ("team", 5, True)


def test_switches(database: Database) -> None:
    keys.create(database, OPS, "ci")
    accounts.add(database, OPS, "main", kind="simulated")
    assert not keys.disable(database, OPS, "ci").enabled
    assert keys.enable(database, OPS, "ci").enabled
    assert not customers.disable(database, OPS, "ci").enabled
    assert customers.enable(database, OPS, "ci").enabled
    assert not accounts.disable(database, OPS, "main").enabled
    assert accounts.enable(database, OPS, "main").enabled
    assert accounts.drain(database, OPS, "main").draining
    assert not accounts.undrain(database, OPS, "main").draining


def test_an_accounts_life(database: Database) -> None:
    account = accounts.add(
        database,
        OPS,
        "local",
        kind="openai",
        sealed_secret=b"\x00sealed",
        fields=AccountChanges(base_url="http://127.0.0.1:8080/v1/", models=("llama-*",), free=True, options={"a": 1.5}),
    )
    assert (account.base_url, account.sealed_secret) == ("http://127.0.0.1:8080/v1", b"\x00sealed")
    assert (account.models, account.free, account.options) == (("llama-*",), True, {"a": 1.5})
    assert accounts.sync(database, OPS, "local", ("llama-4", "llama-4")).discovered == ("llama-4",)
    rotated = accounts.rotate(database, OPS, "local", b"other")
    assert (rotated.sealed_secret, rotated.reset_at > 0) == (b"other", True)
    accounts.remove(database, OPS, "local")
    again = accounts.add(database, OPS, "local", kind="openai")
    assert again.id > account.id
    assert again.base_url == "https://api.openai.com/v1"


def test_own_models_aliases_and_prices_reach_the_catalog(database: Database) -> None:
    own = {"id": "llama-4", "vendor": "local", "dialects": ["chat"], "context_tokens": 8_000, "max_output_tokens": 900}
    models.add(database, OPS, CATALOG, own)
    models.add(database, OPS, CATALOG, {"id": "m-1", "context_tokens": 2_000})
    catalog = load_overrides(database, CATALOG)
    models.set_alias(database, OPS, catalog, "llama", "llama-4")
    models.set_price(database, OPS, catalog, "llama-4", Rates(0, 0), effective_at=5)
    models.set_price(database, OPS, catalog, "m-1", Rates(3, 15, cache_read=1), effective_at=9, variants_bp={"fast": 2})
    catalog = load_overrides(database, CATALOG)
    assert (catalog.models["m-1"].context_tokens, catalog.models["m-1"].max_output_tokens) == (2_000, 100)
    assert catalog.aliases == {"m": "m-1", "llama": "llama-4"}
    assert [price.rates for price in catalog.models["llama-4"].prices] == [Rates(0, 0)]
    (price,) = catalog.models["m-1"].prices
    assert (price.effective_at, price.rates.cache_read, price.variants_bp) == (9, 1, {"fast": 2})
    models.remove_alias(database, OPS, "llama")
    models.remove(database, OPS, "llama-4")
    models.remove(database, OPS, "m-1")
    assert load_overrides(database, CATALOG) == CATALOG


def test_the_snapshot_holds_what_was_configured(database: Database) -> None:
    key, _ = keys.create(database, OPS, "ci", tier="codex", limits=KeyChanges(tpm=1_000))
    spare = accounts.add(database, OPS, "spare", kind="simulated")
    first = accounts.add(database, OPS, "first", kind="anthropic", fields=AccountChanges(priority=5))
    tier = tiers.change(database, OPS, "codex", TierChanges(multiplier_bp=12_000, models=("gpt-*",)))
    snapshot = load_snapshot(database, CATALOG)
    assert snapshot == records.Snapshot(
        revision=read_revision(database),
        customers={1: customers.find(database, "ci")},
        keys={key.public_id: key},
        tiers={each.name: each for each in views.list_tiers(database)},
        accounts=(first, spare),
        catalog=CATALOG,
    )
    assert (tier.multiplier_bp, tier.dialects) == (12_000, ("chat", "responses"))


CONFIGURES: list[Callable[[Database], Any]] = [
    lambda db: keys.create(db, OPS, "other"),
    lambda db: keys.revoke(db, OPS, "ci"),
    lambda db: customers.disable(db, OPS, "ci"),
    lambda db: tiers.change(db, OPS, "all", TierChanges(rpm=5)),
    lambda db: accounts.add(db, OPS, "second", kind="simulated"),
    lambda db: accounts.reset(db, OPS, "main"),
    lambda db: accounts.remove(db, OPS, "main"),
    lambda db: models.set_alias(db, OPS, CATALOG, "best", "m-1"),
    lambda db: models.set_price(db, OPS, CATALOG, "m-1", Rates(1, 1)),
    lambda db: models.add(db, OPS, CATALOG, {"id": "m-1", "context_tokens": 500}),
]


@pytest.mark.parametrize("configure", CONFIGURES)
def test_configuring_moves_the_revision(database: Database, configure: Callable[[Database], Any]) -> None:
    keys.create(database, OPS, "ci")
    accounts.add(database, OPS, "main", kind="simulated")
    before = read_revision(database)
    configure(database)
    assert read_revision(database) > before


def test_money_and_calls_do_not_move_it(database: Database, transactor: Transactor) -> None:
    customers.create(database, OPS, "ci")
    before = read_revision(database)
    customers.topup(database, OPS, "ci", 500)
    assert transactor.transact([settle(make_call())]) is None
    assert read_revision(database) == before


REFUSED: list[tuple[Callable[[Database], Any], type[OperatorError], str]] = [
    (lambda db: customers.find(db, "alicia"), NotFound, "Did you mean 'alice'"),
    (lambda db: keys.find(db, "zzz"), NotFound, "trigate keys list"),
    (lambda db: accounts.disable(db, OPS, "mian"), NotFound, "Did you mean 'main'"),
    (lambda db: keys.create(db, OPS, "k", tier="claud"), NotFound, "Did you mean 'claude'"),
    (lambda db: customers.create(db, OPS, "alice"), UsageError, "customers show alice"),
    (lambda db: customers.create(db, OPS, " x"), UsageError, "without space around"),
    (lambda db: customers.create(db, OPS, "x", balance_micro=-1), UsageError, "cannot be negative"),
    (lambda db: customers.topup(db, OPS, "alice", 0), UsageError, "more than nothing"),
    (lambda db: customers.topup(db, OPS, "alice", 2**63), UsageError, "given in USD"),
    (lambda db: customers.topup(db, OPS, "alice", -5), UsageError, "cannot be negative"),
    (lambda db: customers.adjust(db, OPS, "alice", -(2**70), note="x"), UsageError, "given in USD"),
    (lambda db: customers.adjust(db, OPS, "alice", 5, note=" "), UsageError, "--note"),
    (lambda db: customers.change(db, OPS, "alice", CustomerChanges()), UsageError, "Nothing to change"),
    (lambda db: keys.create(db, OPS, "ci"), UsageError, "keys rotate ci"),
    (lambda db: keys.create(db, OPS, "k", limits=KeyChanges(rpm=0)), UsageError, "Requests per minute"),
    (lambda db: keys.create(db, OPS, "k", limits=KeyChanges(models=("a b",))), UsageError, r"claude-\*"),
    (lambda db: keys.create(db, OPS, "k", limits=KeyChanges(ip_allow=("10.0.0",))), UsageError, "203.0.113.7"),
    (lambda db: keys.create(db, OPS, "k", limits=KeyChanges(expires_at=1)), UsageError, "in the past"),
    (lambda db: keys.rotate(db, OPS, "ci", grace_s=-1), UsageError, "90 days"),
    (lambda db: keys.enable(db, OPS, keys.revoke(db, OPS, "ci").public_id), UsageError, "final"),
    (lambda db: tiers.change(db, OPS, "all", TierChanges(prefix="1 2")), UsageError, "sk-acme-"),
    (lambda db: tiers.change(db, OPS, "all", TierChanges(multiplier_bp=-1)), UsageError, "list price"),
    (lambda db: tiers.change(db, OPS, "all", TierChanges(models=())), UsageError, "every model"),
    (lambda db: accounts.add(db, OPS, "main", kind="openai"), UsageError, "already"),
    (lambda db: accounts.change(db, OPS, "main", AccountChanges(base_url="ftp://x")), UsageError, "https://"),
    (lambda db: accounts.change(db, OPS, "main", AccountChanges(base_url="http://u:p@x")), UsageError, "password"),
    (lambda db: accounts.change(db, OPS, "main", AccountChanges(extra_headers={"a\n": ""})), UsageError, "header"),
    (lambda db: models.set_alias(db, OPS, CATALOG, "x", "m-2"), NotFound, "Did you mean 'm-1'"),
    (lambda db: models.set_alias(db, OPS, CATALOG, "m-1", "m-1"), UsageError, "would hide it"),
    (lambda db: models.set_price(db, OPS, CATALOG, "m-1", Rates(-1, 0)), UsageError, "input price"),
    (lambda db: models.add(db, OPS, CATALOG, {"id": "new"}), UsageError, "missing required field"),
    (lambda db: models.add(db, OPS, CATALOG, {"id": "m-1", "context": 5}), UsageError, "no field context"),
]


@pytest.mark.parametrize(("act", "kind", "advice"), REFUSED)
def test_refusals_say_what_to_do(
    database: Database, act: Callable[[Database], Any], kind: type[OperatorError], advice: str
) -> None:
    customers.create(database, OPS, "alice")
    keys.create(database, OPS, "ci")
    accounts.add(database, OPS, "main", kind="simulated")
    with pytest.raises(kind, match=advice):
        act(database)
    assert not database.connection().in_transaction


def test_a_busy_database_says_so_and_changes_nothing(path: Path, database: Database) -> None:
    other = open_database(path)
    with (
        operator_transaction(other),
        pytest.raises(StoreUnavailable, match="nothing was changed"),
        operator_transaction(database, timeout_s=0.01),
    ):
        pass
    other.close()


def test_a_reader_cannot_write(path: Path) -> None:
    reader = open_database(path, read_only=True)
    with pytest.raises(Exception, match="readonly"):
        customers.create(reader, OPS, "alice")
    reader.close()
