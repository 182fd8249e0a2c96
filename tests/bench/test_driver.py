"""The load driver counts only whole answers, and its mock answers what the request asks for."""

import os
from collections.abc import Iterator

import pytest

from tests.bench.driver import Load, Plan, run_load
from tests.bench.mock import Mock, chat_request


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with Mock() as started:
        yield started


def plan_of(mock: Mock, directive: str, *, stream: bool, count: int = 20, **options: object) -> Plan:
    request = chat_request(directive, secret="none", stream=stream)
    return Plan(mock.port, request, count, terminal=b"[DONE]" if stream else b"", **options)


@pytest.mark.parametrize(
    ("directive", "stream"), [("reply", False), ("stream events=500", True), ("stream events=3 gap=0.01", True)]
)
def test_whole_answers_are_completed(mock: Mock, directive: str, stream: bool) -> None:
    result = run_load(plan_of(mock, directive, stream=stream, connections=4))

    assert (result.completed, result.failed, len(result.ttfb_ms)) == (20, 0, 20)


@pytest.mark.parametrize("directive", ["cut_after 2", "error_midway 1", "garbage"])
def test_stream_without_its_terminal_is_a_failure(mock: Mock, directive: str) -> None:
    result = run_load(plan_of(mock, directive, stream=True, connections=4))

    assert (result.completed, result.failed) == (0, 20)


def test_error_answers_are_failures_with_their_status(mock: Mock) -> None:
    result = run_load(plan_of(mock, "status 429", stream=False))

    assert (result.failed, result.statuses) == (20, {"429": 20})


def test_rate_spreads_the_requests(mock: Mock) -> None:
    result = run_load(plan_of(mock, "reply", stream=False, count=10, rate=50))

    assert (result.completed, result.elapsed_s > 0.17) == (10, True)


def test_driver_gives_up_at_its_limit(mock: Mock) -> None:
    result = run_load(plan_of(mock, "hang", stream=False, count=3, connections=3, limit_s=0.2))

    assert (result.completed, result.failed) == (0, 3)
    assert "not finished" in result.first_failure


def test_result_larger_than_a_pipe_does_not_stop_the_driver(mock: Mock) -> None:
    load = Load(plan_of(mock, "reply", stream=False, count=5000, connections=8, limit_s=20))
    while load.running:
        os.sched_yield()

    assert load.result().completed == 5000
