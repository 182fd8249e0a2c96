"""One streamed call: what the client gets, what is billed, what is left over."""

import pytest
import trio

from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import cut_after, error_midway, hang_after, slow_first, status, stream
from tests.relay.world import FakeClient, open_world

DIALECTS = ("messages", "chat", "responses")
TERMINALS = {"messages": b"event: message_stop", "chat": b"data: [DONE]", "responses": b"event: response.completed"}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_frames_arrive_as_they_come_and_the_terminal_last(dialect, autojump_clock):
    fake = FakeUpstream(stream("one ", "two ", "three", gap=0.5, tokens=Tokens(input=20, output=3)))
    async with open_world(fake) as world:
        client = await world.call(dialect)
        assert client.status == 200
        assert b"one " in client.pieces[0][1]
        assert TERMINALS[dialect] in client.pieces[-1][1]
        assert TERMINALS[dialect] not in b"".join(data for _, data in client.pieces[:-1])
        world.check_settled()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_receipt_says_what_the_provider_reported(dialect, autojump_clock):
    fake = FakeUpstream(stream("hi", tokens=Tokens(input=20, output=3)))
    async with open_world(fake) as world:
        before = world.wallet.balance_micro
        client = await world.call(dialect)
        receipt = world.books.last
        assert receipt.call.outcome == "completed"
        assert receipt.call.usage_basis == "reported"
        assert (receipt.call.usage.input_tokens, receipt.call.usage.output_tokens) == (20, 3)
        assert receipt.charge_micro == before - world.wallet.balance_micro > 0
        assert client.headers["request-id"] == client.headers["x-request-id"] == receipt.call.id


async def test_no_success_before_the_commit(autojump_clock):
    fake = FakeUpstream(stream("hi"))
    async with open_world(fake) as world, trio.open_nursery() as nursery:
        world.books.held_back = []
        client = FakeClient()
        nursery.start_soon(lambda: world.call(client=client))
        await trio.sleep(1)
        assert b"hi" in client.body
        assert b"message_stop" not in client.body
        world.books.held_back.pop()(None)
        await trio.sleep(0.1)
        assert b"message_stop" in client.body


async def test_a_commit_that_fails_is_an_error_to_the_client_and_stops_new_calls(autojump_clock):
    fake = FakeUpstream(stream("hi"))
    async with open_world(fake) as world:
        world.books.failing = True
        client = await world.call()
        assert b"event: error" in client.body
        assert b"message_stop" not in client.body
        assert not world.services.ledger.healthy
        world.books.failing = False
        await trio.sleep(2)
        assert world.services.ledger.healthy
        assert len(world.books.settlements) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_upstream_that_breaks_off_is_an_error_and_what_came_is_billed(dialect, autojump_clock):
    fake = FakeUpstream(cut_after(2, gap=0.1))
    async with open_world(fake) as world:
        client = await world.call(dialect)
        assert TERMINALS[dialect] not in client.body
        assert b"error" in client.pieces[-1][1]
        receipt = world.books.last
        assert (receipt.call.outcome, receipt.call.usage_basis) == ("partial", "estimated")
        assert receipt.call.cost_micro > 0
        assert receipt.attempts[0].outcome == "failed"
        world.check_settled()


async def test_an_error_event_midway_is_passed_on_as_the_dialects_own(autojump_clock):
    fake = FakeUpstream(error_midway(1, gap=0.1))
    async with open_world(fake) as world:
        client = await world.call()
        assert b"overloaded_error" in client.pieces[-1][1]
        assert world.books.last.call.outcome == "partial"


async def test_a_client_that_leaves_cancels_the_upstream_and_pays_for_what_it_got(autojump_clock):
    fake = FakeUpstream(stream("a" * 40, "b" * 40, "c" * 40, gap=10))
    async with open_world(fake) as world:
        client = await world.call(client=FakeClient(leave_after=1))
        assert trio.current_time() - fake.exchanges[0].opened_at < 11
        receipt = world.books.last
        assert receipt.call.outcome == "cancelled"
        assert receipt.call.cost_micro > 0
        assert not client.clean_end
        world.check_settled()


async def test_a_client_that_leaves_before_content_pays_nothing(autojump_clock):
    fake = FakeUpstream(slow_first(60))
    async with open_world(fake) as world, trio.open_nursery() as nursery:
        client = FakeClient()
        nursery.start_soon(lambda: world.call(client=client))
        await fake.wait_requests(1)
        await trio.sleep(1)
        client.leave()
        await trio.sleep(1)
        receipt = world.books.last
        assert (receipt.call.outcome, receipt.charge_micro) == ("cancelled", None)
        world.check_settled()


async def test_the_first_answer_wins_after_a_failure(autojump_clock):
    first, second = FakeUpstream(status(529)), FakeUpstream(stream("hi"))
    async with open_world(first, second) as world:
        client = await world.call()
        assert b"message_stop" in client.body
        assert client.headers["x-gateway-attempts"] == "2"
        assert [each.outcome for each in world.books.last.attempts] == ["failed", "won"]


async def test_a_silent_model_gets_a_head_and_keepalives_and_may_still_change_accounts(autojump_clock):
    first, second = FakeUpstream(hang_after(0)), FakeUpstream(stream("hi"))
    async with open_world(first, second, chunk_timeout_s=40, first_byte_timeout_s=40) as world:
        client = await world.call()
        assert client.status == 200
        assert b"event: ping" in client.pieces[0][1]
        assert 10 <= client.pieces[0][0] - first.exchanges[0].opened_at <= 12
        assert b"message_stop" in client.body


async def test_a_pause_inside_a_block_is_filled_with_empty_deltas(autojump_clock):
    fake = FakeUpstream(stream("a", "b", gap=100))
    async with open_world(fake) as world:
        client = await world.call()
        assert client.body.count(b'"text":""') >= 5
        assert b"message_stop" in client.body


async def test_a_stream_is_cut_when_the_credit_is_used_up(autojump_clock):
    fake = FakeUpstream(stream(*("x" * 400 for _ in range(40)), gap=0.1))
    async with open_world(fake, balance_micro=200_000, slice_tokens=256) as world, trio.open_nursery() as nursery:
        client = FakeClient()
        nursery.start_soon(lambda: world.call(client=client, max_tokens=8000))
        await trio.sleep(0.5)
        world.wallet.balance_micro = world.wallet.held_micro
        await trio.sleep(10)
        assert b"billing_error" in client.pieces[-1][1]
        receipt = world.books.last
        assert receipt.call.outcome == "partial"
        assert receipt.call.overshoot_micro == 0
        assert world.wallet.balance_micro >= 0
        world.check_settled()


async def test_a_tier_may_have_the_answer_read_to_its_end_after_the_client_left(autojump_clock):
    fake = FakeUpstream(stream("a", "b", "c", gap=1, tokens=Tokens(input=20, output=30)))
    async with open_world(fake) as world:
        world.change_tier(on_disconnect="drain")
        await world.call(client=FakeClient(gone_after=1))
        receipt = world.books.last
        assert (receipt.call.outcome, receipt.call.usage_basis) == ("cancelled", "reported")
        assert receipt.call.usage.output_tokens == 30
        world.check_settled()
