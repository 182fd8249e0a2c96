"""What bad input gets. After each of these the gateway serves the next call as if nothing had been."""

import msgspec
import pytest

from tests.contract.clients import hello
from tests.contract.raw import chunk, exchange, head

PATHS = {"messages": "/v1/messages", "chat": "/openai/v1/chat/completions", "responses": "/v1/responses"}
MODELS = {"messages": "claude-plain", "chat": "gpt-plain", "responses": "gpt-plain"}
PROMPTS = {
    "messages": {"max_tokens": 9, "messages": hello()},
    "chat": {"messages": hello()},
    "responses": {"input": "Hello"},
}
DIALECTS = pytest.mark.parametrize("dialect", list(PATHS))


def post(gateway, keys, dialect, body, **headers):
    named = {"x-api-key": keys.everything, "content-type": "application/json", **headers}
    return gateway.http.post(PATHS[dialect], content=body, headers=named)


def good_body(dialect, **changes):
    return msgspec.json.encode({"model": MODELS[dialect], **PROMPTS[dialect], **changes})


NOT_JSON = {
    "nothing": b"",
    "text": b"hello",
    "cut": b'{"model": "claude-plain", "messages": [',
    "array": b"[1, 2]",
    "number": b"7",
    "null": b"null",
    "trailing-comma": b'{"model": "claude-plain",}',
    "second-value": b'{"model": "claude-plain"} {}',
    "deep": b'{"model": "claude-plain", "max_tokens": 9, "messages": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "deep-from-the-start": b"[" * 100_000,
    "nan": b'{"model": "claude-plain", "max_tokens": NaN, "messages": []}',
    "nan-inside": b'{"model": "claude-plain", "max_tokens": 9, "messages": [{"role": "user", "content": NaN}]}',
    "infinity": b'{"model": "claude-plain", "max_tokens": 9, "messages": [], "temperature": Infinity}',
    "byte-order-mark": b'\xef\xbb\xbf{"model": "claude-plain"}',
    "utf-16": '{"model": "claude-plain"}'.encode("utf-16"),
    "bad-utf-8-key": b'{"model": "claude-plain", "\xff": 1}',
    "bad-utf-8-value": b'{"model": "claude-plain", "max_tokens": 9, "messages": [{"role": "user", "content": "\xff"}]}',
    "half-surrogate-model": b'{"model": "\\ud800", "max_tokens": 9, "messages": []}',
}


@DIALECTS
@pytest.mark.parametrize("body", list(NOT_JSON.values()), ids=list(NOT_JSON))
def test_a_body_that_is_no_json_object_is_a_400(gateway, keys, upstream, dialect, body):
    seen = len(upstream.requests("plain"))
    answer = post(gateway, keys, dialect, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"
    assert len(upstream.requests("plain")) == seen
    assert post(gateway, keys, dialect, good_body(dialect)).status_code == 200


WRONG_FIELDS = [
    ("messages", "model", 7),
    ("messages", "model", None),
    ("messages", "model", ""),
    ("messages", "max_tokens", "many"),
    ("messages", "max_tokens", -1),
    ("messages", "max_tokens", 1.5),
    ("messages", "max_tokens", 10**30),
    ("messages", "messages", "Hello"),
    ("messages", "messages", None),
    ("messages", "stream", "yes"),
    ("chat", "model", ["gpt-plain"]),
    ("chat", "messages", {}),
    ("chat", "max_completion_tokens", True),
    ("chat", "n", "two"),
    ("chat", "stream", 1),
    ("responses", "model", {}),
    ("responses", "max_output_tokens", "many"),
    ("responses", "stream", "no"),
    ("responses", "background", True),
    ("responses", "previous_response_id", "resp_nobody"),
]


@pytest.mark.parametrize(("dialect", "field", "value"), WRONG_FIELDS)
def test_a_wrong_value_is_a_400_that_names_its_field(gateway, keys, dialect, field, value):
    answer = post(gateway, keys, dialect, good_body(dialect, **{field: value}))
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["details"]["field"] == field
    assert error["param"] == field


@pytest.mark.parametrize(
    ("dialect", "missing"),
    [("messages", "model"), ("messages", "max_tokens"), ("messages", "messages"), ("chat", "messages")],
)
def test_a_missing_field_is_named(gateway, keys, dialect, missing):
    body = {"model": MODELS[dialect], **PROMPTS[dialect]}
    del body[missing]
    answer = post(gateway, keys, dialect, msgspec.json.encode(body))
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, missing)


def test_of_duplicate_members_the_last_counts_and_is_all_that_goes_on(gateway, keys, upstream):
    body = b'{"model": "claude-opus-4-8", "max_tokens": 9, "messages": [], "model": "claude-plain", "messages": [1]}'
    assert post(gateway, keys, "messages", body).status_code == 200
    sent = upstream.requests("plain")[-1].body
    assert sent.count(b'"model"') == 1
    assert b"opus" not in sent
    assert sent.count(b'"messages":') == 1


