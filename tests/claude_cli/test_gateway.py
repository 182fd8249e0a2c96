"""A gateway process with an account of the Claude CLI, called by the vendors' SDKs. The program is the stand-in."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from gateway.store.database import open_database
from gateway.store.migrate import migrate
from gateway.store.operators import accounts, keys
from gateway.store.operators.accounts import AccountChanges
from tests.claude_cli.conftest import WEATHER, acts
from tests.contract.gateway import Gateway
from tests.fakes.claude_cli import install, log

ACTOR = "operator"
MODEL = "claude-sonnet-5"
BALANCE_MICRO = 1_000_000
LOOK = ["tools", ["t1", "weather", {"city": "Oslo"}]]
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SECRET_WORDS = "the heron's secret"


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stand-in")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, stand_in: Path) -> Iterator[Gateway]:
    data_dir = tmp_path_factory.mktemp("data")
    migrate(data_dir / "gateway.db")
    with closing(open_database(data_dir / "gateway.db")) as database:
        fields = AccountChanges(options={"command": str(install(stand_in))})
        accounts.add(database, ACTOR, "plan", kind="claude-cli", fields=fields)
    with Gateway(data_dir, log_level="debug") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    return gateway.change(
        lambda database: keys.create(database, ACTOR, "ada", tier="all", balance_micro=BALANCE_MICRO)
    )[1]


@pytest.fixture
def claude(gateway: Gateway, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def chat(gateway: Gateway, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:
        yield client


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def test_a_message(claude: anthropic.Anthropic):
    message = claude.messages.create(model=MODEL, max_tokens=100, messages=[user("hello")])
    assert (message.content[0].text, message.model, message.usage.output_tokens) == ("Hello there.", MODEL, 7)


def test_a_streamed_message(claude: anthropic.Anthropic):
    with claude.messages.stream(model=MODEL, max_tokens=100, messages=[user("hello")]) as stream:
        assert list(stream.text_stream) == ["Hello ", "there."]
        assert stream.get_final_message().stop_reason == "end_turn"


def test_a_tool_loop_of_two_turns_is_two_calls_with_a_receipt_each(
    gateway: Gateway, claude: anthropic.Anthropic, stand_in: Path
):
    before = len(log(stand_in))
    messages = [user(acts(LOOK, ["say", "It is ", "raining."]))]
    first = claude.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=[WEATHER])
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "rain"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = claude.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=[WEATHER])
    assert second.content[0].text == "It is raining."
    stories = [gateway.story(answer._request_id) for answer in (first, second)]
    assert [story.call.usage.output_tokens for story in stories] == [7, 7]
    assert len([entry for entry in log(stand_in)[before:] if "args" in entry]) == 1


def test_the_customer_pays_and_the_operator_does_not(gateway: Gateway, claude: anthropic.Anthropic):
    before = gateway.balance("ada")
    message = claude.messages.create(model=MODEL, max_tokens=100, messages=[user("hello")])
    story = gateway.story(message._request_id)
    assert story.call.cost_micro > 0
    assert gateway.balance("ada") == before - story.call.cost_micro
    assert [attempt.cost_micro for attempt in story.attempts] == [0]


def test_chat_by_translation(chat: openai.OpenAI):
    answer = chat.chat.completions.create(model=MODEL, messages=[user("hello")], stop=["END"])
    assert answer.choices[0].message.content == "Hello there."


def test_a_tool_loop_in_chat_streamed(chat: openai.OpenAI):
    messages = [user(acts(LOOK, ["say", "Rain."]))]
    with chat.chat.completions.create(model=MODEL, messages=messages, tools=[FUNCTION], stream=True) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert (calls[0].function.name, "".join(call.function.arguments or "" for call in calls)) == (
        "weather",
        '{"city": "Oslo"}',
    )
    call = {"id": calls[0].id, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": calls[0].id, "content": "rain"},
    ]
    answer = chat.chat.completions.create(model=MODEL, messages=messages, tools=[FUNCTION])
    assert answer.choices[0].message.content == "Rain."


def test_responses_by_translation(chat: openai.OpenAI):
    answer = chat.responses.create(model=MODEL, input="hello")
    assert answer.output_text == "Hello there."


def test_a_client_that_leaves_ends_the_process(gateway: Gateway, key: str, stand_in: Path):
    body = {"model": MODEL, "max_tokens": 100, "stream": True, "messages": [user(acts(["hang", 2]))]}
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    with httpx.stream("POST", f"{gateway.url}/v1/messages", json=body, headers=headers) as response:
        assert b"message_start" in next(response.iter_raw())
        pid = log(stand_in)[-1]["pid"]
    gateway.wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the process outlived its call")


def test_what_only_another_account_could_do_is_a_400_that_says_so(claude: anthropic.Anthropic):
    with pytest.raises(anthropic.BadRequestError, match="web_search_20250305"):
        claude.messages.create(
            model=MODEL,
            max_tokens=100,
            messages=[user("hello")],
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        )


def test_tokens_are_counted_without_the_program(claude: anthropic.Anthropic):
    assert claude.messages.count_tokens(model=MODEL, messages=[user("How many are these?")]).input_tokens > 3


def test_prompts_are_in_no_log(gateway: Gateway, claude: anthropic.Anthropic):
    claude.messages.create(model=MODEL, max_tokens=100, system=SECRET_WORDS, messages=[user(SECRET_WORDS)])
    assert "heron" not in gateway.output


def test_a_program_that_is_missing_is_a_503_that_names_it(gateway: Gateway, claude: anthropic.Anthropic):
    """Last: the account rests afterwards."""
    missing = AccountChanges(options={"command": "/nowhere/claude"})
    gateway.change(lambda database: accounts.change(database, ACTOR, "plan", missing))

    def refused() -> bool:
        try:
            claude.messages.create(model=MODEL, max_tokens=100, messages=[user("hello")])
        except anthropic.InternalServerError as error:
            return error.status_code == 503 and "Claude CLI of this gateway is not installed" in error.message
        return False

    gateway.wait_for(refused, "the gateway went on with the program it had")
