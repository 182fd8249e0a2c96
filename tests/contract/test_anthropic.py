"""The anthropic SDK, synchronous: what its users do in their first week."""

from collections.abc import Iterator

import anthropic
import pytest
from pydantic import BaseModel

from tests.contract.clients import hello, messages_client
from tests.contract.gateway import Gateway
from tests.contract.house import Keys
from tests.contract.upstream import SECRET

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "name": "get_weather",
    "description": "Look up current weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(gateway: Gateway, keys: Keys) -> Iterator[anthropic.Anthropic]:
    with messages_client(gateway, keys.claude) as client:
        yield client


def test_create_gives_the_answer_and_its_usage(client):
    message = client.messages.create(model="claude-plain", max_tokens=100, messages=hello())
    assert message.content[0].text == "Good morning, world."
    assert message.stop_reason == "end_turn"
    assert message.model == "claude-plain"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (12, 100, 7)


def test_the_request_id_of_the_sdk_is_the_one_of_the_receipt(client, gateway, keys):
    message = client.messages.create(model="claude-plain", max_tokens=100, messages=hello())
    receipt = gateway.get(f"/v1/usage/{message._request_id}", keys.claude).json()
    assert (receipt["request_id"], receipt["cost_micro"]) == (message._request_id, 117)


def test_a_stream_gives_its_text_in_pieces(client):
    with client.messages.stream(model="claude-plain", max_tokens=100, messages=hello()) as stream:
        assert list(stream.text_stream) == ["Good ", "morning", ", world."]


def test_a_stream_gives_the_final_message(client):
    with client.messages.stream(model="claude-plain", max_tokens=100, messages=hello()) as stream:
        message = stream.get_final_message()
    assert (message.content[0].text, message.stop_reason) == ("Good morning, world.", "end_turn")
    assert (message.usage.cache_read_input_tokens, message.usage.output_tokens) == (100, 7)


def test_raw_events_arrive_in_order(client):
    with client.messages.create(model="claude-plain", max_tokens=100, messages=hello(), stream=True) as stream:
        kinds = [event.type for event in stream if event.type != "ping"]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_stream_that_arrives_in_scraps_is_whole(client):
    with client.messages.stream(model="claude-bytewise", max_tokens=100, messages=hello()) as stream:
        assert stream.get_final_text() == "Good morning, world."


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_parallel_tool_calls(client, streamed):
    asked = {"model": "claude-tools", "max_tokens": 100, "messages": hello("Weather?"), "tools": [WEATHER]}
    if streamed:
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**asked)
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Tokyo"}, {"city": "Oslo"}]
    assert message.stop_reason == "tool_use"
    assert calls[0].id != calls[1].id


def test_a_whole_round_of_tools_with_the_simulated_account(client):
    question = {"role": "user", "content": "Use the tool: what is the weather in Tokyo?"}
    first = client.messages.create(
        model="claude-sonnet-4-6", max_tokens=500, messages=[question], tools=[WEATHER], tool_choice={"type": "any"}
    )
    call = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "18 degrees and dry"}
    second = client.messages.create(
        model="claude-sonnet-4-6",
        max_tokens=500,
        messages=[question, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}],
        tools=[WEATHER],
    )
    assert (first.stop_reason, second.stop_reason) == ("tool_use", "end_turn")
    assert "18 degrees and dry" in second.content[0].text


def test_parse_reads_structured_output(client, upstream):
    message = client.messages.parse(model="claude-person", max_tokens=100, messages=hello("Who?"), output_format=Person)
    assert message.parsed_output == Person(name="Ada", age=36)
    assert upstream.requests("person")[-1].json["output_config"]["format"]["type"] == "json_schema"


def test_parse_with_the_simulated_account(client):
    message = client.messages.parse(
        model="claude-sonnet-4-6", max_tokens=500, messages=hello("Invent a person."), output_format=Person
    )
    assert isinstance(message.parsed_output, Person)


def test_thinking_is_streamed_and_kept(client):
    with client.messages.stream(
        model="claude-thinking",
        max_tokens=4_000,
        thinking={"type": "enabled", "budget_tokens": 2_000},
        messages=hello("6 x 7?"),
    ) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Six times seven."
    assert message.content[0].signature


