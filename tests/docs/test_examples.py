"""The examples of the documents that the gateway is compatible with, as they are printed, on simulated accounts.

`docs/compatibility.md` points here. A gateway with keys of each tier, and one without keys.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import msgspec
import openai
import pytest

from tests.docs.session import Shell

CLAUDE = "claude-sonnet-4-6"
RETIRED = ("claude-3-5-sonnet-20241022", "claude-3-7-sonnet-20250219", "claude-opus-4-20250514")
HELLO = [{"role": "user", "content": "Hello"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
QUICK = "trigate accounts add practice --kind simulated --option ttft_ms=0 --option tokens_per_second=100000"


class Keyed:
    """A gateway with a key of each default tier, each with five dollars."""

    def __init__(self, shell: Shell) -> None:
        self.url = shell.url
        self.keys = {
            tier: shell.output_of(f"trigate keys create {tier} --tier {tier} --balance 5").strip() for tier in TIERS
        }
        self.poor = shell.output_of("trigate keys create poor").strip()
        self.http = httpx.Client(base_url=shell.url, trust_env=False, timeout=30)

    def messages(self, tier: str = "claude", **fields: Any) -> httpx.Response:
        body = {"model": "claude-sonnet-4.6", "max_tokens": 1024, "messages": HELLO} | fields
        return self.http.post(
            "/v1/messages", headers={"x-api-key": self.keys[tier], "anthropic-version": "2023-06-01"}, json=body
        )

    def openai(self, path: str, tier: str = "codex", **body: Any) -> httpx.Response:
        return self.http.post(path, headers={"Authorization": f"Bearer {self.keys[tier]}"}, json=body)

    def get(self, path: str, tier: str = "all") -> httpx.Response:
        return self.http.get(path, headers={"x-api-key": self.keys[tier]})


TIERS = ("claude", "codex", "all")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    shell = Shell(tmp_path_factory.mktemp("keyed"))
    shell.output_of(QUICK)
    with shell.serving():
        gateway = Keyed(shell)
        # A key made beside a running gateway is known a quarter of a second later.
        while gateway.http.get("/v1/models", headers={"x-api-key": gateway.poor}).status_code != 200:
            pass
        yield gateway
        gateway.http.close()


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway without keys, with room for a whole module of requests from one address."""
    with without_keys(tmp_path_factory, ip_rpm="60000", ip_burst="1000") as client:
        yield client


@contextmanager
def without_keys(factory: pytest.TempPathFactory, **settings: str) -> Iterator[httpx.Client]:
    shell = Shell(factory.mktemp("keyless"))
    shell.output_of(QUICK)
    with shell.serving(auth="none", **settings), httpx.Client(base_url=shell.url, trust_env=False) as client:
        yield client


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The data of a stream's events, `[DONE]` left out."""
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data:").strip() for line in response.text.splitlines() if line.startswith("data:")]
    return [msgspec.json.decode(line) for line in lines if line != "[DONE]"]


# Claude API reference overview


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_health_is_public(keyed: Keyed, path: str) -> None:
    answer = keyed.http.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_models_are_listed_for_a_key(keyed: Keyed) -> None:
    answer = keyed.get("/v1/models", "claude").json()
    assert answer["object"] == "list"
    assert {"claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5", "opus", "sonnet", "haiku"} <= {
        each["id"] for each in answer["data"]
    }


def test_every_listed_model_is_taken(keyed: Keyed) -> None:
    listed = [each["id"] for each in keyed.get("/v1/models", "claude").json()["data"]]
    refused = [model for model in listed if keyed.messages(model=model, max_tokens=1).status_code != 200]
    assert refused == []


def test_model_information_has_prices(keyed: Keyed) -> None:
    sonnet = next(each for each in keyed.get("/v1/models/info", "claude").json()["data"] if each["id"] == CLAUDE)
    assert sonnet["prices"]["tokens"]["input"]["usd"] == "3.00"
    assert sonnet["limits"]["context_tokens"] >= 200_000


@pytest.mark.parametrize("model", ["claude-opus-4.6", "claude-sonnet-4.6", "claude-haiku-4.5", "opus", "haiku"])
def test_recommended_models_and_aliases(keyed: Keyed, model: str) -> None:
    assert keyed.messages(model=model).json()["model"] == model


def test_a_bearer_token_is_a_key_on_messages(keyed: Keyed) -> None:
    headers = {"Authorization": f"Bearer {keyed.keys['claude']}"}
    answer = keyed.http.post(
        "/v1/messages", headers=headers, json={"model": CLAUDE, "max_tokens": 16, "messages": HELLO}
    )
    assert answer.status_code == 200


