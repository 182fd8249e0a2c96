"""A model that thinks in silence: the SDKs must read the gateway's keep-alives as if they were not there."""

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from tests.contract.clients import hello, messages_client, openai_client
from tests.contract.gateway import Gateway
from tests.contract.house import Keys, furnish
from tests.contract.upstream import Upstream

SILENT = pytest.mark.parametrize(
    ("script", "text"), [("late", "Good morning, world."), ("pausing", "Good morning.")], ids=["first", "midway"]
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("silence")


@pytest.fixture(scope="module")
def keys(data_dir: Path, upstream: Upstream) -> Keys:
    return furnish(data_dir, upstream)


@pytest.fixture(scope="module")
def gateway(data_dir: Path, keys: Keys) -> Iterator[Gateway]:
    """It sends keep-alives soon. No other test's does: a slow machine would see them where none is expected."""
    with Gateway(data_dir, keepalive_after_s="0.2", keepalive_every_s="0.1", checkpoint_every_s="0.05") as gateway:
        yield gateway


@SILENT
def test_the_anthropic_sdk_reads_through_keep_alives(gateway, keys, script, text):
    with (
        messages_client(gateway, keys.everything) as client,
        client.messages.stream(model=f"claude-{script}", max_tokens=100, messages=hello()) as stream,
    ):
        message = stream.get_final_message()
    assert (message.content[0].text, message.usage.output_tokens) == (text, 7)


@SILENT
def test_the_openai_sdk_reads_through_keep_alives_on_chat(gateway, keys, script, text):
    with (
        openai_client(gateway, keys.everything) as client,
        client.chat.completions.stream(model=f"gpt-{script}", messages=hello()) as stream,
    ):
        assert stream.get_final_completion().choices[0].message.content == text


@SILENT
def test_the_openai_sdk_reads_through_keep_alives_on_responses(gateway, keys, script, text):
    # The SDK's schema has no `keepalive` event: it minds when it validates strictly, and passes it over otherwise.
    with (
        openai_client(gateway, keys.everything, _strict_response_validation=False) as client,
        client.responses.stream(model=f"gpt-{script}", input="Hello") as stream,
    ):
        response = stream.get_final_response()
    assert (response.output_text, response.usage.output_tokens) == (text, 7)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("script", ["late", "pausing"])
def test_something_arrives_while_the_model_is_silent(gateway, keys, path, script):
    body = {"/v1/messages": {"max_tokens": 9, "messages": hello()}, "/v1/chat/completions": {"messages": hello()}}
    asked = body.get(path, {"input": "Hello"})
    name = "claude" if path == "/v1/messages" else "gpt"
    headers = {"x-api-key": keys.everything}
    asked = {"model": f"{name}-{script}", "stream": True, **asked}
    with gateway.http.stream("POST", path, json=asked, headers=headers) as answer:
        received = sum(1 for _ in answer.iter_raw())
    assert received >= 3


def test_a_failure_after_keep_alives_is_raised_by_the_anthropic_sdk(gateway, keys):
    with (
        messages_client(gateway, keys.everything) as client,
        client.messages.stream(model="claude-late-failure", max_tokens=9, messages=hello()) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        stream.get_final_message()
    call_id = caught.value.body["request_id"]
    assert stream.response.headers["request-id"] == call_id
    assert gateway.story(call_id).call.cost_micro == 0


def test_a_failure_after_keep_alives_is_raised_by_the_openai_sdk_on_chat(gateway, keys):
    with (
        openai_client(gateway, keys.everything) as client,
        client.chat.completions.create(model="gpt-late-failure", messages=hello(), stream=True) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)
    assert gateway.story(stream.response.headers["x-request-id"]).call.cost_micro == 0


def test_a_failure_after_keep_alives_is_a_failed_response(gateway, keys):
    with (
        openai_client(gateway, keys.everything) as client,
        client.responses.create(model="gpt-late-failure", input="Hello", stream=True) as stream,
    ):
        events = list(stream)
    assert events[-1].type == "response.failed"
    assert gateway.story(stream.response.headers["x-request-id"]).call.cost_micro == 0
