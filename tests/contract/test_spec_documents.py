"""The requests of the documents that keys are handed out with, as they stand there, sent as curl sends them."""

import pytest

from tests.contract.sse import events_of

CURL = {"user-agent": "curl/8.5.0", "accept": "*/*"}
# What curl adds to `-d` where the example names no content type.
FORM = "application/x-www-form-urlencoded"


def curl(gateway, path, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.http.post(path, content=body.encode(), headers={**CURL, "content-type": FORM, **named})


def test_messages_with_a_system_prompt(gateway, keys):
    answer = curl(
        gateway,
        "/v1/messages",
        """{
"model": "claude-sonnet-4.6",
"max_tokens": 1024,
"system": "You are a helpful assistant.",
"messages": [
{"role": "user", "content": "Explain quantum computing in one paragraph."}
]
}""",
        x_api_key=keys.claude,
        anthropic_version="2023-06-01",
        content_type="application/json",
    )
    message = answer.json()
    assert answer.status_code == 200
    assert message["id"].startswith("msg_")
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "claude-sonnet-4.6")
    assert message["content"][0]["type"] == "text"
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["input_tokens"] > 0
    assert message["usage"]["output_tokens"] > 0


def test_every_parameter_of_the_messages_table_is_taken(gateway, keys):
    body = {
        "model": "claude-sonnet-4.6",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 64,
        "system": "Be brief.",
        "stream": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END"],
    }
    assert gateway.post("/v1/messages", keys.claude, body).status_code == 200


@pytest.mark.parametrize(
    "model",
    ["claude-opus-4.6", "claude-sonnet-4.6", "claude-haiku-4.5", "opus", "sonnet", "haiku", "claude-sonnet-4-6"],
)
def test_every_recommended_model_is_served(gateway, keys, model):
    body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}
    answer = gateway.post("/v1/messages", keys.claude, body)
    assert (answer.status_code, answer.json()["model"]) == (200, model)


def test_chat_for_a_codex_key(gateway, keys):
    answer = curl(
        gateway,
        "/v1/chat/completions",
        """{
    "model": "gpt-5.5",
    "messages": [
      {"role": "system", "content": "You are concise."},
      {"role": "user", "content": "Explain TCP in one sentence."}
    ],
    "stream": false
  }""",
        authorization=f"Bearer {keys.codex}",
        content_type="application/json",
    )
    completion = answer.json()
    usage = completion["usage"]
    assert answer.status_code == 200
    assert completion["choices"][0]["message"]["role"] == "assistant"
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_responses_for_a_codex_key(gateway, keys):
    answer = curl(
        gateway,
        "/v1/responses",
        """{
    "model": "gpt-5.5",
    "input": "Refactor this function for readability."
  }""",
        authorization=f"Bearer {keys.codex}",
        content_type="application/json",
    )
    response = answer.json()
    assert (answer.status_code, response["object"], response["status"]) == (200, "response", "completed")
    assert response["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.4"])
def test_the_models_of_the_codex_tier_are_listed(gateway, keys, model):
    answer = gateway.http.get("/v1/models", headers={"authorization": f"Bearer {keys.codex}"})
    assert model in [each["id"] for each in answer.json()["data"]]


def test_messages_for_a_universal_key(gateway, keys):
    answer = curl(
        gateway,
        "/v1/messages",
        """{
    "model": "claude-sonnet-4-6",
    "max_tokens": 512,
    "messages": [
      {"role": "user", "content": "Hello, world!"}
    ]
  }""",
        x_api_key=keys.everything,
        anthropic_version="2023-06-01",
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["type"]) == (200, "message")


def test_chat_with_a_claude_model_for_a_universal_key(gateway, keys):
    answer = curl(
        gateway,
        "/v1/chat/completions",
        """{
    "model": "claude-sonnet-4-6",
    "messages": [
      {"role": "user", "content": "Hello, world!"}
    ]
  }""",
        authorization=f"Bearer {keys.everything}",
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["object"]) == (200, "chat.completion")


