"""Adding an upstream account: what `accounts add` and `init` have in common."""

import os
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from gateway.cli import words
from gateway.cli.command import Session
from gateway.cli.output import talk
from gateway.clock import now_ms
from gateway.records import Account, AccountKind
from gateway.store.operators import accounts as operators
from gateway.store.operators.accounts import DEFAULT_BASE_URLS, AccountChanges

if TYPE_CHECKING:
    from gateway.store.database import Database
    from gateway.vault import Vault


def add_account(
    session: Session,
    database: "Database",
    name: str,
    kind: AccountKind,
    secret: str | None,
    changes: AccountChanges,
    *,
    discover: bool,
) -> Account:
    """Add an account, with `discover` only if it gives its list of models."""
    from msgspec.structs import replace

    sealed = b"" if secret is None else vault_of(session).seal(secret)
    if kind == "claude-cli":
        from gateway.upstream.providers.claude_cli.options import options_of

        options_of(draft(name, kind, sealed, changes))
        if changes.on_cancel is UNSET:
            changes = replace(changes, on_cancel="stops")
    if discover:
        from gateway.cli.probe import list_models

        account = draft(name, kind, sealed, changes)
        found = list_models(account, vault_of(session).open, data_dir=session.data_dir)
        talk(f"{name} offers {words.plural(len(found), 'model')}: {words.listed(found)}")
        changes = replace(changes, discovered=tuple(found))
    given = None if _is_empty(changes) else changes
    return operators.add(database, session.actor, name, kind=kind, sealed_secret=sealed, fields=given)


def draft(name: str, kind: AccountKind, sealed: bytes, changes: AccountChanges) -> Account:
    """The account as it would be stored, to be tried before it is."""
    values: dict[str, Any] = {field: getattr(changes, field) for field in changes.__struct_fields__}
    given = {field: value for field, value in values.items() if value is not UNSET}
    given.setdefault("base_url", DEFAULT_BASE_URLS.get(kind, ""))
    return Account(**{**given, "id": 0, "name": name, "kind": kind, "sealed_secret": sealed})


def needs_secret(kind: AccountKind, changes: AccountChanges) -> bool:
    """True for the vendors' own endpoints: a server of one's own may ask for none."""
    url = changes.base_url
    return kind in DEFAULT_BASE_URLS and (url is UNSET or not url or url == DEFAULT_BASE_URLS[kind])


def hints(database: "Database", account: Account) -> list[str]:
    """What a new account still lacks to answer calls: names of models, or prices for them."""
    from gateway.catalog.load import shipped_catalog
    from gateway.catalog.resolve import price_at
    from gateway.store.snapshot import load_overrides
    from gateway.upstream.serving import build_serving

    catalog = load_overrides(database, shipped_catalog())
    at = now_ms()
    named = build_serving([account], catalog, lambda model: True)
    served = build_serving([account], catalog, lambda model: price_at(model, at) is not None)
    if not named:
        return [f"It has named no model yet that it serves: `trigate accounts sync {account.name}`, or --models."]
    if unpriced := sorted(set(named) - set(served)):
        listed = all(model in catalog.models for model in unpriced)
        sets = "`trigate models price` sets" if listed else "`trigate models add`, then `trigate models price` set"
        return [
            f"Not served, because they have no price: {words.listed(unpriced)}.",
            f"{sets} one; `trigate accounts set {account.name} --free` says they cost nothing.",
        ]
    return []


def vault_of(session: Session) -> "Vault":
    """The master key's vault. Its key is made on first use, unless something was sealed with another one before.
    Raises ConfigurationError, NotPermitted."""
    from gateway.vault import load_vault

    return load_vault(session.data_dir, os.environ, may_make=not _has_sealed(session))


def _has_sealed(session: Session) -> bool:
    if not session.database_path.exists():
        return False
    with session.database(read_only=True) as database:
        return operators.count_sealed(database) > 0


def _is_empty(changes: AccountChanges) -> bool:
    return all(getattr(changes, field) is UNSET for field in changes.__struct_fields__)
