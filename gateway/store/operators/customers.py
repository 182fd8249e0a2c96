"""Customers and their money: create, change, top up, adjust, disable, enable."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from gateway import records
from gateway.clock import now_ms
from gateway.errors import UsageError
from gateway.records import LedgerEntry
from gateway.store import schema
from gateway.store.database import Database, operator_transaction, rows
from gateway.store.operators import validate
from gateway.store.operators.audit import record
from gateway.store.wallet_reads import ENTRY_COLUMNS


class CustomerChanges(Struct, frozen=True, kw_only=True):
    """What `set` can change; a limit of None is no limit."""

    name: str | UnsetType = UNSET
    unlimited: bool | UnsetType = UNSET
    day_limit_micro: int | UnsetType | None = UNSET
    month_limit_micro: int | UnsetType | None = UNSET


def find(database: Database, name: str) -> records.Customer:
    """The customer of that name. Raises NotFound with the nearest name."""
    found = schema.fetch_one(schema.Customer.select().where(schema.Customer.name == name), database, records.Customer)
    if found is None:
        raise validate.missing("customer", name, (row[0] for row in rows(database, "SELECT name FROM customers")))
    return found


def create(
    database: Database,
    actor: str,
    name: str,
    *,
    unlimited: bool = False,
    balance_micro: int = 0,
    day_limit_micro: int | None = None,
    month_limit_micro: int | None = None,
) -> records.Customer:
    """Raises UsageError for a name that is taken or an amount that makes no sense."""
    with operator_transaction(database):
        return insert(
            database,
            actor,
            name,
            unlimited=unlimited,
            balance_micro=balance_micro,
            day_limit_micro=day_limit_micro,
            month_limit_micro=month_limit_micro,
        )


def insert(database: Database, actor: str, name: str, *, balance_micro: int = 0, **fields: Any) -> records.Customer:
    """`create` inside a transaction that is already open."""
    validate.name(name, "customer")
    _check_limits(fields)
    validate.amount(balance_micro, "balance")
    _refuse_taken(database, name)
    values = {"name": name, "enabled": True, "unlimited": False, "created_at": now_ms(), **fields}
    schema.Customer.insert(**values).execute(database)
    record(database, actor, "customers.create", name, {**fields, "balance_micro": balance_micro})
    customer = find(database, name)
    if balance_micro:
        add_entry(database, actor, customer.id, "topup", balance_micro, note="opening balance")
    return customer


def change(database: Database, actor: str, name: str, changes: CustomerChanges) -> records.Customer:
    """Set what is given, leave the rest."""
    given = validate.changes_of(changes)
    _check_limits(given)
    with operator_transaction(database):
        customer = find(database, name)
        if given.get("name", name) != name:
            _refuse_taken(database, validate.name(given["name"], "customer"))
        _update(database, customer.id, **given)
        record(database, actor, "customers.set", name, given)
        return find(database, given.get("name", name))


def disable(database: Database, actor: str, name: str) -> records.Customer:
    """New calls of the customer's keys are refused; open ones finish."""
    return _enable(database, actor, name, enabled=False)


def enable(database: Database, actor: str, name: str) -> records.Customer:
    return _enable(database, actor, name, enabled=True)


def topup(
    database: Database, actor: str, name: str, amount_micro: int, *, note: str = "", reference: str | None = None
) -> LedgerEntry:
    """Add money. A `reference` (a payment's id) that was given before adds nothing: its first entry is returned."""
    validate.amount(amount_micro, "amount")
    if amount_micro == 0:
        raise UsageError("A top-up is more than nothing. `customers adjust` corrects a balance.")
    with operator_transaction(database):
        customer = find(database, name)
        before = _entry_of_reference(database, customer.id, reference)
        if before is not None:
            if before.amount_micro != amount_micro:
                raise UsageError(f"Reference {reference!r} was already used for another amount. Give a new one.")
            return before
        record(database, actor, "customers.topup", name, {"amount_micro": amount_micro, "reference": reference})
        return add_entry(database, actor, customer.id, "topup", amount_micro, note=note, reference=reference)


def adjust(database: Database, actor: str, name: str, amount_micro: int, *, note: str) -> LedgerEntry:
    """Correct a balance up or down. The note is for whoever reads the statement, and is required."""
    validate.amount(amount_micro, "amount", negative=True)
    if amount_micro == 0 or not note.strip():
        raise UsageError("An adjustment has an amount other than 0 and a --note that says why.")
    with operator_transaction(database):
        customer = find(database, name)
        record(database, actor, "customers.adjust", name, {"amount_micro": amount_micro, "note": note})
        return add_entry(database, actor, customer.id, "adjust", amount_micro, note=note)


def add_entry(
    database: Database,
    actor: str,
    customer_id: int,
    kind: str,
    amount_micro: int,
    *,
    note: str = "",
    reference: str | None = None,
) -> LedgerEntry:
    """A ledger entry inside an open transaction; the ledger's trigger moves the balance."""
    sql = (
        "INSERT INTO ledger (customer_id, kind, amount_micro, at, note, actor, reference, previous_id) VALUES "
        "(?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT last_entry_id FROM balances WHERE customer_id = ?1)) "
        f"RETURNING {ENTRY_COLUMNS}"
    )
    parameters = (customer_id, kind, amount_micro, now_ms(), note[:500], actor, reference)
    return LedgerEntry(*rows(database, sql, parameters)[0])


def _entry_of_reference(database: Database, customer_id: int, reference: str | None) -> LedgerEntry | None:
    if reference is None:
        return None
    sql = f"SELECT {ENTRY_COLUMNS} FROM ledger WHERE customer_id = ? AND reference = ?"
    found = rows(database, sql, (customer_id, reference))
    return LedgerEntry(*found[0]) if found else None


def _enable(database: Database, actor: str, name: str, *, enabled: bool) -> records.Customer:
    with operator_transaction(database):
        _update(database, find(database, name).id, enabled=enabled)
        record(database, actor, "customers.enable" if enabled else "customers.disable", name)
        return find(database, name)


def _update(database: Database, customer_id: int, **fields: Any) -> None:
    schema.Customer.update(**fields).where(schema.Customer.id == customer_id).execute(database)


def _refuse_taken(database: Database, name: str) -> None:
    if rows(database, "SELECT 1 FROM customers WHERE name = ?", (name,)):
        raise UsageError(
            f"There is a customer {name!r} already. `trigate customers show {name}` shows it, `topup` adds money."
        )


def _check_limits(fields: dict[str, Any]) -> None:
    for field, words in (("day_limit_micro", "daily limit"), ("month_limit_micro", "monthly limit")):
        if fields.get(field) is not None:
            validate.amount(fields[field], words)
