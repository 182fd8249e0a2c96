"""The audit, newest first, and what in it contains a word."""

from msgspec import Struct

from gateway.store import schema
from gateway.store.database import Database, rows
from gateway.store.queries.call_filter import Pattern
from gateway.store.queries.views import AuditEntry

# Entries that one page looks at; each is a few hundred bytes.
_EXAMINED_AT_ONCE = 20_000
_TEXT = "actor || ' ' || action || ' ' || subject || ' ' || details"


class AuditWord(Struct, frozen=True):
    """Text that actor, action, subject or details contain; with `inverse`, that they do not."""

    pattern: Pattern
    inverse: bool = False


class AuditPage(Struct, frozen=True):
    """Entries, newest first. Older ones are found before `before_id`; None: there are none."""

    entries: list[AuditEntry]
    before_id: int | None


def audit_page(
    database: Database, words: tuple[AuditWord, ...] = (), *, before_id: int | None = None, limit: int = 100
) -> AuditPage:
    """At most `limit`, after looking at no more than 20,000: a page can be short and still name where to go on."""
    newest = (rows(database, "SELECT max(id) FROM audit")[0][0] or 0) + 1 if before_id is None else before_id
    oldest = max(0, newest - _EXAMINED_AT_ONCE)
    conditions, parameters = ["id >= ?", "id < ?"], [oldest, newest]
    for word in words:
        sql, bound = word.pattern.sql(f"({_TEXT})")
        conditions.append(f"NOT ({sql})" if word.inverse else sql)
        parameters += bound
    sql = f"SELECT id FROM audit WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
    ids = [row[0] for row in rows(database, sql, [*parameters, limit])]
    query = schema.Audit.select().where(schema.Audit.id.in_(ids)).order_by(schema.Audit.id.desc())
    entries = schema.fetch(query, database, AuditEntry) if ids else []
    if len(ids) >= limit:
        return AuditPage(entries, ids[-1])
    return AuditPage(entries, oldest if oldest > 1 else None)
