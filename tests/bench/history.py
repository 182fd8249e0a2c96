"""A past for a data folder: copies of one real call, with its attempts and its ledger entry, under older ids."""

from collections.abc import Mapping
from pathlib import Path

import apsw

_BATCH = 100_000


def grow(database: Path, calls: int) -> None:
    """Writes `calls` copies of the newest settled call of a database no gateway serves. Balances follow by trigger.

    The copies' ids sort before any real id, as an older call's would. Ledger entries chain as the store's own do.
    """
    connection = apsw.Connection(str(database))
    try:
        # A crash in the middle of this costs nothing but this folder.
        connection.execute("PRAGMA synchronous = off")
        for begin in range(0, calls, _BATCH):
            with connection:
                _copy(connection, begin, min(begin + _BATCH, calls))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def _copy(connection: apsw.Connection, begin: int, end: int) -> None:
    (template,) = connection.execute("SELECT max(id) FROM calls WHERE state = 'settled'").fetchone()
    (last_entry,) = connection.execute("SELECT max(id) FROM ledger").fetchone()
    old_id = "printf('req_%026d', n)"
    entry = f"{last_entry} + n - {begin}"
    _insert(connection, "calls", f"id = '{template}'", {"id": old_id}, begin, end)
    _insert(connection, "attempts", f"call_id = '{template}'", {"call_id": old_id}, begin, end)
    chained = {"id": f"{entry} + 1", "call_id": old_id, "previous_id": entry}
    _insert(connection, "ledger", f"call_id = '{template}'", chained, begin, end)


def _insert(
    connection: apsw.Connection, table: str, template: str, changed: Mapping[str, str], begin: int, end: int
) -> None:
    """One row per n from `begin` up to `end`: the template's columns, but for those in `changed`."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(column, column) for column in columns)
    connection.execute(
        f"WITH RECURSIVE numbers(n) AS (SELECT {begin} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {end}) "
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM {table} WHERE {template}) ORDER BY n"
    )
