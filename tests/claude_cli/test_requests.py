"""What becomes of a request before any process is asked. No clock, no process."""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from gateway.errors import BadRequest, ConfigurationError
from gateway.records import Account
from gateway.upstream.providers.claude_cli.folders import Folder, environment
from gateway.upstream.providers.claude_cli.history import assistant_line, user_line
from gateway.upstream.providers.claude_cli.options import CliOptions, options_of
from gateway.upstream.providers.claude_cli.request import Turn, read_turn
from gateway.upstream.providers.claude_cli.tools import mcp_result
from tests.claude_cli.conftest import WEATHER, asking

DOCS = Path(__file__).parents[2] / "docs" / "claude-cli.md"
USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "sun"}
LOOP = [
    {"role": "user", "content": "weather?"},
    {"role": "assistant", "content": [USE]},
    {"role": "user", "content": [RESULT]},
]


def turn(messages: object, **fields: object) -> Turn:
    return read_turn(msgspec.json.encode(asking(messages, **fields)))


def test_turns_of_one_role_become_one() -> None:
    found = turn([{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}])
    assert [[block["text"] for block in message["content"]] for message in found.messages] == [["a", "b"]]


def test_a_system_message_in_the_middle_is_a_reminder_to_the_model() -> None:
    found = turn([{"role": "user", "content": "a"}, {"role": "system", "content": "Be brief."}])
    assert "<system-reminder>\nBe brief.\n</system-reminder>" in found.messages[0]["content"][1]["text"]


def test_cache_marks_are_the_clis_own() -> None:
    block = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert turn([{"role": "user", "content": [block]}]).messages[0]["content"] == [{"type": "text", "text": "a"}]


def test_every_line_of_the_users_ends_with_a_blank_text() -> None:
    line = msgspec.json.decode(user_line([{"type": "text", "text": "/exit"}], query=True))
    assert line["message"]["content"][-1] == {"type": "text", "text": " "}


def test_answers_of_the_history_have_ids_of_their_own_and_the_sessions_model() -> None:
    first, second = (msgspec.json.decode(assistant_line([], number, "m"))["message"] for number in (1, 3))
    assert first["id"] != second["id"]
    assert first["model"] == "m"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}],
        [{"role": "tool", "content": "a"}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": " "}],
        [*LOOP[:2], {"role": "user", "content": "and?"}],
        [LOOP[0], LOOP[2]],
    ],
)
def test_what_the_api_would_refuse_is_not_left_to_the_cli_to_mend(messages: list) -> None:
    with pytest.raises(BadRequest):
        read_turn(msgspec.json.encode({"model": "m", "messages": messages}))


def test_a_name_the_cli_would_change_goes_by_another_and_comes_back() -> None:
    odd = {**WEATHER, "name": "get.weather"}
    tools = turn("x", tools=[WEATHER, odd]).shape.tools
    assert [tools.to_cli(name) for name in ("weather", "get.weather")] == ["mcp__gw__weather", "mcp__gw__tool_1"]
    assert tools.from_cli("mcp__gw__tool_1") == "get.weather"


def test_the_other_name_is_nobody_elses() -> None:
    tools = turn("x", tools=[{**WEATHER, "name": name} for name in ("tool_1", "get.weather", "tool_1_")]).shape.tools
    assert len({listed["name"] for listed in tools.listing}) == 3
    assert [tools.from_cli(tools.to_cli(name)) for name in ("tool_1", "get.weather")] == ["tool_1", "get.weather"]


def test_the_tool_a_model_must_call_is_named_as_the_model_knows_it() -> None:
    shape = turn("x", tools=[WEATHER], tool_choice={"type": "tool", "name": "weather"}).shape
    assert msgspec.json.decode(shape.extra_body)["tool_choice"]["name"] == "mcp__gw__weather"


def test_a_description_too_long_for_the_cli_is_whole_in_that_of_the_input() -> None:
    long = {**WEATHER, "description": "x" * 5_000}
    listed = turn("x", tools=[long]).shape.tools.listing[0]
    assert len(listed["description"]) <= 2_000
    assert listed["inputSchema"]["description"] == "x" * 5_000


