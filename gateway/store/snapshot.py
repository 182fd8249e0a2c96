"""What the operator configured, read whole and unchanging, and the number that says whether it moved."""

import apsw
import msgspec

from gateway import records
from gateway.catalog import Catalog, Model, Price
from gateway.catalog.load import with_overrides
from gateway.errors import StoreUnavailable
from gateway.store import schema
from gateway.store.database import Database, read_transaction, rows


def read_revision(database: Database) -> int:
    """Moves with every change of an operator's table, and with nothing the gateway writes."""
    try:
        return int(rows(database, "SELECT value FROM revision")[0][0])
    except (apsw.Error, IndexError) as error:
        raise StoreUnavailable(f"The database cannot be read: {error}. Run `trigate db migrate`.") from error


def load_overrides(database: Database, shipped: Catalog) -> Catalog:
    """The shipped catalog with the operator's models, aliases and prices on top."""
    models = [msgspec.convert(row["body"], Model) for row in schema.ModelOverride.select().dicts().execute(database)]
    aliases = {row["name"]: row["model"] for row in schema.AliasOverride.select().dicts().execute(database)}
    prices: dict[str, list[Price]] = {}
    for row in schema.PriceOverride.select().dicts().execute(database):
        price = msgspec.convert({**row["body"], "version": "", "effective_at": row["effective_at"]}, Price)
        prices.setdefault(row["model"], []).append(price)
    return with_overrides(shipped, models, aliases, prices)


def load_setting_overrides(database: Database) -> dict[str, str]:
    """Settings changed in the database: name -> value as text."""
    return {str(name): str(value) for name, value in rows(database, "SELECT name, value FROM setting_overrides")}


def load_snapshot(database: Database, shipped: Catalog) -> records.Snapshot:
    """All of it as of one revision. Revoked keys are in it too: their open calls are to be cut."""
    with read_transaction(database):
        customers = schema.fetch(schema.Customer.select(), database, records.Customer)
        keys = schema.fetch(schema.Key.select(), database, records.Key)
        tiers = schema.fetch(schema.Tier.select(), database, records.Tier)
        by_priority = schema.Account.select().order_by(schema.Account.priority.desc(), schema.Account.id)
        accounts = schema.fetch(by_priority, database, records.Account)
        return records.Snapshot(
            revision=read_revision(database),
            customers={customer.id: customer for customer in customers},
            keys={key.public_id: key for key in keys},
            tiers={tier.name: tier for tier in tiers},
            accounts=tuple(accounts),
            catalog=load_overrides(database, shipped),
            setting_overrides=load_setting_overrides(database),
        )
