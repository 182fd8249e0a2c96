"""Wallets: holds come and go, charges leave at once, the ledger is followed by id."""

import pytest

from gateway.billing.holds import Wallets
from gateway.errors import OutOfCredit
from gateway.records import LedgerEntry

ANNA = 1


def wallets(balance_micro: int = 100) -> Wallets:
    book = Wallets("boot-a")
    book.load({ANNA: balance_micro}, last_ledger_id=10)
    return book


def entry(identity: int, amount_micro: int, boot_id: str = "", customer_id: int = ANNA) -> LedgerEntry:
    return LedgerEntry(identity, customer_id, "topup", amount_micro, at=0, boot_id=boot_id)


def test_a_hold_takes_from_what_is_available_not_from_the_balance() -> None:
    book = wallets(100)
    book.hold(ANNA, 60)
    assert (book.wallet(ANNA).balance_micro, book.wallet(ANNA).available_micro) == (100, 40)


def test_two_holds_cannot_have_the_same_money() -> None:
    book = wallets(100)
    book.hold(ANNA, 60)
    with pytest.raises(OutOfCredit) as refused:
        book.hold(ANNA, 41)
    assert refused.value.details == {
        "balance_micro": 100,
        "held_micro": 60,
        "available_micro": 40,
        "needed_micro": 41,
    }
    assert "$0.00004 is left" in refused.value.message


def test_the_last_of_the_money_can_be_held() -> None:
    assert wallets(100).hold(ANNA, 100).amount_micro == 100


def test_a_customer_the_ledger_has_not_mentioned_has_nothing() -> None:
    with pytest.raises(OutOfCredit):
        wallets().hold(2, 1)


def test_a_free_call_needs_no_money() -> None:
    assert wallets(0).hold(ANNA, 0).charge(0) == 0


def test_an_unlimited_customer_is_metered_and_never_refused() -> None:
    book = wallets(0)
    hold = book.hold(ANNA, 500, unlimited=True)
    assert hold.grow_to(5_000)
    assert hold.charge(4_000) == 0
    assert book.wallet(ANNA).balance_micro == -4_000


def test_a_charge_leaves_at_once_and_gives_the_rest_back() -> None:
    book = wallets(100)
    assert book.hold(ANNA, 60).charge(25) == 0
    assert (book.wallet(ANNA).balance_micro, book.wallet(ANNA).held_micro) == (75, 0)


def test_a_charge_beyond_the_hold_says_by_how_much() -> None:
    book = wallets(100)
    assert book.hold(ANNA, 60).charge(75) == 15
    assert book.wallet(ANNA).balance_micro == 25


def test_a_hold_is_charged_once() -> None:
    book = wallets(100)
    hold = book.hold(ANNA, 60)
    hold.charge(10)
    with pytest.raises(RuntimeError):
        hold.charge(10)
    assert book.wallet(ANNA).balance_micro == 90


def test_release_may_be_called_any_number_of_times_and_after_a_charge() -> None:
    book = wallets(100)
    hold = book.hold(ANNA, 60)
    hold.charge(10)
    hold.release()
    hold.release()
    assert (book.wallet(ANNA).balance_micro, book.wallet(ANNA).held_micro) == (90, 0)


def test_a_released_hold_cannot_grow_or_be_charged() -> None:
    book = wallets(100)
    hold = book.hold(ANNA, 60)
    hold.release()
    assert not hold.grow_to(70)
    with pytest.raises(RuntimeError):
        hold.charge(1)
    assert book.wallet(ANNA).available_micro == 100


def test_growth_needs_the_difference_only() -> None:
    book = wallets(100)
    hold = book.hold(ANNA, 60)
    assert hold.grow_to(100)
    assert not hold.grow_to(101)
    assert hold.amount_micro == 100


def test_a_hold_shrinks_to_what_the_provider_counted() -> None:
    book = wallets(100)
    hold = book.hold(ANNA, 60)
    hold.shrink_to(20)
    hold.shrink_to(50)
    assert (hold.amount_micro, book.wallet(ANNA).available_micro) == (20, 80)


def test_a_wallet_lowered_by_an_adjustment_refuses_growth() -> None:
    book = wallets(100)
    hold = book.hold(ANNA, 60)
    book.apply([entry(11, -70)])
    assert not hold.grow_to(61)
    assert hold.amount_micro == 60


def test_entries_of_other_writers_arrive_once() -> None:
    book = wallets(100)
    book.apply([entry(11, 50), entry(12, -20)])
    book.apply([entry(11, 50), entry(12, -20), entry(13, 5)])
    assert (book.wallet(ANNA).balance_micro, book.last_ledger_id) == (135, 13)


def test_entries_of_this_process_have_already_left_the_wallet() -> None:
    book = wallets(100)
    book.hold(ANNA, 60).charge(25)
    book.apply([entry(11, -25, boot_id="boot-a")])
    assert (book.wallet(ANNA).balance_micro, book.last_ledger_id) == (75, 11)


def test_a_top_up_opens_the_wallet_of_a_new_customer() -> None:
    book = wallets()
    book.apply([entry(11, 1_000, customer_id=2)])
    assert book.hold(2, 1_000).amount_micro == 1_000


def test_everything_held_is_known_for_the_gauges() -> None:
    book = wallets(100)
    book.hold(ANNA, 60)
    book.hold(2, 5, unlimited=True)
    assert book.held_micro() == 65
