"""Paths to operations, and the chat path's two dialects."""

import msgspec
import pytest

from gateway.edge.routing import Operation, chat_path_dialect, error_dialect, route
from gateway.errors import MethodNotAllowed
from gateway.records import DialectName

ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/messages", Operation.MESSAGES),
        ("POST", "/v1/messages/", Operation.MESSAGES),
        ("POST", "/v1/v1/messages", Operation.MESSAGES),
        ("POST", "/messages", Operation.MESSAGES),
        ("POST", "/anthropic/v1/messages", Operation.MESSAGES),
        ("POST", "//v1//messages", Operation.MESSAGES),
        ("POST", "/v1/messages/count_tokens", Operation.COUNT_TOKENS),
        ("POST", "/chat/completions", Operation.CHAT),
        ("POST", "/v1/chat/completions", Operation.CHAT),
        ("POST", "/v1/responses", Operation.RESPONSES),
        ("POST", "/openai/responses", Operation.RESPONSES),
        ("POST", "/v1/responses/input_tokens", Operation.INPUT_TOKENS),
        ("POST", "/v1/responses/compact", Operation.COMPACT),
        ("GET", "/v1/responses/resp_1", Operation.RESPONSE),
        ("DELETE", "/v1/responses/resp_1/", Operation.RESPONSE_DELETE),
        ("GET", "/v1/responses/resp_1/input_items", Operation.RESPONSE_INPUT_ITEMS),
        ("POST", "/v1/responses/resp_1/cancel", Operation.RESPONSE_CANCEL),
        ("GET", "/v1/models", Operation.MODELS),
        ("HEAD", "/v1/models", Operation.MODELS),
        ("GET", "/openai/v1/models", Operation.MODELS),
        ("GET", "/v1/models/info", Operation.MODELS_INFO),
        ("GET", "/v1/models/claude-sonnet-4.6", Operation.MODEL),
        ("GET", "/v1/usage", Operation.USAGE),
        ("GET", "/v1/usage/req_1", Operation.USAGE_RECORD),
        ("GET", "/v1/balance", Operation.BALANCE),
        ("OPTIONS", "/v1/messages", Operation.PREFLIGHT),
        ("OPTIONS", "/anything", Operation.PREFLIGHT),
        ("HEAD", "/", Operation.ROOT),
        ("GET", "/", Operation.ROOT),
        ("POST", "/", Operation.PAGE),
        ("GET", "/health", Operation.PAGE),
        ("GET", "/v1", Operation.PAGE),
        ("GET", "/v1/nothing", Operation.PAGE),
        ("POST", "/v1/v2/messages", Operation.PAGE),
        ("GET", "/v1/responses/resp_1/nothing", Operation.PAGE),
        ("GET", "", Operation.PAGE),
    ],
)
def test_a_path_means_an_operation(method: str, path: str, operation: Operation):
    assert route(method, path, {}).operation is operation


@pytest.mark.parametrize("model", ["gpt-5.5", "org/model", "llama3:8b", "a/b:c.d", "info/x"])
def test_a_models_id_is_everything_after_models(model: str):
    assert route("GET", f"/v1/models/{model}/", {}).object_id == model


def test_every_spelling_has_one_canonical_path():
    assert route("GET", "/openai/v1/v1/models/a/b/", {}).path == "/v1/models/a/b"
    assert route("POST", "/openai/chat/completions", {}).path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("PUT", "/v1/chat/completions"),
        ("GET", "/v1/responses"),
        ("POST", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1/cancel"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/usage/req_1"),
    ],
)
def test_a_wrong_method_says_which_are_right(method: str, path: str):
    with pytest.raises(MethodNotAllowed) as caught:
        route(method, path, {})
    assert dict(caught.value.headers)[b"allow"]


def test_a_socket_on_responses_is_an_operation_of_its_own():
    assert route("GET", "/v1/responses", {"upgrade": "WebSocket"}).operation is Operation.RESPONSES_SOCKET


