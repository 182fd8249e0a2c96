"""A gateway without keys: every printed example, run as it stands there."""

import shutil
from pathlib import Path

import pytest

from tests.contract.clients import hello, messages_client, openai_client
from tests.contract.gateway import Gateway
from tests.contract.spec_004 import (
    ANTHROPIC_BODY,
    MODELS,
    OPENAI_BODY,
    STREAMING_BODY,
    run_curl,
    run_node,
    run_python,
)
from tests.contract.sse import events_of

SONNET = MODELS[0]
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
on_both_bases = pytest.mark.parametrize("base", ["/v1", "/openai/v1"])


@needs_curl
def test_curl_in_the_anthropic_format(keyless: Gateway) -> None:
    message = run_curl("curl in the Anthropic format", keyless.port)
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", SONNET)
    assert message["content"][0]["text"]


@needs_curl
def test_curl_in_the_openai_format(keyless: Gateway) -> None:
    completion = run_curl("curl in the OpenAI format", keyless.port)
    assert (completion["object"], completion["model"]) == ("chat.completion", SONNET)
    assert completion["choices"][0]["message"]["content"]


def test_python_with_the_openai_client(keyless: Gateway) -> None:
    with run_python("Python with the OpenAI client", keyless.port)["client"] as client:
        completion = client.chat.completions.create(model=SONNET, messages=hello())
    assert completion.choices[0].message.content


def test_python_with_the_anthropic_client(keyless: Gateway) -> None:
    with run_python("Python with the Anthropic client", keyless.port)["client"] as client:
        message = client.messages.create(model=SONNET, max_tokens=100, messages=hello())
    assert message.content[0].text


def test_python_with_requests(keyless: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    response = run_python("Python with requests", keyless.port, data=ANTHROPIC_BODY)["response"]
    assert (response.status_code, response.json()["type"]) == (200, "message")


@needs_node
def test_javascript_with_fetch(keyless: Gateway, tmp_path: Path) -> None:
    after = "console.log(JSON.stringify([response.status, await response.json()]));\n"
    status, message = run_node("JavaScript with fetch", keyless.port, after, tmp_path, requestData=ANTHROPIC_BODY)
    assert (status, message["type"]) == (200, "message")


def test_the_anthropic_body_gets_a_message(keyless: Gateway) -> None:
    answer = keyless.http.post("/v1/chat/completions", json=ANTHROPIC_BODY, headers=keyless.somewhere())
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["type"] == "message"


def test_the_openai_body_gets_a_completion(keyless: Gateway) -> None:
    answer = keyless.http.post("/openai/v1/chat/completions", json=OPENAI_BODY, headers=keyless.somewhere())
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["object"] == "chat.completion"


def test_the_streaming_body_gets_the_events_of_a_message(keyless: Gateway) -> None:
    answer = keyless.http.post("/v1/chat/completions", json=STREAMING_BODY, headers=keyless.somewhere())
    events = events_of(answer.content)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")


def test_the_streaming_body_gets_chunks_under_the_openai_base(keyless: Gateway) -> None:
    answer = keyless.http.post("/openai/v1/chat/completions", json=STREAMING_BODY, headers=keyless.somewhere())
    events = events_of(answer.content)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (events[0]["object"], events[-1]) == ("chat.completion.chunk", "[DONE]")


@on_both_bases
def test_the_openai_sdk_on_both_bases(keyless: Gateway, base: str) -> None:
    with openai_client(keyless, "dummy", base=base, default_headers=keyless.somewhere()) as client:
        completion = client.chat.completions.create(model=SONNET, messages=hello(), max_tokens=100, temperature=0.7)
        with client.chat.completions.create(model=SONNET, messages=hello(), stream=True) as stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert completion.choices[0].message.content
    assert text


@pytest.mark.parametrize("base", ["", "/v1"], ids=["host", "v1"])
def test_the_anthropic_sdk_on_the_host_and_on_its_base(keyless: Gateway, base: str) -> None:
    with messages_client(keyless, "dummy", base=base, default_headers=keyless.somewhere()) as client:
        message = client.messages.create(model=SONNET, max_tokens=100, messages=hello())
        with client.messages.stream(model=SONNET, max_tokens=100, messages=hello()) as stream:
            streamed = stream.get_final_message()
    assert message.content[0].text == streamed.content[0].text


def test_the_anthropic_sdk_speaks_messages_on_the_chat_path(keyless: Gateway) -> None:
    with messages_client(keyless, "dummy", default_headers=keyless.somewhere()) as client:
        body = {"model": SONNET, "messages": hello()}
        answer = client.post("/v1/chat/completions", cast_to=object, body=body)
    assert answer["type"] == "message"


PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoAAAANSUhEUg=="}
TOOL = {"name": "get_weather", "description": "Look up current weather", "input_schema": {"type": "object"}}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
MESSAGE_FORMATS = {
    "system": {"system": "Be brief."},
    "blocks": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]},
    "image": {"messages": [{"role": "user", "content": [{"type": "image", "source": PICTURE}]}]},
    "tools": {"tools": [TOOL], "tool_choice": {"type": "any"}},
    "tool-result": {
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"}]},
        ],
    },
}


@pytest.mark.parametrize("changes", MESSAGE_FORMATS.values(), ids=MESSAGE_FORMATS.keys())
def test_every_anthropic_message_format_is_taken_on_the_chat_path(keyless: Gateway, changes: dict[str, object]) -> None:
    body = {**ANTHROPIC_BODY, **changes}
    answer = keyless.http.post("/v1/chat/completions", json=body, headers=keyless.somewhere())
    assert (answer.status_code, answer.json()["type"]) == (200, "message")


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_the_health_check_says_ok(keyless: Gateway, path: str) -> None:
    answer = keyless.http.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@on_both_bases
def test_the_named_models_are_listed_with_their_context_length(keyless: Gateway, base: str) -> None:
    listing = keyless.http.get(f"{base}/models", headers=keyless.somewhere()).json()
    lengths = {each["id"]: each["context_length"] for each in listing["data"]}
    assert [lengths[model] for model in MODELS] == [200_000] * 3


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
@pytest.mark.parametrize("model", MODELS)
def test_the_sdks_find_each_named_model_and_are_answered_under_its_name(keyless: Gateway, model: str) -> None:
    address = keyless.somewhere()
    with openai_client(keyless, "dummy", default_headers=address) as client:
        assert client.models.retrieve(model).id == model
        assert client.chat.completions.create(model=model, messages=hello()).model == model
    with messages_client(keyless, "dummy", default_headers=address) as client:
        assert client.models.retrieve(model).max_input_tokens == 200_000
        assert client.messages.create(model=model, max_tokens=16, messages=hello()).model == model


@on_both_bases
@pytest.mark.parametrize("path", ["/completions", "/embeddings", "/images/generations", "/audio/speech"])
def test_other_openai_endpoints_are_not_available(keyless: Gateway, base: str, path: str) -> None:
    answer = keyless.http.post(base + path, json={"model": SONNET}, headers=keyless.somewhere())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
