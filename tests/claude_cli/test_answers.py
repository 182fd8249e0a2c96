"""What a caller asks and what comes back, by real processes of the stand-in."""

import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.dialects.base import Batch
from gateway.errors import BadRequest, Unsupported
from tests.claude_cli.conftest import WEATHER, Cli, Start, acts, asking, going_on

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def text_of(answer: bytes) -> str:
    return "".join(block.get("text", "") for block in msgspec.json.decode(answer)["content"])


def events_of(stream: bytes) -> list[dict]:
    return [msgspec.json.decode(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]


async def test_a_stream_is_the_events_of_the_api(cli: Cli):
    status, stream = await cli.ask(asking(acts(["say", "Good ", "morning."]), stream=True))
    assert status == 200
    assert [event["type"] for event in events_of(stream)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_the_gateways_own_reader_takes_the_stream_for_a_success_and_meters_it(cli: Cli):
    _, stream = await cli.ask(asking(acts(["say", "Good ", "morning."]), stream=True))
    reader = dialect_named("messages").reader(echo_model="claude-sonnet-5", peek=None)
    batch: Batch = reader.feed(stream)
    assert b"message_stop" in batch.terminal
    usage = reader.usage()
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (12, 100, 7)


async def test_a_call_without_a_stream_gets_the_message(cli: Cli):
    status, body = await cli.ask(asking(acts(["say", "Good ", "morning."])))
    message = msgspec.json.decode(body)
    assert status == 200
    assert message["content"] == [{"type": "text", "text": "Good morning."}]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("end_turn", 7)


async def test_lines_of_a_kind_that_nobody_knows_do_not_disturb_an_answer(cli: Cli):
    """A later release may print more, with members of other types."""
    _, body = await cli.ask(asking(acts(["news", "Good morning."])))
    assert text_of(body) == "Good morning."


async def test_thinking_comes_with_its_signature(cli: Cli):
    fields = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
    _, body = await cli.ask(asking(acts(["think", "Six times seven.", "42"]), **fields))
    assert msgspec.json.decode(body)["content"] == [
        {"type": "thinking", "thinking": "Six times seven.", "signature": "sig=="},
        {"type": "text", "text": "42"},
    ]
    assert cli.started[0]["env"]["MAX_THINKING_TOKENS"] == "2000"


async def test_an_answer_at_the_output_limit_is_not_gone_on_with(cli: Cli):
    """The CLI asks the model three times more, by itself."""
    _, stream = await cli.ask(asking(acts(["say", "half", {"stop": "max_tokens"}], ["say", "more"]), stream=True))
    assert [event["type"] for event in events_of(stream)].count("message_start") == 1
    await cli.all_gone()


async def test_forty_turns_reach_the_model_in_order(cli: Cli):
    messages = [{"role": "user", "content": "question 0"}]
    for number in range(40):
        messages += [
            {"role": "assistant", "content": f"answer {number}"},
            {"role": "user", "content": f"question {number + 1}"},
        ]
    status, _ = await cli.ask(asking(messages))
    assert status == 200
    assert [message["content"][0]["text"] for message in cli.conversations[0]] == [
        message["content"] for message in messages
    ]


async def test_images_go_along_wherever_they_stand(cli: Cli):
    messages = [
        {"role": "user", "content": [PNG, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": "A heron."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, PNG]},
    ]
    await cli.ask(asking(messages))
    assert [[block["type"] for block in message["content"]] for message in cli.conversations[0]] == [
        ["image", "text"],
        ["text"],
        ["text", "image"],
    ]


async def test_what_looks_like_a_command_is_only_text(cli: Cli):
    """The stand-in refuses a line whose last text the CLI would read as a command or as the name of a file."""
    status, _ = await cli.ask(asking("/help me with @/etc/passwd"))
    assert status == 200
    assert cli.conversations[0][0]["content"] == [{"type": "text", "text": "/help me with @/etc/passwd"}]
    assert cli.started[0]["env"]["CLAUDE_CODE_DISABLE_ATTACHMENTS"] == "1"


async def test_the_system_prompt_is_in_a_file_that_is_gone_afterwards_and_never_an_argument(cli: Cli):
    await cli.ask(
        asking("hello", system=[{"type": "text", "text": "You are Ada."}, {"type": "text", "text": "Be brief."}])
    )
    process = cli.started[0]
    assert process["system"] == "You are Ada.\n\nBe brief."
    assert not any("Ada" in argument for argument in process["args"])
    assert list((cli.folder.parent / "data" / "claude-cli" / "1" / "prompts").iterdir()) == []


async def test_sampling_and_stop_sequences_go_into_the_cli_s_own_request(cli: Cli):
    await cli.ask(asking("hello", temperature=0.3, top_k=5, stop_sequences=["END"], metadata={"user_id": "u"}))
    environment = cli.started[0]["env"]
    assert msgspec.json.decode(environment["CLAUDE_CODE_EXTRA_BODY"]) == {
        "temperature": 0.3,
        "top_k": 5,
        "stop_sequences": ["END"],
    }
    assert environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "100"


async def test_it_runs_in_folders_of_its_own_with_nothing_of_the_operators(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the operator's own")
    await cli.ask(asking("hello"))
    process = cli.started[0]
    folder = str(cli.folder.parent / "data" / "claude-cli" / "1")
    environment = process["env"]
    assert (environment["HOME"], environment["CLAUDE_CONFIG_DIR"], process["cwd"]) == (
        f"{folder}/home",
        f"{folder}/config",
        f"{folder}/work",
    )
    assert environment["CLAUDE_CODE_OAUTH_TOKEN"] == "sk-ant-oat01-token"
    assert "ANTHROPIC_API_KEY" not in environment


async def test_the_operators_own_login_is_used_only_where_the_account_says_so(
    start: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    cli = await start(login="operator")
    await cli.ask(asking("hello"))
    assert cli.started[0]["env"]["HOME"] == "/home/ada"
    assert "CLAUDE_CONFIG_DIR" not in cli.started[0]["env"]


async def test_what_it_cannot_be_asked_is_refused_before_anything_starts(cli: Cli):
    with pytest.raises(Unsupported, match="web_search"):
        await cli.ask(asking("hello", tools=[{"type": "web_search_20250305", "name": "web_search"}]))
    with pytest.raises(Unsupported, match="beginning of an answer"):
        await cli.ask(asking([{"role": "user", "content": "x"}, {"role": "assistant", "content": "He said:"}]))
    with pytest.raises(BadRequest, match="no `tool_use`"):
        await cli.ask(
            asking([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": ""}]}])
        )
    assert cli.started == []


async def test_a_process_kept_warm_answers_the_next_call_of_its_kind(start: Start):
    cli = await start(warm=1)
    await cli.ask(asking("first", system="Be brief."))
    await cli.ask(asking("second", system="Be brief."))
    asked = [entry["content"][0]["text"] for conversation in cli.conversations for entry in conversation]
    assert asked == ["first", "second"]
    assert "warm=1" in cli.sessions


async def test_calls_of_tools_have_the_clients_names(cli: Cli):
    request = asking(acts(["tools", ["t1", "weather", {"city": "Oslo"}]]), tools=[WEATHER])
    _, answer = await cli.ask(request)
    message = msgspec.json.decode(answer)
    assert message["content"] == [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}]
    assert message["stop_reason"] == "tool_use"
    assert cli.tools == [{"name": "weather", "description": "The weather.", "inputSchema": WEATHER["input_schema"]}]


async def test_results_of_tools_go_to_the_process_that_waits_for_them(cli: Cli):
    calls = ["tools", ["t1", "weather", {"city": "Oslo"}], ["t2", "weather", {"city": "Rome"}]]
    request = asking(acts(calls, ["tools", ["t3", "weather", {}]], ["say", "Rain."]), tools=[WEATHER])
    _, first = await cli.ask(request)
    second_request = going_on(request, first, t1="sun", t2="fog")
    _, second = await cli.ask(second_request)
    _, third = await cli.ask(going_on(second_request, second, t3="rain"))
    assert text_of(third) == "Rain."
    assert len(cli.started) == 1
    results = [block["content"][0]["text"] for block in cli.conversations[1][-1]["content"]]
    assert results == ["sun", "fog"]


async def test_another_caller_with_the_same_conversation_gets_a_process_of_its_own(cli: Cli):
    request = asking(acts(["tools", ["t1", "weather", {}]], ["say", "Sun."]), tools=[WEATHER])
    _, first = await cli.ask(request, caller="ada")
    _, answer = await cli.ask(going_on(request, first, t1="sun"), caller="bob")
    assert text_of(answer) == "Sun."
    assert len(cli.started) == 2
    assert "parked=1" in cli.sessions


async def test_a_conversation_changed_on_the_way_is_told_anew(cli: Cli):
    request = asking(acts(["tools", ["t1", "weather", {}]], ["say", "Sun."]), tools=[WEATHER])
    _, first = await cli.ask(request)
    await cli.ask({**going_on(request, first, t1="sun"), "system": "Be brief."})
    assert [process["system"] for process in cli.started] == ["", "Be brief."]


async def test_a_lost_process_is_replaced_and_told_the_whole_conversation(start: Start):
    cli = await start(park_s=0)
    request = asking(acts(["tools", ["t1", "weather", {}]], ["say", "Sun."]), tools=[WEATHER])
    _, first = await cli.ask(request)
    await cli.all_gone()
    _, answer = await cli.ask(going_on(request, first, t1="sun"))
    assert text_of(answer) == "Sun."
    assert cli.conversations[-1][1]["content"][0]["name"] == "mcp__gw__weather"
    assert cli.conversations[-1][2]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": "sun"}]


async def test_a_process_that_goes_on_without_the_result_is_not_trusted(cli: Cli):
    look = {**WEATHER, "name": "look"}
    request = asking(acts(["stray"], ["say", "I have seen it."]), tools=[look])
    _, first = await cli.ask(request)
    await cli.all_gone()
    _, answer = await cli.ask(going_on(request, first, toolu_stray="a heron"))
    assert text_of(answer) == "I have seen it."
