"""What a Responses upstream is asked when a Chat client asks."""

from typing import Any

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import chat_responses
from tests.golden.request_rules import CHECKS
from tests.golden.sdk_types import check_request
from tests.unit.translate.kit import DictMemory, context, fields

REASONS = {"efforts": ("none", "low", "medium", "high"), "sampling": False}
WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}


def ask(messages: list[Any] | None = None, *, given: Any = None, **members: Any) -> tuple[dict[str, Any], Any]:
    """The upstream's request and the translation, for a Chat request of these members."""
    asked = {"model": "m", "messages": messages or [{"role": "user", "content": "Hi"}], **members}
    translated = chat_responses.translate_request(fields(**asked), given or context())
    request = msgspec.json.decode(translated.body)
    check_request("responses", request, {}, "upstream_request")
    CHECKS["responses"](request, "upstream_request")
    return request, translated


def refusal(messages: list[Any] | None = None, *, given: Any = None, **members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(messages, given=given, **members)
    return caught.value


def test_roles_keep_their_places() -> None:
    request, _ = ask(
        [
            {"role": "system", "content": "A"},
            {"role": "user", "content": "q1"},
            {"role": "assistant", "content": "a1"},
            {"role": "developer", "content": [{"type": "text", "text": "B"}]},
            {"role": "user", "content": "q2"},
        ]
    )
    assert [(item["role"], item["content"]) for item in request["input"]] == [
        ("system", [{"type": "input_text", "text": "A"}]),
        ("user", [{"type": "input_text", "text": "q1"}]),
        ("assistant", "a1"),
        ("developer", [{"type": "input_text", "text": "B"}]),
        ("user", [{"type": "input_text", "text": "q2"}]),
    ]


def test_compatible_servers_know_no_developer() -> None:
    request, _ = ask([{"role": "developer", "content": "A"}], given=context(flavour="generic"))
    assert request["input"][0]["role"] == "system"


def test_a_function_is_not_strict_unless_it_says_so() -> None:
    request, _ = ask(
        tools=[{"type": "function", "function": WEATHER}, {"type": "function", "function": {"name": "now"}}]
    )
    weather, now = request["tools"]
    assert weather["strict"] is False
    assert now["parameters"] == {"type": "object", "properties": {}}


def test_calls_and_results_become_items_of_their_own() -> None:
    request, _ = ask(
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Looking.", "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "20C"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "21C"}]},
        ]
    )
    assert request["input"][1:] == [
        {"type": "message", "role": "assistant", "content": "Looking."},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "20C"},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "21C"}]},
    ]


def test_a_call_without_a_result_is_refused_by_name() -> None:
    error = refusal([{"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "user", "content": "?"}])
    assert "Missing: call_1" in error.message
    assert error.field == "messages.0"


def test_a_result_without_a_call_is_refused() -> None:
    assert refusal([{"role": "tool", "tool_call_id": "call_9", "content": "x"}]).field == "messages.0"


def test_lenient_tiers_get_a_result_that_says_there_is_none() -> None:
    request, translated = ask(
        [{"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "user", "content": "?"}],
        given=context(policy="lenient"),
    )
    assert request["input"][1]["output"] == "no result was provided"
    assert translated.warnings == ("emulated:messages.0",)


def test_old_functions_are_calls_with_ids_of_ours() -> None:
    request, _ = ask(
        [
            {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": ""}},
            {"role": "function", "name": "now", "content": "12:00"},
        ],
        functions=[{"name": "now"}],
        function_call={"name": "now"},
    )
    assert request["input"] == [
        {"type": "function_call", "call_id": "call_fn_0", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_fn_0", "output": "12:00"},
    ]
    assert request["tool_choice"] == {"type": "function", "name": "now"}


def test_images_and_files_keep_their_bytes_and_detail() -> None:
    request, translated = ask(
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
                ],
            }
        ]
    )
    assert request["input"][0]["content"] == [
        {"type": "input_image", "detail": "low", "image_url": "data:image/png;base64,iVBO"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
    ]
    assert translated.warnings == ()


def test_sound_is_refused() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}}
    assert refusal([{"role": "user", "content": [part]}]).field == "messages.0.content.0.type"


def test_a_limit_below_what_openai_takes_is_raised_to_it() -> None:
    request, translated = ask(max_completion_tokens=5)
    assert request["max_output_tokens"] == 16
    assert translated.warnings == ("clamped:max_completion_tokens",)


def test_a_limit_above_the_model_is_lowered() -> None:
    request, translated = ask(max_tokens=10**6)
    assert request["max_output_tokens"] == 64_000
    assert translated.warnings == ("clamped:max_tokens",)


def test_money_limits_the_answer_without_a_warning_of_the_translation() -> None:
    request, translated = ask(given=context(output_limit=300))
    assert request["max_output_tokens"] == 300
    assert translated.warnings == ()


def test_effort_is_brought_to_a_level_the_model_has() -> None:
    request, translated = ask(reasoning_effort="xhigh", given=context(can=REASONS))
    assert request["reasoning"] == {"effort": "high"}
    assert translated.warnings == ("clamped:reasoning_effort",)


@pytest.mark.parametrize(("effort", "kept"), [("none", {"temperature": 0.2}), ("low", {})])
def test_a_model_that_reasons_takes_no_temperature(effort: str, kept: dict[str, Any]) -> None:
    request, _ = ask(reasoning_effort=effort, temperature=0.2, given=context(can=REASONS))
    assert {name: request[name] for name in ("temperature",) if name in request} == kept


def test_schemas_are_flat() -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "o", "strict": True, "schema": schema}}
    request, _ = ask(response_format=form, verbosity="low")
    assert request["text"] == {
        "format": {"type": "json_schema", "name": "o", "strict": True, "schema": schema},
        "verbosity": "low",
    }


def test_a_schema_nobody_enforces_is_asked_for_in_words() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "o", "schema": {"type": "object"}}}
    request, translated = ask(response_format=form, given=context(can={"structured_output": False}))
    assert '{"type":"object"}' in request["input"][0]["content"][0]["text"]
    assert translated.warnings == ("emulated:response_format.json_schema.schema",)


