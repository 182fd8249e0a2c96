"""Token counts where no account can be asked."""

import msgspec

from gateway.stored import count_tokens
from tests.fakes.content import Tokens
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import reply
from tests.relay.world import FakeClient, World, open_world

QUESTION = "How many tokens are there in a sentence as long as this one is? " * 20


async def counted(world: World) -> int:
    client = FakeClient()
    inbound = world.inbound(messages=[{"role": "user", "content": QUESTION}], max_tokens=None, stream=None)
    await count_tokens(inbound, client, world.services, client.watch)
    assert client.headers["x-gateway-token-count"] == "estimate"
    return int(msgspec.json.decode(client.body)["input_tokens"])


async def test_a_chat_account_cannot_count_so_it_is_estimated_and_costs_nothing():
    async with open_world(FakeUpstream(), account={"dialects": ("chat",)}) as world:
        assert 250 <= await counted(world) <= 450
        assert world.books.settlements == []


async def test_counts_follow_what_the_provider_reports():
    fake = FakeUpstream(always=reply("hi", tokens=Tokens(input=900, output=1)))
    async with open_world(fake, account={"dialects": ("chat",)}) as world:
        before = await counted(world)
        await world.call(stream=False, messages=[{"role": "user", "content": QUESTION}])
        assert await counted(world) > before * 1.2
