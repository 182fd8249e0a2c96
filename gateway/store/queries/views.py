"""What an operator looks at: customers and their money, keys and their use, accounts and their state, the gateway."""

from typing import Any

from msgspec import Struct

from gateway import records
from gateway.records import AccountKind, DialectName
from gateway.store import schema
from gateway.store.database import Database, read_transaction, rows
from gateway.store.jobs import AccountState, KeyState
from gateway.store.wallet_reads import Spending, Spent, load_spending

_NOTHING = Spent(0, 0)


class CustomerView(Struct, frozen=True):
    """`held_micro` as of the gateway's last second; `spent` in this UTC day and month."""

    customer: records.Customer
    balance_micro: int
    held_micro: int
    spent: Spent
    keys: int


class KeyView(Struct, frozen=True):
    """A key without its hashes. `last_used_at` is None for one that never was."""

    key: records.Key
    customer: str
    last_used_at: int | None
    last_ip: str
    spent: Spent


class AccountView(Struct, frozen=True):
    """An account without its secret. `states` are those a reset has not made void; gauges by name."""

    id: int
    name: str
    kind: AccountKind
    base_url: str
    has_secret: bool
    models: tuple[str, ...]
    discovered: tuple[str, ...]
    model_map: dict[str, str]
    dialects: tuple[DialectName, ...]
    priority: int
    weight: int
    max_concurrency: int | None
    enabled: bool
    draining: bool
    free: bool
    options: dict[str, str | int | float | bool]
    states: list[AccountState]
    gauges: dict[str, int]


class AuditEntry(Struct, frozen=True):
    id: int
    at: int
    actor: str
    action: str
    subject: str
    details: dict[str, Any]


class HeartbeatView(Struct, frozen=True):
    """A gateway that serves this database, or did: older than five seconds means that it is not running."""

    gateway_id: str
    boot_id: str
    pid: int
    host: str
    version: str
    address: str
    state: str
    open_calls: int
    started_at: int
    at: int


def customer_views(database: Database, now_at: int) -> list[CustomerView]:
    """Every customer, by name."""
    with read_transaction(database):
        customers = schema.fetch(schema.Customer.select().order_by(schema.Customer.name), database, records.Customer)
        balances = dict(rows(database, "SELECT customer_id, balance_micro FROM balances"))
        keys = dict(rows(database, "SELECT customer_id, count(*) FROM keys WHERE revoked_at IS NULL GROUP BY 1"))
        held = dict(rows(database, "SELECT subject_id, sum(value) FROM gauges WHERE name = 'held_micro' GROUP BY 1"))
        spending = load_spending(database, now_at)
    return [
        CustomerView(
            customer,
            balances.get(customer.id, 0),
            held.get(customer.id, 0),
            spending.customers.get(customer.id, _NOTHING),
            keys.get(customer.id, 0),
        )
        for customer in customers
    ]


def key_views(database: Database, now_at: int) -> list[KeyView]:
    """Every key, by name, revoked ones last. Hashes are blanked: nothing that shows keys needs them."""
    order = (schema.Key.revoked_at.is_null(False), schema.Key.name)
    with read_transaction(database):
        keys = schema.fetch(schema.Key.select().order_by(*order), database, records.Key)
        names = dict(rows(database, "SELECT id, name FROM customers"))
        used = {state.key_id: state for state in schema.fetch(schema.KeyState.select(), database, KeyState)}
        spending = load_spending(database, now_at)
    return [_key_view(key, names[key.customer_id], used.get(key.id), spending) for key in keys]


def _key_view(key: records.Key, customer: str, used: KeyState | None, spending: Spending) -> KeyView:
    return KeyView(
        _without_hashes(key),
        customer,
        used.last_used_at if used else None,
        used.last_ip if used else "",
        spending.keys.get(key.id, _NOTHING),
    )


def _without_hashes(key: records.Key) -> records.Key:
    fields = {name: getattr(key, name) for name in key.__struct_fields__}
    return records.Key(**{**fields, "secret_hash": b"", "previous_hash": None})


def account_views(database: Database) -> list[AccountView]:
    """Every account, first tried first."""
    order = (schema.Account.priority.desc(), schema.Account.name)
    with read_transaction(database):
        accounts = list(schema.Account.select().order_by(*order).dicts().execute(database))
        states = load_account_states(database)
        gauges = rows(
            database, "SELECT subject_id, name, sum(value) FROM gauges WHERE name <> 'held_micro' GROUP BY 1, 2"
        )
    views = []
    for row in accounts:
        own_states = [state for state in states if state.account_id == row["id"]]
        own_gauges = {name: value for account_id, name, value in gauges if account_id == row["id"]}
        facts = {field: row[field] for field in AccountView.__struct_fields__ if field in row}
        facts["models"], facts["discovered"] = tuple(row["models"]), tuple(row["discovered"])
        facts["dialects"] = tuple(row["dialects"])
        views.append(AccountView(**facts, has_secret=bool(row["sealed_secret"]), states=own_states, gauges=own_gauges))
    return views


def load_account_states(database: Database) -> list[AccountState]:
    """What the gateway last knew of its accounts, without what is older than the operator's reset."""
    query = (
        schema.AccountState.select()
        .join(schema.Account, on=(schema.Account.id == schema.AccountState.account_id))
        .where(schema.AccountState.changed_at > schema.Account.reset_at)
    )
    return schema.fetch(query, database, AccountState)


def load_key_states(database: Database) -> list[KeyState]:
    """When each key was last used."""
    return schema.fetch(schema.KeyState.select(), database, KeyState)


def list_tiers(database: Database) -> list[records.Tier]:
    return schema.fetch(schema.Tier.select().order_by(schema.Tier.name), database, records.Tier)


def list_audit(database: Database, *, before_id: int | None = None, limit: int = 100) -> list[AuditEntry]:
    """Newest first; `before_id` is the last id of the page before."""
    query = schema.Audit.select().order_by(schema.Audit.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(schema.Audit.id < before_id)
    return schema.fetch(query, database, AuditEntry)


def heartbeats(database: Database) -> list[HeartbeatView]:
    return schema.fetch(schema.Heartbeat.select().order_by(schema.Heartbeat.at.desc()), database, HeartbeatView)
