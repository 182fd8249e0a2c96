"""How hard a model thinks: OpenAI's levels, Claude's levels, and Claude's token budgets, one as the other."""

from typing import Any

from msgspec import Struct

from gateway.catalog.models import Capabilities
from gateway.translate.warnings import Warnings

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From the least to the most. Claude has no `none` and no `minimal`."""

BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 49_152}
MIN_BUDGET = 1_024
_LEVEL_UP_TO = ((2_048, "low"), (8_192, "medium"), (24_576, "high"))


class ClaudeThinking(Struct, frozen=True):
    """The members of a Messages request that say how to think. None: the member is left out."""

    thinking: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def is_manual(self) -> bool:
        return self.thinking is not None and self.thinking.get("type") == "enabled"


def nearest(level: str, supported: tuple[str, ...]) -> str:
    """The highest supported level that is not above this one; the lowest, where all are above."""
    ordered = [known for known in LEVELS if known in supported]
    if not ordered or level not in LEVELS:
        return level
    below = [known for known in ordered if LEVELS.index(known) <= LEVELS.index(level)]
    return below[-1] if below else ordered[0]


def level_of_budget(budget: int) -> str:
    """OpenAI's word for a budget of thinking tokens."""
    return next((level for limit, level in _LEVEL_UP_TO if budget <= limit), "xhigh")


def claude_thinking(
    level: str | None,
    can: Capabilities,
    max_tokens: int,
    warnings: Warnings,
    *,
    path: str = "reasoning_effort",
    show: bool = False,
) -> ClaudeThinking:
    """What an OpenAI effort is to a Claude model. `show`: the client wants to read the thinking.

    `path` is the client's own, for warnings. Models of the budget kind take no effort; adaptive ones no budget.
    """
    if level is None:
        found = ClaudeThinking()
    elif level == "none":
        found = _without_thinking(can, warnings, path)
    elif "adaptive" in can.thinking:
        found = _adaptive(level, can, warnings, path)
    elif "enabled" in can.thinking:
        found = _budget(level, max_tokens, warnings, path)
    else:
        warnings.dropped(path)
        found = ClaudeThinking()
    return _shown(found, can, level) if show else found


def openai_effort(fields: dict[str, Any], can: Capabilities, warnings: Warnings) -> str | None:
    """The OpenAI effort for a Messages request's `thinking` and `output_config.effort`; None: leave it out.

    A model that takes no effort gets none: what asked for a certain amount of thinking is a warning, what left it to
    the model is not.
    """
    thinking = fields.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    config = fields.get("output_config")
    wanted = config.get("effort") if isinstance(config, dict) else None
    path = "output_config.effort"
    if kind in ("disabled", "between_tools"):
        wanted, path = "none", "thinking"
    elif wanted is None and kind == "enabled" and isinstance(thinking, dict):
        budget = thinking.get("budget_tokens")
        wanted, path = level_of_budget(budget if isinstance(budget, int) else 0), "thinking"
    if not isinstance(wanted, str):
        return None
    if not can.efforts:
        if kind not in ("disabled", "between_tools"):
            warnings.dropped(path)
        return None
    level = nearest(wanted, can.efforts)
    if level != wanted or kind == "between_tools":
        warnings.clamped(path)
    return level


def _without_thinking(can: Capabilities, warnings: Warnings, path: str) -> ClaudeThinking:
    if can.thinking_default == "off":
        return ClaudeThinking()
    if can.thinking_default == "on" and "disabled" in can.thinking:
        # Some models refuse to switch thinking off at their highest efforts; the default of all of them is lower.
        return ClaudeThinking(thinking={"type": "disabled"})
    if can.thinking_default == "on" and "between_tools" in can.thinking:
        return ClaudeThinking(thinking={"type": "between_tools"})
    warnings.clamped(path)
    lowest = next((level for level in LEVELS if level in can.efforts), None)
    return ClaudeThinking(effort=lowest)


def _adaptive(level: str, can: Capabilities, warnings: Warnings, path: str) -> ClaudeThinking:
    effort = nearest(level, can.efforts)
    if effort != level:
        warnings.clamped(path)
    thinking = {"type": "adaptive"} if can.thinking_default == "off" else None
    return ClaudeThinking(thinking=thinking, effort=effort if can.efforts else None)


def _budget(level: str, max_tokens: int, warnings: Warnings, path: str) -> ClaudeThinking:
    wanted = BUDGETS.get(level, BUDGETS["medium"])
    budget = min(wanted, max_tokens * 4 // 5)
    if budget < MIN_BUDGET:
        warnings.dropped(path)
        return ClaudeThinking()
    return ClaudeThinking(thinking={"type": "enabled", "budget_tokens": budget})


def _shown(found: ClaudeThinking, can: Capabilities, level: str | None) -> ClaudeThinking:
    """Newer models leave their thinking out of the answer unless it is asked for by name."""
    if level == "none" or (found.thinking is None and "adaptive" not in can.thinking):
        return found
    if found.thinking is None and level is None and can.thinking_default == "off":
        return found
    thinking = found.thinking or {"type": "adaptive"}
    if thinking["type"] == "between_tools":
        return found
    return ClaudeThinking(thinking={**thinking, "display": "summarized"}, effort=found.effort)
