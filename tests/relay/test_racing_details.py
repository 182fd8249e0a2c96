"""What of a raced call is its winner's alone; drains that end badly; attempts that are ended while they connect."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from gateway.billing.ledger import RETRY_EVERY_S
from gateway.store.jobs import FinishDrain, Job, RememberResponses, Settle
from gateway.upstream.drains import DrainLimits
from gateway.upstream.latency import LEAST_SAMPLES
from gateway.upstream.transport import TrioTransport
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import cut_after, hang, hang_after, slow_first, status, stream
from tests.relay.racing_world import attempts, check_money, open_race, outcomes
from tests.relay.world import Books, FakeClient, World

NATIVE_AND_CHAT = {"one": ("responses",), "two": ("chat",)}

# The answer's own -----------------------------------------------------------------------------------------------------


async def test_what_a_loser_could_not_be_asked_is_no_warning_of_the_winners_answer(autojump_clock):
    one, two = FakeUpstream(slow_first(9.0)), FakeUpstream(slow_first(60.0))
    async with open_race(one, two, dialects=NATIVE_AND_CHAT) as world:
        client = await world.call("responses", truncation="auto")
        assert outcomes(world) == ["won", "lost"]
        assert "x-gateway-warnings" not in client.headers
        assert world.books.last.call.warnings == ()


async def test_what_the_winner_could_not_be_asked_is_a_warning_though_another_began_after_it(autojump_clock):
    one, two = FakeUpstream(slow_first(9.0)), FakeUpstream(slow_first(60.0))
    async with open_race(one, two, dialects={"one": ("chat",), "two": ("responses",)}) as world:
        client = await world.call("responses", truncation="auto")
        assert client.headers["x-gateway-warnings"] == "dropped:truncation"


@pytest.mark.parametrize(("first_s", "kept"), [(9.0, False), (60.0, True)], ids=["the provider's", "a translation"])
async def test_only_a_response_that_no_provider_has_is_kept(first_s, kept, autojump_clock):
    one, two = FakeUpstream(slow_first(first_s)), FakeUpstream(slow_first(20.0))
    async with open_race(one, two, dialects=NATIVE_AND_CHAT) as world:
        await world.call("responses")
        assert any(isinstance(job, RememberResponses) for job in world.books.jobs) is kept


async def test_a_call_that_nobody_answered_names_no_account_and_no_first_token(autojump_clock):
    one, two = FakeUpstream(cut_after(2)), FakeUpstream(status(500))
    async with open_race(one, two) as world:
        await world.call(stream=None)
        call = world.books.last.call
        assert (call.outcome, call.account_id, call.ttft_ms) == ("failed", None, None)
        check_money(world)


# Drains ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [True, None], ids=["streamed", "whole"])
async def test_a_drain_takes_no_more_bytes_than_it_may(streamed, autojump_clock):
    one, two = FakeUpstream(stream(*["x" * 1000] * 300, first=9.0, gap=0.01)), FakeUpstream(stream("b"))
    async with open_race(one, two, on_cancel="continues") as world:
        world.services.drains.limits = DrainLimits(bytes=5_000)
        await world.call(stream=streamed)
        await trio.sleep(30)
        assert one.exchanges[0].sent_bytes < 10_000
        assert attempts(world)[0].usage_basis == "upper_bound"
        world.check_settled()


@pytest.mark.parametrize("act", [cut_after(0), hang_after(0)], ids=["cut", "silent"])
async def test_a_drain_that_hears_no_end_leaves_the_upper_bound(act, autojump_clock):
    one, two = FakeUpstream(act.but(head_delay=20.0)), FakeUpstream(stream("b"))
    async with open_race(one, two, on_cancel="continues", chunk_timeout_s=10) as world:
        await world.call(max_tokens=700)
        await trio.sleep(90)
        drained = attempts(world)[0]
        assert (drained.outcome, drained.usage_basis, drained.usage.output_tokens) == ("lost", "upper_bound", 700)
        check_money(world)


class FailingBooks(Books):
    """While `failing`, nothing is written: neither settlements nor what drains found."""

    def submit(self, job: Job, done) -> None:
        if self.failing and not isinstance(job, Settle):
            done(OSError("disk full"))
        else:
            super().submit(job, done)


@pytest.mark.parametrize("fails_from_s", [0.0, 15.0], ids=["with its call", "after it"])
async def test_what_a_drain_found_is_written_once_the_disk_is_well_and_not_before_its_call(
    fails_from_s, autojump_clock
):
    one, two = FakeUpstream(stream("x", first=20.0)), FakeUpstream(stream("b"))
    books = FailingBooks()
    async with open_race(one, two, on_cancel="continues", books=books) as world, trio.open_nursery() as nursery:
        books.failing = fails_from_s == 0.0
        nursery.start_soon(world.call)
        await trio.sleep(15.0)
        books.failing = True
        await trio.sleep(15.0)
        assert not [job for job in books.jobs if isinstance(job, FinishDrain)]
        books.failing = False
        await trio.sleep(3 * RETRY_EVERY_S)
        assert attempts(world)[0].outcome == "lost"
        assert attempts(world)[0].usage_basis == "reported"
        check_money(world)


async def test_a_loser_that_is_read_on_teaches_its_time_once(autojump_clock):
    async with open_race(
        FakeUpstream(always=slow_first(18.0)), FakeUpstream(always=stream("b")), on_cancel="continues"
    ) as world:
        await _race_often(world, LEAST_SAMPLES // 2)
        assert _samples(world, account_id=1) == LEAST_SAMPLES // 2


async def test_a_loser_that_is_read_on_in_vain_teaches_that_it_takes_longer(autojump_clock):
    async with open_race(
        FakeUpstream(always=hang()), FakeUpstream(always=stream("b")), on_cancel="continues", loser_drains=5
    ) as world:
        await _race_often(world, 2)
        assert _samples(world, account_id=1) == 2


async def _race_often(world: World, calls: int) -> None:
    for _ in range(calls):
        await world.call()
        await trio.sleep(120)


def _samples(world: World, account_id: int) -> int:
    return sum(
        len(series._samples)
        for (known, _, _), series in world.services.latencies._series.items()
        if known == account_id
    )


# Ended while it connects ----------------------------------------------------------------------------------------------


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port at which connections neither succeed nor fail: its queue is full, and nobody takes from it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


@pytest.mark.parametrize("policy", ["failover", "hedge"])
async def test_a_client_that_leaves_while_the_account_is_being_connected_to_is_no_failure_of_it(policy):
    with deaf_port() as port:
        transport, other, client = TrioTransport(), FakeUpstream(), FakeClient()
        account = {"base_url": f"http://127.0.0.1:{port}/v1"}
        async with open_race(transport, other, policy=policy, each={"one": account}) as world:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: world.call(client=client))
                await trio.testing.wait_all_tasks_blocked(0.05)
                client.leave()
            [attempt] = attempts(world)
            assert (attempt.outcome, attempt.error_code, attempt.usage_basis) == ("cancelled", "", "estimated")
            assert world.services.pool.in_flight() == {}
