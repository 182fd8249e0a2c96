"""The statement of a customer, the ledger as a whole, and the proof that both add up."""

import msgspec
from msgspec import Struct

from gateway.records import LedgerEntry
from gateway.store.database import Database, read_transaction, rows
from gateway.store.wallet_reads import ENTRY_COLUMNS

_AT_ONCE = 20_000


class Problem(Struct, frozen=True):
    """What does not add up. `subject` names the customer or the call."""

    subject: str
    message: str
    expected_micro: int
    found_micro: int


class StatementLine(Struct, frozen=True):
    """One entry, the balance it left behind, and for a charge its call's model and key (None once it was pruned)."""

    entry: LedgerEntry
    balance_micro: int
    model: str | None
    key_id: int | None


class Verification(Struct, frozen=True):
    """How much was looked at, and what is wrong with it. Sound when `problems` is empty."""

    customers: int
    entries: int
    calls: int
    problems: list[Problem]


def list_entries(
    database: Database,
    *,
    customer_id: int | None = None,
    kind: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[LedgerEntry]:
    """Newest first, at most `limit`; `before_id` is the last id of the page before."""
    if customer_id is not None and kind is None:
        return _statement(database, customer_id, before_id, limit)
    conditions, parameters = ["id < ?"], [(1 << 62) if before_id is None else before_id]
    if customer_id is not None:
        conditions.append("customer_id = ?")
        parameters.append(customer_id)
    if kind in ("topup", "adjust"):
        # Said twice so that the small index of entries other than charges is used.
        conditions += [f"kind = '{kind}'", "kind <> 'charge'"]
    elif kind is not None:
        conditions.append("kind = 'charge'")
    sql = f"SELECT {ENTRY_COLUMNS} FROM ledger WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
    return [LedgerEntry(*row) for row in rows(database, sql, [*parameters, limit])]


def statement_page(
    database: Database, customer_id: int, *, after: StatementLine | None = None, limit: int = 100
) -> list[StatementLine]:
    """A customer's entries, newest first, at most `limit`; `after` is the last line of the page before."""
    call_sql = "SELECT calls.id, model, key_id FROM json_each(?) CROSS JOIN calls ON calls.id = value"
    with read_transaction(database):
        entries = _statement(database, customer_id, None if after is None else after.entry.id, limit)
        if after is None:
            found = rows(database, "SELECT balance_micro FROM balances WHERE customer_id = ?", (customer_id,))
            balance_micro = found[0][0] if found else 0
        else:
            balance_micro = after.balance_micro - after.entry.amount_micro
        call_ids = msgspec.json.encode([entry.call_id for entry in entries if entry.call_id]).decode()
        calls = {row[0]: (row[1], row[2]) for row in rows(database, call_sql, (call_ids,))}
    lines = []
    for entry in entries:
        lines.append(StatementLine(entry, balance_micro, *calls.get(entry.call_id, (None, None))))
        balance_micro -= entry.amount_micro
    return lines


def _statement(database: Database, customer_id: int, before_id: int | None, limit: int) -> list[LedgerEntry]:
    """Each entry names the customer's one before it: as many look-ups as lines, however long the ledger is."""
    if before_id is None:
        start = "SELECT last_entry_id FROM balances WHERE customer_id = ?1"
    else:
        start = "SELECT previous_id FROM ledger WHERE id = ?2 AND customer_id = ?1"
    columns = ", ".join(f"ledger.{column.strip()}" for column in ENTRY_COLUMNS.split(","))
    sql = (
        f"WITH RECURSIVE statement({ENTRY_COLUMNS}, previous_id) AS ("
        f"SELECT {ENTRY_COLUMNS}, previous_id FROM ledger WHERE id = ({start}) "
        f"UNION ALL SELECT {columns}, ledger.previous_id FROM statement "
        f"JOIN ledger ON ledger.id = statement.previous_id LIMIT ?3) SELECT {ENTRY_COLUMNS} FROM statement"
    )
    return [LedgerEntry(*row) for row in rows(database, sql, (customer_id, before_id, limit))]


def verify(database: Database) -> Verification:
    """Every balance is the sum of its entries; every settled charge has exactly its one entry, and the amounts agree.

    Looks at the ledger as it was when the balances were read, in slices: no read stays open while a gateway writes.
    """
    balances = rows(
        database,
        "SELECT customer_id, balance_micro, name, (SELECT max(id) FROM ledger) "
        "FROM balances JOIN customers ON id = customer_id",
    )
    last_id = max((row[3] or 0 for row in balances), default=0)
    sums: dict[int, int] = {}
    entries = 0
    for after in range(0, last_id, _AT_ONCE):
        until = min(after + _AT_ONCE, last_id)
        slice_sql = (
            "SELECT customer_id, sum(amount_micro), count(*) FROM ledger WHERE id > ? AND id <= ? GROUP BY customer_id"
        )
        for customer_id, amount_micro, count in rows(database, slice_sql, (after, until)):
            sums[customer_id] = sums.get(customer_id, 0) + amount_micro
            entries += count
    problems = [
        Problem(f"customer {name}", "the balance is not the sum of its entries", sums.get(customer_id, 0), balance)
        for customer_id, balance, name, _ in balances
        if sums.get(customer_id, 0) != balance
    ]
    calls = _verify_calls(database, problems)
    return Verification(len(balances), entries, calls, problems)


def _verify_calls(database: Database, problems: list[Problem]) -> int:
    """Entry and call are written by one transaction, so any read sees both or neither."""
    after, seen = "", 0
    sql = (
        "SELECT c.id, c.charge_micro, l.amount_micro FROM (SELECT id, charge_micro FROM calls WHERE id > ? "
        "ORDER BY id LIMIT ?) c LEFT JOIN ledger l ON l.call_id = c.id AND l.kind = 'charge' ORDER BY c.id"
    )
    while True:
        found = rows(database, sql, (after, _AT_ONCE))
        for call_id, charge_micro, amount_micro in found:
            seen += 1
            if charge_micro is None and amount_micro is not None:
                problems.append(Problem(f"call {call_id}", "an entry charges a call that is free", 0, -amount_micro))
            elif charge_micro is not None and amount_micro is None:
                problems.append(Problem(f"call {call_id}", "the charge has no entry", charge_micro, 0))
            elif charge_micro is not None and amount_micro != -charge_micro:
                problems.append(Problem(f"call {call_id}", "the entry differs", charge_micro, -amount_micro))
        if len(found) < _AT_ONCE:
            return seen
        after = found[-1][0]