@DIALECTS
def test_a_body_declared_too_large_is_a_413_before_it_is_sent(gateway, keys, dialect):
    request = head("POST", PATHS[dialect], x_api_key=keys.everything, content_length="200001")
    answer = exchange(gateway.port, request)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_a_chunked_body_is_cut_off_where_it_passes_the_limit(gateway, keys):
    request = head("POST", "/v1/messages", x_api_key=keys.everything, transfer_encoding="chunked")
    answer = exchange(gateway.port, request, *[chunk(b"x" * 50_000)] * 40)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in answer


def test_a_body_of_exactly_the_limit_is_taken(gateway, keys):
    body = good_body("messages")
    padded = body[:-1] + b" " * (200_000 - len(body)) + b"}"
    assert post(gateway, keys, "messages", padded).status_code == 200


MALFORMED = {
    "no-http": b"HELLO\r\n\r\n",
    "http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two-lengths": b"POST /v1/messages HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    "length-and-chunked": (
        b"POST /v1/messages HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "bad-chunk": b"POST /v1/messages HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "huge-header": b"GET / HTTP/1.1\r\nhost: g\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", list(MALFORMED.values()), ids=list(MALFORMED))
def test_what_is_no_http_is_refused_and_the_connection_closed(gateway, request_bytes):
    answer = exchange(gateway.port, request_bytes)
    assert answer == b"" or answer.split(b" ")[1].startswith(b"4")
    assert gateway.http.get("/health").status_code == 200


@DIALECTS
def test_a_call_without_a_key_is_a_401_in_the_dialect(gateway, dialect):
    answer = gateway.http.post(PATHS[dialect], content=good_body(dialect))
    error = answer.json()["error"]
    kind = "authentication_error" if dialect == "messages" else "invalid_request_error"
    assert (answer.status_code, error["type"], error["code"]) == (401, kind, "invalid_api_key")
    assert answer.headers["x-should-retry"] == "false"


def test_max_tokens_above_the_models_limit_is_lowered_and_said_so(gateway, keys, upstream):
    answer = post(gateway, keys, "messages", good_body("messages", max_tokens=128_000))
    assert answer.status_code == 200
    assert "clamped:max_tokens" in answer.headers["x-gateway-warnings"]
    assert upstream.requests("plain")[-1].json["max_tokens"] == 8_000


@DIALECTS
def test_an_empty_balance_is_told_in_each_dialect_before_any_upstream_sees_it(gateway, keys, upstream, dialect):
    seen = len(upstream.requests("plain"))
    answer = gateway.http.post(PATHS[dialect], content=good_body(dialect), headers={"x-api-key": keys.empty})
    error = answer.json()["error"]
    expected = {
        "messages": (402, "billing_error"),
        "chat": (402, "insufficient_quota"),
        "responses": (429, "insufficient_quota"),
    }
    assert (answer.status_code, error["type"]) == expected[dialect]
    assert dialect == "messages" or error["code"] == "insufficient_quota"
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert len(upstream.requests("plain")) == seen


def test_a_websocket_upgrade_is_a_426(gateway, keys):
    headers = {
        "authorization": f"Bearer {keys.codex}",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "openai-beta": "responses_websockets=2026-02-06",
    }
    answer = gateway.http.get("/v1/responses", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (426, "upgrade_required")


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/embeddings", "/v1/completions", "/nothing", "/v1/messages/batches"]
)
def test_an_unknown_path_is_a_404_with_the_envelope(gateway, keys, path):
    for answer in (gateway.get(path, keys.everything), gateway.post(path, keys.everything, {})):
        assert answer.status_code in (404, 405)
        assert answer.json()["error"]["message"]
        assert answer.headers["request-id"] == answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/messages/count_tokens"])
def test_a_call_by_get_is_a_405_that_names_post(gateway, keys, path):
    answer = gateway.get(path, keys.everything)
    assert answer.status_code == 405
    assert "POST" in answer.json()["error"]["message"]
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/balance", "/v1/usage", "/health"])
def test_a_page_by_post_is_a_405_that_names_get(gateway, keys, path):
    answer = gateway.post(path, keys.everything, {})
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_many_wrong_keys_slow_nobody_who_has_a_right_one(gateway, keys):
    address = gateway.somewhere()
    answers = [gateway.get("/v1/models", "sk-cs2-wrong", **address).status_code for _ in range(40)]
    assert (answers[0], answers[-1]) == (401, 429)
    assert gateway.get("/v1/models", keys.everything, **address).status_code == 200
