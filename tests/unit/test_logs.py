"""Logs: one line a call, secrets nowhere."""

import io
import logging

import msgspec
import pytest
import structlog

from gateway.observe.logs import REDACTED, call_settled, configure_logs, redact_text
from gateway.records import Attempt, Call, Usage

KEY = "sk-cs2-" + "a1B2c3D4e5F6" + "x" * 43


@pytest.fixture
def output():
    """A stream that the logs go to; the process's own configuration comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def lines(output):
    return [msgspec.json.decode(line) for line in output.getvalue().splitlines()]


def test_a_settled_call_is_one_line_of_ids_and_counts(output):
    configure_logs("info", "json", output)
    call = Call(
        id="req_1",
        customer_id=1,
        key_id=2,
        tier="all",
        dialect="messages",
        model_asked="opus",
        model="claude-opus-5",
        stream=True,
        started_at=0,
        outcome="completed",
        status=200,
        ttft_ms=310,
        duration_ms=900,
        usage=Usage(input_tokens=10, cache_read_tokens=90, output_tokens=5),
        cost_micro=33,
    )
    attempts = [
        Attempt(call_id="req_1", number=1, account_id=4, started_at=0, outcome="failed", error_code="overloaded"),
        Attempt(call_id="req_1", number=2, account_id=5, started_at=0, outcome="won"),
    ]
    call_settled(call, attempts)
    (line,) = lines(output)
    assert line["call"] == "req_1"
    assert line["prompt_tokens"] == 100
    assert line["attempts"] == ["4:failed:overloaded", "5:won"]
    assert line["cost_micro"] == 33


@pytest.mark.parametrize("name", ["secret", "account_secret", "Authorization", "x-api-key", "api_key", "cookie"])
def test_values_under_secret_names_are_cut(output, name):
    configure_logs("info", "json", output)
    structlog.get_logger().info("event", **{name: "hunter2"})
    assert lines(output)[0][name] == REDACTED


def test_secrets_are_cut_in_nested_values(output):
    configure_logs("info", "json", output)
    structlog.get_logger().info("event", headers={"x-api-key": "hunter2", "via": [f"Bearer {KEY}"]})
    assert lines(output)[0]["headers"] == {"x-api-key": REDACTED, "via": [REDACTED]}


@pytest.mark.parametrize(
    "text",
    [KEY, "cc_user_abcdefgh1234", "sk-ant-api03-abcdefgh", "custom-" + "a1B2c3D4e5F6" + "x" * 43, "bearer abc.def"],
)
def test_what_looks_like_a_key_is_cut_from_texts(text):
    cleaned = redact_text(f"refused: {text} is unknown")
    assert text not in cleaned
    assert cleaned.endswith("is unknown")


@pytest.mark.parametrize("text", ["req_01jd5a3w6m8x9y2z4b6c8d0e1f", "risk-management", "claude-sonnet-4-6", "a " * 60])
def test_what_does_not_look_like_a_key_is_left(text):
    assert redact_text(text) == text


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_cut_from_tracebacks(output, form):
    configure_logs("info", form, output)
    try:
        raise ValueError(KEY)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError" in output.getvalue()
    assert KEY not in output.getvalue()


def test_lines_of_libraries_come_the_same_way(output):
    configure_logs("info", "json", output)
    logging.getLogger("hypercorn.error").warning("bad request from %s", KEY)
    (line,) = lines(output)
    assert line["event"] == f"bad request from {REDACTED}"
    assert line["logger"] == "hypercorn.error"
    assert line["level"] == "warning"


def test_less_than_the_level_is_not_logged(output):
    configure_logs("warning", "json", output)
    structlog.get_logger().info("event")
    assert output.getvalue() == ""


def test_auto_is_json_where_nobody_watches(output):
    configure_logs("info", "auto", output)
    structlog.get_logger().info("event")
    assert lines(output)[0]["timestamp"].endswith("Z")
