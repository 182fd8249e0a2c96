"""How a call is addressed to each kind of account, and what of the caller goes with it."""

import msgspec
import pytest

from gateway.errors import ConfigurationError, UnknownObject
from gateway.records import Account
from gateway.upstream.providers import provider_for
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.serving import dialects_of

MESSAGES = UpstreamOperation("messages", "/messages")
CHAT = UpstreamOperation("chat", "/chat/completions")
CALLERS_OWN = {
    "authorization": "Bearer sk-cs2-caller",
    "x-api-key": "sk-cs2-caller",
    "cookie": "session=1",
    "host": "gateway",
    "openai-organization": "org-caller",
    "openai-project": "proj-caller",
    "anthropic-workspace-id": "ws-caller",
    "x-forwarded-for": "1.2.3.4",
    "forwarded": "for=1.2.3.4",
    "x-real-ip": "1.2.3.4",
    "x-stainless-lang": "python",
    "user-agent": "caller/1",
    "accept-encoding": "gzip, br",
    "connection": "keep-alive",
    "content-length": "999",
}


def account(kind: str = "anthropic", base_url: str = "https://up.example.com", **fields) -> Account:
    return Account(1, "main", kind, base_url, **fields)


def request(account, operation=MESSAGES, headers=None, body=b"{}", secret="sk-upstream"):
    return provider_for(account.kind).request(account, secret, operation, body, headers or {}, {"read": 5.0})


def sent(*args, **kwargs) -> dict[str, str]:
    return dict(request(*args, **kwargs).headers)


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_nothing_of_the_callers_identity_goes_upstream(kind: str) -> None:
    headers = sent(account(kind), headers=CALLERS_OWN)
    assert set(headers) <= {
        "host", "content-length", "content-type", "accept-encoding", "user-agent",
        "x-api-key", "authorization", "anthropic-version",
    }  # fmt: skip
    assert not [value for value in headers.values() if "caller" in value or "1.2.3.4" in value]


def test_answers_are_never_asked_for_compressed() -> None:
    assert sent(account(), headers=CALLERS_OWN)["accept-encoding"] == "identity"


def test_anthropic_takes_its_key_as_x_api_key() -> None:
    headers = sent(account())
    assert headers["x-api-key"] == "sk-upstream"
    assert "authorization" not in headers


def test_an_anthropic_account_may_be_given_a_bearer_token() -> None:
    headers = sent(account(options={"auth": "bearer"}))
    assert headers["authorization"] == "Bearer sk-upstream"
    assert "x-api-key" not in headers


def test_openai_takes_a_bearer_token() -> None:
    assert sent(account("openai"), CHAT)["authorization"] == "Bearer sk-upstream"


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_a_local_server_needs_no_secret(kind: str) -> None:
    headers = sent(account(kind), secret="")
    assert "authorization" not in headers
    assert "x-api-key" not in headers


@pytest.mark.parametrize(
    ("headers", "body", "version"),
    [
        ({}, b"{}", "2023-06-01"),
        ({"anthropic-version": "2023-06-01"}, b'{"temperature":1}', "2023-06-01"),
        ({"anthropic-version": "2026-10-21"}, b'{"model":"m"}', "2026-10-21"),
        ({"anthropic-version": "2026-10-21"}, b'{"model":"m","temperature":0}', "2023-06-01"),
        ({"anthropic-version": "2026-10-21"}, b'{"top_p":1.0}', "2023-06-01"),
        ({"anthropic-version": "2026-10-21"}, b'{"top_k":null}', "2023-06-01"),
        ({"anthropic-version": "2026-10-21"}, b'{"messages":[{"temperature":1}]}', "2026-10-21"),
        ({"anthropic-version": "2026-10-21"}, b'{"system":"\\"temperature\\""}', "2026-10-21"),
        ({"anthropic-version": "2030-01-01"}, b"{}", "2030-01-01"),
    ],
)
def test_the_callers_version_goes_on_unless_it_refuses_the_body(headers, body: bytes, version: str) -> None:
    assert sent(account(), headers=headers, body=body)["anthropic-version"] == version


def test_betas_go_to_anthropic_and_nowhere_else() -> None:
    headers = {"anthropic-beta": "context-1m-2025-08-07,effort-2025-11-24"}
    assert sent(account(), headers=headers)["anthropic-beta"] == headers["anthropic-beta"]
    assert "anthropic-beta" not in sent(account("openai"), CHAT, headers)


def test_openai_gets_its_own_beta_and_idempotency_headers() -> None:
    headers = sent(account("openai"), CHAT, {"openai-beta": "responses=v1", "idempotency-key": "i-1"})
    assert (headers["openai-beta"], headers["idempotency-key"]) == ("responses=v1", "i-1")


def test_extra_headers_of_the_account_come_last_and_win() -> None:
    extra = {"X-API-Key": "other", "OpenAI-Project": "proj_1", "Content-Length": "7", "Host": "evil"}
    headers = sent(account(extra_headers=extra))
    assert (headers["x-api-key"], headers["openai-project"]) == ("other", "proj_1")
    assert (headers["content-length"], headers["host"]) == ("2", "up.example.com")


