import msgspec
import pytest

from gateway.store.database import Database
from gateway.store.jobs import Checkpoint
from gateway.store.operators import customers
from gateway.store.queries import calls, ledger
from gateway.store.recovery import settle_lost_calls
from gateway.store.transact import Transactor
from gateway.store.wallet_reads import load_balances
from tests.store.making import BOOT, call_id, make_call, settle


@pytest.fixture(autouse=True)
def alice(database: Database) -> None:
    customers.create(database, "test", "alice", balance_micro=10_000)


def test_a_call_of_a_dead_process_is_billed_as_it_was_last_seen(database: Database, transactor: Transactor) -> None:
    open_call = make_call(cost_micro=120, held_micro=100, outcome="failed")
    transactor.transact([Checkpoint([open_call])])
    assert settle_lost_calls(database, boot_id="boot_next") == 1
    story = calls.find_call(database, call_id(1))
    assert story is not None
    lost = story.call
    assert (lost.state, lost.outcome, lost.usage_basis) == ("settled", "lost", "estimated")
    assert (lost.cost_micro, lost.overshoot_micro, lost.boot_id) == (120, 20, BOOT)
    assert load_balances(database)[0] == {1: 9_880}
    assert ledger.list_entries(database, customer_id=1)[0].boot_id == "boot_next"
    assert ledger.verify(database).problems == []


def test_recovering_twice_charges_once(database: Database, transactor: Transactor) -> None:
    transactor.transact([Checkpoint([make_call(n) for n in range(250)])])
    assert settle_lost_calls(database, boot_id="boot_next") == 250
    assert settle_lost_calls(database, boot_id="boot_after") == 0
    assert load_balances(database)[0] == {1: 10_000 - 250 * 300}


def test_what_the_dead_process_had_settled_stays(database: Database, transactor: Transactor) -> None:
    transactor.transact([settle(make_call())])
    before = msgspec.json.encode(calls.find_call(database, call_id(1)))
    assert settle_lost_calls(database, boot_id="boot_next") == 0
    assert msgspec.json.encode(calls.find_call(database, call_id(1))) == before


def test_ones_own_open_calls_stay_open(database: Database, transactor: Transactor) -> None:
    transactor.transact([Checkpoint([make_call()])])
    assert settle_lost_calls(database, boot_id=BOOT) == 0
    assert len(calls.open_calls(database)) == 1
