"""Clients of each dialect on accounts of each other: the relay does not notice the difference."""

import msgspec
import pytest

from gateway.errors import NoSuchPrevious, Unsupported
from gateway.relay import relay
from tests.fakes.content import Tokens, ToolCall
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import cut_after, reply, status, stream
from tests.relay.world import FakeClient, open_world

PAIRS = [
    (client, upstream)
    for client in ("messages", "chat", "responses")
    for upstream in ("messages", "chat", "responses")
    if client != upstream
]
TERMINALS = {"messages": b"event: message_stop", "chat": b"data: [DONE]", "responses": b"event: response.completed"}
every_pair = pytest.mark.parametrize(("client", "upstream"), PAIRS)


@every_pair
async def test_an_answer_is_streamed_in_the_clients_dialect(client, upstream, autojump_clock):
    fake = FakeUpstream(stream("one ", "two ", "three", gap=0.5, tokens=Tokens(input=20, output=3)))
    async with open_world(fake, account={"dialects": (upstream,)}) as world:
        got = await world.call(client)
        assert fake.requests[0].dialect == upstream
        assert b"one " in b"".join(data for _, data in got.pieces[:-1])
        assert TERMINALS[client] in got.pieces[-1][1]
        receipt = world.books.last.call
        assert (receipt.outcome, receipt.usage.input_tokens, receipt.usage.output_tokens) == ("completed", 20, 3)
        world.check_settled()


@every_pair
async def test_a_whole_answer_names_the_model_as_the_client_did(client, upstream, autojump_clock):
    fake = FakeUpstream(reply("hello", tokens=Tokens(input=20, output=3)))
    async with open_world(fake, account={"dialects": (upstream,)}) as world:
        got = await world.call(client, stream=False, model="gpt-5-5")
        assert msgspec.json.decode(got.body)["model"] == "gpt-5-5"
        assert b"hello" in got.body
        assert world.books.last.call.usage_basis == "reported"


@every_pair
async def test_an_upstream_that_breaks_off_is_the_clients_kind_of_error(client, upstream, autojump_clock):
    fake = FakeUpstream(cut_after(2, gap=0.1))
    async with open_world(fake, account={"dialects": (upstream,)}) as world:
        got = await world.call(client)
        assert TERMINALS[client] not in got.body
        assert b"error" in got.pieces[-1][1]
        assert world.books.last.call.outcome == "partial"
        world.check_settled()


@every_pair
async def test_a_client_that_leaves_cancels_the_upstream(client, upstream, autojump_clock):
    fake = FakeUpstream(stream("a" * 40, "b" * 40, "c" * 40, gap=10))
    async with open_world(fake, account={"dialects": (upstream,)}) as world:
        await world.call(client, client=FakeClient(leave_after=2))
        assert world.books.last.call.outcome == "cancelled"
        world.check_settled()


@every_pair
async def test_a_refusal_of_the_provider_goes_to_the_next_account(client, upstream, autojump_clock):
    first, second = FakeUpstream(status(529)), FakeUpstream(reply("hi"))
    async with open_world(first, second, account={"dialects": (upstream,)}) as world:
        got = await world.call(client, stream=False)
        assert got.status == 200
        assert got.headers["x-gateway-attempts"] == "2"


async def test_what_is_lost_on_the_way_is_named(autojump_clock):
    fake = FakeUpstream(reply("hi"))
    async with open_world(fake, account={"dialects": ("chat",)}) as world:
        got = await world.call("messages", stream=False, top_k=40)
        assert "dropped:top_k" in got.headers["x-gateway-warnings"]
        assert "dropped:top_k" in world.books.last.call.warnings


async def test_a_strict_tier_refuses_what_would_be_lost(autojump_clock):
    fake = FakeUpstream()
    async with open_world(fake, account={"dialects": ("chat",)}) as world:
        world.change_tier(translation="strict")
        got = await world.call("messages", stream=False, top_k=40)
        assert got.status == 400
        assert b"top_k" in got.body
        assert fake.requests == []
        world.check_settled()


async def test_an_account_that_speaks_the_dialect_comes_before_one_that_needs_translation(autojump_clock):
    fake = FakeUpstream(reply("hi"))
    async with open_world(fake) as world:
        await world.call("chat", stream=False, model="claude-sonnet-4-6")
        assert fake.requests[0].dialect == "chat"


async def test_tools_with_reasoning_go_around_chat_where_the_vendor_wants_it(autojump_clock):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    fake = FakeUpstream(reply(tools=(ToolCall("look", ("{}",)),)))
    async with open_world(fake) as world:
        got = await world.call("chat", stream=False, model="gpt-5.6-sol", tools=[tool])
        assert fake.requests[0].dialect == "responses"
        assert msgspec.json.decode(got.body)["choices"][0]["finish_reason"] == "tool_calls"


