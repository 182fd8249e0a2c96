"""Whatever happens, the ledger, the wallets and the receipts agree: the relay and billing over books in memory."""

from hypothesis import HealthCheck, given, settings

from tests.relay.money_world import DAYS, Day, MemoryBank, live


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=DAYS)
def test_books_agree_after_any_day(day: Day) -> None:
    live(day, MemoryBank(day.opening_micro))