@pytest.mark.parametrize(
    ("kind", "base_url", "url"),
    [
        ("anthropic", "", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://up.example.com/anthropic", "https://up.example.com/anthropic/v1/messages"),
        ("anthropic", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1/messages"),
        ("openai", "", "https://api.openai.com/v1/messages"),
        ("openai", "https://api.openai.com", "https://api.openai.com/v1/messages"),
        ("openai", "https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/messages"),
        ("openai", "https://up.example.com/v1beta/openai/", "https://up.example.com/v1beta/openai/messages"),
        ("openai", "http://[::1]:11434", "http://[::1]:11434/v1/messages"),
    ],
)
def test_base_urls_are_taken_as_the_vendors_sdks_take_them(kind: str, base_url: str, url: str) -> None:
    assert str(request(account(kind, base_url)).url) == url


@pytest.mark.parametrize(
    ("kind", "operation", "path"),
    [
        ("anthropic", UpstreamOperation("messages", "/messages", query="beta=true&x=1"), "/v1/messages?beta=true"),
        ("anthropic", UpstreamOperation("messages", "/messages", query="x=1&beta=false"), "/v1/messages"),
        ("anthropic", UpstreamOperation("messages", "/messages/count_tokens"), "/v1/messages/count_tokens"),
        ("openai", UpstreamOperation("chat", "/chat/completions", query="api-version=1"), "/v1/chat/completions"),
        ("openai", UpstreamOperation("responses", "/responses/input_tokens"), "/v1/responses/input_tokens"),
        (
            "openai",
            UpstreamOperation("responses", "/responses/resp_1/input_items", "GET", "limit=5&after=msg_1&key=k"),
            "/v1/responses/resp_1/input_items?limit=5&after=msg_1",
        ),
        ("openai", UpstreamOperation("responses", "/responses/resp_1", "DELETE", "x=1"), "/v1/responses/resp_1"),
        ("openai", UpstreamOperation("responses", "/responses/a b?c#d", "GET"), "/v1/responses/a%20b%3Fc%23d"),
    ],
)
def test_paths_and_the_allowed_part_of_the_query_go_on(kind: str, operation, path: str) -> None:
    made = request(account(kind), operation, body=b"")
    assert (made.method, made.url.raw_path.decode()) == (operation.method, path)


@pytest.mark.parametrize("path", ["/responses/../files", "/responses/./x", "//evil.com/x", "responses", "/responses/"])
def test_a_path_cannot_leave_the_api(path: str) -> None:
    with pytest.raises(UnknownObject):
        request(account("openai"), UpstreamOperation("responses", path, "GET"))


@pytest.mark.parametrize("base_url", ["up.example.com", "ftp://x", "https://user:pass@x.com", "https://x.com?key=1"])
def test_a_base_url_that_cannot_work_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError):
        request(account("openai", base_url), CHAT)


def test_the_deadlines_and_the_body_are_those_given() -> None:
    made = request(account(), body=b'{"model":"m"}')
    assert made.extensions["timeout"] == {"read": 5.0}
    assert made.content == b'{"model":"m"}'


@pytest.mark.parametrize(
    ("made", "dialects"),
    [
        (account("anthropic"), ("messages",)),
        (account("anthropic", dialects=("chat",)), ()),
        (account("openai", ""), ("chat", "responses")),
        (account("openai", "https://api.openai.com/v1"), ("chat", "responses")),
        (account("openai", "https://EU.api.openai.com/v1"), ("chat", "responses")),
        (account("openai", "https://api.openai.com.evil.io/v1"), ("chat",)),
        (account("openai", "https://api.anthropic.com/v1"), ("chat",)),
        (account("claude-cli", ""), ("messages",)),
        (account("openai", "http://localhost:8080"), ("chat",)),
        (account("openai", "http://localhost:8080", dialects=("chat", "responses")), ("chat", "responses")),
        (account("openai", "", dialects=("responses", "messages")), ("responses",)),
    ],
)
def test_dialects_are_what_the_endpoint_speaks(made: Account, dialects: tuple[str, ...]) -> None:
    assert dialects_of(made) == dialects


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("anthropic", "https://up.example.com/v1/models?limit=1000"),
        ("openai", "https://up.example.com/v1/models"),
    ],
)
def test_an_accounts_own_model_list_is_asked_for(kind: str, url: str) -> None:
    made = provider_for(kind).models_request(account(kind), "sk-upstream")
    assert (made.method, str(made.url), made.content) == ("GET", url, b"")
    assert "sk-upstream" in str(made.headers.raw)


def test_a_model_list_is_read_in_its_order_without_repeats() -> None:
    body = msgspec.json.encode({"data": [{"id": "b"}, {"id": "a"}, {"id": "b"}, {"id": 3}, "x", {}]})
    assert provider_for("openai").read_models(body) == ["b", "a"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":{}}', b'{"error":{}}', b"\xff", b"[" * 100_000])
def test_what_is_no_model_list_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ConfigurationError):
        provider_for("anthropic").read_models(body)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="carrier-pigeon"):
        provider_for("carrier-pigeon")