async def test_claude_keeps_its_reasoning_through_a_tool_loop_of_a_chat_client(autojump_clock):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    fake = FakeUpstream(reply(thinking=("hm",), tools=(ToolCall("look", ("{}",)),)), reply("done"))
    async with open_world(fake, account={"dialects": ("messages",)}) as world:
        got = await world.call("chat", stream=False, model="claude-sonnet-4-6", tools=[tool], reasoning_effort="low")
        message = msgspec.json.decode(got.body)["choices"][0]["message"]
        call_id = message["tool_calls"][0]["id"]
        history = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": message["tool_calls"]},
            {"role": "tool", "tool_call_id": call_id, "content": "seen"},
        ]
        await world.call(
            "chat",
            stream=False,
            model="claude-sonnet-4-6",
            messages=history,
            tools=[tool],
            reasoning_effort="low",
        )
        assistant = msgspec.json.decode(fake.requests[1].body)["messages"][1]
        assert assistant["content"][0]["type"] == "thinking"
        assert assistant["content"][0]["thinking"] == "hm"


async def test_what_cannot_be_translated_is_a_400_that_names_the_field(autojump_clock):
    fake = FakeUpstream()
    async with open_world(fake, account={"dialects": ("messages",)}) as world:
        got = await world.call("chat", stream=False, model="claude-sonnet-4-6", n=3)
        assert got.status == 400
        assert msgspec.json.decode(got.body)["error"]["param"] == "n"


async def test_a_response_is_gone_on_from_where_the_account_keeps_none(autojump_clock):
    fake = FakeUpstream(reply("blue"), reply("why not"))
    async with open_world(fake, account={"dialects": ("messages",)}) as world:
        first = await world.call("responses", stream=False, model="claude-sonnet-4-6", input="Name a colour.")
        await world.call(
            "responses",
            stream=False,
            model="claude-sonnet-4-6",
            input="Why?",
            previous_response_id=msgspec.json.decode(first.body)["id"],
        )
        messages = msgspec.json.decode(fake.requests[1].body)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "user"]
        assert "blue" in str(messages[1])


async def test_a_streamed_response_is_kept_too_unless_the_client_says_no(autojump_clock):
    fake = FakeUpstream(stream("blue"), stream("red"))
    async with open_world(fake, account={"dialects": ("chat",)}) as world:
        await world.call("responses")
        await world.call("responses", store=False)
        kept = [each for job in world.books.jobs for each in getattr(job, "responses", ())]
        assert len(kept) == 1


@pytest.mark.parametrize("store", [True, False])
async def test_a_kept_response_has_the_id_of_its_call(autojump_clock, store: bool):
    """Upstream ids are not unique everywhere: the next conversation would be gone on from instead."""
    fake = FakeUpstream(reply("blue"))
    async with open_world(fake, account={"dialects": ("chat",)}) as world:
        got = await world.call("responses", stream=False, store=store)
        call_id = world.books.last.call.id
        assert (msgspec.json.decode(got.body)["id"] == call_id.replace("req_", "resp_")) == store


async def test_a_kept_response_is_unknown_to_others(autojump_clock):
    fake = FakeUpstream(reply("blue"))
    async with open_world(fake, account={"dialects": ("messages",)}) as world:
        first = await world.call("responses", stream=False, model="claude-sonnet-4-6")
        world.change_caller(customer={"id": 2, "unlimited": True})
        with pytest.raises(NoSuchPrevious):
            await world.call(
                "responses",
                stream=False,
                model="claude-sonnet-4-6",
                previous_response_id=msgspec.json.decode(first.body)["id"],
            )


async def test_what_one_account_cannot_be_asked_goes_to_one_that_needs_no_translation(autojump_clock):
    first, second = FakeUpstream(), FakeUpstream(reply("hi"))
    async with open_world(first, second, dialects={"one": ("messages",)}) as world:
        got = await world.call("chat", stream=False, model="claude-sonnet-4-6", logprobs=True)
        assert got.status == 200
        assert (len(first.requests), len(second.requests)) == (0, 1)


async def test_a_conversation_is_compacted_by_accounts_that_can(autojump_clock):
    async with open_world(FakeUpstream(), account={"dialects": ("messages",)}) as world:
        inbound = world.inbound("responses", stream=None)
        inbound.path = "/responses/compact"
        client = FakeClient()
        with pytest.raises(Unsupported):
            await relay(inbound, client, world.services, client.watch)


async def test_a_kept_conversation_counts_towards_the_hold(autojump_clock):
    fake = FakeUpstream(reply("blue " * 2000), reply("ok"))
    async with open_world(fake, account={"dialects": ("messages",)}) as world:
        first = await world.call("responses", stream=False, model="claude-sonnet-4-6")
        await world.call(
            "responses",
            stream=False,
            model="claude-sonnet-4-6",
            previous_response_id=msgspec.json.decode(first.body)["id"],
            max_output_tokens=16,
        )
        assert world.books.last.call.held_micro > 2000 * 3


async def test_the_claude_tier_chats_with_claude(autojump_clock):
    fake = FakeUpstream(reply("hi"))
    async with open_world(fake, account={"dialects": ("messages",)}) as world:
        world.change_tier(dialects=("messages", "chat"), models=("claude-*",), spelling="dot")
        got = await world.call("chat", stream=False, model="claude-sonnet-4.6")
        assert msgspec.json.decode(got.body)["choices"][0]["message"]["content"] == "hi"
        assert msgspec.json.decode(fake.requests[0].body)["model"] == "claude-sonnet-4-6"
