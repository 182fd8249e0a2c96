"""The simulated provider as the anthropic SDK sees it, with strict validation."""

import anthropic
import pytest

from tests.upstream.simulated_helpers import WEATHER, anthropic_client, ask, data_of, events, json_of, kinds, service

MODEL = "claude-sonnet-5"
TOOL = {"name": "get_weather", "input_schema": WEATHER}
USER = [{"role": "user", "content": "What is the weather in Paris?"}]


def body(**more):
    return {
        "model": MODEL,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        **more,
    }


def test_the_answer_quotes_the_question_and_says_that_it_is_simulated():
    message = anthropic_client(service()).messages.create(**body())
    assert "Why is the sky blue?" in message.content[0].text
    assert "simulated" in message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.id.startswith("msg_")


def test_a_stream_accumulates_to_the_answer_of_a_call_that_is_not_streamed():
    whole = anthropic_client(service()).messages.create(**body())
    with anthropic_client(service()).messages.stream(**body()) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.stop_reason == "end_turn"


def test_events_come_in_the_legal_order():
    found = events(data_of(ask(service(), "/v1/messages", body(stream=True, thinking={"type": "adaptive"}))))
    assert kinds(found) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_thinking_comes_before_text_and_carries_a_signature():
    with anthropic_client(service()).messages.stream(**body(thinking={"type": "adaptive"})) as stream:
        message = stream.get_final_message()
    thinking, text = message.content
    assert thinking.type == "thinking"
    assert thinking.thinking
    assert thinking.signature
    assert text.type == "text"


def test_thinking_is_counted_within_the_output():
    message = anthropic_client(service()).messages.create(**body(thinking={"type": "adaptive"}))
    assert 0 < message.usage.output_tokens_details.thinking_tokens < message.usage.output_tokens


def test_omitted_thinking_leaves_its_signature_only():
    thinking = {"type": "adaptive", "display": "omitted"}
    with anthropic_client(service()).messages.stream(**body(thinking=thinking)) as stream:
        block = stream.get_final_message().content[0]
    assert block.thinking == ""
    assert block.signature


@pytest.mark.parametrize("streamed", [False, True])
def test_a_question_about_a_tool_is_answered_with_its_call(streamed):
    client = anthropic_client(service())
    request = body(messages=USER, tools=[TOOL])
    if streamed:
        with client.messages.stream(**request) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**request)
    call = message.content[-1]
    assert (call.name, call.input) == ("get_weather", {"location": "Paris", "unit": "celsius"})
    assert message.stop_reason == "tool_use"


def test_tools_of_everyday_names_are_not_called_by_accident():
    tools = [{"name": "Write", "input_schema": {"type": "object"}}]
    asked = [{"role": "user", "content": "Write a poem about the sea"}]
    assert json_of(ask(service(), "/v1/messages", body(messages=asked, tools=tools)))["stop_reason"] == "end_turn"


def test_a_tool_result_is_answered_in_text():
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "18 degrees"}
    history = [*USER, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    message = anthropic_client(service()).messages.create(**body(messages=history, tools=[TOOL]))
    assert message.stop_reason == "end_turn"
    assert "18 degrees" in message.content[0].text


def test_parallel_calls_on_request():
    asked = [{"role": "user", "content": "Get the weather twice, in parallel"}]
    message = anthropic_client(service()).messages.create(**body(messages=asked, tools=[TOOL]))
    calls = [block for block in message.content if block.type == "tool_use"]
    assert len(calls) == 2
    assert calls[0].id != calls[1].id


def test_parallel_calls_can_be_forbidden():
    asked = [{"role": "user", "content": "Get the weather twice, in parallel"}]
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    answer = json_of(ask(service(), "/v1/messages", body(messages=asked, tools=[TOOL], tool_choice=choice)))
    assert sum(block["type"] == "tool_use" for block in answer["content"]) == 1


def test_structured_output_fits_its_schema():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    config = {"format": {"type": "json_schema", "schema": schema}}
    message = anthropic_client(service()).messages.create(**body(output_config=config))
    assert message.content[0].text == '{"title":"simulated"}'


@pytest.mark.parametrize("streamed", [False, True])
def test_max_tokens_cuts_the_answer(streamed):
    client = anthropic_client(service())
    request = body(max_tokens=5)
    if streamed:
        with client.messages.stream(**request) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**request)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 5


def test_a_stop_sequence_ends_the_text_before_it():
    message = anthropic_client(service()).messages.create(**body(stop_sequences=["sky"]))
    assert message.stop_reason == "stop_sequence"
    assert message.stop_sequence == "sky"
    assert "sky" not in message.content[0].text


