"""Races on real sockets: who lost is gone before anything of the answer goes out, and nothing is left of anybody."""

import pytest

from gateway.upstream import hedging, latency
from tests.fakes.verbs import hang, hang_after, stream
from tests.faults.harness import eventually
from tests.faults.racing_sockets import connected, connected_still, open_sockets, soak
from tests.relay.world import FakeClient

WINS = stream("a", "b", "c", first=0.3, gap=0.02)


@pytest.mark.parametrize("loses", [hang(), hang_after(0)], ids=["before its head", "after its head"])
@pytest.mark.parametrize("streamed", [True, None], ids=["streamed", "whole"])
async def test_losers_are_disconnected_before_anything_goes_out(loses, streamed):
    async with open_sockets(loses, WINS, loses, habits=("stops", "stops", "unknown")) as world:
        one, _, three = world.fakes
        left: list[int] = []

        class Watching(FakeClient):
            async def start(self, *head) -> None:
                left.append(connected_still(one) + connected_still(three))
                await super().start(*head)

            async def respond(self, *answer) -> None:
                left.append(connected_still(one) + connected_still(three))
                await super().respond(*answer)

        client = await world.call(client=Watching(), stream=streamed)
        assert client.status == 200
        assert [len(fake.exchanges) for fake in world.fakes] == [1, 1, 1]
        assert left == [0]


async def test_a_loser_that_goes_on_billing_is_read_to_its_end_and_its_connection_used_again():
    async with open_sockets(hang(), stream("x", first=0.6), WINS, habits=("stops", "continues", "stops")) as world:
        _, goes_on, _ = world.fakes
        client = await world.call()
        assert client.clean_end
        assert (connected(goes_on), goes_on.open_exchanges) == (1, 1)
        await eventually(lambda: len(world.services.drains) == 0)
        assert goes_on.exchanges[0].finished
        assert world.transports[1].idle_connections == 1


@pytest.fixture
def quick_hedges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second account joins after 10 ms, however many have joined before."""
    monkeypatch.setattr(latency, "COLD_DELAY_S", 0.01)
    monkeypatch.setattr(latency, "LEAST_DELAY_S", 0.01)
    monkeypatch.setattr(hedging, "STOPPED_AT", -1.0)


async def test_a_thousand_raced_calls_leave_nothing_behind(quick_hedges):
    ended = await soak(1_000, seed=1)
    assert all(ended[how] > 20 for how in ("won", "lost", "read on", "failed", "cancelled"))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_ten_thousand_raced_calls_leave_nothing_behind(quick_hedges):
    await soak(10_000, seed=2)
