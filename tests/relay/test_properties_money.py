"""Whatever happens, the ledger, the wallets and the receipts agree: the relay and billing over books in memory."""

from hypothesis import HealthCheck, given, settings

from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import stream
from tests.relay.money_world import DAYS, Day, MemoryBank, live
from tests.relay.world import FakeClient, open_world


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=DAYS)
def test_books_agree_after_any_day(day: Day) -> None:
    live(day, MemoryBank(day.opening_micro))


async def test_an_answer_that_had_ended_when_its_client_was_found_gone_is_billed_as_reported(autojump_clock):
    async with open_world(FakeUpstream(stream("hi"))) as world:
        world.change_tier(on_disconnect="drain")
        await world.call(client=FakeClient(gone_after=0))
        receipt = world.books.last
        assert (receipt.call.outcome, receipt.call.usage_basis) == ("cancelled", "reported")
        world.check_settled()
