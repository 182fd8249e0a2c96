"""An SDK against an account of another dialect: the same answers as from one of its own."""

import anthropic
import openai
import pytest

from tests.contract.clients import hello, messages_client, openai_client

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
RESPONSES_TOOL = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}
MESSAGES_TOOL = {"name": "get_weather", "input_schema": CITY}
ARGUMENTS = [{"city": "Tokyo"}, {"city": "Oslo"}]
INCLUDE = {"include_usage": True}


def test_chat_from_a_messages_account(gateway, keys):
    with openai_client(gateway, keys.everything) as client:
        completion = client.chat.completions.create(model="claude-plain", messages=hello())
    assert completion.choices[0].message.content == "Good morning, world."
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (132, 7)
    assert gateway.story(completion._request_id).call.cost_micro == 117


def test_a_chat_stream_from_a_messages_account(gateway, keys):
    with (
        openai_client(gateway, keys.everything) as client,
        client.chat.completions.stream(model="claude-plain", messages=hello(), stream_options=INCLUDE) as stream,
    ):
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "Good morning, world."
    assert completion.usage.completion_tokens == 7


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_chat_tools_from_a_messages_account(gateway, keys, streamed):
    asked = {"model": "claude-tools", "messages": hello("Weather?"), "tools": [CHAT_TOOL]}
    with openai_client(gateway, keys.everything) as client:
        if streamed:
            with client.chat.completions.stream(**asked) as stream:
                completion = stream.get_final_completion()
        else:
            completion = client.chat.completions.create(**asked)
    calls = completion.choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Tokyo"}', '{"city":"Oslo"}']


def test_responses_from_a_messages_account(gateway, keys):
    with openai_client(gateway, keys.everything) as client:
        response = client.responses.create(model="claude-plain", input="Hello")
    assert response.output_text == "Good morning, world."
    assert (response.usage.input_tokens, response.usage.output_tokens) == (132, 7)


@pytest.mark.parametrize("model", ["claude-tools", "claude-thinking"])
def test_a_responses_stream_from_a_messages_account(gateway, keys, model):
    with (
        openai_client(gateway, keys.everything) as client,
        client.responses.stream(model=model, input="Weather?", tools=[RESPONSES_TOOL]) as stream,
    ):
        response = stream.get_final_response()
    kinds = [item.type for item in response.output]
    assert kinds == (
        ["message", "function_call", "function_call"] if model == "claude-tools" else ["reasoning", "message"]
    )


def test_messages_from_a_chat_account(gateway, keys):
    with messages_client(gateway, keys.everything) as client:
        message = client.messages.create(model="gpt-plain", max_tokens=100, messages=hello())
    assert message.content[0].text == "Good morning, world."
    assert (message.usage.cache_read_input_tokens, message.usage.output_tokens) == (100, 7)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_messages_tools_from_a_chat_account(gateway, keys, streamed):
    asked = {"model": "gpt-tools", "max_tokens": 100, "messages": hello("Weather?"), "tools": [MESSAGES_TOOL]}
    with messages_client(gateway, keys.everything) as client:
        if streamed:
            with client.messages.stream(**asked) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(**asked)
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [call.input for call in calls] == ARGUMENTS
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("script", ["cut", "ended", "error-midway"])
def test_a_chat_stream_that_breaks_at_a_messages_account_raises_and_is_billed(gateway, keys, script):
    with (
        openai_client(gateway, keys.everything) as client,
        client.chat.completions.create(model=f"claude-{script}", messages=hello(), stream=True) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)
    call = gateway.story(stream.response.headers["x-request-id"]).call
    assert call.outcome == "partial"
    assert gateway.charges(call.id) == [-call.cost_micro]


@pytest.mark.parametrize("script", ["cut", "ended", "error-midway"])
def test_a_messages_stream_that_breaks_at_a_chat_account_raises_and_is_billed(gateway, keys, script):
    with (
        messages_client(gateway, keys.everything) as client,
        client.messages.stream(model=f"gpt-{script}", max_tokens=100, messages=hello()) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.get_final_message()
    call = gateway.story(stream.response.headers["request-id"]).call
    assert call.outcome == "partial"
    assert gateway.charges(call.id) == [-call.cost_micro]


@pytest.mark.parametrize("script", ["late", "pausing"])
def test_keep_alives_of_a_translated_stream_are_read_through(gateway, keys, script):
    with (
        messages_client(gateway, keys.everything) as client,
        client.messages.stream(model=f"gpt-{script}", max_tokens=100, messages=hello()) as stream,
    ):
        assert stream.get_final_text().startswith("Good morning")
    with (
        openai_client(gateway, keys.everything) as client,
        client.chat.completions.stream(model=f"claude-{script}", messages=hello()) as stream,
    ):
        assert stream.get_final_completion().choices[0].message.content.startswith("Good morning")
