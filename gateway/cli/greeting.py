"""What to do with a new key: lines to paste, for the gateway that this data folder is of."""

import os
from typing import TYPE_CHECKING

from gateway.cli.command import Session
from gateway.errors import OperatorError

if TYPE_CHECKING:
    from gateway.store.database import Database


def how_to_call(session: Session, database: "Database", secret: str, tier: str, models: tuple[str, ...]) -> list[str]:
    """Exports for the SDKs and agents, and one curl command, for a key of that tier with those models of its own."""
    from gateway.catalog.load import shipped_catalog
    from gateway.clock import now_ms
    from gateway.how_to_call import curl, exports, trial_of
    from gateway.store.snapshot import load_snapshot

    snapshot = load_snapshot(database, shipped_catalog())
    url = gateway_url(session, database)
    lines = ["", *(line for _, each in exports(url, secret, snapshot.tiers[tier].dialects) for line in each)]
    trial = trial_of(snapshot, tier, models, now_ms())
    if trial is None:
        return [*lines, "", "No account serves it yet. Add one: trigate accounts add NAME --kind KIND"]
    return [*lines, "", curl(url, secret, trial)]


def gateway_url(session: Session, database: "Database") -> str:
    """Where clients reach the gateway: where one served last, else where one will."""
    from gateway.how_to_call import DEFAULT_URL, reachable, served_at
    from gateway.settings import load_settings
    from gateway.store.queries.views import heartbeats

    if known := served_at(beat.address for beat in heartbeats(database)):
        return known
    try:
        settings = load_settings({}, os.environ, session.config_path, session.data_dir)
    except OperatorError:
        return DEFAULT_URL
    bind = next((each for each in settings.bind if not each.startswith("unix:")), DEFAULT_URL.partition("://")[2])
    return reachable(f"{'https' if settings.tls_cert else 'http'}://{bind}")
