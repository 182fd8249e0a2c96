"""What upstreams report as usage, brought into the disjoint buckets of `records.Usage` (protocols of Nov 2026).

Every function takes the decoded JSON object and forgives wrong types: a count that is not a number is no count.
"""

from collections.abc import Mapping
from typing import Any

from gateway.records import Usage


def _count(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return max(0, int(value)) if abs(value) < 2**53 else 0


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def messages_usage(reported: Mapping[str, Any]) -> Usage:
    """From an Anthropic `usage` object, whose `input_tokens` exclude the cache.

    Cache writes without a breakdown by lifetime are five-minute writes. The tokens of `compaction` iterations are
    billed but not part of the top-level counts, so they are added (anthropic SDK, `BetaUsage.iterations`).
    """
    parts = [reported]
    iterations = reported.get("iterations")
    if isinstance(iterations, list):
        parts += [part for part in iterations if isinstance(part, dict) and part.get("type") == "compaction"]
    five_minutes = one_hour = 0
    for part in parts:
        shorter, longer = _messages_cache_writes(part)
        five_minutes += shorter
        one_hour += longer
    return Usage(
        input_tokens=sum(_count(part.get("input_tokens")) for part in parts),
        cache_read_tokens=sum(_count(part.get("cache_read_input_tokens")) for part in parts),
        cache_write_5m_tokens=five_minutes,
        cache_write_1h_tokens=one_hour,
        output_tokens=sum(_count(part.get("output_tokens")) for part in parts),
        reasoning_tokens=_count(_object(reported.get("output_tokens_details")).get("thinking_tokens")),
        web_search_requests=_count(_object(reported.get("server_tool_use")).get("web_search_requests")),
        service_tier=_word(reported.get("service_tier")),
        speed=_word(reported.get("speed")),
        inference_geo=_word(reported.get("inference_geo")),
    )


def _messages_cache_writes(part: Mapping[str, Any]) -> tuple[int, int]:
    breakdown = _object(part.get("cache_creation"))
    one_hour = _count(breakdown.get("ephemeral_1h_input_tokens"))
    five_minutes = _count(breakdown.get("ephemeral_5m_input_tokens"))
    total = _count(part.get("cache_creation_input_tokens"))
    return max(five_minutes, total - one_hour), one_hour


def chat_usage(reported: Mapping[str, Any], *, service_tier: str = "") -> Usage:
    """From a Chat Completions `usage` object, also as DeepSeek, OpenRouter and proxied Claude models write it."""
    details = _object(reported.get("prompt_tokens_details"))
    cached = _first(
        details.get("cached_tokens"), reported.get("prompt_cache_hit_tokens"), reported.get("cache_read_input_tokens")
    )
    return _openai_usage(
        prompt=_count(reported.get("prompt_tokens")),
        cached=cached,
        details=details,
        written_5m=_count(reported.get("cache_creation_input_tokens")) if "cache_write_tokens" not in details else 0,
        output=_count(reported.get("completion_tokens")),
        output_details=_object(reported.get("completion_tokens_details")),
        web_searches=0,
        service_tier=service_tier,
    )


def responses_usage(reported: Mapping[str, Any], *, service_tier: str = "", tool_usage: object = None) -> Usage:
    """From a Responses `usage` object; `tool_usage` is the response's own member of that name."""
    details = _object(reported.get("input_tokens_details"))
    return _openai_usage(
        prompt=_count(reported.get("input_tokens")),
        cached=_count(details.get("cached_tokens")),
        details=details,
        written_5m=0,
        output=_count(reported.get("output_tokens")),
        output_details=_object(reported.get("output_tokens_details")),
        web_searches=_count(_object(_object(tool_usage).get("web_search")).get("num_requests")),
        service_tier=service_tier,
    )


def add(first: Usage, second: Usage) -> Usage:
    """Two parts of one answer. The later part's tier, speed and place stand for both."""
    counts = {
        name: getattr(first, name) + getattr(second, name)
        for name, kind in Usage.__annotations__.items()
        if kind is int
    }
    return Usage(
        **counts,
        service_tier=second.service_tier or first.service_tier,
        speed=second.speed or first.speed,
        inference_geo=second.inference_geo or first.inference_geo,
    )


def merge_reports(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Two Chat usage objects of one stream: the larger of each count, the later of everything else that is not null.

    Some servers put a thin usage on the finish chunk and the full one, with cache counts, on the last.
    """
    merged = dict(earlier)
    for name, value in later.items():
        before = merged.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[name] = merge_reports(before, value)
        elif isinstance(value, int | float) and isinstance(before, int | float):
            merged[name] = max(before, value)
        elif value is not None:
            merged[name] = value
    return merged


def _first(*values: object) -> int:
    for value in values:
        if value is not None:
            return _count(value)
    return 0


def _openai_usage(
    *,
    prompt: int,
    cached: int,
    details: Mapping[str, Any],
    written_5m: int,
    output: int,
    output_details: Mapping[str, Any],
    web_searches: int,
    service_tier: str,
) -> Usage:
    """The prompt total includes what was read from and written to the cache: taking it whole as fresh input would
    charge the cache twice. An upstream that reports more cached tokens than prompt tokens counts the Anthropic way."""
    written = _count(details.get("cache_write_tokens"))
    half_day = min(written, _count(_object(details.get("cache_write_tokens_details")).get("ttl_12h_tokens")))
    fresh = prompt if cached > prompt else max(0, prompt - cached - written - written_5m)
    return Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written_5m,
        cache_write_30m_tokens=written - half_day,
        cache_write_12h_tokens=half_day,
        output_tokens=output,
        reasoning_tokens=_count(output_details.get("reasoning_tokens")),
        web_search_requests=web_searches,
        service_tier=service_tier,
    )
