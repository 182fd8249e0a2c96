"""Requests to Claude: limits, tools, choices, cache markers."""

from typing import Any

import pytest

from gateway.errors import Unsupported
from gateway.translate.claude_request import (
    ClaudeTools,
    auto_cache,
    claude_max_tokens,
    claude_sampling,
    claude_tier_asked,
    claude_tool_choice,
    limit_markers,
    settle_thinking,
)
from gateway.translate.effort import ClaudeThinking
from gateway.translate.warnings import Warnings
from tests.unit.translate.kit import context, model

MANUAL = ClaudeThinking({"type": "enabled", "budget_tokens": 2_048})


def tools_with(warnings: Warnings, *names: str, strict: bool = False, schema: Any = None) -> ClaudeTools:
    tools = ClaudeTools(warnings)
    for position, name in enumerate(names):
        tools.function(name, None, schema, strict=strict, path=f"tools.{position}.function")
    return tools


@pytest.mark.parametrize(
    ("named", "output_limit", "expected"),
    [
        (None, None, 32_000),
        (500, None, 500),
        (None, 700, 700),
        (500, 700, 500),
        (500, 100, 100),
        (99_999, None, 64_000),
    ],
)
def test_the_smallest_limit_holds(named: int | None, output_limit: int | None, expected: int):
    given = context(model=model(max_output_tokens=64_000), output_limit=output_limit)
    assert claude_max_tokens(named, given, Warnings(), "max_tokens") == expected


def test_nothing_is_too_little():
    with pytest.raises(Unsupported):
        claude_max_tokens(0, context(), Warnings(), "max_tokens")


@pytest.mark.parametrize(
    ("fields", "sampling", "expected", "codes"),
    [
        ({"temperature": 1.5}, True, {"temperature": 1}, ("clamped:temperature",)),
        ({"temperature": 0.5, "top_p": 0.9}, True, {"temperature": 0.5}, ("dropped:top_p",)),
        ({"top_p": 0.9}, True, {"top_p": 0.9}, ()),
        ({"temperature": 1, "top_p": 1}, False, {}, ()),
        ({"temperature": 0.2}, False, {}, ("dropped:temperature",)),
    ],
)
def test_sampling(fields: dict[str, Any], sampling: bool, expected: dict[str, Any], codes: tuple[str, ...]):
    warnings = Warnings()
    assert claude_sampling(fields, context(can={"sampling": sampling}), warnings) == expected
    assert warnings.codes == codes


def test_a_forced_tool_is_refused_where_the_model_takes_none():
    warnings = Warnings()
    given = context(can={"forced_tools": False})
    with pytest.raises(Unsupported):
        claude_tool_choice({"type": "any"}, tools_with(warnings, "f"), given, warnings, parallel=None)


def test_an_account_may_let_the_model_choose():
    warnings = Warnings()
    tools = tools_with(warnings, "f", "g")
    given = context(can={"forced_tools": False}, options={"forced_tool_choice": "auto"})
    choice = claude_tool_choice({"type": "tool", "name": "g"}, tools, given, warnings, parallel=None)
    assert choice == {"type": "auto"}
    assert [tool.get("strict") for tool in tools.tools] == [None, True]
    assert warnings.codes == ("clamped:tool_choice",)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"type": "any"}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "none"}, {"type": "none"}),
    ],
)
def test_one_call_at_a_time_is_said_in_the_choice(choice: Any, expected: Any):
    warnings = Warnings()
    assert claude_tool_choice(choice, tools_with(warnings, "f"), context(), warnings, parallel=False) == expected


def test_without_tools_there_is_no_choice():
    assert claude_tool_choice({"type": "any"}, ClaudeTools(Warnings()), context(), Warnings(), parallel=False) is None


def test_too_many_strict_tools_are_not_strict():
    warnings = Warnings()
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    tools = tools_with(warnings, *[f"f{n}" for n in range(21)], strict=True, schema=schema)
    tools.settle_strict()
    assert not any("strict" in tool for tool in tools.tools)
    assert tools.tools[0]["input_schema"] == schema
    assert len(warnings.codes) == 21


def test_tools_of_the_history_are_declared():
    warnings = Warnings()
    tools = ClaudeTools(warnings)
    assert tools.stub(["f", "f"], "tools")
    assert [tool["name"] for tool in tools.tools] == ["f"]


def test_manual_thinking_gives_way_to_a_forced_tool():
    warnings = Warnings()
    request: dict[str, Any] = {"tool_choice": {"type": "any"}}
    settle_thinking(request, MANUAL, warnings)
    assert "thinking" not in request
    assert warnings.codes == ("dropped:reasoning_effort",)


def test_manual_thinking_excludes_sampling():
    warnings = Warnings()
    request: dict[str, Any] = {"temperature": 0.3, "top_p": 0.5}
    settle_thinking(request, MANUAL, warnings)
    assert request == {"thinking": MANUAL.thinking}
    assert warnings.codes == ("dropped:temperature", "dropped:top_p")


def marked(count: int, **marker: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", **marker}} for _ in range(count)]


def test_the_last_four_markers_stay():
    request = {"system": marked(2), "messages": [{"role": "user", "content": marked(3)}]}
    limit_markers(request)
    assert ["cache_control" in block for block in request["system"]] == [False, True]
    assert all("cache_control" in block for block in request["messages"][0]["content"])


def test_no_marker_outlives_one_before_it():
    request = {"system": marked(1), "messages": [{"role": "user", "content": marked(1, ttl="1h")}]}
    limit_markers(request)
    assert request["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_a_conversation_without_markers_is_cached():
    turns = [{"role": "user", "content": "x"}] * 3
    request: dict[str, Any] = {"messages": turns}
    auto_cache(request, context(options={"auto_cache": True}))
    assert request["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_single_question_is_not(count: int):
    request: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}] * count}
    auto_cache(request, context(options={"auto_cache": True}))
    assert "cache_control" not in request


@pytest.mark.parametrize(
    ("asked", "sent", "codes"),
    [
        (None, None, ()),
        ("auto", "auto", ()),
        ("default", "standard_only", ()),
        ("fast", "auto", ("clamped:service_tier",)),
    ],
)
def test_no_tier_costs_more_than_was_agreed(asked: Any, sent: Any, codes: tuple[str, ...]):
    warnings = Warnings()
    assert claude_tier_asked(asked, warnings) == sent
    assert warnings.codes == codes