def test_a_choice_of_allowed_tools_is_flat() -> None:
    request, _ = ask(
        tools=[{"type": "function", "function": WEATHER}],
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]},
        },
        parallel_tool_calls=False,
    )
    assert request["tool_choice"] == {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "get_weather"}],
    }
    assert request["parallel_tool_calls"] is False


def test_parallel_calls_are_no_matter_without_tools() -> None:
    request, _ = ask(parallel_tool_calls=True)
    assert "parallel_tool_calls" not in request


GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /.+/"}}


def test_freeform_tools_stay_what_they_are_at_openai() -> None:
    request, translated = ask(tools=[{"type": "custom", "custom": {"name": "sql", "format": GRAMMAR}}])
    assert request["tools"] == [
        {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}}
    ]
    assert translated.warnings == ()


def test_freeform_tools_are_functions_elsewhere() -> None:
    request, translated = ask(
        tools=[{"type": "custom", "custom": {"name": "sql", "format": GRAMMAR}}], given=context(flavour="generic")
    )
    assert request["tools"][0]["type"] == "function"
    assert translated.warnings == ("emulated:tools.0(custom)", "dropped:tools.0.custom.format.grammar")


def test_freeform_tools_have_no_shape_in_a_chat_stream() -> None:
    assert refusal(tools=[{"type": "custom", "custom": {"name": "sql"}}], stream=True).field == "tools"


@pytest.mark.parametrize(
    ("name", "value"), [("n", 2), ("logprobs", True), ("logit_bias", {"1": 2}), ("modalities", ["text", "audio"])]
)
def test_what_would_change_the_answer_is_refused(name: str, value: Any) -> None:
    assert refusal(**{name: value}).field == name


def test_what_has_no_counterpart_is_named() -> None:
    _, translated = ask(seed=1, frequency_penalty=0.5, presence_penalty=0)
    assert translated.warnings == ("dropped:seed", "dropped:frequency_penalty")


def test_strict_tiers_refuse_what_would_be_dropped() -> None:
    assert refusal(seed=1, given=context(policy="strict")).field == "seed"


def test_openai_is_told_who_asks_and_how_to_cache() -> None:
    told = {"safety_identifier": "u", "prompt_cache_key": "k", "service_tier": "flex"}
    request, _ = ask(**told)
    assert {name: request[name] for name in told} == told


def test_nothing_is_stored_unless_it_was_asked_for() -> None:
    assert ask()[0]["store"] is False


def test_reasoning_is_asked_for_where_a_call_may_follow_it() -> None:
    tools = [{"type": "function", "function": WEATHER}]
    with_tools, _ = ask(tools=tools, given=context(can=REASONS))
    without, _ = ask(given=context(can=REASONS))
    assert with_tools["include"] == ["reasoning.encrypted_content"]
    assert "include" not in without


def test_remembered_reasoning_goes_back_in_front_of_what_followed_it() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    memory = DictMemory({"call_1": [reasoning, {"type": "message"}]})
    request, _ = ask(
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Looking.", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "20C"},
        ],
        given=context(memory=memory),
    )
    assert [item["type"] for item in request["input"]] == [
        "message", "reasoning", "message", "function_call", "function_call_output",
    ]  # fmt: skip


def test_long_ids_and_odd_names_are_shortened_the_same_way_for_call_and_result() -> None:
    long = "x" * 80
    call = {"id": long, "type": "function", "function": {"name": "my tool", "arguments": "{}"}}
    request, translated = ask(
        [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": long, "content": ""},
        ],
        tools=[{"type": "function", "function": {"name": "my tool"}}],
    )
    made, result = request["input"]
    assert made["call_id"] == result["call_id"] != long
    assert made["name"] == request["tools"][0]["name"]
    assert translated.memo.client_name(made["name"]) == "my tool"


def test_a_count_is_of_the_translated_request() -> None:
    counted = msgspec.json.decode(
        chat_responses.count_body(
            fields(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=9), context()
        )
    )
    assert sorted(counted) == ["input", "model"]
