"""What ids are called."""

from typing import Literal

from msgspec import Struct

from gateway.store.database import Database, read_transaction, rows


class Names(Struct, frozen=True):
    """What ids are called. A thing that was removed keeps its number."""

    customers: dict[int, str]
    keys: dict[int, str]
    accounts: dict[int, str]

    def of(self, kind: Literal["customer", "key", "account"], number: int | None) -> str:
        if not number:
            return ""
        found: dict[int, str] = getattr(self, kind + "s")
        return found.get(number, f"{kind} {number}")


def load_names(database: Database) -> Names:
    """Of every customer, key (revoked ones too) and account."""
    with read_transaction(database):
        return Names(
            dict(rows(database, "SELECT id, name FROM customers")),
            dict(rows(database, "SELECT id, name FROM keys")),
            dict(rows(database, "SELECT id, name FROM accounts")),
        )
