"""The real Claude CLI as an account: a gateway asks it, it asks a provider of ours, and what that is asked counts."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import anthropic
import httpx
import pytest

from gateway.store.database import open_database
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, keys
from gateway.store.operators.accounts import AccountChanges
from gateway.vault import load_vault
from tests.clients.house import ACTOR
from tests.clients.programs import claude_program
from tests.clients.task import tool_results
from tests.contract.gateway import Gateway
from tests.contract.upstream import SECRET, Upstream
from tests.fakes.content import Tokens, ToolCall
from tests.fakes.play import Asked
from tests.fakes.verbs import Act, cut_after, hang_after, status, stream

MODEL = "claude-sonnet-5"
PATH = "cli"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "name": "weather",
    "description": "The weather of a city. " * 200,
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOKENS = Tokens(input=1_000, cache_read=200, output=50)
CALLS = tuple(ToolCall("mcp__gw__weather", ('{"city":', f'"{city}"}}')) for city in ("Oslo", "Rome"))


def _act(asked: Asked) -> Act:
    """By the last word in capitals of what the user has said."""
    words = re.findall(r"\b[A-Z]{4,}\b", str([message["content"] for message in asked.json["messages"]]))
    match words[-1] if words else "":
        case "TOOLS":
            results = tool_results(asked)
            return stream("It is ", *results, tokens=TOKENS) if results else stream("Let me look.", tools=CALLS)
        case "THINK":
            return stream("42.", thinking=("Six times ", "seven."), tokens=TOKENS)
        case "OVERLOAD":
            return status(529, message="Overloaded")
        case "REFUSE":
            return status(400, message="messages.0: too odd")
        case "BREAK":
            return cut_after(2, gap=0.02)
        case "HANG":
            return hang_after(1)
    return stream("Good ", "morning.", tokens=TOKENS)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(_act) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose settings name a program for git to run, which leaves a file `ran` there."""
    folder = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "init", "-q", folder], check=True)
    watcher = folder / "watcher"
    watcher.write_text(f'#!/bin/sh\ntouch "{folder}/ran"\n')
    watcher.chmod(0o755)
    subprocess.run(["git", "-C", folder, "config", "core.fsmonitor", watcher], check=True)
    return folder


@pytest.fixture(scope="module")
def data_dir(checkout: Path) -> Path:
    return checkout / "data"


@pytest.fixture(scope="module")
def gateway(data_dir: Path, upstream: Upstream) -> Iterator[Gateway]:
    data_dir.mkdir()
    migrate(data_dir / "gateway.db")
    with closing(open_database(data_dir / "gateway.db")) as database:
        fields = AccountChanges(base_url=upstream.base_url(PATH), options={"command": str(claude_program())})
        sealed = load_vault(data_dir, {}).seal(SECRET)
        accounts.add(database, ACTOR, "plan", kind="claude-cli", sealed_secret=sealed, fields=fields)
    with Gateway(data_dir) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def key(gateway: Gateway, numbers: Iterator[int]) -> str:
    name = f"customer-{next(numbers)}"
    return gateway.change(lambda database: keys.create(database, ACTOR, name, tier="all", balance_micro=10_000_000))[1]


@pytest.fixture
def claude(gateway: Gateway, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0) as client:
        yield client


def ask(claude: anthropic.Anthropic, content: object, **fields: object) -> anthropic.types.Message:
    messages = content if isinstance(content, list) and "role" in content[0] else [{"role": "user", "content": content}]
    return claude.messages.create(**{"model": MODEL, "max_tokens": 300, "messages": messages, **fields})


def said(message: dict) -> list[dict]:
    """What the caller has said in it: the CLI puts the date in front of the first."""
    content = message["content"] if isinstance(message["content"], list) else [{"text": message["content"]}]
    return [block for block in content if "currentDate" not in block.get("text", "")]


def questions(upstream: Upstream) -> list[Asked]:
    """What the provider was asked, without the CLI's look whether it is there."""
    return [asked for asked in upstream.requests(PATH) if asked.generates]


def newest(upstream: Upstream) -> dict:
    return questions(upstream)[-1].json


def test_an_answer_and_its_usage(claude: anthropic.Anthropic):
    message = ask(claude, "Hello.")
    assert message.content[0].text == "Good morning."
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (1_000, 200)


def test_a_stream_arrives_in_its_pieces(claude: anthropic.Anthropic):
    with claude.messages.stream(model=MODEL, max_tokens=300, messages=[{"role": "user", "content": "Hello."}]) as told:
        assert list(told.text_stream) == ["Good ", "morning."]


def test_system_prompt_and_parameters_reach_the_model(claude: anthropic.Anthropic, upstream: Upstream):
    sampling = {"temperature": 0.25, "top_k": 7}
    ask(claude, "Hello.", system="You are Ada.", stop_sequences=["END"], extra_body=sampling)
    body = newest(upstream)
    assert body["system"][-1]["text"] == "You are Ada."
    assert (body["temperature"], body["top_k"], body["stop_sequences"]) == (0.25, 7, ["END"])
    assert (body["model"], body["max_tokens"], body["tools"]) == (MODEL, 300, [])


def test_a_history_of_forty_turns(claude: anthropic.Anthropic, upstream: Upstream):
    messages = [{"role": "user", "content": "Question 0."}]
    for number in range(40):
        messages += [
            {"role": "assistant", "content": f"Answer {number}."},
            {"role": "user", "content": f"Question {number + 1}."},
        ]
    ask(claude, messages)
    told = newest(upstream)["messages"]
    assert [message["role"] for message in told] == [message["role"] for message in messages]
    assert [said(message)[0]["text"] for message in told] == [message["content"] for message in messages]


