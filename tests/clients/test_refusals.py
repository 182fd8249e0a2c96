"""What the gateway refuses is said once, and not asked for again and again."""

import pytest

from tests.clients.conftest import Start
from tests.clients.house import MODELS
from tests.clients.task import SHOUT

every_dialect = pytest.mark.parametrize("dialect", MODELS)


@every_dialect
def test_claude_code_says_that_the_balance_is_empty(start: Start, dialect: str):
    run = start("claude_code", dialect, MODELS[dialect], SHOUT, balance_micro=0)
    assert run.finished.status == 1
    assert run.finished.output.count("Insufficient credit: $0.00 is left") == 1
    assert (run.refusals, run.requests) == (1, [])


@every_dialect
def test_codex_says_that_the_balance_is_empty(start: Start, dialect: str):
    run = start("codex", dialect, MODELS[dialect], SHOUT, balance_micro=0)
    assert run.finished.status == 1
    assert "Quota exceeded. Check your plan and billing details." in run.finished.errors
    assert (run.refusals, run.requests) == (1, [])


@every_dialect
def test_claude_code_stops_at_once_with_a_revoked_key(start: Start, dialect: str):
    run = start("claude_code", dialect, MODELS[dialect], SHOUT, revoked=True)
    assert run.finished.status == 1
    assert run.finished.output.count("Invalid API key") == 1
    assert (run.refusals, run.requests) == (1, [])


def test_codex_gives_up_with_a_revoked_key_after_its_own_five_retries(start: Start):
    """It retries every 401, whatever the answer says of retrying; nothing of it goes to a provider or is billed."""
    run = start("codex", "messages", MODELS["messages"], SHOUT, revoked=True)
    assert run.finished.status == 1
    assert "401 Unauthorized: Invalid API key" in run.finished.errors
    assert (run.refusals, run.requests) == (6, [])


@pytest.mark.parametrize("program", ["claude_code", "codex"])
def test_a_model_that_nobody_serves_is_asked_for_no_more_than_twice(start: Start, program: str):
    run = start(program, "messages", "claude-heron-9", SHOUT)
    assert run.finished.status == 1
    assert "claude-heron-9" in run.finished.output + run.finished.errors
    assert run.refusals <= 2
