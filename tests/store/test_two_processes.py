"""A second process tops up beside a writer under full load whose every commit takes 5 ms. Neither may fail."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from gateway.store.database import Database
from gateway.store.operators import customers
from gateway.store.queries.ledger import list_entries, verify
from gateway.store.wallet_reads import load_balances
from gateway.store.writer import Writer
from tests.store.making import BOOT, GATEWAY, make_call, settle

TOPUPS = 20
OPERATOR = f"""
import pathlib, sys
from gateway.store.database import open_database
from gateway.store.operators import customers
database = open_database(pathlib.Path(sys.argv[1]))
for number in range({TOPUPS}):
    customers.topup(database, "test", "alice", 1_000, reference=str(number))
database.close()
"""


def test_neither_fails(path: Path, database: Database) -> None:
    customers.create(database, "test", "alice")
    writer = Writer(path, gateway_id=GATEWAY, boot_id=BOOT, before_commit=lambda: time.sleep(0.005))
    errors: list[BaseException] = []
    # More than one group takes, so that the writer never finds its queue empty.
    room = threading.Semaphore(2_000)

    def done(error: BaseException | None) -> None:
        room.release()
        if error is not None:
            errors.append(error)

    writer.start()
    operator = subprocess.Popen([sys.executable, "-c", OPERATOR, str(path)])
    calls = 0
    while operator.poll() is None:
        room.acquire()
        calls += 1
        writer.submit(settle(make_call(calls)), done)
    assert writer.close(10)
    assert (operator.returncode, errors) == (0, [])
    assert load_balances(database)[0] == {1: TOPUPS * 1_000 - calls * 300}
    assert len(list_entries(database, customer_id=1, kind="topup")) == TOPUPS
    assert verify(database).problems == []
