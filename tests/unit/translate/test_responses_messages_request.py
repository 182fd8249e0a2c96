"""What a Messages upstream is sent for a Responses client."""

from typing import Any

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import responses_messages
from gateway.translate.base import Translated
from tests.unit.translate.kit import PlainSigner, context, fields

BUDGET = {"thinking": ("enabled", "disabled")}
ALWAYS = {"thinking": ("adaptive",), "thinking_default": "always", "efforts": ("low", "medium", "high")}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Patch"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Rome"}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "20C"}
USER = {"role": "user", "content": "Hi"}


def claude(**changes: Any) -> Any:
    return context(flavour="anthropic", **changes)


def translate(given: Any = None, **members: Any) -> Translated:
    body = fields(**{"model": "asked-model", "input": "Hi", **members})
    return responses_messages.translate_request(body, given or claude())


def sent(given: Any = None, **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(translate(given, **members).body)
    return found


def turns(*items: Any, **changes: Any) -> list[Any]:
    found: list[Any] = sent(claude(**changes), input=list(items))["messages"]
    return found


def reasoning(payload: dict[str, str] | None = None) -> dict[str, Any]:
    sealed = PlainSigner().seal(payload or {"v": "anthropic", "m": "m", "s": "sig", "t": "hm"})
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}


def refusal(given: Any = None, **members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        translate(given, **members)
    return refused.value


class TestMembers:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("conversation", "conv_1"),
            ("prompt", {"id": "pmpt_1"}),
            ("background", True),
            ("top_logprobs", 2),
            ("moderation", {"model": "m"}),
            ("context_management", [{"type": "compaction"}]),
        ],
    )
    def test_what_would_change_the_answer_is_refused(self, name: str, value: Any):
        assert refusal(**{name: value}).field == name

    def test_an_earlier_response_nobody_kept_is_refused(self):
        assert refusal(previous_response_id="resp_1").field == "previous_response_id"

    def test_an_earlier_response_comes_first_and_its_instructions_do_not(self):
        stored = (USER, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]})
        body = sent(claude(history=stored), input="And?", instructions="Be brief.", previous_response_id="resp_1")
        assert body["system"] == [{"type": "text", "text": "Be brief."}]
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]

    def test_warming_the_cache_is_a_limit_of_nothing(self):
        assert sent(prompt_cache_options={"prewarm": True})["max_tokens"] == 0

    def test_hints_are_dropped_and_named(self):
        hints = {"truncation": "auto", "max_tool_calls": 3, "metadata": {"a": "b"}, "text": {"verbosity": "low"}}
        assert sorted(translate(**hints).warnings) == [
            "dropped:max_tool_calls",
            "dropped:metadata",
            "dropped:text.verbosity",
            "dropped:truncation",
        ]

    def test_under_strict_a_dropped_hint_is_a_refusal(self):
        assert refusal(claude(policy="strict"), truncation="auto").field == "truncation"

    def test_what_codex_always_sends_is_no_loss(self):
        always = {
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "thread",
            "client_metadata": {"a": "b"},
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"summary": "auto"},
            "text": {"verbosity": "medium"},
        }
        assert translate(**always).warnings == ()

    def test_a_summary_is_shown_thinking(self):
        assert sent(claude(can=ALWAYS), reasoning={"summary": "auto"})["thinking"] == {
            "type": "adaptive",
            "display": "summarized",
        }

    def test_no_reasoning_is_the_least_where_there_is_always_some(self):
        translated = translate(claude(can=ALWAYS), reasoning={"effort": "none"})
        assert msgspec.json.decode(translated.body)["output_config"] == {"effort": "low"}
        assert translated.warnings == ("clamped:reasoning.effort",)

    def test_a_tool_loop_whose_thinking_is_gone_goes_on_without(self):
        """Manual thinking wants the turn of the calls to begin with its thinking."""
        body = sent(claude(can=BUDGET), input=[USER, CALL, OUTPUT], reasoning={"effort": "low"})
        assert "thinking" not in body
        kept = sent(claude(can=BUDGET), input=[USER, reasoning(), CALL, OUTPUT], reasoning={"effort": "low"})
        assert kept["thinking"] == {"type": "enabled", "budget_tokens": 2048}

    def test_json_without_a_schema_is_asked_for_in_words(self):
        translated = translate(text={"format": {"type": "json_object"}})
        assert "JSON" in msgspec.json.decode(translated.body)["system"][0]["text"]
        assert translated.warnings == ("emulated:text.format",)

    def test_the_client_is_told_its_own_request(self):
        echo = translate(instructions="Be brief.", text={"verbosity": "low"}, metadata={"a": "b"}).memo.echo
        assert echo["instructions"] == "Be brief."
        assert echo["metadata"] == {"a": "b"}
        assert echo["text"] == {"format": {"type": "text"}, "verbosity": "low"}

    def test_reasoning_is_carried_by_clients_that_ask_for_it_or_have_nothing_stored(self):
        assert translate(include=["reasoning.encrypted_content"]).memo.include_encrypted
        assert translate(store=False).memo.include_encrypted
        assert not translate().memo.include_encrypted

    def test_counting_leaves_out_what_costs_no_input(self):
        counted = responses_messages.count_body(fields(model="m", input="Hi", stream=True), claude())
        assert set(msgspec.json.decode(counted)) == {"model", "messages"}