def test_an_image(claude: anthropic.Anthropic, upstream: Upstream):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    ask(claude, [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}])
    image, text = said(newest(upstream)["messages"][0])
    assert (image["type"], image["source"]["data"], text["text"]) == ("image", PNG, "What is it?")


def test_thinking_there_and_back(claude: anthropic.Anthropic, upstream: Upstream):
    thinking = {"type": "adaptive"}
    first = ask(claude, "Please THINK.", thinking=thinking, max_tokens=4_000)
    assert [block.type for block in first.content] == ["thinking", "text"]
    messages = [
        {"role": "user", "content": "Please THINK."},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "And now?"},
    ]
    ask(claude, messages, thinking=thinking, max_tokens=4_000)
    body = newest(upstream)
    assert body["thinking"] == thinking
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "text"]
    assert body["messages"][1]["content"][0]["signature"] == first.content[0].signature


def _loop(
    claude: anthropic.Anthropic, second: anthropic.Anthropic, *, is_error: bool = False
) -> anthropic.types.Message:
    question = {"role": "user", "content": "Use your TOOLS."}
    first = ask(claude, [question], tools=[WEATHER])
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})]
    results = [
        {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": f"fine in {call.input['city']}. ",
            "is_error": is_error,
        }
        for call in calls
    ]
    more = [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    return ask(second, [question, *more], tools=[WEATHER])


def test_a_tool_loop_in_the_process_that_waits(claude: anthropic.Anthropic, upstream: Upstream):
    assert _loop(claude, claude).content[0].text == "It is fine in Oslo. fine in Rome. "
    first, second = questions(upstream)[-2:]
    # One process has one session at the provider.
    assert first.headers["x-claude-code-session-id"] == second.headers["x-claude-code-session-id"]


def test_a_tool_loop_told_anew_to_another_process(gateway: Gateway, claude: anthropic.Anthropic, upstream: Upstream):
    _, secret = gateway.change(
        lambda database: keys.create(database, ACTOR, "another", tier="all", balance_micro=10_000_000)
    )
    with anthropic.Anthropic(base_url=gateway.url, api_key=secret, max_retries=0) as another:
        assert _loop(claude, another).content[0].text == "It is fine in Oslo. fine in Rome. "
    first, second = questions(upstream)[-2:]
    assert first.headers["x-claude-code-session-id"] != second.headers["x-claude-code-session-id"]


def test_a_long_description_of_a_tool_reaches_the_model_whole(claude: anthropic.Anthropic, upstream: Upstream):
    ask(claude, "Hello.", tools=[WEATHER])
    assert newest(upstream)["tools"][0]["input_schema"]["description"] == WEATHER["description"]


def test_no_prompt_reads_a_file_or_runs_a_command(claude: anthropic.Anthropic, upstream: Upstream, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("what nobody may read")
    for prompt in (f"Look at @{secret}", "/help", "!ls"):
        ask(claude, prompt)
        assert said(newest(upstream)["messages"][-1])[0]["text"] == prompt
    assert b"what nobody may read" not in b"".join(asked.body for asked in questions(upstream))


def test_a_repository_around_the_data_folder_runs_no_program(claude: anthropic.Anthropic, checkout: Path):
    ask(claude, "Hello.")
    assert not (checkout / "ran").exists()


def test_nothing_of_a_conversation_is_left_on_the_disk(claude: anthropic.Anthropic, data_dir: Path):
    ask(claude, "Say nothing of the kingfisher.", system="Kingfishers are secret.")
    _loop(claude, claude, is_error=True)
    left = [path for path in (data_dir / "claude-cli").rglob("*") if path.is_file()]
    assert left
    assert [path for path in left if re.search(b"kingfisher|fine in Oslo", path.read_bytes(), re.IGNORECASE)] == []


def test_an_overloaded_provider_is_asked_once_and_is_a_529(
    gateway: Gateway, claude: anthropic.Anthropic, upstream: Upstream
):
    before = len(questions(upstream))
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(claude, "OVERLOAD, please.")
    assert caught.value.status_code == 529
    assert len(questions(upstream)) == before + 1
    _wake(gateway, claude)


def test_what_the_provider_refuses_is_said_in_its_words(claude: anthropic.Anthropic):
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.0: too odd"):
        ask(claude, "REFUSE me.")


def test_a_cut_stream_is_an_error_and_is_not_asked_for_again(claude: anthropic.Anthropic, upstream: Upstream):
    before = len(questions(upstream))
    messages = [{"role": "user", "content": "BREAK off."}]
    with (
        pytest.raises(anthropic.APIStatusError),
        claude.messages.stream(model=MODEL, max_tokens=300, messages=messages) as told,
    ):
        told.until_done()
    assert len(questions(upstream)) == before + 1


def test_a_client_that_leaves_ends_the_question_at_the_provider(gateway: Gateway, key: str, upstream: Upstream):
    body = {"model": MODEL, "max_tokens": 300, "stream": True, "messages": [{"role": "user", "content": "HANG on."}]}
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    with httpx.stream("POST", f"{gateway.url}/v1/messages", json=body, headers=headers) as response:
        assert b"message_start" in next(response.iter_raw())
        assert upstream.open_exchanges == 1
    gateway.wait_for(lambda: upstream.open_exchanges == 0, "the provider is still being asked")


def _wake(gateway: Gateway, claude: anthropic.Anthropic) -> None:
    """After an overload the account rests until it is reset, and the gateway has noticed."""
    gateway.change(lambda database: accounts.reset(database, ACTOR, "plan"))

    def answers() -> bool:
        try:
            ask(claude, "Hello.")
        except anthropic.InternalServerError:
            return False
        return True

    gateway.wait_for(answers, "the account still rests")
