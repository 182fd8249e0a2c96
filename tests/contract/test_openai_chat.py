"""The openai SDK on Chat Completions."""

from collections.abc import Iterator

import openai
import pytest
from pydantic import BaseModel

from tests.contract.clients import async_openai_client, hello, openai_client
from tests.contract.gateway import Gateway
from tests.contract.house import Keys
from tests.contract.upstream import SECRET

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
INCLUDE = {"include_usage": True}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(gateway: Gateway, keys: Keys) -> Iterator[openai.OpenAI]:
    with openai_client(gateway, keys.codex) as client:
        yield client


def test_create_gives_the_answer_and_its_usage(client):
    completion = client.chat.completions.create(model="gpt-plain", messages=hello())
    assert completion.choices[0].message.content == "Good morning, world."
    assert completion.choices[0].finish_reason == "stop"
    usage = completion.usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens) == (132, 100, 7)


def test_the_request_id_of_the_sdk_is_the_one_of_the_receipt(client, gateway, keys):
    completion = client.chat.completions.create(model="gpt-plain", messages=hello())
    receipt = gateway.get(f"/v1/usage/{completion._request_id}", keys.codex).json()
    assert (receipt["request_id"], receipt["output_tokens"]) == (completion._request_id, 7)


def test_a_stream_without_include_usage_has_no_usage_chunk(client, upstream):
    with client.chat.completions.create(model="gpt-plain", messages=hello(), stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Good morning, world."
    assert [chunk for chunk in chunks if chunk.usage] == []
    assert upstream.requests("plain")[-1].include_usage


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_a_client_that_declines_usage_gets_none(client, options):
    with client.chat.completions.create(
        model="gpt-plain", messages=hello(), stream=True, stream_options=options
    ) as stream:
        assert [chunk for chunk in stream if chunk.usage or not chunk.choices] == []


def test_a_stream_is_billed_though_the_client_asked_for_no_usage(client, gateway):
    with client.chat.completions.create(model="gpt-plain", messages=hello(), stream=True) as stream:
        list(stream)
    call = gateway.last_call("codex").call
    assert (call.usage_basis, call.usage.output_tokens, call.usage.cache_read_tokens) == ("reported", 7, 100)


def test_a_stream_with_include_usage_ends_with_its_chunk(client):
    with client.chat.completions.create(
        model="gpt-plain", messages=hello(), stream=True, stream_options=INCLUDE
    ) as stream:
        chunks = list(stream)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 7
    assert all(chunk.choices for chunk in chunks[:-1])


def test_the_stream_helper_gives_a_final_completion(client):
    with client.chat.completions.stream(model="gpt-plain", messages=hello(), stream_options=INCLUDE) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        completion = stream.get_final_completion()
    assert text == completion.choices[0].message.content == "Good morning, world."
    assert completion.usage.prompt_tokens == 132


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_parallel_tool_calls(client, streamed):
    asked = {"model": "gpt-tools", "messages": hello("Weather?"), "tools": [WEATHER]}
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            completion = stream.get_final_completion()
    else:
        completion = client.chat.completions.create(**asked)
    calls = completion.choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Tokyo"}', '{"city":"Oslo"}']
    assert completion.choices[0].finish_reason == "tool_calls"
    assert calls[0].id != calls[1].id


def test_parse_reads_structured_output(client, upstream):
    completion = client.chat.completions.parse(model="gpt-person", messages=hello("Who?"), response_format=Person)
    assert completion.choices[0].message.parsed == Person(name="Ada", age=36)
    assert upstream.requests("person")[-1].json["response_format"]["type"] == "json_schema"


def test_parse_with_the_simulated_account(client):
    completion = client.chat.completions.parse(
        model="gpt-5.5", messages=hello("Invent a person."), response_format=Person
    )
    assert isinstance(completion.choices[0].message.parsed, Person)


def test_models_list_and_retrieve(client):
    listed = {model.id: model for model in client.models.list()}
    assert "gpt-5.5" in listed
    assert not [name for name in listed if name.startswith("claude-")]
    assert client.models.retrieve("gpt-5.5") == listed["gpt-5.5"]


@pytest.mark.parametrize("base", ["", "/v1", "/v1/", "/openai/v1", "/openai"])
def test_any_usual_base_url_works(gateway, keys, base):
    with openai_client(gateway, keys.codex, base=base) as client:
        assert client.chat.completions.create(model="gpt-plain", messages=hello()).choices
        assert "gpt-5.5" in [model.id for model in client.models.list()]


def test_a_claude_model_answers_chat_where_an_account_speaks_it(gateway, keys):
    with openai_client(gateway, keys.claude) as client:
        completion = client.chat.completions.create(model="claude-sonnet-4.6", messages=hello())
    assert (completion.object, completion.model) == ("chat.completion", "claude-sonnet-4.6")


def test_several_choices_are_held_for_and_billed(client, gateway):
    completion = client.chat.completions.create(model="gpt-5.5", messages=hello(), n=2)
    call = gateway.last_call("codex").call
    assert len(completion.choices) == 2
    assert call.usage.output_tokens == completion.usage.completion_tokens
    assert call.held_micro >= call.cost_micro


def test_the_answer_names_the_model_asked_for_and_not_the_upstreams(client):
    with client.chat.completions.create(model="gpt-renamed", messages=hello(), stream=True) as stream:
        assert {chunk.model for chunk in stream} == {"gpt-renamed"}


def test_the_provider_sees_its_own_credential_and_never_the_clients(gateway, keys, upstream):
    with openai_client(gateway, keys.codex, organization="org-1", project="proj-1") as client:
        client.chat.completions.create(model="gpt-plain", messages=hello())
    sent = upstream.requests("plain")[-1].headers
    assert sent["authorization"] == f"Bearer {SECRET}"
    assert keys.codex not in str(sent)
    assert not {"openai-organization", "openai-project", "x-stainless-lang"} & set(sent)


# The SDK drops its own generators at `[DONE]`.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_asynchronous_create_and_stream(gateway, keys):
    async with async_openai_client(gateway, keys.codex) as client:
        completion = await client.chat.completions.create(model="gpt-plain", messages=hello())
        stream = await client.chat.completions.create(model="gpt-plain", messages=hello(), stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        models = [model.id async for model in client.models.list()]
    assert completion.choices[0].message.content == "".join(pieces) == "Good morning, world."
    assert "gpt-5.5" in models