class TestTools:
    @pytest.mark.parametrize(
        "kind", ["file_search", "code_interpreter", "image_generation", "mcp", "computer", "local_shell", "shell"]
    )
    def test_what_runs_at_openai_is_refused_by_its_path(self, kind: str):
        refused = refusal(tools=[WEATHER, {"type": kind}])
        assert refused.field == "tools[1].type"
        assert refused.message.startswith("tools[1]: ")

    def test_strict_is_the_default_as_far_as_claude_can_enforce_it(self):
        closed = {"type": "object", "properties": {}, "additionalProperties": False}
        unsaid = {"type": "function", "name": "a", "parameters": closed}
        body = sent(tools=[unsaid, {**unsaid, "name": "b", "strict": None}, {**unsaid, "name": "c", "strict": False}])
        assert [tool.get("strict") for tool in body["tools"]] == [True, True, None]
        cyclic = {
            "type": "object",
            "properties": {"next": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"$ref": "#/$defs/n"}},
        }
        assert "strict" not in sent(tools=[{**unsaid, "parameters": cyclic}])["tools"][0]

    def test_a_namespace_stands_in_front_of_its_tools_names(self):
        space = {
            "type": "namespace",
            "name": "agents",
            "description": "x",
            "tools": [{**WEATHER, "name": "spawn"}, PATCH],
        }
        translated = translate(tools=[space], tool_choice={"type": "function", "namespace": "agents", "name": "spawn"})
        body = msgspec.json.decode(translated.body)
        assert [tool["name"] for tool in body["tools"]] == ["agents__spawn", "agents__apply_patch"]
        assert body["tool_choice"] == {"type": "tool", "name": "agents__spawn"}
        assert translated.memo.custom_tools == {"agents__apply_patch"}
        assert translated.memo.facts["namespaces"]["agents__spawn"] == ("agents", "spawn")
        called = turns(USER, {**CALL, "namespace": "agents"}, OUTPUT)[1]["content"][0]
        assert called["name"] == "agents__get_weather"

    def test_a_grammar_is_told_and_not_enforced(self):
        grammar = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
        translated = translate(tools=[{**PATCH, "format": grammar}])
        description = msgspec.json.decode(translated.body)["tools"][0]["description"]
        assert description == "Patch\n\nThe input must match this lark grammar:\nstart: WORD"
        assert translated.warnings == ("emulated:tools.0(custom)", "dropped:tools.0.format")

    def test_web_search_is_claudes_own(self):
        tool = {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "external_web_access": True,
            "user_location": {"type": "approximate", "country": "GR", "city": None},
        }
        translated = translate(tools=[tool], tool_choice={"type": "web_search"})
        body = msgspec.json.decode(translated.body)
        assert body["tools"] == [
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "allowed_domains": ["a.example"],
                "user_location": {"type": "approximate", "country": "GR"},
            }
        ]
        assert body["tool_choice"] == {"type": "tool", "name": "web_search"}
        assert translated.warnings == ("dropped:tools.0.external_web_access",)
        assert translated.memo.request["tools"] == body["tools"]

    def test_searches_that_codex_offers_beside_its_own_tools_are_left_out_where_there_are_none(self):
        given = claude(options={"web_search": ""})
        hosted = [{"type": "web_search"}, {"type": "tool_search", "execution": "client"}]
        translated = translate(given, tools=[WEATHER, *hosted])
        assert [tool["name"] for tool in msgspec.json.decode(translated.body)["tools"]] == ["get_weather"]
        assert translated.warnings == ("dropped:tools.1(web_search)", "dropped:tools.2(tool_search)")
        assert refusal(given, tools=hosted).field == "tools[0].type"

    def test_only_some_tools_allowed_are_only_some_tools(self):
        choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "apply_patch"}]}
        body = sent(tools=[WEATHER, PATCH], tool_choice=choice)
        assert [tool["name"] for tool in body["tools"]] == ["apply_patch"]
        assert body["tool_choice"] == {"type": "any"}

    def test_a_model_that_cannot_be_forced_is_not_by_default(self):
        given = {"can": {"forced_tools": False}}
        assert refusal(claude(**given), tools=[WEATHER], tool_choice="required").field == "tool_choice"
        asking = claude(**given, options={"forced_tool_choice": "auto"})
        assert sent(asking, tools=[WEATHER], tool_choice="required")["tool_choice"] == {"type": "auto"}

    def test_tools_of_the_history_are_declared_where_the_request_declares_none(self):
        body = sent(input=[USER, CALL, OUTPUT])
        assert [tool["name"] for tool in body["tools"]] == ["get_weather"]
        assert body["tool_choice"] == {"type": "none"}


