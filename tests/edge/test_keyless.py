"""Callers without a key, as the application lets them in: who they are taken for, and who is not one of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.edge.auth import KEYLESS_CUSTOMER, KEYLESS_TIER
from gateway.records import Customer, Tier
from tests.edge.pages_world import Site, open_site
from tests.relay.world import CATALOG

LOCAL = 9


@asynccontextmanager
async def open_keyless(*, enabled: bool = True, **settings: object) -> AsyncIterator[Site]:
    """A gateway with `auth = none`, the customer of keyless callers, and two more with keys."""
    async with open_site(auth="none", **settings) as site:
        snapshot = site.services.configuration.snapshot
        local = Customer(LOCAL, KEYLESS_CUSTOMER, unlimited=True, enabled=enabled)
        everything = Tier(KEYLESS_TIER, "cc_user_", ("messages", "chat", "responses"))
        site.change(customers={**snapshot.customers, LOCAL: local}, tiers={**snapshot.tiers, KEYLESS_TIER: everything})
        yield site


async def test_a_placeholder_for_a_key_is_as_good_as_none() -> None:
    async with open_keyless() as site:
        answers = [await site.get("/v1/models", key=None, **headers) for headers in ({}, {"x_api_key": "dummy"})]
    assert answers[0].json() == answers[1].json()


async def test_a_key_keeps_its_own_limits_and_is_outside_those_of_its_address() -> None:
    async with open_keyless() as site:
        answer = await site.get("/v1/models", key="alpha")
    assert answer.status_code == 200
    assert "x-ratelimit-limit" not in answer.headers


async def test_where_keys_are_asked_for_no_answer_has_an_addresss_limit() -> None:
    async with open_site() as site:
        assert "x-ratelimit-limit" not in (await site.get("/v1/models")).headers


async def test_retired_ids_are_listed_for_callers_without_a_key_only() -> None:
    async with open_keyless() as site:
        with_key = await site.listed("alpha")
        without = [each["id"] for each in (await site.get("/v1/models", key=None)).json()["data"]]
    more = set(without) - set(with_key)
    assert {"claude-3-5-sonnet-20241022", "claude-3-7-sonnet-20250219", "claude-opus-4-20250514"} <= more
    assert {CATALOG.models[name].lifecycle for name in more} == {"retired"}


async def test_a_disabled_customer_is_refused_without_a_key_too() -> None:
    async with open_keyless(enabled=False) as site:
        answer = await site.get("/v1/models", key=None)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")


async def test_without_the_customer_nobody_can_be_let_in() -> None:
    async with open_site(auth="none") as site:
        answer = await site.get("/v1/models", key=None, anthropic_version="2023-06-01")
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize("origin", ["https://app.example", "null", "http://[::1", "http://localhost.app.example"])
async def test_a_page_of_another_machine_is_refused(origin: str) -> None:
    async with open_keyless() as site:
        answer = await site.get("/v1/models", key=None, origin=origin)
    assert (answer.status_code, "cors_origins" in answer.text) == (403, True)


async def test_a_name_that_points_here_does_not_make_a_page_one_of_ours() -> None:
    async with open_keyless() as site:
        answer = await site.get("/v1/models", key=None, origin="http://gateway.test", host="gateway.test")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "settings",
    [{"cors_origins": ("http://gateway.test",)}, {"cors_origins": ("*",)}, {"allow_open_auth": True}],
    ids=["listed", "any", "open"],
)
async def test_the_operator_can_let_a_page_in(settings: dict[str, object]) -> None:
    async with open_keyless(**settings) as site:
        answer = await site.get("/v1/models", key=None, origin="http://gateway.test", host="gateway.test")
    assert answer.status_code == 200


async def test_open_pages_are_open_to_every_page() -> None:
    async with open_keyless() as site:
        assert (await site.get("/health", key=None, origin="https://app.example")).status_code == 200


async def test_a_refusal_says_what_is_left_to_a_page_that_may_read_it() -> None:
    async with open_keyless(cors_origins=("https://app.example",)) as site:
        answer = await site.get("/v1/models/nobody-1", key=None, origin="https://app.example")
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (404, "59")
    assert "x-ratelimit-remaining" in answer.headers["access-control-expose-headers"]
