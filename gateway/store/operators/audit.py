"""Who changed what. Details never hold a secret."""

from typing import Any

from gateway.clock import now_ms
from gateway.store import schema
from gateway.store.database import Database


def record(database: Database, actor: str, action: str, subject: str, details: dict[str, Any] | None = None) -> None:
    """Add an audit row inside the transaction of the change it tells of."""
    schema.Audit.insert(at=now_ms(), actor=actor, action=action, subject=subject, details=details or {}).execute(
        database
    )
