"""How hard to think, in the words of the model that will."""

from typing import Any

import pytest

from gateway.catalog.models import Capabilities
from gateway.translate.effort import ClaudeThinking, claude_thinking, nearest, openai_effort
from gateway.translate.warnings import Warnings

LEVELS = ("low", "medium", "high", "xhigh", "max")
ALWAYS = Capabilities(thinking=("adaptive",), thinking_default="always", efforts=LEVELS)
BY_DEFAULT = Capabilities(thinking=("adaptive", "disabled"), thinking_default="on", efforts=LEVELS)
BETWEEN_TOOLS = Capabilities(thinking=("adaptive", "between_tools"), thinking_default="on", efforts=LEVELS)
OFF = Capabilities(thinking=("adaptive", "disabled"), efforts=("low", "medium", "high", "max"))
BUDGET = Capabilities(thinking=("enabled", "disabled"))
GPT = Capabilities(efforts=("none", "low", "medium", "high", "xhigh"))
GPT_ALWAYS = Capabilities(efforts=("low", "medium", "high"))
PLAIN = Capabilities()


def claude(
    level: str | None, can: Capabilities, max_tokens: int = 64_000, **more: Any
) -> tuple[Any, Any, tuple[str, ...]]:
    warnings = Warnings()
    found = claude_thinking(level, can, max_tokens, warnings, **more)
    return found.thinking, found.effort, warnings.codes


@pytest.mark.parametrize("can", [ALWAYS, BY_DEFAULT, BETWEEN_TOOLS, OFF, BUDGET, PLAIN])
def test_nothing_asked_is_nothing_sent(can: Capabilities):
    assert claude(None, can) == (None, None, ())


@pytest.mark.parametrize(
    ("can", "expected"),
    [
        (ALWAYS, (None, "low", ("clamped:reasoning_effort",))),
        (BY_DEFAULT, ({"type": "disabled"}, None, ())),
        (BETWEEN_TOOLS, ({"type": "between_tools"}, None, ())),
        (OFF, (None, None, ())),
        (BUDGET, (None, None, ())),
    ],
)
def test_no_effort(can: Capabilities, expected: Any):
    assert claude("none", can) == expected


@pytest.mark.parametrize(
    ("level", "can", "expected"),
    [
        ("high", ALWAYS, (None, "high", ())),
        ("minimal", ALWAYS, (None, "low", ("clamped:reasoning_effort",))),
        ("xhigh", OFF, ({"type": "adaptive"}, "high", ("clamped:reasoning_effort",))),
        ("high", BUDGET, ({"type": "enabled", "budget_tokens": 16_384}, None, ())),
        ("high", PLAIN, (None, None, ("dropped:reasoning_effort",))),
    ],
)
def test_a_level(level: str, can: Capabilities, expected: Any):
    assert claude(level, can) == expected


def test_a_budget_leaves_a_fifth_of_the_answer():
    assert claude("max", BUDGET, 10_000)[0] == {"type": "enabled", "budget_tokens": 8_000}


def test_a_budget_below_the_least_is_no_thinking():
    assert claude("low", BUDGET, 1_000) == (None, None, ("dropped:reasoning_effort",))


def test_thinking_to_be_read_is_asked_for_by_name():
    assert claude(None, ALWAYS, show=True)[0] == {"type": "adaptive", "display": "summarized"}
    assert claude("low", BUDGET, show=True)[0] == {"type": "enabled", "budget_tokens": 2_048, "display": "summarized"}
    assert claude(None, BUDGET, show=True)[0] is None
    assert claude("none", BY_DEFAULT, show=True)[0] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("fields", "can", "expected", "codes"),
    [
        ({}, GPT, None, ()),
        ({"thinking": {"type": "adaptive"}}, GPT, None, ()),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            GPT,
            "xhigh",
            ("clamped:output_config.effort",),
        ),
        ({"thinking": {"type": "disabled"}}, GPT, "none", ()),
        ({"thinking": {"type": "disabled"}}, GPT_ALWAYS, "low", ("clamped:thinking",)),
        ({"thinking": {"type": "between_tools"}}, GPT, "none", ("clamped:thinking",)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_048}}, GPT, "low", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 8_193}}, GPT, "high", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 30_000}}, GPT, "xhigh", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_048}}, PLAIN, None, ("dropped:thinking",)),
        ({"thinking": {"type": "disabled"}}, PLAIN, None, ()),
    ],
)
def test_claudes_thinking_as_an_openai_effort(
    fields: dict[str, Any], can: Capabilities, expected: str | None, codes: tuple[str, ...]
):
    warnings = Warnings()
    assert openai_effort(fields, can, warnings) == expected
    assert warnings.codes == codes


def test_the_nearest_level_is_never_above():
    assert nearest("max", ("low", "high")) == "high"
    assert nearest("minimal", ("low", "high")) == "low"


def test_manual_thinking_is_the_kind_with_a_budget():
    assert ClaudeThinking({"type": "enabled", "budget_tokens": 2_000}).is_manual
    assert not ClaudeThinking({"type": "adaptive"}).is_manual
