"""A migrated database of its own for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.database import Database, open_database
from gateway.store.migrate import migrate
from gateway.store.transact import Transactor
from tests.store.making import BOOT, GATEWAY, NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.db"
    migrate(path)
    return path


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = open_database(path)
    yield database
    database.close()


@pytest.fixture
def transactor(path: Path) -> Iterator[Transactor]:
    transactor = Transactor(GATEWAY, BOOT, lambda: NOW)
    transactor.connect(path)
    yield transactor
    transactor.close()
