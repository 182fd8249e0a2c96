"""Usage in each dialect's own shape, from the disjoint buckets: no token is counted twice and none is lost.

Anthropic's `input_tokens` exclude the cache. OpenAI's include what was read from it and written to it.
"""

from typing import Any

from gateway.records import Usage

_TO_OPENAI_TIER = {"standard": "default", "priority": "priority", "batch": "default"}
_TO_CLAUDE_TIER = {"priority": "priority", "fast": "priority"}


def messages_usage(usage: Usage, *, reasoning_reported: bool) -> dict[str, Any]:
    """For Messages clients. Without a report of reasoning the thinking tokens are not known to be none."""
    found: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": _written(usage),
        "output_tokens": usage.output_tokens,
    }
    if reasoning_reported:
        found["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.service_tier:
        found["service_tier"] = claude_tier(usage.service_tier)
    if usage.web_search_requests:
        found["server_tool_use"] = {"web_search_requests": usage.web_search_requests, "web_fetch_requests": 0}
    return found


def chat_usage(usage: Usage) -> dict[str, Any]:
    """For Chat clients."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": _written(usage)},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def responses_usage(usage: Usage) -> dict[str, Any]:
    """For Responses clients."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": _written(usage)},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
    }


def openai_tier(claude: str) -> str:
    """`service_tier` of an answer, as OpenAI says it."""
    return _TO_OPENAI_TIER.get(claude, "default")


def claude_tier(openai: str) -> str:
    """`service_tier` of an answer, as Anthropic says it."""
    return _TO_CLAUDE_TIER.get(openai, "standard")


def _written(usage: Usage) -> int:
    return (
        usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_write_30m_tokens
        + usage.cache_write_12h_tokens
    )