class TestItems:
    def test_items_of_one_answer_are_one_turn(self):
        text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Checking."}]}
        custom = {"type": "custom_tool_call", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin"}
        answered = {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"}
        found = turns(USER, reasoning(), text, CALL, custom, answered, OUTPUT)
        assert [block["type"] for block in found[1]["content"]] == ["thinking", "text", "tool_use", "tool_use"]
        assert found[1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "sig"}
        assert found[1]["content"][3]["input"] == {"input": "*** Begin"}
        assert [block["tool_use_id"] for block in found[2]["content"]] == ["call_1", "call_2"]

    def test_what_is_said_after_results_follows_them(self):
        found = turns(USER, CALL, OUTPUT, {"role": "user", "content": "In Celsius."})
        assert [block["type"] for block in found[2]["content"]] == ["tool_result", "text"]

    def test_redacted_thinking_comes_back_as_it_was(self):
        found = turns(USER, reasoning({"v": "anthropic", "m": "m", "d": "data"}), CALL, OUTPUT)
        assert found[1]["content"][0] == {"type": "redacted_thinking", "data": "data"}

    def test_thinking_that_nothing_came_of_is_dropped(self):
        translated = translate(input=[USER, reasoning(), USER])
        assert [turn["role"] for turn in msgspec.json.decode(translated.body)["messages"]] == ["user", "user"]
        assert translated.warnings == ("dropped:input.1(reasoning)",)
        assert translate(input=[USER, reasoning()]).warnings == ("dropped:input.1(reasoning)",)

    @pytest.mark.parametrize("sealed", ["gAAAAAB", "", None, 'gwr1:{"v":"openai","i":"rs_1","e":"x"}'])
    def test_reasoning_claude_did_not_sign_is_dropped(self, sealed: str | None):
        item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}
        translated = translate(input=[USER, item, CALL, OUTPUT])
        first = msgspec.json.decode(translated.body)["messages"][1]["content"][0]
        assert first["type"] == "tool_use"
        assert "dropped:input.1(reasoning)" in translated.warnings

    def test_arguments_that_are_no_object_are_refused_or_wrapped(self):
        broken = {**CALL, "arguments": '{"city":'}
        assert refusal(input=[USER, broken, OUTPUT]).field == "input[1].arguments"
        assert turns(USER, broken, OUTPUT, policy="lenient")[1]["content"][0]["input"] == {"_raw": '{"city":'}

    def test_every_call_has_its_output(self):
        assert (refusal(input=[USER, CALL, USER]).field or "").startswith("input[1]")
        assert (refusal(input=[USER, OUTPUT]).field or "").startswith("input[1]")

    def test_late_developer_messages_are_told_in_place(self):
        developer = {"type": "message", "role": "developer", "content": "Be brief."}
        answer = {"role": "assistant", "content": "Ok."}
        found = turns(USER, answer, developer, USER)
        assert found[2]["content"][0] == {"type": "text", "text": "<system>\nBe brief.\n</system>"}
        placed = turns(USER, answer, developer, USER, answer, USER, can={"mid_system": True})
        assert [turn["role"] for turn in placed] == ["user", "assistant", "user", "system", "assistant", "user"]

    def test_images_and_files_are_what_claude_calls_them(self):
        found = turns(
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "detail": "auto", "image_url": "data:image/jpg;base64,/9j/4AAQ"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBER"},
                    {"type": "input_file", "file_url": "https://a.example/b.pdf"},
                ],
            }
        )
        image, file, url = found[0]["content"]
        assert image["source"] == {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}
        assert file["title"] == "a.pdf"
        assert file["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}
        assert url["source"] == {"type": "url", "url": "https://a.example/b.pdf"}

    def test_codex_shows_images_in_a_detail_claude_does_not_know(self):
        part = {"type": "input_image", "detail": "original", "image_url": "https://a.example/a.png"}
        assert translate(input=[{"role": "user", "content": [part]}]).warnings == ("dropped:input.0.content.0.detail",)

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "input_image", "detail": "auto", "file_id": "file_1"},
            {"type": "input_file", "file_id": "file_1"},
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        ],
    )
    def test_what_claude_cannot_be_shown_is_refused(self, part: dict[str, Any]):
        assert (refusal(input=[{"role": "user", "content": [part]}]).field or "").startswith("input[0].content[0]")

    @pytest.mark.parametrize("kind", ["item_reference", "compaction", "computer_call", "shell_call"])
    def test_items_claude_cannot_be_told_are_refused(self, kind: str):
        assert refusal(input=[{"type": kind, "id": "x"}]).field == "input[0].type"

    def test_traces_of_tools_at_openai_are_left_out(self):
        search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
        translated = translate(input=[USER, search, {"role": "assistant", "content": "Found."}, USER])
        assert translated.warnings == ("dropped:input.1(web_search_call)",)

    def test_breakpoints_are_markers(self):
        part = {"type": "input_text", "text": "Long.", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
        found = turns({"role": "user", "content": [part]})
        assert found[0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
