"""The tables as peewee models, for queries and the operator's writes. migrations/ is what creates them.

Models are bound to no database: a query is run with `.execute(database)`, because the console, the command line and the
gateway's readers each have their own connections. The gateway's hot writes are in statements.py.
"""

from typing import Any, TypeVar

import msgspec
from peewee import BigIntegerField, BlobField, BooleanField, Model, TextField

Record = TypeVar("Record")


class JsonField(TextField):
    """A list or an object, as JSON text."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def python_value(self, value: str | None) -> Any:
        return None if value is None else msgspec.json.decode(value)


class Customer(Model):
    id = BigIntegerField(primary_key=True)
    name = TextField()
    unlimited = BooleanField()
    enabled = BooleanField()
    day_limit_micro = BigIntegerField(null=True)
    month_limit_micro = BigIntegerField(null=True)
    created_at = BigIntegerField()

    class Meta:
        table_name = "customers"


class Tier(Model):
    name = TextField(primary_key=True)
    prefix = TextField()
    dialects = JsonField()
    models = JsonField()
    multiplier_bp = BigIntegerField()
    spelling = TextField()
    rpm = BigIntegerField(null=True)
    tpm = BigIntegerField(null=True)
    concurrency = BigIntegerField(null=True)
    policy = TextField()
    model_policies = JsonField()
    on_disconnect = TextField()
    forgive_partial = BooleanField()
    translation = TextField()

    class Meta:
        table_name = "tiers"


class Key(Model):
    id = BigIntegerField(primary_key=True)
    public_id = TextField()
    secret_hash = BlobField()
    customer_id = BigIntegerField()
    tier = TextField()
    name = TextField()
    enabled = BooleanField()
    revoked_at = BigIntegerField(null=True)
    expires_at = BigIntegerField(null=True)
    previous_hash = BlobField(null=True)
    previous_until = BigIntegerField(null=True)
    models = JsonField()
    rpm = BigIntegerField(null=True)
    tpm = BigIntegerField(null=True)
    concurrency = BigIntegerField(null=True)
    day_limit_micro = BigIntegerField(null=True)
    month_limit_micro = BigIntegerField(null=True)
    ip_allow = JsonField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "keys"


class Account(Model):
    id = BigIntegerField(primary_key=True)
    name = TextField()
    kind = TextField()
    base_url = TextField()
    sealed_secret = BlobField()
    models = JsonField()
    discovered = JsonField()
    model_map = JsonField()
    dialects = JsonField()
    priority = BigIntegerField()
    weight = BigIntegerField()
    max_concurrency = BigIntegerField(null=True)
    enabled = BooleanField()
    draining = BooleanField()
    free = BooleanField()
    cost_prices = JsonField()
    proxy = TextField(null=True)
    extra_headers = JsonField()
    on_cancel = TextField()
    options = JsonField()
    reset_at = BigIntegerField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "accounts"


class ModelOverride(Model):
    id = TextField(primary_key=True)
    body = JsonField()

    class Meta:
        table_name = "model_overrides"


class AliasOverride(Model):
    # `alias` is a method of every peewee model.
    name = TextField(primary_key=True, column_name="alias")
    model = TextField()

    class Meta:
        table_name = "alias_overrides"


class PriceOverride(Model):
    model = TextField()
    effective_at = BigIntegerField()
    body = JsonField()

    class Meta:
        table_name = "price_overrides"
        primary_key = False


class SettingOverride(Model):
    name = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "setting_overrides"


class Audit(Model):
    id = BigIntegerField(primary_key=True)
    at = BigIntegerField()
    actor = TextField()
    action = TextField()
    subject = TextField()
    details = JsonField()

    class Meta:
        table_name = "audit"


class AccountState(Model):
    account_id = BigIntegerField()
    model = TextField()
    until_at = BigIntegerField()
    reason = TextField()
    strikes = BigIntegerField()
    half_open = BooleanField()
    changed_at = BigIntegerField()

    class Meta:
        table_name = "account_state"
        primary_key = False


class KeyState(Model):
    key_id = BigIntegerField(primary_key=True)
    last_used_at = BigIntegerField()
    last_ip = TextField()

    class Meta:
        table_name = "key_state"


class Heartbeat(Model):
    gateway_id = TextField(primary_key=True)
    boot_id = TextField()
    pid = BigIntegerField()
    host = TextField()
    version = TextField()
    address = TextField()
    state = TextField()
    open_calls = BigIntegerField()
    started_at = BigIntegerField()
    at = BigIntegerField()

    class Meta:
        table_name = "heartbeat"


def fetch(query: Any, database: Any, record: type[Record]) -> list[Record]:
    """Run a query of a model and give its rows as records with fields of the same names."""
    return [msgspec.convert(row, record) for row in query.dicts().execute(database)]


def fetch_one(query: Any, database: Any, record: type[Record]) -> Record | None:
    """The first row of a query as a record, or None."""
    found = fetch(query.limit(1), database, record)
    return found[0] if found else None