def test_effort_is_an_option_and_the_rest_of_its_member_stays() -> None:
    shape = turn("x", output_config={"effort": "low", "format": {"type": "json_schema"}}).shape
    assert (shape.effort, msgspec.json.decode(shape.extra_body)) == (
        "low",
        {"output_config": {"format": {"type": "json_schema"}}},
    )


def test_no_thinking_is_asked_for_unless_the_caller_does() -> None:
    assert [turn("x", thinking=thinking).shape.thinking_tokens for thinking in (None, {"type": "disabled"})] == [0, 0]
    assert turn("x", thinking={"type": "adaptive"}).shape.thinking_tokens > 0


def test_what_no_environment_can_hold_is_a_400() -> None:
    with pytest.raises(BadRequest, match="stop_sequences"):
        turn("x", stop_sequences=["y" * 130_000])


def test_a_conversation_gone_on_with_is_known_by_what_it_was() -> None:
    tools = {"tools": [WEATHER]}
    assert turn(LOOP, **tools).earlier == turn(LOOP[:1], **tools).digest
    assert turn(LOOP, **tools, system="other").earlier != turn(LOOP[:1], **tools).digest


def test_results_with_words_beside_them_are_no_mere_results() -> None:
    words = {"type": "text", "text": "and hurry"}
    assert turn([*LOOP[:2], {"role": "user", "content": [RESULT, words]}], tools=[WEATHER]).results == {}


def test_results_as_mcp_has_them() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    content = [{"type": "text", "text": "look"}, image]
    assert mcp_result({"content": content, "is_error": True}) == {
        "content": [{"type": "text", "text": "look"}, {"type": "image", "data": "AA==", "mimeType": "image/png"}],
        "isError": True,
    }


@pytest.mark.parametrize(
    "content", [None, [], "", [{"type": "document"}], [{"type": "image", "source": {"type": "url", "url": "x"}}]]
)
def test_results_that_mcp_cannot_say_are_told_as_history(content: object) -> None:
    assert mcp_result({"content": content}) is None


def test_an_option_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="warm"):
        options_of(Account(1, "cli", "claude-cli", "", options={"warm": "often"}))


def test_every_option_is_documented_with_its_default() -> None:
    text = DOCS.read_text("utf-8")
    for field in msgspec.structs.fields(CliOptions):
        default = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default}"
        assert f"| `{field.name}` | `{default.removesuffix('.0')}` |" in text


def test_an_api_key_and_a_token_have_their_own_variables(tmp_path: Path) -> None:
    account, folder = Account(1, "cli", "claude-cli", "http://127.0.0.1:1/v1"), Folder(tmp_path, 1)
    key, token = (environment(account, CliOptions(), folder, each, {}) for each in ("sk-ant-api03-x", "sk-ant-oat01-x"))
    assert (key["ANTHROPIC_API_KEY"], token["CLAUDE_CODE_OAUTH_TOKEN"]) == ("sk-ant-api03-x", "sk-ant-oat01-x")
    assert key["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"


def test_a_prompt_that_a_killed_process_left_behind_goes_with_the_next_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 1)
    folder.prepare()
    old, young = folder.keep_prompt("You are Ada."), folder.keep_prompt("You are Bob.")
    os.utime(old, (0, 0))
    folder.keep_prompt("You are Eve.")
    assert [old.exists(), young.exists()] == [False, True]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_cli_finds_no_repository_around_the_data_folder(tmp_path: Path) -> None:
    """It runs `git` where it works; a checkout's settings can name programs that git then runs."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    folder = Folder(tmp_path / "data", 1)
    folder.prepare()
    given = environment(Account(1, "cli", "claude-cli", ""), CliOptions(), folder, "")
    looked = subprocess.run(["git", "rev-parse"], cwd=folder.work, env=given, capture_output=True, check=False)
    assert b"not a git repository" in looked.stderr


def test_folders_and_prompts_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 1)
    folder.prepare()
    prompt = folder.keep_prompt("You are Ada.")
    assert [path.stat().st_mode & 0o777 for path in (folder.path, folder.config, prompt)] == [0o700, 0o700, 0o600]
