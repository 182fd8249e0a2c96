"""Receipts, summaries and balances: the caller's own."""

import pytest

from gateway.clock import now_ms
from gateway.edge.pages.page import instant
from gateway.errors import Unavailable
from tests.edge.pages_world import ALPHA, BETA, open_site

RECEIPT = {"request_id": "req_1", "input_tokens": 781, "cost_micro": 18_234}


def summary(*spent: tuple[str, int]) -> dict:
    rows = [{"date": date, "cost_micro": micro} for date, micro in spent]
    return {"data": rows, "total": {"cost_micro": sum(micro for _, micro in spent)}}


async def test_a_receipt_is_answered_to_its_owner() -> None:
    async with open_site() as site:
        site.reads.receipts[ALPHA, "req_1"] = RECEIPT
        assert (await site.get("/v1/usage/req_1")).json() == RECEIPT


async def test_somebody_elses_receipt_is_not_found_in_the_same_words_as_none() -> None:
    async with open_site() as site:
        site.reads.receipts[BETA, "req_1"] = RECEIPT
        other, missing = await site.get("/v1/usage/req_1"), await site.get("/v1/usage/req_2")
    assert other.status_code == missing.status_code == 404
    assert other.json()["error"]["message"] == missing.json()["error"]["message"].replace("req_2", "req_1")


async def test_a_receipt_on_its_way_to_the_disk_is_waited_for(autojump_clock: object) -> None:
    async with open_site() as site:
        ledger = site.services.ledger
        ledger._pending = 1

        async def receipt(call_id: str, customer_id: int, answers: list = [None, RECEIPT]) -> dict | None:  # noqa: B006
            return answers.pop(0)

        site.reads.receipt = receipt
        answer = await site.get("/v1/usage/req_1")
        ledger._pending = 0
    assert answer.json() == RECEIPT


async def test_a_store_that_cannot_be_read_is_a_503_in_the_dialect() -> None:
    async with open_site() as site:
        site.reads.failure = Unavailable("The gateway cannot read its records.", retry_after_s=5)
        answer = await site.get("/v1/usage/req_1", anthropic_version="2023-06-01")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["type"] == "api_error"


async def test_the_summary_covers_thirty_days_unless_asked_otherwise() -> None:
    async with open_site() as site:
        await site.get("/v1/usage")
        await site.get("/v1/usage?days=7")
        assert site.reads.asked_days == [30, 7]


@pytest.mark.parametrize("days", ["0", "401", "-1", "1.5", "", "٣"])
async def test_days_that_make_no_sense_are_a_400(days: str) -> None:
    async with open_site() as site:
        answer = await site.get(f"/v1/usage?days={days}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "days")


async def test_a_balance_says_what_is_left_and_held() -> None:
    async with open_site() as site:
        hold = site.services.wallets.hold(ALPHA, 2_500_000)
        balance = (await site.get("/v1/balance")).json()
        hold.release()
    assert (balance["balance_micro"], balance["held_micro"]) == (10_000_000, 2_500_000)
    assert (balance["available_micro"], balance["available_usd"]) == (7_500_000, "7.50")


async def test_another_customer_sees_its_own_balance() -> None:
    async with open_site() as site:
        assert (await site.get("/v1/balance", "beta")).json()["balance_micro"] == 0


async def test_an_unlimited_customer_has_no_balance() -> None:
    async with open_site(customer={"unlimited": True}) as site:
        balance = (await site.get("/v1/balance")).json()
    assert (balance["unlimited"], balance["balance_micro"], balance["available_micro"]) == (True, None, None)


async def test_a_balance_says_what_was_spent_today_and_this_month() -> None:
    async with open_site() as site:
        site.reads.summaries[ALPHA] = summary((instant(now_ms())[:10], 300), ("2020-01-01", 4_000))
        balance = (await site.get("/v1/balance")).json()
    assert (balance["spent_today_micro"], balance["spent_this_month_micro"]) == (300, 4_300)


async def test_every_limit_that_is_set_is_listed_with_its_reset() -> None:
    async with open_site(customer={"day_limit_micro": 5_000}, key={"month_limit_micro": 9_000, "rpm": 60}) as site:
        balance = (await site.get("/v1/balance")).json()
    limits = [(each["of"], each["window"], each["limit_micro"]) for each in balance["spend_limits"]]
    assert limits == [("customer", "day", 5_000), ("key", "month", 9_000)]
    assert balance["spend_limits"][0]["resets_at"].endswith("T00:00:00Z")
    assert balance["rate_limits"]["requests_per_minute"] == 60