@pytest.mark.parametrize(
    ("path", "dialect"),
    [("/v1/chat/completions", None), ("/openai/v1/chat/completions", "chat"), ("/openai/chat/completions", "chat")],
)
def test_only_the_bare_chat_path_leaves_the_dialect_to_the_body(path: str, dialect: DialectName | None):
    assert route("POST", path, ANTHROPIC).dialect == dialect


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/v1/messages/none", {}, "messages"),
        ("/v1/responses/x/y", ANTHROPIC, "responses"),
        ("/v1/models", {}, "chat"),
        ("/v1/models", ANTHROPIC, "messages"),
        ("/openai/v1/models", ANTHROPIC, "chat"),
        ("/anthropic/v1/models", {}, "messages"),
    ],
)
def test_an_error_is_worded_in_the_dialect_of_its_path(path: str, headers: dict[str, str], dialect: DialectName):
    assert error_dialect(path, headers) == dialect


def decide(
    members: dict[str, object], headers: dict[str, str] | None = None, *, has_credential: bool = True
) -> DialectName:
    raw = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | members)
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return chat_path_dialect(fields, headers or {}, has_credential=has_credential)


def message(role: str = "user", **members: object) -> dict[str, object]:
    return {"messages": [{"role": role, "content": "x", **members}]}


def part(**members: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": [members]}]}


CHAT_SIGNS: list[dict[str, object]] = [
    message("system"),
    message("developer"),
    message("tool"),
    message("function"),
    message("assistant", tool_calls=[]),
    part(type="image_url", image_url={"url": "x"}),
    part(type="input_audio", input_audio={}),
    part(type="file", file={}),
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"tool_choice": "auto"},
    {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"n": 1},
    {"stop": None},
    {"response_format": {"type": "text"}},
    {"stream_options": {}},
    {"max_completion_tokens": 5},
    {"frequency_penalty": 0},
    {"presence_penalty": 0},
    {"logprobs": True},
    {"seed": 1},
    {"user": "u"},
    {"store": False},
    {"reasoning_effort": "low"},
]
MESSAGES_SIGNS: list[dict[str, object]] = [
    {"system": "x"},
    {"stop_sequences": []},
    {"tools": [{"name": "t", "input_schema": {}}]},
    {"tool_choice": {"type": "any"}},
    {"tool_choice": {"type": "auto"}},
    part(type="tool_use", id="t", name="n", input={}),
    part(type="tool_result", tool_use_id="t"),
    part(type="thinking", thinking="", signature=""),
    part(type="document", source={}),
    part(type="image", source={}),
    {"output_config": {}},
    {"context_management": {}},
]
NO_SIGNS: list[dict[str, object]] = [
    {},
    {"top_k": 1},
    {"thinking": {"type": "enabled"}},
    {"cache_control": {"type": "ephemeral"}},
    {"metadata": {}},
    {"max_tokens": 5},
    part(type="text", text="x", cache_control={}),
    {"messages": "hi"},
    {"messages": [1, None]},
    {"messages": [{"role": ["user"], "content": [{"type": {}}, "x", None]}]},
    {"tools": [None, {"type": "web_search"}], "tool_choice": None},
]


def test_the_version_header_outweighs_the_body():
    assert decide(CHAT_SIGNS[0], ANTHROPIC) == "messages"


@pytest.mark.parametrize("signs", CHAT_SIGNS, ids=str)
def test_what_only_chat_has_makes_it_chat(signs: dict[str, object]):
    assert decide(signs, has_credential=False) == "chat"


@pytest.mark.parametrize("signs", MESSAGES_SIGNS, ids=str)
def test_what_only_messages_has_makes_it_messages(signs: dict[str, object]):
    assert decide(signs) == "messages"


def test_a_sign_of_chat_outweighs_signs_of_messages():
    assert decide({"system": "x", "n": 1}, has_credential=False) == "chat"


@pytest.mark.parametrize("signs", NO_SIGNS, ids=str)
def test_without_a_sign_the_credential_decides(signs: dict[str, object]):
    assert decide(signs, has_credential=True) == "chat"
    assert decide(signs, has_credential=False) == "messages"


def test_the_keyless_default_is_a_setting():
    fields: dict[str, msgspec.Raw] = {}
    assert chat_path_dialect(fields, {}, has_credential=False, keyless_default="chat") == "chat"
