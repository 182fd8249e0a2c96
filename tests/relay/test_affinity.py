"""A conversation stays at its account: who is asked, call after call."""

import msgspec
from msgspec.structs import replace

from gateway.maintenance import adopt
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import hang, reply, slow_first, status, stream
from tests.relay.racing_world import open_race
from tests.relay.world import World, open_world

SESSION = {"metadata": {"user_id": '{"session_id": "0f8fad5b"}'}}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}


def willing() -> FakeUpstream:
    return FakeUpstream(always=reply("hi"))


async def asked(world: World, *calls: dict, dialect="messages") -> list[int]:
    """The account that answered each of these calls."""
    ids = []
    for fields in calls:
        client = await world.call(dialect, stream=False, **fields)
        assert client.status == 200, client.body
        ids.append(world.books.last.call.account_id)
    return ids


async def change_accounts(world: World, **by_name: dict) -> None:
    """What an operator changes, as it reaches the running gateway."""
    snapshot = world.services.configuration.snapshot
    accounts = tuple(replace(each, **by_name.get(each.name, {})) for each in snapshot.accounts)
    await adopt(world.services, replace(snapshot, revision=snapshot.revision + 1, accounts=accounts))


async def test_a_session_stays_where_it_was_answered_whatever_the_priority(autojump_clock):
    one, two = FakeUpstream(status(529), always=reply("hi")), willing()
    async with open_world(one, two) as world:
        assert await asked(world, SESSION) == [2]
        await change_accounts(world, one={"reset_at": 9_999_999_999_999})
        assert await asked(world, SESSION, {}, SESSION) == [2, 1, 2]


async def test_a_prompt_that_begins_alike_stays_at_its_account(autojump_clock):
    one, two = FakeUpstream(status(529), always=reply("hi")), willing()
    long = {"system": "Be careful. " * 2_000}
    async with open_world(one, two) as world:
        assert await asked(world, long) == [2]
        await change_accounts(world, one={"reset_at": 9_999_999_999_999})
        assert await asked(world, long, long | {"system": "Be quick. " * 2_000}) == [2, 1]


async def test_after_a_passing_failure_the_session_comes_back(autojump_clock):
    one, two = FakeUpstream(reply("hi"), status(529), always=reply("hi")), willing()
    async with open_world(one, two) as world:
        assert await asked(world, SESSION, SESSION) == [1, 2]
        await change_accounts(world, one={"reset_at": 9_999_999_999_999})
        assert await asked(world, SESSION) == [1]


async def test_after_a_failure_for_good_the_session_stays_away(autojump_clock):
    one, two = FakeUpstream(reply("hi"), status(401), always=reply("hi")), willing()
    async with open_world(one, two) as world:
        assert await asked(world, SESSION, SESSION) == [1, 2]
        await change_accounts(world, one={"reset_at": 1_000})
        world.services.pool.restore([])
        assert await asked(world, SESSION) == [2]


async def test_a_hedge_that_wins_once_does_not_take_the_session_over(autojump_clock):
    one, two = FakeUpstream(stream("hi"), hang(), always=stream("hi")), FakeUpstream(always=stream("hi"))
    async with open_race(one, two) as world:
        for account_id in (1, 2, 1):
            await world.call(**SESSION)
            assert world.books.last.call.account_id == account_id


async def test_an_account_that_is_overtaken_three_times_in_a_row_loses_the_session(autojump_clock):
    one = FakeUpstream(stream("hi"), slow_first(30), slow_first(30), slow_first(30), always=stream("hi"))
    two = FakeUpstream(always=stream("hi"))
    async with open_race(one, two, hedge_least_per_minute=10) as world:
        for account_id in (1, 2, 2, 2, 2):
            await world.call(**SESSION)
            assert world.books.last.call.account_id == account_id


async def test_a_long_conversation_is_not_hedged_but_leaves_an_account_that_is_late_three_times(autojump_clock):
    one = FakeUpstream(stream("hi"), slow_first(30), slow_first(30), slow_first(30), always=stream("hi"))
    two = FakeUpstream(always=stream("hi"))
    long = SESSION | {"system": "Be careful. " * 2_000}
    async with open_race(one, two) as world:
        for account_id in (1, 1, 1, 1, 2, 2):
            await world.call(**long)
            assert world.books.last.call.account_id == account_id
            assert len(world.books.last.attempts) == 1


async def test_a_draining_account_keeps_its_conversations_and_gets_no_new_ones(autojump_clock):
    one, two = willing(), willing()
    async with open_world(one, two) as world:
        assert await asked(world, SESSION) == [1]
        await change_accounts(world, one={"draining": True})
        assert await asked(world, SESSION, {}) == [1, 2]


async def test_the_last_account_drains_too(autojump_clock):
    async with open_world(willing()) as world:
        assert await asked(world, SESSION) == [1]
        await change_accounts(world, one={"draining": True})
        assert await asked(world, SESSION) == [1]
        assert (await world.call(stream=False)).status == 503


async def test_a_response_kept_by_a_draining_account_can_be_gone_on_from(autojump_clock):
    async with open_world(willing(), willing()) as world:
        client = await world.call("responses", stream=False)
        response_id = msgspec.json.decode(client.body)["id"]
        await change_accounts(world, one={"draining": True})
        assert await asked(world, {"previous_response_id": response_id}, dialect="responses") == [1]


async def test_encrypted_reasoning_waits_for_the_account_that_can_read_it(autojump_clock):
    one, two = FakeUpstream(reply("hi"), status(529), always=reply("hi")), willing()
    thread = {"prompt_cache_key": "thread-1", "include": ["reasoning.encrypted_content"]}
    async with open_world(one, two) as world:
        assert await asked(world, thread, dialect="responses") == [1]
        client = await world.call("responses", stream=False, **thread, input=[SEALED, {"role": "user", "content": "?"}])
        assert client.status in (503, 529)
        assert not two.exchanges
        await change_accounts(world, one={"reset_at": 9_999_999_999_999})
        again = thread | {"input": [SEALED, {"role": "user", "content": "?"}]}
        assert await asked(world, again, dialect="responses") == [1]


async def test_a_call_with_encrypted_reasoning_is_not_made_twice_at_once(autojump_clock):
    one, two = FakeUpstream(always=slow_first(20)), willing()
    async with open_race(one, two) as world:
        await world.call("responses", input=[SEALED, {"role": "user", "content": "?"}])
        assert not two.exchanges


async def test_sessions_of_two_customers_are_not_taken_for_one(autojump_clock):
    one, two = FakeUpstream(status(529), always=reply("hi")), willing()
    async with open_world(one, two) as world:
        assert await asked(world, SESSION) == [2]
        await change_accounts(world, one={"reset_at": 9_999_999_999_999})
        world.change_caller(customer={"unlimited": True})
        assert await asked(world, SESSION) == [2]
        world.change_caller(customer={"id": 2})
        assert await asked(world, SESSION) == [1]


async def test_what_the_next_process_is_told_leads_it_to_the_same_account(autojump_clock):
    one, two = FakeUpstream(status(529), always=reply("hi")), willing()
    async with open_world(one, two) as world:
        await asked(world, SESSION)
        told = world.services.affinity.take_changed()
    async with open_world(willing(), willing()) as world:
        world.services.affinity.restore(told)
        assert await asked(world, SESSION, {}) == [2, 1]
