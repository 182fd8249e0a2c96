"""What a Responses upstream is sent for a Messages client."""

from typing import Any

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import messages_responses
from gateway.translate.base import Translated
from tests.unit.translate.kit import PlainSigner, context, fields

REASONING = {"efforts": ("none", "low", "medium", "high"), "developer_role": True, "cache_breakpoints": True}
ASKED = [{"role": "user", "content": "Hi"}]
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
MARK = {"cache_control": {"type": "ephemeral"}}
LATE = {"role": "system", "content": "Be brief."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}


def translate(messages: list[Any] | None = None, *, given: Any = None, **members: Any) -> Translated:
    body = fields(**{"model": "asked-model", "max_tokens": 1000, "messages": messages or ASKED, **members})
    return messages_responses.translate_request(body, given or context(can=REASONING))


def sent(messages: list[Any] | None = None, **members: Any) -> dict[str, Any]:
    return msgspec.json.decode(translate(messages, **members).body)


def items(*messages: Any, **members: Any) -> list[Any]:
    return sent(list(messages), **members)["input"]


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def result(content: Any = "20C", call_id: str = "toolu_1", **members: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **members}


def thinking(payload: dict[str, str], text: str = "hm") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": PlainSigner().seal(payload)}


OPENAIS = {"v": "openai", "i": "rs_9", "e": "secret"}


class TestMembers:
    def test_nothing_is_stored_upstream_and_reasoning_comes_back_encrypted(self):
        body = sent()
        assert body["store"] is False
        assert body["include"] == ["reasoning.encrypted_content"]

    def test_a_model_that_does_not_reason_is_not_asked_for_its_reasoning(self):
        assert "include" not in sent(given=context())

    def test_a_tiny_limit_becomes_the_least_openai_takes(self):
        translated = translate(max_tokens=5)
        assert msgspec.json.decode(translated.body)["max_output_tokens"] == 16
        assert translated.warnings == ("clamped:max_tokens",)

    def test_the_limit_is_never_above_what_the_call_may_cost(self):
        assert sent(given=context(can=REASONING, output_limit=300))["max_output_tokens"] == 300

    def test_warming_the_cache_needs_a_cache_that_can_be_told(self):
        assert sent(max_tokens=0)["prompt_cache_options"] == {"prewarm": True}
        with pytest.raises(BadRequest, match="max_tokens"):
            translate(max_tokens=0, given=context(can={"efforts": ("low",)}))

    def test_shown_thinking_is_a_summary(self):
        assert sent(thinking={"type": "adaptive", "display": "summarized"})["reasoning"] == {"summary": "auto"}
        assert "reasoning" not in sent(thinking={"type": "adaptive", "display": "omitted"})

    def test_a_schema_is_flat_and_strict_where_openai_can_be(self):
        closed = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
        for schema, strict in (({**closed, "additionalProperties": False}, True), (closed, False)):
            body = sent(output_config={"format": {"type": "json_schema", "schema": schema}})
            wanted = {"type": "json_schema", "name": "output", "schema": schema, "strict": strict}
            assert body["text"] == {"format": wanted}

    def test_a_model_without_schemas_is_told_in_words(self):
        schema = {"type": "object", "properties": {}}
        given = context(can={"structured_output": False}, flavour="generic")
        translated = translate(given=given, output_config={"format": {"type": "json_schema", "schema": schema}})
        body = msgspec.json.decode(translated.body)
        assert "text" not in body
        assert '{"type":"object","properties":{}}' in body["input"][0]["content"][0]["text"]
        assert translated.warnings == ("emulated:output_config.format",)

    def test_stop_sequences_are_watched_here(self):
        translated = translate(stop_sequences=["END", ""])
        assert "stop" not in msgspec.json.decode(translated.body)
        assert translated.memo.stop_sequences == ("END",)

    def test_a_top_level_marker_leaves_the_caching_to_openai(self):
        assert sent(**MARK)["prompt_cache_options"] == {"mode": "implicit"}

    def test_prefill_is_refused_in_anthropics_words(self):
        with pytest.raises(BadRequest, match="Prefilling assistant messages is not supported"):
            translate([*ASKED, {"role": "assistant", "content": "The answer is ("}])

    def test_the_version_the_client_named_holds(self):
        with pytest.raises(BadRequest, match="temperature: Extra inputs are not permitted"):
            translate(temperature=1, given=context(headers={"anthropic-version": "2026-10-21"}))

    def test_a_reasoning_model_takes_no_temperature_unless_it_is_told_not_to_reason(self):
        given = context(can={**REASONING, "sampling": False})
        assert "temperature" not in sent(temperature=0.5, given=given)
        assert sent(temperature=0.5, thinking={"type": "disabled"}, given=given)["temperature"] == 0.5

    def test_counting_leaves_out_what_costs_no_input(self):
        body = fields(model="m", messages=ASKED, tools=[WEATHER])
        counted = msgspec.json.decode(messages_responses.count_body(body, context(can=REASONING)))
        assert set(counted) == {"model", "input", "tools"}


