"""Settings that the operator changes while the gateway runs. They win over flag, environment and file."""

from gateway.errors import ConfigurationError, NotFound, UsageError
from gateway.settings import changed_value
from gateway.store import schema
from gateway.store.database import Database, operator_transaction
from gateway.store.operators.audit import record
from gateway.store.snapshot import load_setting_overrides


def change(database: Database, actor: str, name: str, text: str) -> object:
    """Let a setting have this value from now on; the value. Raises UsageError for what it cannot be."""
    text = text.strip()
    try:
        value = changed_value(name, text)
    except ConfigurationError as error:
        raise UsageError(error.message) from error
    with operator_transaction(database):
        schema.SettingOverride.insert(name=name, value=text).on_conflict_replace().execute(database)
        record(database, actor, "config.set", name, {"value": text})
    return value


def take_back(database: Database, actor: str, name: str) -> None:
    """Let a setting have again what flag, environment, file or default say. Raises NotFound if it was not changed."""
    with operator_transaction(database):
        table = schema.SettingOverride
        if not table.delete().where(table.name == name).execute(database):
            changed = ", ".join(sorted(load_setting_overrides(database))) or "nothing"
            raise NotFound(f"{name!r} has not been changed in the database; changed is: {changed}.")
        record(database, actor, "config.unset", name)
