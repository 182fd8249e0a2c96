"""The openai SDK on Responses: answers, streams, and what the provider keeps."""

from collections.abc import Iterator

import openai
import pytest
from pydantic import BaseModel

from tests.contract.clients import async_openai_client, openai_client
from tests.contract.gateway import Gateway
from tests.contract.house import Keys

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(gateway: Gateway, keys: Keys) -> Iterator[openai.OpenAI]:
    with openai_client(gateway, keys.codex) as client:
        yield client


def test_create_gives_the_answer_and_its_usage(client):
    response = client.responses.create(model="gpt-plain", input="Hello")
    assert (response.output_text, response.status) == ("Good morning, world.", "completed")
    usage = response.usage
    assert (usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens) == (132, 100, 7)


def test_the_request_id_of_the_sdk_is_the_one_of_the_receipt(client, gateway, keys):
    response = client.responses.create(model="gpt-plain", input="Hello")
    receipt = gateway.get(f"/v1/usage/{response._request_id}", keys.codex).json()
    assert (receipt["dialect"], receipt["output_tokens"]) == ("responses", 7)


def test_a_stream_gives_text_and_the_final_response(client):
    with client.responses.stream(model="gpt-plain", input="Hello") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert (pieces, response.output_text) == (["Good ", "morning", ", world."], "Good morning, world.")
    assert response.usage.output_tokens == 7


def test_raw_events_are_numbered_and_end_with_completed(client):
    with client.responses.create(model="gpt-plain", input="Hello", stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_parallel_tool_calls(client, streamed):
    if streamed:
        with client.responses.stream(model="gpt-tools", input="Weather?", tools=[WEATHER]) as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.create(model="gpt-tools", input="Weather?", tools=[WEATHER])
    calls = [item for item in response.output if item.type == "function_call"]
    assert [call.arguments for call in calls] == ['{"city":"Tokyo"}', '{"city":"Oslo"}']


def test_parse_reads_structured_output(client):
    response = client.responses.parse(model="gpt-person", input="Who?", text_format=Person)
    assert response.output_parsed == Person(name="Ada", age=36)


def test_parse_with_the_simulated_account(client):
    response = client.responses.parse(model="gpt-5.5", input="Invent a person.", text_format=Person)
    assert isinstance(response.output_parsed, Person)


def test_a_response_is_fetched_and_its_input_listed(client):
    made = client.responses.create(model="gpt-5.5", input="Remember me")
    fetched = client.responses.retrieve(made.id)
    items = list(client.responses.input_items.list(made.id))
    assert (fetched.id, fetched.output_text) == (made.id, made.output_text)
    assert items[0].content[0].text == "Remember me"


def test_a_streamed_response_is_fetched_too(client):
    with client.responses.stream(model="gpt-5.5", input="Remember me") as stream:
        made = stream.get_final_response()
    assert client.responses.retrieve(made.id).output_text == made.output_text


def test_a_deleted_response_is_gone(client):
    made = client.responses.create(model="gpt-5.5", input="Forget me")
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_response_that_was_not_kept_is_not_found(client):
    made = client.responses.create(model="gpt-5.5", input="Do not keep me", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_finished_response_cannot_be_cancelled(client):
    made = client.responses.create(model="gpt-5.5", input="Hello")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.responses.cancel(made.id)


def test_input_tokens_are_counted_and_free(client, gateway):
    before = gateway.balance("codex")
    count = client.responses.input_tokens.count(model="gpt-5.5", input="How many are these?")
    assert count.input_tokens > 0
    assert gateway.balance("codex") == before


def test_a_conversation_goes_on_from_the_previous_response(client):
    first = client.responses.create(model="gpt-5.5", input="The word is heron.")
    second = client.responses.create(model="gpt-5.5", input="Go on.", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens


@pytest.mark.parametrize("action", ["retrieve", "delete", "cancel", "input_items", "continue"])
def test_a_response_of_another_customer_does_not_exist(client, gateway, keys, action):
    made = client.responses.create(model="gpt-5.5", input="Private")
    with openai_client(gateway, keys.stranger) as stranger:
        actions = {
            "retrieve": lambda: stranger.responses.retrieve(made.id),
            "delete": lambda: stranger.responses.delete(made.id),
            "cancel": lambda: stranger.responses.cancel(made.id),
            "input_items": lambda: list(stranger.responses.input_items.list(made.id)),
            "continue": lambda: stranger.responses.create(
                model="gpt-5.5", input="Tell me", previous_response_id=made.id
            ),
        }
        with pytest.raises((openai.NotFoundError, openai.BadRequestError), match="not found"):
            actions[action]()
    assert client.responses.retrieve(made.id).id == made.id


FOREIGN = {
    "conversation": {"conversation": "conv_of_somebody", "input": "Hi"},
    "input.0.id": {"input": [{"type": "item_reference", "id": "msg_of_somebody"}]},
    "input.0.content.0.file_id": {
        "input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-of-somebody"}]}]
    },
}


@pytest.mark.parametrize("fields", list(FOREIGN.values()), ids=list(FOREIGN))
def test_an_id_nobody_gave_this_customer_is_refused(gateway, keys, upstream, fields):
    seen = len(upstream.requests("plain"))
    answer = gateway.post("/v1/responses", keys.codex, {"model": "gpt-plain", **fields})
    assert answer.status_code == 400
    assert "of" in answer.json()["error"]["message"]
    assert "not found" in answer.json()["error"]["message"]
    assert len(upstream.requests("plain")) == seen


def test_a_conversation_is_compacted_and_billed(client, gateway):
    made = client.responses.compact(model="gpt-5.5", input="A long story. " * 100)
    call = gateway.story(made._request_id).call
    assert made.object == "response.compaction"
    assert call.cost_micro > 0


def test_background_work_is_refused_before_any_upstream_sees_it(client, upstream):
    before = len(upstream.requests("plain"))
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-plain", input="Later", background=True)
    assert caught.value.param == "background"
    assert len(upstream.requests("plain")) == before


@pytest.mark.parametrize("base", ["", "/v1", "/openai/v1"])
def test_any_usual_base_url_works(gateway, keys, base):
    with openai_client(gateway, keys.codex, base=base) as client:
        made = client.responses.create(model="gpt-5.5", input="Hello")
        assert client.responses.retrieve(made.id).id == made.id


async def test_asynchronous_create_stream_and_retrieve(gateway, keys):
    async with async_openai_client(gateway, keys.codex) as client:
        made = await client.responses.create(model="gpt-5.5", input="Hello")
        fetched = await client.responses.retrieve(made.id)
        async with client.responses.stream(model="gpt-plain", input="Hello") as stream:
            text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
    assert fetched.output_text == made.output_text
    assert text == "Good morning, world."
