"""The fake provider's frames are legal: the vendors' own SDKs read them, streamed and not."""

import anthropic
import httpx
import httpx2
import openai
import pytest

from tests.fakes import Asked, FakeUpstream, Tokens, ToolCall, error_in_200, error_midway, reply, status, stream
from tests.fakes.play import Send

TOKENS = Tokens(input=10, cache_read=20, cache_write_5m=3, cache_write_1h=4, output=30, reasoning=8)
CALLS = (ToolCall("get_weather", ('{"city":', '"Rome"}')), ToolCall("now"))
EVERYTHING = stream("Hel", "lo", thinking=("I ", "think"), tools=CALLS, tokens=TOKENS)
ASKED = [{"role": "user", "content": "Hi"}]


def answer(fake: FakeUpstream, request: httpx.Request | httpx2.Request) -> dict[str, object]:
    """The whole answer without its pauses: the SDKs' async streams leave generators to the garbage collector."""
    asked = Asked(request.method, request.url.path, dict(request.headers), request.read())
    performance = fake.performance(asked)
    body = b"".join(step.data for step in performance.steps if isinstance(step, Send))
    return {"status_code": performance.status, "headers": performance.headers, "content": body}


def anthropic_client(fake: FakeUpstream) -> anthropic.Anthropic:
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(**answer(fake, request))))
    return anthropic.Anthropic(api_key="k", base_url="http://fake", http_client=http, max_retries=0)


def openai_client(fake: FakeUpstream) -> openai.OpenAI:
    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(**answer(fake, request))))
    return openai.OpenAI(api_key="k", base_url="http://fake/v1", http_client=http, max_retries=0)


def read_message(fake: FakeUpstream, *, streamed: bool) -> anthropic.types.Message:
    client = anthropic_client(fake)
    if not streamed:
        return client.messages.create(model="claude-x", max_tokens=9, messages=ASKED)
    with client.messages.stream(model="claude-x", max_tokens=9, messages=ASKED) as events:
        return events.get_final_message()


def read_completion(fake: FakeUpstream, *, streamed: bool) -> openai.types.chat.ChatCompletion:
    client = openai_client(fake)
    if not streamed:
        return client.chat.completions.create(model="gpt-x", messages=ASKED)
    options = {"include_usage": True}
    with client.chat.completions.stream(model="gpt-x", messages=ASKED, stream_options=options) as events:
        return events.get_final_completion()


def read_response(fake: FakeUpstream, *, streamed: bool) -> openai.types.responses.Response:
    client = openai_client(fake)
    if not streamed:
        return client.responses.create(model="gpt-x", input="Hi")
    with client.responses.stream(model="gpt-x", input="Hi") as events:
        return events.get_final_response()


@pytest.mark.parametrize("streamed", [False, True])
def test_messages_blocks_come_in_order_and_whole(streamed: bool) -> None:
    message = read_message(FakeUpstream(EVERYTHING), streamed=streamed)

    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.content[0].thinking == "I think"
    assert message.content[0].signature
    assert message.content[1].text == "Hello"
    assert [block.input for block in message.content[2:]] == [{"city": "Rome"}, {}]
    assert message.stop_reason == "tool_use"
    assert message.model == "claude-x"


@pytest.mark.parametrize("streamed", [False, True])
def test_messages_usage_keeps_the_buckets_apart(streamed: bool) -> None:
    usage = (read_message(FakeUpstream(EVERYTHING), streamed=streamed)).usage

    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (10, 20, 7)
    assert usage.cache_creation.ephemeral_1h_input_tokens == 4
    assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (30, 8)


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_choice_is_whole(streamed: bool) -> None:
    completion = read_completion(FakeUpstream(EVERYTHING), streamed=streamed)

    (choice,) = completion.choices
    assert choice.message.content == "Hello"
    assert choice.message.role == "assistant"
    assert [(call.function.name, call.function.arguments) for call in choice.message.tool_calls] == [
        ("get_weather", '{"city":"Rome"}'),
        ("now", "{}"),
    ]
    assert choice.finish_reason == "tool_calls"
    assert completion.model == "gpt-x"


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_usage_counts_the_caches_into_the_prompt(streamed: bool) -> None:
    usage = (read_completion(FakeUpstream(EVERYTHING), streamed=streamed)).usage

    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (37, 30, 67)
    assert usage.prompt_tokens_details.cached_tokens == 20
    assert usage.completion_tokens_details.reasoning_tokens == 8


def test_chat_stream_has_no_usage_unless_asked() -> None:
    client = openai_client(FakeUpstream(stream("a")))
    chunks = list(client.chat.completions.create(model="m", messages=ASKED, stream=True))

    assert [chunk.usage for chunk in chunks] == [None] * 3
    assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize("streamed", [False, True])
def test_responses_items_come_in_order_and_whole(streamed: bool) -> None:
    response = read_response(FakeUpstream(EVERYTHING), streamed=streamed)

    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    assert response.output_text == "Hello"
    assert [item.arguments for item in response.output[2:]] == ['{"city":"Rome"}', "{}"]
    assert (response.status, response.model) == ("completed", "gpt-x")


@pytest.mark.parametrize("streamed", [False, True])
def test_responses_usage_counts_the_caches_into_the_input(streamed: bool) -> None:
    usage = (read_response(FakeUpstream(EVERYTHING), streamed=streamed)).usage

    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (37, 30, 67)
    assert usage.input_tokens_details.cached_tokens == 20
    assert usage.output_tokens_details.reasoning_tokens == 8


def test_responses_events_are_numbered_without_gaps() -> None:
    client = openai_client(FakeUpstream(EVERYTHING))
    events = list(client.responses.create(model="m", input="Hi", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_responses_cut_short_by_length_is_incomplete() -> None:
    client = openai_client(FakeUpstream(reply("a", stop="length")))
    terminal = list(client.responses.create(model="m", input="Hi", stream=True))[-1]

    assert terminal.type == "response.incomplete"
    assert terminal.response.incomplete_details.reason == "max_output_tokens"


def test_response_can_be_fetched_after_its_stream() -> None:
    fake = FakeUpstream(stream("kept"))
    made = read_response(fake, streamed=True)

    assert (openai_client(fake).responses.retrieve(made.id)).output_text == "kept"


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (status(429, retry_after=7), anthropic.RateLimitError),
        (status(529), anthropic.OverloadedError),
        (error_midway(2), anthropic.APIStatusError),
        (error_in_200(), anthropic.APIStatusError),
    ],
)
def test_messages_errors_are_the_sdks_own(act, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_message(FakeUpstream(act), streamed=True)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (status(401), openai.AuthenticationError),
        (status(429), openai.RateLimitError),
        (error_midway(2), openai.APIError),
        (error_in_200(), openai.APIError),
    ],
)
def test_chat_errors_are_the_sdks_own(act, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_completion(FakeUpstream(act), streamed=True)


def test_responses_stream_fails_with_a_numbered_terminal() -> None:
    client = openai_client(FakeUpstream(error_midway(1, status=429, message="slow down")))
    events = list(client.responses.create(model="m", input="Hi", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.failed"
    assert (events[-1].response.error.code, events[-1].response.error.message) == ("rate_limit_exceeded", "slow down")