def test_a_model_outside_the_tier_is_refused(keyed: Keyed) -> None:
    assert keyed.openai("/v1/chat/completions", "claude", model="gpt-5.5", messages=HELLO).status_code == 403


# Messages API


def test_the_example_request_and_response(keyed: Keyed) -> None:
    answer = keyed.messages(
        system="You are a helpful assistant.",
        messages=[{"role": "user", "content": "Explain quantum computing in one paragraph."}],
    )
    message = answer.json()
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "claude-sonnet-4.6")
    assert message["id"].startswith("msg_")
    assert message["content"][0]["type"] == "text"
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["input_tokens"] > 0
    assert message["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("missing", ["model", "messages", "max_tokens"])
def test_required_fields_are_named(keyed: Keyed, missing: str) -> None:
    body = {"model": CLAUDE, "max_tokens": 16, "messages": HELLO}
    del body[missing]
    answer = keyed.http.post("/v1/messages", headers={"x-api-key": keyed.keys["claude"]}, json=body)
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, missing)


def test_optional_fields_are_taken(keyed: Keyed) -> None:
    assert keyed.messages(temperature=0.5, top_k=40, stop_sequences=["END"]).status_code == 200


# OpenAI & Codex endpoints


def test_the_chat_example(keyed: Keyed) -> None:
    answer = keyed.openai(
        "/v1/chat/completions",
        model="gpt-5.5",
        messages=[
            {"role": "system", "content": "You are concise."},
            {"role": "user", "content": "Explain TCP in one sentence."},
        ],
        stream=False,
    ).json()
    usage = answer["usage"]
    assert answer["choices"][0]["message"]["content"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_the_final_usage_chunk_is_sent_to_who_asks_for_it(keyed: Keyed) -> None:
    def chunks(**options: Any) -> list[dict[str, Any]]:
        return events(keyed.openai("/v1/chat/completions", model="gpt-5.4", messages=HELLO, stream=True, **options))

    assert chunks(stream_options={"include_usage": True})[-1]["usage"]["total_tokens"] > 0
    assert all(chunk.get("usage") is None for chunk in chunks())


def test_the_responses_example(keyed: Keyed) -> None:
    answer = keyed.openai("/v1/responses", model="gpt-5.5", input="Refactor this function for readability.").json()
    assert (answer["object"], answer["status"]) == ("response", "completed")


def test_messages_on_the_codex_tier_gets_a_hint(keyed: Keyed) -> None:
    answer = keyed.messages("codex", model="gpt-5.5")
    assert answer.status_code == 400
    assert "/v1/chat/completions" in answer.json()["error"]["message"]
    assert "/v1/responses" in answer.json()["error"]["message"]


def test_the_codex_tier_lists_openai_models(keyed: Keyed) -> None:
    listed = {each["id"] for each in keyed.get("/v1/models", "codex").json()["data"]}
    assert {"gpt-5.5", "gpt-5.4"} <= listed
    assert not any(model.startswith("claude") for model in listed)


# API documentation


def test_one_key_speaks_both(keyed: Keyed) -> None:
    assert keyed.keys["all"].startswith("cc_user_")
    assert keyed.messages("all").status_code == 200
    answer = keyed.openai(
        "/v1/chat/completions", "all", model=CLAUDE, messages=[{"role": "user", "content": "Hello, world!"}]
    )
    assert answer.json()["object"] == "chat.completion"


def test_the_streaming_example_without_a_content_type(keyed: Keyed) -> None:
    answer = keyed.http.post(
        "/v1/messages",
        headers={
            "x-api-key": keyed.keys["all"],
            "anthropic-version": "2023-06-01",
            "content-type": "application/x-www-form-urlencoded",
        },
        content=b'{"model":"claude-sonnet-4-6","stream":true,"max_tokens":1024,'
        b'"messages":[{"role":"user","content":"Tell me a haiku."}]}',
    )
    kinds = [event["type"] for event in events(answer)]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def test_the_vision_example(keyed: Keyed) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [image, {"type": "text", "text": "What's in this image?"}]
    assert keyed.messages("all", messages=[{"role": "user", "content": content}]).status_code == 200


def test_the_prompt_caching_example(keyed: Keyed) -> None:
    context = {"type": "text", "text": "Large system context. " * 1000, "cache_control": {"type": "ephemeral"}}
    content = [context, {"type": "text", "text": "User question goes here"}]
    written, read = (keyed.messages("all", messages=[{"role": "user", "content": content}]).json() for _ in range(2))
    assert written["usage"]["cache_creation_input_tokens"] > 0
    assert read["usage"]["cache_read_input_tokens"] == written["usage"]["cache_creation_input_tokens"]


def test_the_tools_example(keyed: Keyed) -> None:
    tool = {
        "name": "get_weather",
        "description": "Look up current weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    answer = keyed.messages("all", tools=[tool], messages=[{"role": "user", "content": "Weather in Tokyo?"}]).json()
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"][-1]["name"] == "get_weather"


def test_every_successful_request_can_be_looked_up(keyed: Keyed) -> None:
    answer = keyed.messages("all")
    receipt = keyed.get(f"/v1/usage/{answer.headers['request-id']}").json()
    usage = answer.json()["usage"]
    assert receipt["cost_micro"] == int(answer.headers["x-gateway-cost-micro"]) > 0
    assert (receipt["input_tokens"], receipt["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert receipt["cache_read_input_tokens"] == 0
    assert receipt["cache_creation"]["ephemeral_5m_input_tokens"] == 0
    assert receipt["model"] == CLAUDE


def test_a_receipt_is_its_customers_alone(keyed: Keyed) -> None:
    request_id = keyed.messages("all").headers["request-id"]
    assert keyed.get(f"/v1/usage/{request_id}", "claude").status_code == 404


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "sk-wrong"}], ids=["missing", "invalid"])
def test_401(keyed: Keyed, headers: dict[str, str]) -> None:
    answer = keyed.http.post("/v1/messages", headers=headers, json={"model": CLAUDE})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (401, "false")
    assert answer.json()["error"]["type"] == "authentication_error"


def test_402(keyed: Keyed) -> None:
    body = {"model": CLAUDE, "max_tokens": 16, "messages": HELLO}
    answer = keyed.http.post("/v1/messages", headers={"x-api-key": keyed.poor}, json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (402, "billing_error")


# Claude Code proxy API


@pytest.mark.parametrize("model", RETIRED)
def test_the_anthropic_example_without_a_key(keyless: httpx.Client, model: str) -> None:
    answer = keyless.post("/v1/chat/completions", json={"model": model, "messages": HELLO})
    assert (answer.json()["type"], answer.json()["model"]) == ("message", model)


def test_the_openai_example_without_a_key(keyless: httpx.Client) -> None:
    answer = keyless.post(
        "/openai/v1/chat/completions", json={"model": RETIRED[0], "messages": HELLO, "temperature": 0.7}
    )
    assert answer.json()["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("path", "first"), [("/v1/chat/completions", "message_start"), ("/openai/v1/chat/completions", None)]
)
def test_both_formats_stream(keyless: httpx.Client, path: str, first: str | None) -> None:
    body = {"model": RETIRED[0], "messages": [{"role": "user", "content": "Tell me a story"}], "stream": True}
    assert events(keyless.post(path, json=body))[0].get("type") == first


@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models"])
def test_models_are_listed_without_a_key(keyless: httpx.Client, path: str) -> None:
    assert keyless.get(path).json()["object"] == "list"


def test_the_openai_client_with_a_dummy_key(keyless: httpx.Client) -> None:
    with openai.OpenAI(base_url=f"{keyless.base_url}/v1", api_key="dummy", max_retries=0) as client:
        answer = client.chat.completions.create(model=RETIRED[0], messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content


@pytest.mark.parametrize("suffix", ["", "/v1"], ids=["root", "v1"])
def test_the_anthropic_client_with_a_dummy_key(keyless: httpx.Client, suffix: str) -> None:
    with anthropic.Anthropic(base_url=f"{keyless.base_url}{suffix}", api_key="dummy", max_retries=0) as client:
        answer = client.messages.create(
            model=RETIRED[0], max_tokens=1000, messages=[{"role": "user", "content": "Hello!"}]
        )
    assert answer.stop_reason == "end_turn"


def test_an_error_says_which_field_is_to_blame(keyless: httpx.Client) -> None:
    answer = keyless.post("/v1/chat/completions", json={"messages": HELLO})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == "model"
    assert answer.json()["error"]["message"]


def test_an_unknown_model_is_404(keyless: httpx.Client) -> None:
    answer = keyless.post("/v1/chat/completions", json={"model": "no-such-model", "messages": HELLO})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_an_address_has_sixty_requests_a_minute_and_ten_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    body = {"model": RETIRED[0], "messages": HELLO}
    with without_keys(tmp_path_factory) as client:
        answers = [client.post("/openai/v1/chat/completions", json=body) for _ in range(25)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert all(answer.status_code == 200 for answer in answers[:10])
    assert answers[0].headers["X-RateLimit-Limit"] == "60"
    assert answers[0].headers["X-RateLimit-Remaining"] == "59"
    assert int(answers[0].headers["X-RateLimit-Reset"]) > 1_640_995_200
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
def test_other_openai_endpoints_are_not_there(keyless: httpx.Client, path: str) -> None:
    assert keyless.post(path, json={"model": RETIRED[0], "input": "Hello"}).status_code == 404