def test_the_streaming_example_without_a_content_type(gateway, keys):
    answer = curl(
        gateway,
        "/v1/messages",
        """{"model":"claude-sonnet-4-6","stream":true,"max_tokens":1024,
       "messages":[{"role":"user","content":"Tell me a haiku."}]}""",
        x_api_key=keys.everything,
        anthropic_version="2023-06-01",
    )
    events = events_of(answer.content)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")


def test_vision(gateway, keys):
    body = """{
  "model": "claude-sonnet-4-6",
  "max_tokens": 512,
  "messages": [{
    "role": "user",
    "content": [
      {"type": "image", "source": {
        "type": "base64",
        "media_type": "image/png",
        "data": "iVBORw0KG..."
      }},
      {"type": "text", "text": "What's in this image?"}
    ]
  }]
}"""
    real = body.replace("iVBORw0KG...", "iVBORw0KGgoAAAANSUhEUg==")
    assert curl(gateway, "/v1/messages", real, x_api_key=keys.everything).status_code == 200


def test_prompt_caching_is_cheaper_the_second_time(gateway, keys):
    context = "Large system context... " * 1_500
    content = [
        {"type": "text", "text": context, "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "User question goes here"},
    ]
    body = {"model": "claude-sonnet-4-6", "max_tokens": 16, "messages": [{"role": "user", "content": content}]}
    first = gateway.post("/v1/messages", keys.everything, body)
    second = gateway.post("/v1/messages", keys.everything, body)
    assert second.json()["usage"]["cache_read_input_tokens"] > 0
    assert int(second.headers["x-gateway-cost-micro"]) < int(first.headers["x-gateway-cost-micro"]) / 5


def test_tools(gateway, keys):
    body = """{
  "model": "claude-sonnet-4-6",
  "max_tokens": 1024,
  "tools": [{
    "name": "get_weather",
    "description": "Look up current weather",
    "input_schema": {
      "type": "object",
      "properties": {"city": {"type": "string"}},
      "required": ["city"]
    }
  }],
  "messages": [{"role":"user","content":"Weather in Tokyo?"}]
}"""
    message = curl(gateway, "/v1/messages", body, x_api_key=keys.everything).json()
    call = message["content"][-1]
    assert (message["stop_reason"], call["type"], call["name"]) == ("tool_use", "tool_use", "get_weather")
    assert isinstance(call["input"]["city"], str)


def test_usage_of_a_past_request_has_every_documented_field(gateway, keys):
    body = {"model": "claude-plain", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}
    answer = gateway.post("/v1/messages", keys.everything, body)
    usage = gateway.get(f"/v1/usage/{answer.headers['request-id']}", keys.everything).json()
    assert usage["input_tokens"] == 12
    assert usage["output_tokens"] == 7
    assert usage["cache_read_input_tokens"] == 100
    assert usage["cache_creation"]["ephemeral_5m_input_tokens"] == 20
    assert usage["cost_micro"] == 117
    assert usage["model"] == "claude-plain"
    assert usage["price_version"]


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_the_liveness_probe_needs_no_key(gateway, path):
    answer = gateway.http.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_the_models_list_of_the_smoke_test(gateway, keys):
    answer = gateway.get("/v1/models", keys.claude)
    listing = answer.json()
    assert (answer.status_code, listing["object"]) == (200, "list")
    assert {"claude-sonnet-4-6", "opus", "sonnet", "haiku"} <= {each["id"] for each in listing["data"]}


def test_models_info_has_prices(gateway, keys):
    listing = gateway.get("/v1/models/info", keys.claude).json()
    entry = next(each for each in listing["data"] if each["id"] == "claude-plain")
    assert entry["prices"]["tokens"]["output"] == {"usd": "10.00", "micro": 10_000_000}
    assert entry["limits"]["context_tokens"] == 200_000
