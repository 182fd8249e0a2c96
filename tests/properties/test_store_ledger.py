"""Whatever is interleaved with whatever, a balance is the sum of its entries and every call is charged once."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.database import open_database, rows
from gateway.store.jobs import Checkpoint
from gateway.store.migrate import migrate
from gateway.store.operators import customers
from gateway.store.queries.ledger import list_entries, verify
from gateway.store.recovery import settle_lost_calls
from gateway.store.transact import Transactor
from gateway.store.wallet_reads import load_balances
from tests.store.making import GATEWAY, NOW, make_call, settle

CALLS = st.integers(1, 6)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("settle"), st.lists(CALLS, min_size=1, max_size=5)),
        st.tuples(st.just("checkpoint"), st.lists(CALLS, min_size=1, max_size=5)),
        st.tuples(st.just("topup"), st.integers(1, 10**9)),
        st.tuples(st.just("adjust"), st.integers(-(10**9), -1)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(acts=ACTS)
def test_balance_is_the_sum_of_its_entries(acts: list[tuple[str, int | list[int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        migrate(path)
        database = open_database(path)
        customers.create(database, "test", "alice", balance_micro=500)
        customers.create(database, "test", "bob")
        boots = 1
        transactor = Transactor(GATEWAY, "boot_1", lambda: NOW)
        transactor.connect(path)
        charged: set[int] = set()
        opened: set[int] = set()
        given_micro = 500
        for act, argument in acts:
            if isinstance(argument, list):
                calls = [make_call(number, customer_id=1 + number % 2, cost_micro=number) for number in argument]
                jobs = [settle(call) for call in calls] if act == "settle" else [Checkpoint(calls)]
                assert transactor.transact(jobs) is None
                (charged if act == "settle" else opened).update(argument)
            elif act == "restart":
                boots += 1
                transactor.close()
                lost = settle_lost_calls(database, boot_id=f"boot_{boots}")
                assert lost == len(opened - charged)
                charged |= opened
                transactor = Transactor(GATEWAY, f"boot_{boots}", lambda: NOW)
                transactor.connect(path)
            elif act == "topup":
                given_micro += customers.topup(database, "test", "alice", argument).amount_micro
            else:
                given_micro += customers.adjust(database, "test", "bob", argument, note="test").amount_micro
            assert sum(load_balances(database)[0].values()) == given_micro - sum(charged)
        assert verify(database).problems == []
        statements = [entry for customer_id in (1, 2) for entry in list_entries(database, customer_id=customer_id)]
        assert len(statements) <= 200
        assert sorted(entry.id for entry in statements) == [row[0] for row in rows(database, "SELECT id FROM ledger")]
        assert rows(database, "SELECT total(calls) FROM rollups WHERE period = 'day'") == [(float(len(charged)),)]
        transactor.close()
        database.close()
