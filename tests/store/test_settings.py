"""Settings that are changed in the database, as a running gateway meets them."""

import pytest

from gateway.catalog import Catalog
from gateway.errors import NotFound, UsageError
from gateway.store.database import Database
from gateway.store.operators import settings
from gateway.store.snapshot import load_snapshot, read_revision

OPS = "ops"


def in_snapshot(database: Database) -> dict[str, str]:
    return load_snapshot(database, Catalog({}, {})).setting_overrides


def test_a_change_moves_the_revision_and_is_in_the_next_snapshot(database: Database) -> None:
    before = read_revision(database)
    assert settings.change(database, OPS, "prune_days", " 30 ") == 30
    assert read_revision(database) > before
    assert in_snapshot(database) == {"prune_days": "30"}


def test_the_last_change_holds(database: Database) -> None:
    settings.change(database, OPS, "race_width", "4")
    before = read_revision(database)
    settings.change(database, OPS, "race_width", "5")
    assert read_revision(database) > before
    assert in_snapshot(database) == {"race_width": "5"}


def test_taking_back_moves_the_revision_too(database: Database) -> None:
    settings.change(database, OPS, "race_width", "4")
    before = read_revision(database)
    settings.take_back(database, OPS, "race_width")
    assert read_revision(database) > before
    assert in_snapshot(database) == {}


def test_what_was_not_changed_cannot_be_taken_back(database: Database) -> None:
    with pytest.raises(NotFound, match="changed is: nothing"):
        settings.take_back(database, OPS, "race_width")


@pytest.mark.parametrize(("name", "text"), [("race_width", "17"), ("race_width", "2.5"), ("bind", "x"), ("none", "1")])
def test_a_refused_change_leaves_nothing(database: Database, name: str, text: str) -> None:
    before = read_revision(database)
    with pytest.raises(UsageError):
        settings.change(database, OPS, name, text)
    assert (read_revision(database), in_snapshot(database)) == (before, {})
