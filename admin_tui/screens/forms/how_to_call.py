"""What is shown of a new key to be pasted, for the gateway that served last."""

from typing import NamedTuple

from admin_tui.screens.model_rows import shipped
from gateway.how_to_call import DEFAULT_URL, Trial, curl, curl_get, exports, served_at, trial_of
from gateway.records import DialectName
from gateway.store.database import Database
from gateway.store.queries.views import heartbeats
from gateway.store.snapshot import load_snapshot


class Way(NamedTuple):
    """Where and with what a key is used. `trial` is None where no account serves what its tier allows."""

    url: str
    dialects: tuple[DialectName, ...]
    trial: Trial | None


def way_to_call(database: Database, tier_name: str, allowed: tuple[str, ...], now_at: int) -> Way:
    """The way of a key of that tier with those models of its own."""
    snapshot = load_snapshot(database, shipped())
    url = served_at(beat.address for beat in heartbeats(database)) or DEFAULT_URL
    return Way(url, snapshot.tiers[tier_name].dialects, trial_of(snapshot, tier_name, allowed, now_at))


def lines_for(way: Way, secret: str) -> list[tuple[str, str]]:
    """(what for, the line)."""
    lines = [(clients, "\n".join(each)) for clients, each in exports(way.url, secret, way.dialects)]
    if way.trial is None:
        listing = curl_get(way.url, secret, "/v1/models")
        return [*lines, ("No account serves its tier yet; what it may use", listing)]
    return [*lines, ("Try it", curl(way.url, secret, way.trial))]
