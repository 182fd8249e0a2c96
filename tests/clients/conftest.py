"""One gateway and one set of providers for all clients; the books are audited after each test."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from gateway.records import DialectName
from gateway.store.operators import keys
from gateway.store.queries.calls import CallFilter, Story, list_calls
from tests.clients.house import ACTOR, furnish
from tests.clients.programs import PROGRAMS, Finished
from tests.clients.task import Provider
from tests.contract.gateway import Gateway
from tests.contract.upstream import Upstream
from tests.fakes.play import Asked

BALANCE_MICRO = 10_000_000


class Run:
    """One client at work for one prompt, with a customer of its own."""

    def __init__(self, gateway: Gateway, upstream: Upstream, customer: str, scratch: Path) -> None:
        self._gateway = gateway
        self._upstream = upstream
        self._scratch = scratch
        self.customer = customer

    def start(self, program: str, dialect: DialectName, model: str, prompt: str, balance_micro: int, revoked: bool):
        """Runs the client to its end; `requests` are those that reached the provider of this dialect meanwhile."""
        _, secret = self._gateway.change(
            lambda database: keys.create(database, ACTOR, self.customer, tier="all", balance_micro=balance_micro)
        )
        if revoked:
            self._gateway.change(lambda database: keys.revoke(database, ACTOR, self.customer))
        before = len(self._upstream.requests(dialect))
        refused = self._refused()
        self.finished: Finished = PROGRAMS[program](self._gateway.url, secret, model, prompt, self._scratch)
        self.requests: list[Asked] = self._upstream.requests(dialect)[before:]
        self.refusals = self._refused() - refused

    def _refused(self) -> int:
        """Requests that the gateway has refused so far, for whatever reason."""
        lines = self._gateway.http.get("/metrics").text.splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(_REFUSED))

    @property
    def stories(self) -> list[Story]:
        """The calls of the run, settled, oldest first."""
        customer_id = self._gateway.customer_id(self.customer)
        calls = self._gateway.ask(lambda database: list_calls(database, CallFilter(customer_id=customer_id), limit=50))
        return sorted((self._gateway.story(call.id) for call in calls), key=lambda story: story.call.id)

    @property
    def spent_micro(self) -> int:
        return BALANCE_MICRO - self._gateway.balance(self.customer)


_REFUSED = "trigate_limits_refused_total{"
Start = Callable[..., Run]


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with Upstream(Provider().act) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    data_dir = tmp_path_factory.mktemp("gateway")
    furnish(data_dir, upstream)
    with Gateway(data_dir) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def start(gateway: Gateway, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """`start(program, dialect, model, prompt)` runs a client to its end."""
    numbers = count(1)

    def start(
        program: str,
        dialect: DialectName,
        model: str,
        prompt: str,
        *,
        balance_micro: int = BALANCE_MICRO,
        revoked: bool = False,
    ) -> Run:
        customer = f"customer-{next(numbers)}"
        run = Run(gateway, upstream, customer, tmp_path_factory.mktemp(customer))
        run.start(program, dialect, model, prompt, balance_micro, revoked)
        return run

    return start


@pytest.fixture(autouse=True)
def _audit(gateway: Gateway) -> Iterator[None]:
    """Whatever the client did: balances are the sums of their entries, and every charged call has exactly one."""
    yield
    assert gateway.verify() == []
    assert gateway.trouble == []
