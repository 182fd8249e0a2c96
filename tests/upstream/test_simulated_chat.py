"""The simulated provider's Chat Completions as the openai SDK sees them, with strict validation."""

import openai
import pytest

from tests.upstream.simulated_helpers import WEATHER, ask, data_of, events, json_of, openai_client, service

MODEL = "gpt-5.5"
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
WEATHER_QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


def body(**more):
    return {"model": MODEL, "messages": [{"role": "user", "content": "Why is the sky blue?"}], **more}


def streamed(client, **request):
    """What the SDK's own accumulator makes of a stream."""
    with client.chat.completions.stream(**request) as stream:
        for _ in stream:
            pass
        return stream.current_completion_snapshot


def test_the_answer_quotes_the_question():
    completion = openai_client(service()).chat.completions.create(**body())
    assert "Why is the sky blue?" in completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.id.startswith("chatcmpl-")


def test_a_stream_accumulates_to_the_answer_of_a_call_that_is_not_streamed():
    whole = openai_client(service()).chat.completions.create(**body())
    snapshot = streamed(openai_client(service()), **body())
    assert snapshot.choices[0].message.content == whole.choices[0].message.content
    assert snapshot.choices[0].finish_reason == "stop"


def test_chunks_say_usage_once_and_last_when_asked():
    request = body(stream=True, stream_options={"include_usage": True})
    found = [data for _, data in events(data_of(ask(service(), "/v1/chat/completions", request)))]
    *chunks, with_usage, done = found
    assert done == "[DONE]"
    assert all(chunk["usage"] is None for chunk in chunks)
    assert with_usage["choices"] == []
    assert with_usage["usage"]["completion_tokens"] > 0


def test_chunks_say_nothing_of_usage_when_not_asked():
    found = events(data_of(ask(service(), "/v1/chat/completions", body(stream=True))))
    assert not any("usage" in data for _, data in found[:-1])


def test_a_tool_call_is_streamed_in_fragments():
    message = streamed(openai_client(service()), **body(messages=WEATHER_QUESTION, tools=[TOOL])).choices[0].message
    call = message.tool_calls[0].function
    assert (call.name, call.arguments) == ("get_weather", '{"location":"Paris","unit":"celsius"}')


def test_a_required_tool_is_called_whatever_was_asked():
    choice = openai_client(service()).chat.completions.create(**body(tools=[TOOL], tool_choice="required")).choices[0]
    assert choice.message.tool_calls[0].function.name == "get_weather"
    assert choice.finish_reason == "tool_calls"


def test_a_custom_tool_is_called_with_text():
    custom = {"type": "custom", "custom": {"name": "run_sql"}}
    choice = {"type": "custom", "custom": {"name": "run_sql"}}
    completion = openai_client(service()).chat.completions.create(**body(tools=[custom], tool_choice=choice))
    assert completion.choices[0].message.tool_calls[0].custom.name == "run_sql"


def test_a_tool_result_is_answered_in_text():
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history = [
        *WEATHER_QUESTION,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
    ]
    choice = openai_client(service()).chat.completions.create(**body(messages=history, tools=[TOOL])).choices[0]
    assert choice.finish_reason == "stop"
    assert "18 degrees" in choice.message.content


def test_structured_output_parses():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    form = {"type": "json_schema", "json_schema": {"name": "form", "schema": schema}}
    completion = openai_client(service()).chat.completions.create(**body(response_format=form))
    assert completion.choices[0].message.content == '{"title":"simulated"}'


def test_reasoning_is_counted_but_not_shown():
    usage = openai_client(service()).chat.completions.create(**body(reasoning_effort="high")).usage
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_cuts_the_answer(name):
    completion = openai_client(service()).chat.completions.create(**body(**{name: 5}))
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 5


def test_several_choices_differ():
    completion = openai_client(service()).chat.completions.create(**body(n=3))
    assert len({choice.message.content for choice in completion.choices}) == 3


def test_a_keyed_prompt_is_written_first_and_read_after():
    server = service()
    request = body(prompt_cache_key="session")
    first = openai_client(server).chat.completions.create(**request).usage
    second = openai_client(server).chat.completions.create(**request).usage
    assert first.prompt_tokens_details.cache_write_tokens == first.prompt_tokens
    assert second.prompt_tokens_details.cached_tokens == second.prompt_tokens == first.prompt_tokens


def test_another_key_has_its_own_cache():
    server = service()
    ask(server, "/v1/chat/completions", body(prompt_cache_key="one"))
    usage = json_of(ask(server, "/v1/chat/completions", body(prompt_cache_key="two")))["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"error_rate": 1}, openai.InternalServerError),
        ({"rate_limit_rate": 1}, openai.RateLimitError),
        ({"overload_rate": 1}, openai.InternalServerError),
        ({"refuse_models": MODEL}, openai.NotFoundError),
    ],
)
def test_faults_are_the_vendors_errors(options, expected):
    with pytest.raises(expected) as caught:
        openai_client(service(**options)).chat.completions.create(**body())
    assert caught.value.request_id.startswith("req_")


def test_an_unanswered_tool_call_is_refused():
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history = [*WEATHER_QUESTION, {"role": "assistant", "tool_calls": [call]}, *WEATHER_QUESTION]
    with pytest.raises(openai.BadRequestError, match="call_1"):
        openai_client(service()).chat.completions.create(**body(messages=history))


def test_models_are_listed_in_this_shape_too():
    assert MODEL in {model.id for model in openai_client(service()).models.list()}


def test_success_carries_rate_limit_headers():
    headers = ask(service(), "/v1/chat/completions", body()).headers
    assert headers["x-ratelimit-remaining-requests"] == "999999"
    assert headers["x-ratelimit-reset-requests"] == "60.000s"
