"""Each SDK against accounts that do not speak its dialect: what it reads is as from one that does."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.contract import foreign
from tests.contract.clients import hello, messages_client, openai_client
from tests.contract.foreign import (
    CUSTOMER,
    check_errand,
    check_partial,
    completion,
    message,
    receipt,
    response,
    schema_asked,
)
from tests.contract.gateway import Gateway
from tests.contract.upstream import Upstream

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
RESPONSES_TOOL: Any = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}
MESSAGES_TOOL: Any = {"name": "get_weather", "input_schema": CITY}
CITIES = ["Tokyo", "Oslo"]
ARGUMENTS = ['{"city":"Tokyo"}', '{"city":"Oslo"}']
TEXT = "Good morning, world."
USAGE = (132, 100, 7)
"""Tokens of prompt, of it cached, and of output, that the providers report."""
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()

for_messages = pytest.mark.parametrize("upstream_dialect", ["chat", "responses"])
for_chat = pytest.mark.parametrize("upstream_dialect", ["messages", "responses"])
for_responses = pytest.mark.parametrize("upstream_dialect", ["messages", "chat"])
ANSWERS = [("plain", False), ("plain", True), ("bytewise", True), ("late", True), ("pausing", True)]
"""Scripts of an answer, and whether it is streamed. Keep-alives fill the pauses of the last two."""
whole_and_streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with Upstream(foreign.act) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture(scope="session")
def key(folder: Path, upstream: Upstream) -> str:
    return foreign.furnish(folder, upstream)


@pytest.fixture(scope="session")
def gateway(folder: Path, key: str) -> Iterator[Gateway]:
    with Gateway(folder, keepalive_after_s="1.2", keepalive_every_s="0.5", checkpoint_every_s="0.05") as gateway:
        yield gateway


@pytest.fixture
def claude(gateway: Gateway, key: str) -> Iterator[anthropic.Anthropic]:
    with messages_client(gateway, key) as client:
        yield client


@pytest.fixture
def gpt(gateway: Gateway, key: str) -> Iterator[openai.OpenAI]:
    with openai_client(gateway, key) as client:
        yield client


@pytest.fixture
def lenient_gpt(gateway: Gateway, key: str) -> Iterator[openai.OpenAI]:
    """Validates as users do. The SDK's schema has neither the event that keeps Codex waiting nor the error code that
    makes it give up."""
    with openai_client(gateway, key, _strict_response_validation=False) as client:
        yield client


# Messages


@for_messages
@pytest.mark.parametrize(("script", "streamed"), ANSWERS)
def test_a_message_has_the_text_and_the_usage_of_its_receipt(gateway, claude, upstream_dialect, script, streamed):
    told = message(claude, streamed=streamed, model=f"{upstream_dialect}-{script}")
    assert told.answer.content[0].text.startswith("Good morning")
    assert (told.answer.model, told.answer.stop_reason) == (f"{upstream_dialect}-{script}", "end_turn")
    usage = told.answer.usage
    prompt = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    assert (prompt, usage.cache_read_input_tokens, usage.output_tokens) == receipt(gateway, told.response) == USAGE


@for_messages
def test_a_message_arrives_piece_by_piece(claude, upstream_dialect):
    with claude.messages.stream(model=f"{upstream_dialect}-plain", max_tokens=99, messages=hello()) as stream:
        assert list(stream.text_stream) == ["Good ", "morning", ", world."]


@for_messages
@pytest.mark.parametrize(("script", "reason"), [("long", "max_tokens"), ("refusal", "refusal")])
@whole_and_streamed
def test_a_message_says_why_it_stopped(claude, upstream_dialect, script, reason, streamed):
    assert message(claude, streamed=streamed, model=f"{upstream_dialect}-{script}").answer.stop_reason == reason


@for_messages
@whole_and_streamed
def test_an_errand_of_parallel_tools_ends_with_an_answer_for_messages(claude, upstream, upstream_dialect, streamed):
    model = f"{upstream_dialect}-errand"
    asked = {"streamed": streamed, "model": model, "tools": [MESSAGES_TOOL], "thinking": {"type": "adaptive"}}
    first = message(claude, messages=hello("Weather?"), **asked).answer
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert ([call.input["city"] for call in calls], first.stop_reason) == (CITIES, "tool_use")

    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "9 degrees"} for call in calls]
    turns = [*hello("Weather?"), {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = message(claude, messages=turns, **asked).answer
    assert second.content[0].text == "Mild in both."
    check_errand(upstream, model, reasoning=upstream_dialect == "responses")


@for_messages
def test_parse_reads_structured_output_for_messages(claude, upstream, upstream_dialect):
    model = f"{upstream_dialect}-person"
    parsed = claude.messages.parse(model=model, max_tokens=99, messages=hello("Who?"), output_format=Person)
    assert parsed.parsed_output == Person(name="Ada", age=36)
    assert schema_asked(upstream, model)["required"] == ["name", "age"]


@for_messages
def test_tokens_are_counted_for_messages_and_free(gateway, claude, upstream_dialect):
    before = gateway.balance(CUSTOMER)
    counts = [
        claude.messages.count_tokens(model=f"{upstream_dialect}-plain", messages=hello("word " * words)).input_tokens
        for words in (10, 1_000)
    ]
    assert 0 < counts[0] < counts[1]
    assert gateway.balance(CUSTOMER) == before


@for_messages
def test_a_picture_in_a_message_becomes_a_data_url(claude, upstream, upstream_dialect):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    message(claude, streamed=False, model=f"{upstream_dialect}-plain", messages=[{"role": "user", "content": content}])
    assert f"data:image/png;base64,{PIXEL}".encode() in upstream.requests(f"{upstream_dialect}-plain")[-1].body


@for_messages
@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("invalid", anthropic.BadRequestError),
        ("limited", anthropic.RateLimitError),
        ("overloaded", anthropic.OverloadedError),
        ("failing", anthropic.InternalServerError),
        ("html", anthropic.InternalServerError),
        ("unauthorized", anthropic.ServiceUnavailableError),
    ],
)
def test_a_failure_before_the_answer_is_the_messages_sdks_own_and_free(
    gateway, claude, upstream_dialect, script, error
):
    before = gateway.balance(CUSTOMER)
    with pytest.raises(anthropic.APIStatusError) as caught:
        message(claude, streamed=True, model=f"{upstream_dialect}-{script}-messages")
    assert type(caught.value) is error
    assert "sk-upstream" not in str(caught.value.body)
    assert gateway.balance(CUSTOMER) == before


@for_messages
@pytest.mark.parametrize("script", ["cut", "ended", "error-midway"])
def test_a_message_that_breaks_off_raises_and_is_billed(gateway, claude, upstream_dialect, script):
    with (
        claude.messages.stream(model=f"{upstream_dialect}-{script}", max_tokens=99, messages=hello()) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.get_final_message()
    check_partial(gateway, stream.response.headers["request-id"])


# Chat


@for_chat
@pytest.mark.parametrize(("script", "streamed"), ANSWERS)
def test_a_completion_has_the_text_and_the_usage_of_its_receipt(gateway, gpt, upstream_dialect, script, streamed):
    told = completion(gpt, streamed=streamed, model=f"{upstream_dialect}-{script}")
    choice, usage = told.answer.choices[0], told.answer.usage
    assert choice.message.content.startswith("Good morning")
    assert (told.answer.model, choice.finish_reason) == (f"{upstream_dialect}-{script}", "stop")
    cached = usage.prompt_tokens_details.cached_tokens
    assert (usage.prompt_tokens, cached, usage.completion_tokens) == receipt(gateway, told.response) == USAGE
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@for_chat
def test_a_completion_without_usage_has_no_chunk_for_it(gpt, upstream_dialect):
    chunks = list(gpt.chat.completions.create(model=f"{upstream_dialect}-plain", messages=hello(), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert {chunk.usage for chunk in chunks} == {None}


@for_chat
@pytest.mark.parametrize(("script", "reason"), [("long", "length"), ("refusal", "content_filter")])
def test_a_completion_says_why_it_stopped(gpt, upstream_dialect, script, reason):
    stream = gpt.chat.completions.create(model=f"{upstream_dialect}-{script}", messages=hello(), stream=True)
    assert [each.choices[0].finish_reason for each in stream][-1] == reason
    whole = gpt.chat.completions.create(model=f"{upstream_dialect}-{script}", messages=hello())
    assert whole.choices[0].finish_reason == reason


@for_chat
@whole_and_streamed
def test_an_errand_of_parallel_tools_ends_with_an_answer_for_chat(gpt, upstream, upstream_dialect, streamed):
    model = f"{upstream_dialect}-errand"
    asked = {"streamed": streamed, "model": model, "tools": [CHAT_TOOL], "reasoning_effort": "high"}
    first = completion(gpt, messages=hello("Weather?"), **asked).answer.choices[0]
    calls = first.message.tool_calls
    assert [call.function.arguments for call in calls] == ARGUMENTS
    assert (first.message.content, first.finish_reason) == ("Let me look.", "tool_calls")

    results = [{"role": "tool", "tool_call_id": call.id, "content": "9 degrees"} for call in calls]
    said = first.message.model_dump(exclude_none=True, exclude={"parsed"})
    second = completion(gpt, messages=[*hello("Weather?"), said, *results], **asked).answer.choices[0]
    assert second.message.content == "Mild in both."
    check_errand(upstream, model, reasoning=True)


@for_chat
def test_parse_reads_structured_output_for_chat(gpt, upstream, upstream_dialect):
    model = f"{upstream_dialect}-person"
    parsed = gpt.chat.completions.parse(model=model, messages=hello("Who?"), response_format=Person)
    assert parsed.choices[0].message.parsed == Person(name="Ada", age=36)
    assert schema_asked(upstream, model)["required"] == ["name", "age"]


@for_chat
def test_a_picture_in_a_chat_reaches_the_provider(gpt, upstream, upstream_dialect):
    content = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    completion(gpt, streamed=False, model=f"{upstream_dialect}-plain", messages=[{"role": "user", "content": content}])
    assert PIXEL.encode() in upstream.requests(f"{upstream_dialect}-plain")[-1].body


# Responses


@for_responses
@pytest.mark.parametrize(("script", "streamed"), ANSWERS)
def test_a_response_has_the_text_and_the_usage_of_its_receipt(gateway, lenient_gpt, upstream_dialect, script, streamed):
    told = response(lenient_gpt, streamed=streamed, model=f"{upstream_dialect}-{script}")
    usage = told.answer.usage
    assert told.answer.output_text.startswith("Good morning")
    assert (told.answer.model, told.answer.status) == (f"{upstream_dialect}-{script}", "completed")
    cached = usage.input_tokens_details.cached_tokens
    assert (usage.input_tokens, cached, usage.output_tokens) == receipt(gateway, told.response) == USAGE
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


@for_responses
@whole_and_streamed
@pytest.mark.parametrize(("script", "reason"), [("long", "max_output_tokens"), ("refusal", "content_filter")])
def test_a_response_says_why_it_is_incomplete(gpt, upstream_dialect, script, reason, streamed):
    model = f"{upstream_dialect}-{script}"
    if streamed:
        with gpt.responses.create(model=model, input="Hello", stream=True) as events:
            found = list(events)[-1].response
    else:
        found = gpt.responses.create(model=model, input="Hello")
    assert (found.status, found.incomplete_details.reason) == ("incomplete", reason)


@for_responses
@whole_and_streamed
def test_an_errand_of_parallel_tools_ends_with_an_answer_for_responses(gpt, upstream, upstream_dialect, streamed):
    model = f"{upstream_dialect}-errand"
    asked = {"streamed": streamed, "model": model, "tools": [RESPONSES_TOOL], "reasoning": {"effort": "high"}}
    asked |= {"store": False, "include": ["reasoning.encrypted_content"]}
    first = response(gpt, input="Weather?", **asked).answer
    calls = [item for item in first.output if item.type == "function_call"]
    assert [item.type for item in first.output] == ["reasoning", "message", "function_call", "function_call"]
    assert [call.arguments for call in calls] == ARGUMENTS

    results = [{"type": "function_call_output", "call_id": call.call_id, "output": "9 degrees"} for call in calls]
    items = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    second = response(gpt, input=[*hello("Weather?"), *items, *results], **asked).answer
    assert second.output_text == "Mild in both."
    check_errand(upstream, model, reasoning=upstream_dialect == "messages")


@for_responses
def test_parse_reads_structured_output_for_responses(gpt, upstream, upstream_dialect):
    model = f"{upstream_dialect}-person"
    parsed = gpt.responses.parse(model=model, input="Who?", text_format=Person)
    assert parsed.output_parsed == Person(name="Ada", age=36)
    assert schema_asked(upstream, model)["required"] == ["name", "age"]


@for_responses
def test_tokens_are_counted_for_responses_and_free(gateway, gpt, upstream_dialect):
    before = gateway.balance(CUSTOMER)
    counts = [
        gpt.responses.input_tokens.count(model=f"{upstream_dialect}-plain", input="word " * words).input_tokens
        for words in (10, 1_000)
    ]
    assert 0 < counts[0] < counts[1]
    assert gateway.balance(CUSTOMER) == before


@for_responses
def test_a_picture_in_a_response_reaches_the_provider(gpt, upstream, upstream_dialect):
    content = [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}]
    response(gpt, streamed=False, model=f"{upstream_dialect}-plain", input=[{"role": "user", "content": content}])
    assert PIXEL.encode() in upstream.requests(f"{upstream_dialect}-plain")[-1].body


# Both of OpenAI's

OPENAI_PAIRS = [("chat", "messages"), ("chat", "responses"), ("responses", "messages"), ("responses", "chat")]
for_openai = pytest.mark.parametrize(("client_dialect", "upstream_dialect"), OPENAI_PAIRS)


def ask(client: openai.OpenAI, dialect: str, model: str, **asked: Any) -> Any:
    if dialect == "chat":
        return client.chat.completions.create(model=model, messages=hello(), **asked)
    return client.responses.create(model=model, input="Hello", **asked)


@for_openai
@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("invalid", openai.BadRequestError),
        ("limited", openai.RateLimitError),
        ("overloaded", openai.InternalServerError),
        ("failing", openai.InternalServerError),
        ("html", openai.InternalServerError),
        ("unauthorized", openai.InternalServerError),
    ],
)
def test_a_failure_before_the_answer_is_the_openai_sdks_own_and_free(
    gateway, gpt, client_dialect, upstream_dialect, script, error
):
    before = gateway.balance(CUSTOMER)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(gpt, client_dialect, f"{upstream_dialect}-{script}-{client_dialect}", stream=True)
    assert type(caught.value) is error
    assert "sk-upstream" not in str(caught.value.body)
    assert gateway.balance(CUSTOMER) == before


@for_openai
@pytest.mark.parametrize("script", ["cut", "ended", "error-midway"])
def test_an_answer_that_breaks_off_is_told_and_billed(gateway, lenient_gpt, client_dialect, upstream_dialect, script):
    events: list[Any] = []
    with ask(lenient_gpt, client_dialect, f"{upstream_dialect}-{script}", stream=True) as stream:
        try:
            events += stream
        except openai.APIError:
            assert client_dialect == "chat"
        else:
            # The SDK hands the failure of a response on as its last event.
            assert events[-1].type == "response.failed"
    check_partial(gateway, stream.response.headers["x-request-id"])
