"""A filter says the same of a call in SQL and in memory, whatever the filter and the call."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin_tui.filters import DIALECTS, OUTCOMES, FilterError, parse
from gateway.records import Call
from gateway.store.database import open_database
from gateway.store.jobs import Checkpoint
from gateway.store.migrate import migrate
from gateway.store.operators import customers
from gateway.store.queries.call_filter import matches
from gateway.store.queries.calls import call_page
from gateway.store.queries.names import Names
from gateway.store.rollups import HOUR_MS
from gateway.store.transact import Transactor
from tests.store.making import BOOT, GATEWAY, NOW, make_call, settle

NAMES = Names(
    {1: "Ärzte*", 2: "team-alpha"},
    {1: "ci-bot", 2: "CI [old]", 3: "alpha"},
    {1: "main", 2: "spare?", 3: "acct-2"},
)
MODELS = ("claude-sonnet-4-6", "gpt-5.5", "Local/Llama[70B]", "o5*mini", "")
_texts = st.sampled_from(
    ["claude", "SONNET", "gpt-?.5", "*llama*", "[70b]", "[7", "*", "ci", "alpha", "ärzte", "main", "req_", "10.0", "5"]
)
_quoted = st.sampled_from(['"gpt-5.5"', '"Local/Llama[70B]"', '"ci-bot"', '"CI [old]"', '"main"'])


def _field(names: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, chosen: f"{name}:{','.join(chosen)}",
        st.sampled_from(names),
        st.lists(values, min_size=1, max_size=3),
    )


_terms = st.one_of(
    _field(["key", "customer", "account", "model", "tier"], st.one_of(_texts, _quoted)),
    _field(["status"], st.sampled_from(["200", "5xx", "429", "4xx"])),
    st.just("status:open"),
    _field(["outcome"], st.sampled_from(OUTCOMES)),
    _field(["dialect"], st.sampled_from(DIALECTS)),
    st.builds(lambda sign, amount: f"{sign}{amount}", st.sampled_from([">", ">=", "<", "<="]), st.sampled_from("012")),
    _texts,
)
_queries = st.lists(st.builds(lambda inverse, term: inverse + term, st.sampled_from(["", "!"]), _terms), max_size=4)
_facts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from([1, 2]),
        "key_id": st.sampled_from([None, 1, 2, 3, 9]),
        "account_id": st.sampled_from([None, 1, 2, 3]),
        "model": st.sampled_from(MODELS),
        "model_asked": st.sampled_from(["sonnet", "GPT"]),
        "tier": st.sampled_from(["all", "claude"]),
        "dialect": st.sampled_from(DIALECTS),
        "status": st.sampled_from([0, 200, 429, 500, 529]),
        "outcome": st.sampled_from(OUTCOMES[1:]),
        "error_code": st.sampled_from(["", "Overloaded_error"]),
        "client_ip": st.sampled_from(["10.0.0.7", "::1"]),
        "cost_micro": st.sampled_from([0, 999_999, 1_000_000, 1_000_001]),
    }
)
_calls = st.lists(st.tuples(st.booleans(), st.integers(0, 200), _facts), max_size=25)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty database with the two customers, as bytes to copy."""
    path = tmp_path_factory.mktemp("template") / "gateway.db"
    migrate(path)
    database = open_database(path)
    for name in ("one", "two"):
        customers.create(database, "test", name)
    database.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.close()
    return path.read_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=_calls, terms=_queries, limit=st.integers(1, 30), examine=st.sampled_from([1, 7, 20_000]))
def test_history_and_live_rows_agree(
    template: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    made: list[tuple[bool, int, dict[str, Any]]],
    terms: list[str],
    limit: int,
    examine: int,
) -> None:
    path = tmp_path_factory.mktemp("filter") / "gateway.db"
    path.write_bytes(template)
    calls: list[tuple[bool, Call]] = []
    for number, (is_open, hours, facts) in enumerate(made):
        call = make_call(number, at=NOW - hours * HOUR_MS, **facts)
        call.state = "open" if is_open else "settled"
        calls.append((is_open, call))
    _write(path, calls)
    wanted = parse(" ".join(terms)).resolve(NAMES)
    expected = sorted((call.id for _, call in calls if matches(wanted, call)), reverse=True)
    assert _read_to_the_end(path, wanted, limit, examine) == expected


def _write(path: Path, calls: list[tuple[bool, Call]]) -> None:
    transactor = Transactor(GATEWAY, BOOT, lambda: NOW)
    transactor.connect(path)
    jobs = [Checkpoint([call]) if is_open else settle(call, charge_micro=None) for is_open, call in calls]
    assert transactor.transact(jobs) is None
    transactor.close()


def _read_to_the_end(path: Path, wanted: Any, limit: int, examine: int) -> list[str]:
    """The ids of every page, in the order in which they come."""
    database = open_database(path, read_only=True)
    try:
        found: list[str] = []
        before_id: str | None = None
        while True:
            page = call_page(database, wanted, before_id=before_id, limit=limit, examine=examine)
            found += [call.id for call in page.calls]
            assert before_id is None or page.before_id is None or page.before_id < before_id
            before_id = page.before_id
            if before_id is None:
                return found
    finally:
        database.close()


@given(st.text(max_size=40))
def test_whatever_is_typed_is_read_or_refused_with_its_place(text: str) -> None:
    refusal = _refusal(text)
    assert refusal is None or (refusal.message and 0 <= refusal.position <= len(text) and refusal.length >= 1)


def _refusal(text: str) -> FilterError | None:
    try:
        parse(text)
    except FilterError as error:
        return error
    return None