def test_an_image_reaches_the_provider_untouched(client, upstream):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [image, {"type": "text", "text": "What's in this image?"}]
    client.messages.create(model="claude-plain", max_tokens=100, messages=[{"role": "user", "content": content}])
    assert upstream.requests("plain")[-1].json["messages"] == [{"role": "user", "content": content}]


def test_count_tokens_is_the_providers_count_and_free(client, gateway):
    before = gateway.balance("claude")
    count = client.messages.count_tokens(model="claude-plain", messages=hello())
    assert count.input_tokens > 0
    assert gateway.balance("claude") == before


def test_models_list_and_retrieve(client):
    listed = {model.id: model for model in client.models.list(limit=5)}
    assert "claude-sonnet-4-6" in listed
    assert not [name for name in listed if name.startswith("gpt-")]
    assert client.models.retrieve("claude-sonnet-4-6") == listed["claude-sonnet-4-6"]


def test_a_dotted_spelling_is_served_and_answered_under_its_own_name(client):
    message = client.messages.create(model="claude-sonnet-4.6", max_tokens=100, messages=hello())
    assert message.model == "claude-sonnet-4.6"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_answer_names_the_model_asked_for_and_not_the_upstreams(client, streamed):
    if streamed:
        with client.messages.stream(model="claude-renamed", max_tokens=100, messages=hello()) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(model="claude-renamed", max_tokens=100, messages=hello())
    assert message.model == "claude-renamed"


@pytest.mark.parametrize("base", ["", "/", "/v1", "/anthropic", "/anthropic/v1"])
def test_any_usual_base_url_works(gateway, keys, base):
    with messages_client(gateway, keys.claude, base=base) as client:
        assert client.messages.create(model="claude-plain", max_tokens=100, messages=hello()).content


def test_a_key_is_taken_as_bearer_and_as_x_api_key(gateway, keys):
    with messages_client(gateway, keys.claude, api_key=None, auth_token=keys.claude) as client:
        assert client.messages.create(model="claude-plain", max_tokens=100, messages=hello()).content
    named = {"Authorization": anthropic.omit, "x-api-key": keys.claude, "anthropic-version": "2023-06-01"}
    with messages_client(gateway, keys.claude) as client:
        client.messages.create(model="claude-plain", max_tokens=100, messages=hello(), extra_headers=named)


def test_x_api_key_counts_where_both_are_sent(gateway, keys):
    with messages_client(gateway, keys.claude) as client:
        message = client.messages.create(
            model="claude-plain", max_tokens=100, messages=hello(), extra_headers={"x-api-key": keys.everything}
        )
    assert gateway.last_call("everything").call.id == message._request_id


def test_the_provider_sees_its_own_credential_and_never_the_clients(client, keys, upstream):
    client.messages.create(
        model="claude-plain", max_tokens=100, messages=hello(), extra_headers={"cookie": "session=1", "x-tenant": "t"}
    )
    sent = upstream.requests("plain")[-1].headers
    assert sent["x-api-key"] == SECRET
    assert keys.claude not in str(sent)
    assert not {"cookie", "x-tenant", "x-forwarded-for", "x-stainless-lang"} & set(sent)


def test_betas_and_the_version_reach_the_provider(client, upstream):
    headers = {"anthropic-version": "2023-06-01"}
    client.beta.messages.create(
        model="claude-plain", max_tokens=9, messages=hello(), betas=["files-api-2025-04-14"], extra_headers=headers
    )
    sent = upstream.requests("plain")[-1].headers
    assert (sent["anthropic-version"], sent["anthropic-beta"]) == ("2023-06-01", "files-api-2025-04-14")


def test_unknown_fields_reach_the_provider_untouched(client, upstream):
    extra = {"context_management": {"edits": []}, "of_the_future": [1.50, {"a": None}]}
    client.messages.create(model="claude-plain", max_tokens=9, messages=hello(), extra_body=extra)
    assert b'"of_the_future":[1.5,{"a":null}]' in upstream.requests("plain")[-1].body


def test_a_second_account_answers_where_the_first_fails(client, gateway):
    message = client.messages.create(model="claude-broken-first", max_tokens=100, messages=hello())
    attempts = gateway.story(message._request_id).attempts
    assert message.content[0].text == "Second try."
    assert [attempt.outcome for attempt in attempts] == ["failed", "won"]
