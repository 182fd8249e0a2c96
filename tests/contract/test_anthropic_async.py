"""The anthropic SDK, asynchronous, on trio."""

import anthropic
import pytest
import trio

from tests.contract.clients import async_messages_client, hello


async def test_create(gateway, keys):
    async with async_messages_client(gateway, keys.claude) as client:
        message = await client.messages.create(model="claude-plain", max_tokens=100, messages=hello())
    assert message.content[0].text == "Good morning, world."


async def test_a_stream_gives_text_and_final_message(gateway, keys):
    async with (
        async_messages_client(gateway, keys.claude) as client,
        client.messages.stream(model="claude-plain", max_tokens=100, messages=hello()) as stream,
    ):
        pieces = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert (pieces, message.usage.output_tokens) == (["Good ", "morning", ", world."], 7)


async def test_models_are_paged_to_the_end(gateway, keys):
    async with async_messages_client(gateway, keys.claude) as client:
        some = [model.id async for model in client.models.list(limit=2)]
        every = [model.id async for model in client.models.list()]
    assert some == every
    assert len(set(every)) == len(every)


async def test_errors_have_their_class(gateway):
    async with async_messages_client(gateway, "sk-cs2-nobody") as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.create(model="claude-plain", max_tokens=100, messages=hello())


async def test_ten_calls_at_once_are_ten_receipts(gateway, keys):
    before = gateway.balance("claude")
    ids = set()

    async def call():
        message = await client.messages.create(model="claude-plain", max_tokens=100, messages=hello())
        ids.add(message._request_id)

    async with async_messages_client(gateway, keys.claude) as client, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(call)
    assert len(ids) == 10
    assert before - gateway.balance("claude") == 10 * 117