class TestTools:
    def test_strict_is_always_said(self):
        closed = {**WEATHER["input_schema"], "required": ["city"], "additionalProperties": False}
        tools = [WEATHER, {**WEATHER, "strict": True}, {**WEATHER, "strict": True, "input_schema": closed}]
        translated = translate(tools=tools)
        assert [tool["strict"] for tool in msgspec.json.decode(translated.body)["tools"]] == [False, False, True]
        assert translated.warnings == ("dropped:tools.1.strict",)

    def test_a_name_openai_refuses_is_exchanged_and_remembered(self):
        name = "files:read"
        messages = [*ASKED, assistant({**USE, "name": name}), user(result())]
        translated = translate(messages, tools=[{**WEATHER, "name": name}], tool_choice={"type": "tool", "name": name})
        body = msgspec.json.decode(translated.body)
        new = body["tools"][0]["name"]
        assert body["tool_choice"] == {"type": "function", "name": new}
        assert body["input"][1]["name"] == new
        assert translated.memo.client_name(new) == name

    def test_web_search_is_openais_own(self):
        tool = {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 3,
            "allowed_domains": ["a.example"],
            "blocked_domains": ["b.example"],
        }
        translated = translate(tools=[tool], tool_choice={"type": "tool", "name": "web_search"})
        body = msgspec.json.decode(translated.body)
        assert body["tools"] == [{"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}]
        assert body["tool_choice"] == {"type": "web_search"}
        assert body["max_tool_calls"] == 3
        assert "web_search_call.action.sources" in body["include"]
        assert translated.warnings == ("dropped:tools.0.blocked_domains", "emulated:tools.0.max_uses")

    @pytest.mark.parametrize("kind", ["web_fetch_20260209", "code_execution_20260120", "computer_toolset_20260801"])
    def test_what_runs_at_anthropic_is_refused(self, kind: str):
        with pytest.raises(BadRequest) as refused:
            translate(tools=[{"type": kind, "name": "x"}])
        assert refused.value.field == "tools.0.type"

    def test_no_tools_no_choice(self):
        body = sent(tools=[], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


class TestHistory:
    def test_reasoning_stands_in_front_of_what_came_of_it(self):
        found = items(*ASKED, assistant(thinking(OPENAIS), USE), user(result()))
        summary = [{"type": "summary_text", "text": "hm"}]
        assert found[1] == {"type": "reasoning", "id": "rs_9", "summary": summary, "encrypted_content": "secret"}
        assert found[2]["type"] == "function_call"

    def test_reasoning_that_nothing_came_of_is_dropped(self):
        translated = translate([*ASKED, assistant({"type": "text", "text": "Well"}, thinking(OPENAIS)), *ASKED])
        assert [item["type"] for item in msgspec.json.decode(translated.body)["input"]] == ["message"] * 3
        assert translated.warnings == ("dropped:messages.1.content(thinking)",)

    @pytest.mark.parametrize("payload", [{"v": "anthropic", "s": "sig"}, {"v": "chat"}, {"v": "openai", "i": "rs_9"}])
    def test_reasoning_openai_could_not_read_is_dropped(self, payload: dict[str, str]):
        translated = translate([*ASKED, assistant(thinking(payload), {"type": "text", "text": "Well"}), *ASKED])
        assert [item["type"] for item in msgspec.json.decode(translated.body)["input"]] == ["message"] * 3
        assert translated.warnings == ("dropped:messages.1.content.0(thinking)",)

    def test_results_come_before_what_is_said_with_them(self):
        other = {**USE, "id": "toolu_2"}
        told = {"type": "text", "text": "In Celsius."}
        found = items(*ASKED, assistant(USE, other), user(told, result(call_id="toolu_2"), result()))
        assert [item.get("call_id") for item in found[3:]] == ["toolu_2", "toolu_1", None]

    def test_a_failed_call_says_so(self):
        translated = translate([*ASKED, assistant(USE), user(result("timeout", is_error=True))])
        assert msgspec.json.decode(translated.body)["input"][2]["output"] == "[tool error] timeout"
        assert translated.warnings == ("emulated:tool_result.is_error",)

    def test_a_failed_call_with_an_image_only_says_so_too(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
        output = items(*ASKED, assistant(USE), user(result([image], is_error=True)))[2]["output"]
        assert output[0] == {"type": "input_text", "text": "[tool error]"}
        assert output[1]["type"] == "input_image"

    def test_every_call_has_its_result(self):
        with pytest.raises(BadRequest, match="without `tool_result` blocks immediately after: toolu_1"):
            translate([*ASKED, assistant(USE), *ASKED])

    def test_every_result_has_its_call(self):
        with pytest.raises(BadRequest) as refused:
            translate([user(result())])
        assert refused.value.field == "messages.0.content.0"

    def test_under_lenient_a_missing_result_is_given_and_a_stray_one_told(self):
        given = context(can=REASONING, policy="lenient")
        found = items(*ASKED, assistant(USE), user(result(call_id="toolu_x")), given=given)
        assert found[2]["output"] == "[tool error] no result was provided"
        assert found[3]["content"] == [{"type": "input_text", "text": "20C"}]

    def test_long_ids_are_shortened_alike_for_call_and_result(self):
        long = "toolu_" + "x" * 80
        found = items(*ASKED, assistant({**USE, "id": long}), user(result(call_id=long)))
        assert found[1]["call_id"] == found[2]["call_id"]
        assert len(found[1]["call_id"]) <= 64

    def test_a_marker_moves_to_the_last_part_that_can_bear_one(self):
        found = items(*ASKED, assistant({"type": "text", "text": "Well", **MARK}), *ASKED)
        assert found[0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}

    def test_a_marked_result_can_be_cached(self):
        found = items(*ASKED, assistant(USE), user(result(**MARK)))
        breakpoint_ = {"prompt_cache_breakpoint": {"mode": "explicit"}}
        assert found[2]["output"] == [{"type": "input_text", "text": "20C", **breakpoint_}]

    def test_late_system_messages_stay_where_they_are(self):
        found = items(*ASKED, LATE, {"role": "assistant", "content": "Ok"}, *ASKED)
        assert [item["role"] for item in found] == ["user", "developer", "assistant", "user"]

    def test_late_system_messages_can_be_wrapped_for_servers_that_break_on_them(self):
        given = context(flavour="generic", options={"late_system": "user_wrap"})
        found = items(*ASKED, LATE, {"role": "assistant", "content": "Ok"}, *ASKED, given=given)
        assert found[1]["content"] == [{"type": "input_text", "text": "<system>\nBe brief.\n</system>"}]

    def test_documents_become_files_or_words(self):
        base64 = {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}
        plain = {"type": "text", "media_type": "text/plain", "data": "one"}
        pdf = {"type": "document", "title": "a.pdf", "source": base64}
        url = {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}}
        text = {"type": "document", "title": "Notes", "source": plain, "citations": {"enabled": True}}
        translated = translate([user(pdf, url, text)])
        assert msgspec.json.decode(translated.body)["input"][0]["content"] == [
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBER"},
            {"type": "input_file", "file_url": "https://a.example/b.pdf"},
            {"type": "input_text", "text": '<document title="Notes">\none\n</document>'},
        ]
        assert translated.warnings == (
            "dropped:messages.0.content.2.citations",
            "emulated:messages.0.content.2(document)",
        )

    @pytest.mark.parametrize(
        "block",
        [
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "container_upload", "file_id": "file_1"},
            {"type": "never_heard_of"},
        ],
    )
    def test_what_openai_cannot_be_shown_is_refused(self, block: dict[str, Any]):
        with pytest.raises(BadRequest) as refused:
            translate([user(block)])
        assert (refused.value.field or "").startswith("messages.0.content.0")

    def test_searches_of_the_gateways_own_vanish_and_others_are_missed(self):
        own = {"type": "server_tool_use", "id": "srvtoolu_gw_1_0", "name": "web_search", "input": {"query": "x"}}
        text = {"type": "text", "text": "Found."}
        assert translate([*ASKED, assistant(own, text), *ASKED]).warnings == ()
        translated = translate([*ASKED, assistant({**own, "id": "srvtoolu_9"}, text), *ASKED])
        assert translated.warnings == ("dropped:messages.1.content.0(server_tool_use)",)
