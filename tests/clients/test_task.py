"""Each client does a piece of work with its own tools, at an account of its own dialect and of each other."""

import pytest

from tests.clients.conftest import Run, Start
from tests.clients.house import MODELS, PATCHING, SCRIPTING
from tests.clients.task import (
    LOOK,
    NOTE,
    PATCH,
    PATCHED,
    SCRIPT,
    SHOUT,
    SHOUTED,
    SHOUTED_FILE,
    STUMBLE,
    THINKING,
    tool_results,
)

PAIRS = [(program, dialect) for program in ("claude_code", "codex") for dialect in MODELS]
every_pair = pytest.mark.parametrize(("program", "dialect"), PAIRS)
PATHS = {"messages": "/messages", "chat": "/chat/completions", "responses": "/responses"}


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def run(request: pytest.FixtureRequest, start: Start) -> Run:
    """The work of one pair, done once for all the tests that look at it."""
    program, dialect = request.param
    return start(program, dialect, MODELS[dialect], SHOUT)


def test_the_client_ends_with_what_the_provider_said_last(run: Run):
    assert (run.finished.status, run.finished.output.strip()) == (0, f"It says: {SHOUTED}")


def test_the_tools_got_their_arguments_as_they_were_sent(run: Run):
    assert run.finished.read(SHOUTED_FILE) == SHOUTED


def test_the_results_of_parallel_tools_reach_the_provider_together_and_in_order(run: Run):
    first, second, third = (tool_results(asked) for asked in run.requests)
    assert first == []
    assert [NOTE in result for result in second] == [True, False]
    assert third[:2] == second
    assert SHOUTED in third[2]


def test_the_provider_is_asked_in_its_own_dialect_only(run: Run):
    dialect = run.requests[0].dialect
    assert {asked.path for asked in run.requests} == {f"/{dialect}/v1{PATHS[dialect]}"}
    assert {asked.model for asked in run.requests} == {MODELS[dialect]}


def test_reasoning_comes_back_to_a_provider_that_wants_it_back(run: Run):
    """Claude its signed blocks, OpenAI its encrypted items; a Chat server has no use for its own."""
    asked = run.requests[2]
    if asked.dialect == "messages":
        blocks = [block for message in asked.json["messages"] for block in message["content"] if block != str(block)]
        assert [block["thinking"] for block in blocks if block["type"] == "thinking"] == ["".join(THINKING)] * 2
    elif asked.dialect == "responses":
        items = [item for item in asked.json["input"] if item["type"] == "reasoning"]
        assert [item["encrypted_content"] for item in items] == ["gAAAAABfake"] * 2


def test_each_call_has_a_receipt_that_says_what_the_provider_reported(run: Run):
    calls = [story.call for story in run.stories]
    assert [(call.outcome, call.usage_basis) for call in calls] == [("completed", "reported")] * 3
    assert {(call.usage.input_tokens, call.usage.cache_read_tokens, call.usage.output_tokens) for call in calls} == {
        (1_000, 200, 50)
    }


def test_the_balance_has_gone_down_by_the_calls(run: Run):
    assert run.spent_micro == sum(story.call.cost_micro for story in run.stories) > 0


@every_pair
def test_a_picture_that_a_tool_has_read_reaches_the_provider(start: Start, program: str, dialect: str):
    run = start(program, dialect, MODELS[dialect], f"{LOOK} {{folder}}/picture.png")
    assert (run.finished.status, run.finished.output.strip()) == (0, "I see it.")
    assert b"iVBORw0KGgo" in run.requests[1].body


@every_pair
def test_a_stream_that_breaks_is_asked_for_again_and_ends_well(start: Start, program: str, dialect: str):
    run = start(program, dialect, MODELS[dialect], f"{STUMBLE} I am {program}.")
    assert run.finished.status == 0
    assert run.finished.output.strip().endswith("I have arrived.")
    assert [story.call.outcome for story in run.stories] == ["partial", "completed"]


@pytest.mark.parametrize("dialect", PATCHING)
def test_codex_applies_a_patch_that_came_as_a_call_of_a_function(start: Start, dialect: str):
    """Its freeform tool is a function with one string to providers that know nothing else."""
    run = start("codex", dialect, PATCHING[dialect], PATCH)
    assert (run.finished.status, run.finished.output.strip()) == (0, "Patched.")
    assert run.finished.read("note.txt") == PATCHED


@pytest.mark.parametrize("dialect", SCRIPTING)
def test_codex_runs_a_script_for_a_provider_that_knows_of_no_tools_in_the_input(start: Start, dialect: str):
    run = start("codex", dialect, SCRIPTING[dialect], SCRIPT)
    assert (run.finished.status, run.finished.output.strip()) == (0, f"Read: {NOTE}")
