"""Claude Code's `/context` counts tokens in a burst, which must neither be refused nor cost anything."""

import pytest

from tests.clients.conftest import Start
from tests.clients.house import MODELS


@pytest.mark.parametrize("dialect", MODELS)
def test_context_is_counted_without_a_call(start: Start, dialect: str):
    run = start("claude_code", dialect, MODELS[dialect], "/context")
    assert "| System prompt |" in run.finished.output
    assert run.refusals == 0
    assert (run.stories, run.spent_micro) == ([], 0)
