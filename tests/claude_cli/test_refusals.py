"""Every way in which there is no answer: what the operator reads, and what a caller is told."""

import httpx
import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.errors import CallError
from gateway.upstream.cooldown import Failure
from gateway.upstream.providers import provider_for
from gateway.upstream.providers.claude_cli.lines import Result
from gateway.upstream.providers.claude_cli.refusals import refused
from gateway.upstream.verdict import client_error, no_answer
from tests.claude_cli.conftest import Cli, Start, acts, asking


def failure(status: int, body: bytes, headers: dict[str, str] | None = None) -> Failure:
    error = dialect_named("messages").read_error(status, body)
    return provider_for("claude-cli").classify(status, headers or {}, error)


def told(status: int, body: bytes) -> CallError:
    """What a caller hears when nobody else can answer."""
    found = failure(status, body)
    return client_error(found) if found.client_fault else no_answer(found)


async def refusal(cli: Cli, *each: list) -> tuple[int, str, bytes]:
    status, body = await cli.ask(asking(acts(*each)))
    return status, msgspec.json.decode(body)["error"]["message"], body


async def test_a_program_that_is_not_there(start: Start):
    cli = await start(command="/nowhere/claude")
    status, message, body = await refusal(cli)
    assert status == 503
    assert "npm install -g @anthropic-ai/claude-code" in message
    assert (told(status, body).status, "not installed" in told(status, body).message) == (503, True)
    assert "/nowhere" not in told(status, body).message


@pytest.mark.parametrize("version", ["1.0.128 (Claude Code)", "3.0.0 (Claude Code)", "GNU bash, version 5.2"])
async def test_a_program_of_another_release(start: Start, version: str):
    cli = await start(version=version)
    status, message, body = await refusal(cli)
    assert status == 503
    assert "2.1.197 or a later 2.x" in message
    assert told(status, body).status == 503


async def test_another_release_is_used_where_the_operator_insists(start: Start):
    cli = await start(version="3.0.0", any_version=True)
    assert (await cli.ask(asking("hello")))[0] == 200


async def test_a_program_that_was_updated_is_asked_again(start: Start):
    cli = await start(version="1.0.0")
    assert (await cli.ask(asking("hello")))[0] == 503
    again = await start()
    assert (await again.ask(asking("hello")))[0] == 200


async def test_nobody_is_logged_in(start: Start):
    cli = await start(mode="logged-out")
    status, message, body = await refusal(cli)
    assert status == 401
    assert "trigate accounts login" in message
    assert (told(status, body).status, "not logged in" in told(status, body).message) == (503, True)


async def test_a_program_that_crashes_says_why_to_the_operator_alone(start: Start):
    cli = await start(mode="crash")
    status, message, body = await refusal(cli)
    assert status == 503
    assert "with status 3, saying: TypeError: something is undefined" in message
    assert told(status, body).status == 503
    assert "TypeError" not in told(status, body).message


async def test_a_program_that_does_not_get_ready(start: Start):
    cli = await start(mode="hang", start_s=0.5)
    messages = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    status, body = await cli.ask(asking(messages))
    assert status == 503
    assert b"was not ready within 0.5 s" in body
    assert told(status, body).status == 503
    await cli.all_gone()


async def test_a_program_that_ends_its_turn_without_an_answer(start: Start):
    cli = await start(mode="mute")
    status, message, _ = await refusal(cli)
    assert (status, message) == (502, "The Claude CLI ended its turn without an answer.")


@pytest.mark.parametrize(("status", "caller_gets"), [(400, 400), (401, 503), (402, 503), (500, 502), (529, 529)])
async def test_the_apis_own_errors_keep_their_status(cli: Cli, status: int, caller_gets: int):
    got, message, body = await refusal(cli, ["fail", status, "messages.0: too odd"])
    assert (got, message.startswith("messages.0: too odd")) == (status, True)
    assert told(got, body).status == caller_gets


async def test_a_plans_limit_says_when_it_is_lifted(cli: Cli):
    response = await cli.open(asking(acts(["fail", 429, "5-hour limit reached"])))
    assert response.status_code == 429
    assert 60 < float(response.headers["retry-after"]) <= 90


async def test_an_error_of_the_api_in_the_middle_is_the_apis_event(cli: Cli):
    status, stream = await cli.ask(asking(acts(["overload", 2]), stream=True))
    assert status == 200
    assert b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"' in stream


async def test_what_came_before_an_error_is_delivered(cli: Cli):
    response = await cli.open(asking(acts(["overload", 2]), stream=True))
    await cli.all_gone()
    stream = b"".join([chunk async for chunk in response.stream])
    assert b"message_start" in stream
    assert 0 < stream.find(b"word1") < stream.find(b"event: error")


async def test_what_came_before_a_crash_is_delivered(cli: Cli):
    response = await cli.open(asking(acts(["crash", 2]), stream=True))
    await cli.all_gone()
    chunks = aiter(response.stream)
    assert b"word1" in await anext(chunks)
    with pytest.raises(httpx.RemoteProtocolError):
        await anext(chunks)


async def test_a_cut_stream_is_no_success(cli: Cli):
    _, stream = await cli.ask(asking(acts(["cut", 2]), stream=True))
    reader = dialect_named("messages").reader(echo_model="m", peek=None)
    batch = reader.feed(stream)
    assert batch.error is not None
    assert batch.terminal == b""


async def test_a_crash_in_the_middle_of_a_stream_is_a_broken_connection(cli: Cli):
    response = await cli.open(asking(acts(["crash", 2]), stream=True))
    with pytest.raises(httpx.RemoteProtocolError, match="Segmentation fault"):
        async for _ in response.stream:
            pass


async def test_a_crash_in_the_middle_of_a_whole_answer_is_an_error(cli: Cli):
    status, _, _ = await refusal(cli, ["crash", 2])
    assert status == 503


async def test_only_messages_are_answered(cli: Cli):
    request = cli.upstream.models_request()
    response = await cli.upstream.transport.handle_async_request(request)
    assert response.status_code == 404
    assert cli.started == []


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("API Error: 400 messages: roles must alternate", 400, "messages: roles must alternate"),
        ("API Error: Request rejected (429) · slow down", 429, "slow down"),
        ("Failed to authenticate. API Error: 403 no access", 403, "no access"),
        ("Prompt is too long · the request is ~300000 tokens (limit 200000) but", 400, "prompt is too long: 300000 "),
        ("Credit balance is too low", 402, "Credit balance is too low"),
        ("There's an issue with the selected model (x). It may not exist", 404, "model: There's an issue"),
        ("API Error: Overloaded", 529, "Overloaded"),
        ("API Error: Unable to connect to API (ConnectionRefused)", 502, "Unable to connect"),
    ],
)
def test_the_clis_sentences_are_taken_apart(text: str, status: int, message: str):
    """Sentences of Claude Code 2.1.197."""
    found = refused(Result(True, None, text))
    assert found.status == status
    assert found.message.startswith(message)


def test_a_prompt_that_is_too_long_is_the_callers_to_mend():
    text = "Prompt is too long · the request is ~300000 tokens (limit 200000) but this conversation is only ~1"
    found = refused(Result(True, 400, text))
    assert told(found.status, found.body).code == "context_length_exceeded"
