"""The simulated provider's Responses as the openai SDK sees them, with strict validation."""

import openai
import pytest

from tests.upstream.simulated_helpers import WEATHER, ask, data_of, events, json_of, kinds, openai_client, service

MODEL = "gpt-5.5"
TOOL = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
QUESTION = "What is the weather in Paris?"


def body(**more):
    return {"model": MODEL, "input": "Why is the sky blue?", **more}


def streamed(client, **request):
    """What the SDK's own accumulator makes of a stream."""
    with client.responses.stream(**request) as stream:
        return stream.get_final_response()


def test_the_answer_quotes_the_question():
    response = openai_client(service()).responses.create(**body())
    assert "Why is the sky blue?" in response.output_text
    assert response.status == "completed"
    assert response.id.startswith("resp_")


def test_a_stream_accumulates_to_the_answer_of_a_call_that_is_not_streamed():
    whole = openai_client(service()).responses.create(**body())
    response = streamed(openai_client(service()), **body())
    assert response.output_text == whole.output_text
    assert response.usage == whole.usage


def test_events_come_in_the_legal_order_and_are_numbered():
    request = body(stream=True, reasoning={"effort": "low", "summary": "auto"}, tools=[TOOL], tool_choice="required")
    found = events(data_of(ask(service(), "/v1/responses", request)))
    assert [data["sequence_number"] for _, data in found] == list(range(len(found)))
    assert all(name == data["type"] for name, data in found)
    assert [name.removeprefix("response.") for name in kinds(found)] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_reasoning_without_a_summary_is_kept_encrypted_on_request():
    request = body(reasoning={"effort": "high"}, include=["reasoning.encrypted_content"])
    response = streamed(openai_client(service()), **request)
    assert response.output[0].summary == []
    assert response.output[0].encrypted_content
    assert response.usage.output_tokens_details.reasoning_tokens > 0


def test_a_question_about_a_tool_is_answered_with_its_call():
    response = streamed(openai_client(service()), **body(input=QUESTION, tools=[TOOL]))
    call = response.output[-1]
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert call.arguments == '{"location":"Paris","unit":"celsius"}'


def test_a_custom_tool_is_called_with_text():
    custom = {"type": "custom", "name": "apply_patch"}
    response = streamed(openai_client(service()), **body(tools=[custom], tool_choice="required"))
    assert response.output[-1].type == "custom_tool_call"
    assert response.output[-1].input == "simulated input"


def test_a_tool_in_a_namespace_is_called_with_it():
    namespace = {"type": "namespace", "name": "agents", "description": "Agents", "tools": [TOOL]}
    response = openai_client(service()).responses.create(**body(input=QUESTION, tools=[namespace]))
    assert response.output[-1].namespace == "agents"


def test_a_tool_result_is_answered_in_text():
    items = [
        {"role": "user", "content": QUESTION},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees"},
    ]
    response = openai_client(service()).responses.create(**body(input=items, tools=[TOOL]))
    assert "18 degrees" in response.output_text


def test_structured_output_fits_its_schema():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    text = {"format": {"type": "json_schema", "name": "form", "schema": schema}}
    assert openai_client(service()).responses.create(**body(text=text)).output_text == '{"title":"simulated"}'


def test_the_limit_leaves_the_answer_incomplete():
    found = events(data_of(ask(service(), "/v1/responses", body(stream=True, max_output_tokens=16))))
    name, last = found[-1]
    assert name == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["usage"]["output_tokens"] == 16


def test_a_keyed_prompt_is_written_first_and_read_after():
    server = service()
    request = body(prompt_cache_key="session")
    first = openai_client(server).responses.create(**request).usage.input_tokens_details
    second = openai_client(server).responses.create(**request).usage.input_tokens_details
    assert (first.cached_tokens, second.cache_write_tokens) == (0, 0)
    assert first.cache_write_tokens == second.cached_tokens > 0


def test_a_conversation_goes_on_from_a_stored_response():
    client = openai_client(service())
    first = client.responses.create(**body())
    second = client.responses.create(**body(input="And at night?", previous_response_id=first.id))
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens // 2


def test_an_item_may_be_referred_to():
    client = openai_client(service())
    item = client.responses.create(**body()).output[0].id
    again = [{"type": "item_reference", "id": item}, {"role": "user", "content": "Go on"}]
    assert client.responses.create(**body(input=again)).status == "completed"


def test_a_stored_response_is_found_again():
    client = openai_client(service())
    response = streamed(client, **body())
    assert client.responses.retrieve(response.id).output_text == response.output_text


def test_a_response_that_was_not_to_be_stored_is_not_found():
    client = openai_client(service())
    response = client.responses.create(**body(store=False))
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_a_stream_that_was_cancelled_is_not_stored():
    server = service()
    frames = ask(server, "/v1/responses", body(stream=True)).frames
    _, created = next(frames)
    response_id = events(created)[0][1]["response"]["id"]
    assert ask(server, f"/v1/responses/{response_id}", method="GET").status == 404


def test_a_deleted_response_is_gone():
    client = openai_client(service())
    response = client.responses.create(**body())
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_input_items_come_newest_first_in_pages():
    client = openai_client(service())
    items = [{"role": "user", "content": f"Number {number}"} for number in range(5)]
    response = client.responses.create(**body(input=items))
    listed = [item.content[0].text for item in client.responses.input_items.list(response.id, limit=2)]
    assert listed == [f"Number {number}" for number in (4, 3, 2, 1, 0)]


def test_a_response_that_is_over_cannot_be_cancelled():
    client = openai_client(service())
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        client.responses.cancel(client.responses.create(**body()).id)


def test_tokens_are_counted_as_they_will_be_charged():
    client = openai_client(service())
    counted = client.responses.input_tokens.count(**body())
    assert counted.input_tokens == client.responses.create(**body()).usage.input_tokens


def test_a_conversation_can_be_compacted_and_goes_on():
    client = openai_client(service())
    compaction = client.responses.compact(**body()).output[0]
    items = [compaction.model_dump(exclude_none=True), {"role": "user", "content": "Go on"}]
    assert client.responses.create(**body(input=items)).status == "completed"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"background": True}, 400, "unsupported_parameter"),
        ({"previous_response_id": "resp_unknown"}, 400, "previous_response_not_found"),
        ({"conversation": "conv_unknown"}, 404, None),
        ({"input": None}, 400, "missing_required_parameter"),
        ({"max_output_tokens": 3}, 400, "integer_below_min_value"),
        ({"input": [{"type": "function_call_output", "call_id": "call_1", "output": ""}]}, 400, None),
    ],
)
def test_requests_the_vendor_refuses_are_refused(change, status, code):
    outcome = ask(service(), "/v1/responses", body(**change))
    assert outcome.status == status
    assert json_of(outcome)["error"]["code"] == code