def test_a_number_of_words_makes_a_longer_answer():
    asked = [{"role": "user", "content": "Write 800 words about the sea"}]
    message = anthropic_client(service()).messages.create(**body(messages=asked, max_tokens=5_000))
    assert 900 < message.usage.output_tokens < 1_300


def test_max_tokens_of_zero_only_warms_the_cache():
    system = [{"type": "text", "text": "Rules. " * 100, "cache_control": {"type": "ephemeral"}}]
    answer = json_of(ask(service(), "/v1/messages", body(max_tokens=0, system=system)))
    assert answer["content"] == []
    assert answer["usage"]["output_tokens"] == 0
    assert answer["usage"]["cache_creation_input_tokens"] > 0


def test_a_marked_prompt_is_written_first_and_read_after():
    server = service()
    system = [{"type": "text", "text": "Rules. " * 100, "cache_control": {"type": "ephemeral"}}]
    first = anthropic_client(server).messages.create(**body(system=system)).usage
    second = anthropic_client(server).messages.create(**body(system=system)).usage
    assert first.cache_creation.ephemeral_5m_input_tokens > 100
    assert first.cache_read_input_tokens == 0
    assert second.cache_creation_input_tokens == 0
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.input_tokens == first.input_tokens


def test_the_marker_may_move_on_with_the_conversation():
    server = service()

    def turn(text):
        return {"role": "user", "content": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]}

    said = {"role": "assistant", "content": "Yes."}
    first = json_of(ask(server, "/v1/messages", body(messages=[turn("one " * 100)])))["usage"]
    unmarked = {"role": "user", "content": [{"type": "text", "text": "one " * 100}]}
    second = json_of(ask(server, "/v1/messages", body(messages=[unmarked, said, turn("two")])))["usage"]
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]


def test_a_cached_prompt_expires():
    server = service()
    system = [{"type": "text", "text": "Rules. " * 100, "cache_control": {"type": "ephemeral"}}]
    ask(server, "/v1/messages", body(system=system))
    late = json_of(ask(server, "/v1/messages", body(system=system), now_s=301.0))
    assert late["usage"]["cache_read_input_tokens"] == 0


def test_an_hour_of_caching_is_its_own_bucket():
    system = [{"type": "text", "text": "Rules. " * 100, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    usage = anthropic_client(service()).messages.create(**body(system=system)).usage
    assert usage.cache_creation.ephemeral_1h_input_tokens == usage.cache_creation_input_tokens > 0


def test_tokens_are_counted_as_they_will_be_charged():
    client = anthropic_client(service())
    counted = client.messages.count_tokens(model=MODEL, messages=USER)
    used = client.messages.create(**body(messages=USER)).usage
    assert counted.input_tokens == used.input_tokens


def test_models_are_listed_with_their_limits():
    listed = {model.id: model for model in anthropic_client(service(refuse_models="claude-opus-5")).models.list()}
    assert listed[MODEL].max_tokens
    assert "claude-opus-5" not in listed


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"error_rate": 1}, anthropic.InternalServerError),
        ({"rate_limit_rate": 1}, anthropic.RateLimitError),
        ({"overload_rate": 1}, anthropic.OverloadedError),
        ({"refuse_models": f"gpt-5,{MODEL}"}, anthropic.NotFoundError),
    ],
)
def test_faults_are_the_vendors_errors(options, expected):
    with pytest.raises(expected) as caught:
        anthropic_client(service(**options)).messages.create(**body())
    assert caught.value.request_id.startswith("req_")


def test_a_rate_limit_says_when_to_come_back():
    outcome = ask(service(rate_limit_rate=1), "/v1/messages", body())
    assert int(outcome.headers["retry-after"]) >= 1
    assert outcome.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert outcome.headers["anthropic-ratelimit-requests-reset"] == "2026-11-18T11:07:41Z"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"messages": []}, "at least one message"),
        ({"max_tokens": 10_000_000}, "maximum allowed number of output tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "greater than `thinking.budget_tokens`"),
        ({"messages": [*USER, {"role": "assistant", "content": "It is"}]}, "Prefilling assistant messages"),
        (
            {"messages": [*USER, {"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}, *USER]},
            "without `tool_result` blocks",
        ),
    ],
)
def test_requests_the_vendor_refuses_are_refused(change, message):
    outcome = ask(service(), "/v1/messages", body(**change))
    assert outcome.status == 400
    assert message in json_of(outcome)["error"]["message"]


def test_the_new_version_refuses_sampling():
    headers = {"anthropic-version": "2026-10-21"}
    assert ask(service(), "/v1/messages", body(temperature=1), headers=headers).status == 400
    assert ask(service(), "/v1/messages", body(temperature=1)).status == 200
