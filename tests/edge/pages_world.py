"""The application's pages as a client sees them: the real application, catalog and wallets, a store in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace as exchange
from typing import Any

import httpx
from msgspec.structs import replace

from gateway.edge.entry import Gateway
from gateway.keys import hash_secret, new_secret
from gateway.maintenance import configuration_of
from gateway.records import Account, Customer, Key, Snapshot, Tier
from gateway.services import Services
from tests.fakes.upstream import FakeUpstream
from tests.relay.world import CATALOG, open_world

ALPHA, BETA = 1, 2
NO_USAGE = {"data": [], "total": {"cost_micro": 0}}


class KnownReads:
    """Knows what a test tells it."""

    def __init__(self) -> None:
        self.receipts: dict[tuple[int, str], dict[str, Any]] = {}
        self.summaries: dict[int, dict[str, Any]] = {}
        self.asked_days: list[int] = []
        self.failure: Exception | None = None

    async def receipt(self, call_id: str, customer_id: int) -> dict[str, Any] | None:
        if self.failure is not None:
            raise self.failure
        return self.receipts.get((customer_id, call_id))

    async def usage_summary(self, customer_id: int, days: int) -> dict[str, Any]:
        self.asked_days.append(days)
        return self.summaries.get(customer_id, NO_USAGE)


class Site:
    """A client without a key, and the secrets of two customers: `alpha` and `beta`."""

    def __init__(self, services: Services, reads: KnownReads, secrets: dict[str, str]) -> None:
        self.services = services
        self.reads = reads
        self.secrets = secrets
        self.app = Gateway(services)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://gateway.test")

    async def get(self, path: str, key: str | None = "alpha", **headers: str) -> httpx.Response:
        return await self.ask("GET", path, key, **headers)

    async def ask(self, method: str, path: str, key: str | None = "alpha", **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["x-api-key"] = self.secrets[key]
        return await self.client.request(method, path, headers=sent)

    async def listed(self, key: str = "alpha", query: str = "") -> list[str]:
        """The ids that GET /v1/models answers."""
        return [model["id"] for model in (await self.get(f"/v1/models{query}", key)).json()["data"]]

    def change(self, **fields: Any) -> None:
        """Another state of the operator's configuration."""
        snapshot = replace(self.services.configuration.snapshot, **fields)
        self.services.condition.configuration = configuration_of(snapshot, self.services.settings)


def simulated(*models: str) -> Account:
    return Account(id=1, name="secret-account", kind="simulated", base_url="", models=models)


@asynccontextmanager
async def open_site(
    *models: str,
    tier: dict[str, Any] | None = None,
    key: dict[str, Any] | None = None,
    customer: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    """Pages of a gateway whose one account serves `models` (none given: the whole catalog). What is said of tier, key
    and customer is alpha's; beta has the defaults."""
    secrets = {name: new_secret("cc_user_") for name in ("alpha", "beta")}
    alpha = Key(1, secrets["alpha"][8:20], hash_secret(secrets["alpha"]), ALPHA, "alphas", "laptop", **(key or {}))
    beta = Key(2, secrets["beta"][8:20], hash_secret(secrets["beta"]), BETA, "betas", "desk")
    dialects = ("messages", "chat", "responses")
    tiers = {
        "alphas": replace(Tier("alphas", "cc_user_", dialects), **(tier or {})),
        "betas": Tier("betas", "cc_user_", dialects),
    }
    customers = {ALPHA: Customer(ALPHA, "alpha", **(customer or {})), BETA: Customer(BETA, "beta")}
    keys = {each.public_id: each for each in (alpha, beta)}
    snapshot = Snapshot(1, customers, keys, tiers, (simulated(*models),), CATALOG)
    async with open_world(FakeUpstream(), **settings) as world:
        reads = KnownReads()
        site = Site(exchange(world.services, reads=reads), reads, secrets)
        site.services.condition.configuration = configuration_of(snapshot, site.services.settings)
        async with site.client:
            yield site
