"""One gateway and one set of scripted providers for each worker; every test's books are audited at its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.gateway import Gateway
from tests.contract.house import Keys, furnish, furnish_keyless
from tests.contract.upstream import Upstream


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="session")
def keys(data_dir: Path, upstream: Upstream) -> Keys:
    return furnish(data_dir, upstream)


@pytest.fixture(scope="session")
def gateway(data_dir: Path, keys: Keys) -> Iterator[Gateway]:
    settings = {
        "max_body_bytes": "200000",
        "trusted_proxies": "127.0.0.1",
        "checkpoint_every_s": "0.05",
    }
    with Gateway(data_dir, **settings) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def keyless(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    """A gateway without keys, behind a proxy, so that each test can come from an address of its own."""
    data_dir = tmp_path_factory.mktemp("keyless")
    furnish_keyless(data_dir, upstream)
    with Gateway(data_dir, auth="none", trusted_proxies="127.0.0.1") as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _audit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the test did: balances are the sums of their entries, and every charged call has exactly one."""
    yield
    for name in {"gateway", "keyless"} & set(request.fixturenames):
        gateway: Gateway = request.getfixturevalue(name)
        assert gateway.verify() == []
        assert gateway.trouble == []
