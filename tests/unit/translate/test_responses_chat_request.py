"""What a Chat upstream is asked when a Responses client asks."""

from typing import Any

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import responses_chat
from tests.golden.request_rules import CHECKS
from tests.golden.sdk_types import check_request
from tests.unit.translate.kit import context, fields

CLOSED = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "get_weather", "parameters": CLOSED, "strict": True}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Rome"}'}


def ask(items: Any = "Hi", *, given: Any = None, **members: Any) -> tuple[dict[str, Any], Any]:
    """The upstream's request and the translation, for a Responses request of these members."""
    asked = fields(**{"model": "m", "input": items, **members})
    translated = responses_chat.translate_request(asked, given or context())
    request = msgspec.json.decode(translated.body)
    check_request("chat", request, {}, "upstream_request")
    CHECKS["chat"](request, "upstream_request")
    return request, translated


def refusal(items: Any = "Hi", *, given: Any = None, **members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(items, given=given, **members)
    return caught.value


def output(call_id: str, text: Any = "20C") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def test_instructions_come_first() -> None:
    request, _ = ask(instructions="Be brief.")
    assert request["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_models_that_reason_are_instructed_by_the_developer() -> None:
    request, _ = ask(instructions="A", given=context(can={"developer_role": True}))
    assert request["messages"][0]["role"] == "developer"


def test_what_was_stored_goes_in_front_and_the_new_instructions_replace_the_old() -> None:
    stored = (
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
    )
    request, translated = ask("And?", previous_response_id="resp_1", instructions="New", given=context(history=stored))
    assert [message["content"] for message in request["messages"]] == [
        "New", [{"type": "text", "text": "Hi"}], "Hello.", "And?",
    ]  # fmt: skip
    assert translated.memo.echo["previous_response_id"] == "resp_1"


def test_a_response_nobody_stored_cannot_be_gone_on_from() -> None:
    assert refusal(previous_response_id="resp_1").field == "previous_response_id"


def test_one_answer_is_one_assistant_message() -> None:
    request, _ = ask(
        [
            {"role": "user", "content": "Weather?"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
            CALL,
            {**CALL, "call_id": "call_2"},
            output("call_2"),
            output("call_1"),
        ]
    )
    assistant = request["messages"][1]
    assert assistant["content"] == "Looking."
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_1", "call_2"]
    assert [message["tool_call_id"] for message in request["messages"][2:]] == ["call_1", "call_2"]


def test_calls_one_after_another_are_turns_of_their_own() -> None:
    request, _ = ask([CALL, output("call_1"), {**CALL, "call_id": "call_2"}, output("call_2")])
    assert [message["role"] for message in request["messages"]] == ["assistant", "tool", "assistant", "tool"]


def test_what_the_user_says_between_call_and_result_goes_behind_the_result() -> None:
    request, _ = ask([CALL, {"role": "user", "content": "Hurry"}, output("call_1")])
    assert [message["role"] for message in request["messages"]] == ["assistant", "tool", "user"]


def test_a_call_without_output_is_refused() -> None:
    assert refusal([CALL]).message == "No tool output found for function call call_1."


def test_an_output_without_a_call_is_refused() -> None:
    assert refusal([output("call_9")]).field == "input[0]"


def test_an_item_that_names_another_is_refused() -> None:
    assert refusal([{"id": "msg_1"}]).field == "input[0].type"


def test_images_in_an_output_follow_all_outputs() -> None:
    image = {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBO"}
    shot = output("call_1", [{"type": "input_text", "text": "taken"}, image])
    request, translated = ask([CALL, {**CALL, "call_id": "call_2"}, shot, output("call_2")])
    first, second, shown = request["messages"][1:]
    assert first["content"] == "taken\n[image 1 of tool call call_1 follows]"
    assert second["content"] == "20C"
    assert [part["type"] for part in shown["content"]] == ["text", "image_url"]
    assert translated.warnings == ("emulated:function_call_output.image",)


def test_reasoning_is_dropped_and_its_neighbours_stay() -> None:
    request, translated = ask(
        [
            {"role": "user", "content": "q"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant", "content": "a"},
            {"role": "user", "content": "q2"},
        ]
    )
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
    assert translated.warnings == ("dropped:input.1(reasoning)",)


def test_a_server_that_wants_its_own_reasoning_back_gets_it() -> None:
    own = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": 'gwr1:{"v":"chat"}',
    }
    given = context(flavour="generic", options={"replay_reasoning": True})
    asked = fields(model="m", input=[own, CALL, output("call_1")])
    translated = responses_chat.translate_request(asked, given)
    assert msgspec.json.decode(translated.body)["messages"][0]["reasoning_content"] == "Hm."
    assert translated.warnings == ()


def test_phases_have_no_place_in_chat() -> None:
    item = {"type": "message", "role": "assistant", "content": "a", "phase": "commentary"}
    _, translated = ask([item, {"role": "user", "content": "q"}])
    assert translated.warnings == ("dropped:input.0.phase",)


def test_an_absent_strict_is_strict_where_the_schema_allows_it() -> None:
    open_schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [
        {"type": "function", "name": "a", "parameters": CLOSED, "strict": None},
        {"type": "function", "name": "b", "parameters": open_schema, "strict": None},
        {"type": "function", "name": "c", "parameters": open_schema, "strict": False},
    ]
    request, _ = ask(tools=tools)
    assert [tool["function"]["strict"] for tool in request["tools"]] == [True, False, False]


def test_namespaces_are_flattened_in_tools_and_history() -> None:
    tools = [{"type": "namespace", "name": "agents", "description": "x", "tools": [{**WEATHER, "name": "spawn"}]}]
    items = [{**CALL, "name": "spawn", "namespace": "agents"}, output("call_1")]
    request, _ = ask(items, tools=tools)
    assert request["tools"][0]["function"]["name"] == "agents__spawn"
    assert request["messages"][0]["tool_calls"][0]["function"]["name"] == "agents__spawn"


def test_hosted_tools_are_refused_with_their_path() -> None:
    error = refusal(tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}])
    assert error.field == "tools[0].type"
    assert error.message == "tools[0]: type 'file_search' is not supported by asked-model"


def test_a_search_offered_beside_other_tools_is_dropped() -> None:
    request, translated = ask(tools=[WEATHER, {"type": "web_search", "external_web_access": False}])
    assert len(request["tools"]) == 1
    assert translated.warnings == ("dropped:tools.1(web_search)",)


def test_a_search_that_is_all_there_is_is_refused() -> None:
    assert refusal(tools=[{"type": "web_search"}]).field == "tools[0].type"


def test_a_search_the_upstream_has_is_a_member_of_the_request() -> None:
    search = {"type": "web_search", "user_location": {"type": "approximate", "city": "Rome"}}
    request, _ = ask(tools=[search], given=context(options={"chat_web_search": True}))
    assert request["web_search_options"] == {"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}


def test_freeform_tools_are_functions_on_compatible_servers() -> None:
    request, translated = ask(
        [
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "a\nb"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
        ],
        tools=[{"type": "custom", "name": "patch", "format": {"type": "text"}}],
        tool_choice={"type": "custom", "name": "patch"},
        given=context(flavour="generic"),
    )
    assert request["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"input":"a\\nb"}'
    assert request["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert translated.warnings == ("emulated:tools.0(custom)",)


def test_freeform_tools_stay_what_they_are_at_openai() -> None:
    form = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    request, _ = ask(tools=[{"type": "custom", "name": "patch", "format": form}])
    assert request["tools"][0]["custom"]["format"] == {
        "type": "grammar",
        "grammar": {"syntax": "lark", "definition": "start: /.+/"},
    }


def test_freeform_tools_are_functions_in_a_stream_which_has_no_shape_for_them() -> None:
    request, translated = ask(tools=[{"type": "custom", "name": "patch"}], stream=True)
    assert request["tools"][0]["type"] == "function"
    assert translated.memo.custom_tools == {"patch"}


def test_allowed_tools_are_the_only_ones_on_compatible_servers() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]}
    request, translated = ask(
        tools=[WEATHER, {**WEATHER, "name": "now"}], tool_choice=choice, given=context(flavour="generic")
    )
    assert [tool["function"]["name"] for tool in request["tools"]] == ["get_weather"]
    assert request["tool_choice"] == "required"
    assert translated.warnings == ("emulated:tool_choice.allowed_tools",)


def test_tools_switch_reasoning_off_where_chat_cannot_have_both() -> None:
    can = {"efforts": ("none", "low"), "default_effort": "low", "chat_tools_with_reasoning": False}
    request, translated = ask(tools=[WEATHER], reasoning={"effort": "low"}, given=context(can=can))
    assert request["reasoning_effort"] == "none"
    assert translated.warnings == ("clamped:reasoning.effort",)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (context(), "max_completion_tokens"),
        (context(flavour="generic"), "max_tokens"),
        (context(flavour="generic", options={"limit_field": "max_completion_tokens"}), "max_completion_tokens"),
    ],
)
def test_the_limit_is_called_what_the_server_calls_it(given: Any, name: str) -> None:
    assert ask(max_output_tokens=9, given=given)[0][name] == 9


def test_schemas_are_nested() -> None:
    form = {"type": "json_schema", "name": "o", "schema": CLOSED, "strict": True}
    request, _ = ask(text={"format": form, "verbosity": "low"})
    assert request["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "o", "schema": CLOSED, "strict": True},
    }
    assert request["verbosity"] == "low"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("background", True),
        ("conversation", "conv_1"),
        ("prompt", {"id": "pmpt_1"}),
        ("top_logprobs", 3),
        ("include", ["message.output_text.logprobs"]),
        ("prompt_cache_options", {"prewarm": True}),
    ],
)
def test_what_is_only_at_openai_is_refused(name: str, value: Any) -> None:
    assert refusal(**{name: value}).field == name


def test_what_has_no_counterpart_is_named() -> None:
    _, translated = ask(max_tool_calls=3, truncation="auto", metadata={"a": "b"}, store=True)
    assert translated.warnings == ("dropped:max_tool_calls", "dropped:truncation")


def test_a_stream_reports_its_usage() -> None:
    assert ask(stream=True)[0]["stream_options"] == {"include_usage": True}
    quiet = context(options={"include_usage": False})
    assert "stream_options" not in ask(stream=True, given=quiet)[0]


def test_late_instructions_can_be_told_by_the_user() -> None:
    given = context(flavour="generic", options={"late_system": "user_wrap"})
    request, translated = ask([{"role": "user", "content": "q"}, {"role": "developer", "content": "B"}], given=given)
    assert request["messages"][1] == {"role": "user", "content": "<system>\nB\n</system>"}
    assert translated.warnings == ("emulated:input.1(system)",)
