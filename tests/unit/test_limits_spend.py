"""Spend limits by UTC day and month."""

from datetime import UTC, datetime

import pytest

from gateway.billing.spend import Spending, resets_at
from gateway.errors import OutOfCredit
from gateway.records import Customer, Key


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = at("2026-11-21T12:00:00")
KEY = Key(7, "public", b"", 1, "all", "laptop", day_limit_micro=100, month_limit_micro=250)
FREE_KEY = Key(8, "other", b"", 1, "all", "desk")
CUSTOMER = Customer(1, "anna")
CAPPED = Customer(1, "anna", day_limit_micro=120)


def test_spending_up_to_the_limit_is_allowed_and_one_micro_dollar_more_is_not() -> None:
    spending = Spending()
    spending.open(KEY, CUSTOMER, 60, NOON).charge(60, NOON)
    spending.open(KEY, CUSTOMER, 40, NOON).release()
    with pytest.raises(OutOfCredit):
        spending.open(KEY, CUSTOMER, 41, NOON)


def test_the_refusal_names_the_limit_and_its_reset() -> None:
    spending = Spending()
    spending.open(KEY, CUSTOMER, 90, NOON).charge(90, NOON)
    with pytest.raises(OutOfCredit) as refused:
        spending.open(KEY, CUSTOMER, 20, NOON)
    assert "this key" in refused.value.message
    assert "2026-11-22T00:00:00Z" in refused.value.message
    assert refused.value.details is not None
    assert refused.value.details["limit"] == "day"


def test_open_holds_count() -> None:
    spending = Spending()
    spending.open(KEY, CUSTOMER, 60, NOON)
    with pytest.raises(OutOfCredit):
        spending.open(KEY, CUSTOMER, 60, NOON)


def test_a_refused_call_leaves_nothing_held() -> None:
    spending = Spending()
    with pytest.raises(OutOfCredit):
        spending.open(KEY, CUSTOMER, 101, NOON)
    assert spending.open(KEY, CUSTOMER, 100, NOON).amount_micro == 100


def test_a_new_day_starts_at_nothing_and_the_month_goes_on() -> None:
    spending = Spending()
    spending.load(keys={7: (100, 200)}, customers={}, now_ms=NOON)
    tomorrow = at("2026-11-22T00:00:00")
    with pytest.raises(OutOfCredit, match="a day"):
        spending.open(KEY, CUSTOMER, 1, tomorrow - 1)
    spending.open(KEY, CUSTOMER, 50, tomorrow).charge(50, tomorrow)
    with pytest.raises(OutOfCredit, match="2026-12-01T00:00:00Z"):
        spending.open(KEY, CUSTOMER, 1, tomorrow)


def test_a_new_month_starts_at_nothing() -> None:
    spending = Spending()
    spending.load(keys={7: (0, 250)}, customers={}, now_ms=NOON)
    december = at("2026-12-01T00:00:00")
    spending.open(KEY, CUSTOMER, 100, december)
    assert spending.spent_micro(7, december) == (0, 0)


def test_the_customers_limit_binds_all_its_keys_together() -> None:
    spending = Spending()
    spending.open(KEY, CAPPED, 100, NOON)
    with pytest.raises(OutOfCredit, match="this customer"):
        spending.open(FREE_KEY, CAPPED, 21, NOON)


def test_a_hold_grows_only_within_the_limits() -> None:
    spending = Spending()
    hold = spending.open(KEY, CUSTOMER, 60, NOON)
    assert hold.grow_to(100, NOON)
    assert not hold.grow_to(101, NOON)
    assert hold.amount_micro == 100


def test_a_charge_counts_for_the_day_it_is_made() -> None:
    spending = Spending()
    hold = spending.open(KEY, CUSTOMER, 60, NOON)
    tomorrow = at("2026-11-22T00:00:01")
    hold.charge(60, tomorrow)
    assert spending.spent_micro(7, tomorrow) == (60, 60)


def test_a_spend_hold_is_charged_once() -> None:
    spending = Spending()
    hold = spending.open(KEY, CUSTOMER, 60, NOON)
    hold.charge(10, NOON)
    hold.release()
    with pytest.raises(RuntimeError):
        hold.charge(10, NOON)
    assert spending.spent_micro(7, NOON) == (10, 10)


def test_the_tightest_limit_is_the_room() -> None:
    spending = Spending()
    spending.load(keys={7: (10, 240)}, customers={}, now_ms=NOON)
    room = spending.room(KEY, CUSTOMER, NOON)
    assert room is not None
    assert (room.window, room.micro) == ("month", 10)
    assert spending.room(FREE_KEY, CUSTOMER, NOON) is None


@pytest.mark.parametrize(
    ("window", "now", "reset"),
    [
        ("day", "2026-11-30T23:59:59", "2026-12-01T00:00:00"),
        ("month", "2026-12-31T10:00:00", "2027-01-01T00:00:00"),
        ("month", "2028-02-29T00:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_resets(window: str, now: str, reset: str) -> None:
    assert resets_at(window, at(now)) == at(reset)
