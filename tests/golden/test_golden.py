"""Every worked case: what goes upstream and what comes back, to the last member, and all of it as the SDKs take it.

The cases are in `cases`, or in the folder that GOLDEN_DIR names. A case is collected once its pair can be translated.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import CallError
from tests.golden.playback import Playback, load_cases
from tests.golden.request_rules import CHECKS
from tests.golden.sdk_clients import check_error_answer, check_stream
from tests.golden.sdk_types import check_answer, check_request, missing_in, without_nulls
from tests.golden.usage_rules import check_usage

CASES = load_cases(Path(os.environ.get("GOLDEN_DIR") or Path(__file__).with_name("cases")))
SPLITS = (None, 1, 7)
"""Bytes of each read of an upstream stream; None is all of it at once."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:openai", "ignore::DeprecationWarning:anthropic")


def having(*members: str) -> pytest.MarkDecorator:
    """Only the cases that have all of these members."""
    chosen = [case for case in CASES if all(member in case for member in members)]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case["name"])


def test_there_are_cases() -> None:
    """A folder without any would pass everything else."""
    assert CASES


@having("upstream_request")
def test_request(case: dict[str, Any]) -> None:
    """The upstream is sent exactly the case's request, and its vendor would take it."""
    sent = Playback(case).request()
    assert sent == case["upstream_request"]
    check_request(case["upstream"], sent, case, "upstream_request")
    CHECKS[case["upstream"]](sent, "upstream_request")


@having("client_request", "warnings")
def test_warnings(case: dict[str, Any]) -> None:
    """Everything that was changed is named, and nothing else."""
    playback = Playback(case)
    if "client_error" not in case or "upstream_error" in case:
        playback.request()
    assert sorted(playback.warnings) == sorted(case["warnings"])


@having("upstream_response", "client_response")
def test_answer(case: dict[str, Any]) -> None:
    """The client reads exactly the case's answer, after as many requests as it took."""
    playback = Playback(case)
    playback.request()
    answer, resumed, usage = playback.answer()
    assert answer == case["client_response"]
    assert resumed == [case[name] for name in sorted(case) if name.startswith("upstream_request_")]
    check_answer(case["client"], answer, case, "client_response")
    check_usage(case, usage)


@having("upstream_stream", "client_stream")
@pytest.mark.parametrize("split", SPLITS)
def test_stream(case: dict[str, Any], split: int | None) -> None:
    """The client reads exactly the case's events, however the upstream's bytes were cut."""
    playback = Playback(case)
    playback.request()
    events = playback.stream(split)
    expected = [event for event in case["client_stream"] if not event.get("comment") and event["event"] != "ping"]
    assert len(events) == len(expected)
    for number, (event, wanted) in enumerate(zip(events, expected, strict=True)):
        if case.get("client_stream_fails") and number == len(expected) - 1:
            assert missing_in(without_nulls(wanted), event) == []
        else:
            assert event == wanted
    state = case.get("state_write")
    if state is not None:
        assert playback.memory.held == {state["key"].removeprefix("tool:"): state["value"]}


@having("upstream_stream", "client_stream")
def test_stream_in_the_sdk(case: dict[str, Any]) -> None:
    """The vendor's client accumulates the stream to what the case says, or raises where the stream failed."""
    playback = Playback(case)
    playback.request()
    failing = bool(case.get("client_stream_fails"))
    final = check_stream(case["client"], playback.stream(), case, "client_stream", failing=failing, upstream=False)
    if "client_final" in case:
        assert missing_in(without_nulls(case["client_final"]), without_nulls(final)) == []


@having("client_error")
def test_error(case: dict[str, Any]) -> None:
    """The client gets the case's status and error. Our envelope has more members than either vendor's, and says
    what it knows where they say null."""
    playback = Playback(case)
    wanted = case["client_error"]
    headers: dict[str, str] = {}
    if "upstream_error" in case:
        playback.request()
        status, body, headers = playback.error()
    else:
        with pytest.raises(CallError) as raised:
            playback.request()
        status, body = playback.refused(raised.value)
    assert status == wanted["status"]
    assert missing_in(without_nulls(wanted["body"]), body) == []
    assert missing_in(wanted.get("headers", {}), headers) == []
    check_error_answer(case["client"], status, body, headers, "client_error")
