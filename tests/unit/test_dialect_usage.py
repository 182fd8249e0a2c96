"""Reported usage, brought into disjoint buckets."""

import pytest

from gateway.dialects.usage import chat_usage, merge_reports, messages_usage, responses_usage
from gateway.records import Usage


def test_anthropic_input_excludes_the_cache():
    reported = {
        "input_tokens": 10,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 12,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "priority",
        "speed": "fast",
        "inference_geo": "us",
    }
    assert messages_usage(reported) == Usage(
        input_tokens=10,
        cache_read_tokens=20,
        cache_write_5m_tokens=5,
        cache_write_1h_tokens=7,
        output_tokens=9,
        reasoning_tokens=4,
        web_search_requests=2,
        service_tier="priority",
        speed="fast",
        inference_geo="us",
    )


def test_cache_writes_without_a_breakdown_are_five_minute_writes():
    usage = messages_usage({"cache_creation_input_tokens": 12, "cache_creation": None})
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (12, 0)


def test_a_total_that_outgrew_its_breakdown_adds_five_minute_writes():
    usage = messages_usage(
        {
            "cache_creation_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
        }
    )
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (13, 7)


def test_compaction_is_billed_on_top_of_the_totals():
    usage = messages_usage(
        {
            "input_tokens": 23,
            "output_tokens": 1,
            "iterations": [
                {"type": "compaction", "input_tokens": 180, "output_tokens": 3},
                {"type": "message", "input_tokens": 23, "output_tokens": 1},
            ],
        }
    )
    assert (usage.input_tokens, usage.output_tokens) == (203, 4)


@pytest.mark.parametrize("usage_of", [chat_usage, responses_usage])
def test_openai_totals_include_the_cache_both_ways(usage_of):
    prefix = ("prompt", "completion") if usage_of is chat_usage else ("input", "output")
    usage = usage_of(
        {
            f"{prefix[0]}_tokens": 120,
            f"{prefix[1]}_tokens": 30,
            f"{prefix[0]}_tokens_details": {
                "cached_tokens": 80,
                "cache_write_tokens": 15,
                "cache_write_tokens_details": {"ttl_30m_tokens": 5, "ttl_12h_tokens": 10},
            },
            f"{prefix[1]}_tokens_details": {"reasoning_tokens": 12},
        },
        service_tier="flex",
    )
    assert usage == Usage(
        input_tokens=25,
        cache_read_tokens=80,
        cache_write_30m_tokens=5,
        cache_write_12h_tokens=10,
        output_tokens=30,
        reasoning_tokens=12,
        service_tier="flex",
    )
    assert usage.prompt_tokens == 120


def test_cache_writes_without_a_lifetime_are_thirty_minute_writes():
    assert chat_usage({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 4}}) == Usage(
        input_tokens=5, cache_write_30m_tokens=4
    )


def test_more_cached_than_prompt_means_the_prompt_was_counted_without_the_cache():
    usage = chat_usage({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 500}})
    assert (usage.input_tokens, usage.cache_read_tokens) == (10, 500)


def test_a_proxied_claude_reports_its_cache_under_its_own_names():
    usage = chat_usage({"prompt_tokens": 100, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30})
    assert usage == Usage(input_tokens=10, cache_read_tokens=60, cache_write_5m_tokens=30)


def test_searches_of_a_response_come_from_its_tool_usage():
    assert responses_usage({}, tool_usage={"web_search": {"num_requests": 3}}).web_search_requests == 3


def test_generic_servers_leave_out_or_null_the_details():
    assert chat_usage({"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": None}) == Usage(
        input_tokens=7, output_tokens=2
    )


@pytest.mark.parametrize("value", [-5, True, "7", None, [], {}, float("inf"), 1e300])
def test_what_is_no_count_counts_nothing(value: object):
    assert messages_usage({"input_tokens": value, "cache_creation": value}) == Usage()


def test_a_thin_report_does_not_hide_a_full_one():
    full = {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 8}}
    thin = {"prompt_tokens": 10, "prompt_tokens_details": None, "completion_tokens": 3}
    for merged in (merge_reports(full, thin), merge_reports(thin, full)):
        assert chat_usage(merged) == Usage(input_tokens=2, cache_read_tokens=8, output_tokens=3)
