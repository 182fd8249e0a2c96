"""Which account each conversation is bound to, kept so that a restart does not cost it its prompt's cache."""

from collections.abc import Sequence

import apsw

from gateway.store.database import Database, rows

BindingRow = tuple[bytes, str, int, int]
"""(binding, model id, account id, last used at)."""

KEPT_MS = 7 * 86_400_000
MOST_LOADED = 20_000
_FORGOTTEN_AT_ONCE = 1_000


def remember_bindings(connection: apsw.Connection, bindings: Sequence[BindingRow], *, now_at: int) -> None:
    """Write them over what is there, and forget some of those that nobody has used for a week."""
    if not bindings:
        return
    connection.executemany(
        "INSERT OR REPLACE INTO affinity (binding, model, account_id, used_at) VALUES (?, ?, ?, ?)", bindings
    )
    connection.execute(
        "DELETE FROM affinity WHERE (binding, model) IN "
        "(SELECT binding, model FROM affinity WHERE used_at < ? ORDER BY used_at LIMIT ?)",
        (now_at - KEPT_MS, _FORGOTTEN_AT_ONCE),
    )


def load_bindings(database: Database, *, now_at: int) -> list[BindingRow]:
    """The bindings used last, of accounts that are there."""
    return [
        (bytes(binding), str(model), int(account_id), int(used_at))
        for binding, model, account_id, used_at in rows(
            database,
            "SELECT binding, model, account_id, used_at FROM affinity JOIN accounts ON accounts.id = account_id "
            "WHERE used_at >= ? ORDER BY used_at DESC LIMIT ?",
            (now_at - KEPT_MS, MOST_LOADED),
        )
    ]
