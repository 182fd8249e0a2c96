"""Pages without a key, and what every page has in common."""

from collections.abc import Iterator

import msgspec
import pytest
import structlog
import trio

import gateway
from gateway.edge.pages import OPERATIONS, PLAIN
from gateway.edge.pages.docs import MEANINGS
from gateway.edge.pages.openapi import DOCUMENT
from gateway.edge.routing import Operation, route
from gateway.errors import CallError
from tests.edge.pages_world import open_site


@pytest.fixture(autouse=True)
def logged() -> Iterator[list]:
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.mark.parametrize("path", ["/", *PLAIN])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_open_pages_need_no_key(path: str, method: str) -> None:
    async with open_site() as site:
        assert (await site.ask(method, path, key=None)).status_code == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/anthropic", "/openai/v1"])
async def test_a_base_url_answers_like_the_root(path: str) -> None:
    async with open_site() as site:
        assert (await site.ask("HEAD", path, key=None)).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/healthz", "/healthz/"])
async def test_health_says_ok_the_version_and_the_uptime(path: str) -> None:
    async with open_site() as site:
        answer = (await site.get(path, key=None)).json()
    assert (answer["status"], answer["version"]) == ("ok", gateway.__version__)
    assert answer["uptime_s"] >= 0


async def test_readiness_fails_while_draining() -> None:
    async with open_site() as site:
        site.services.condition.draining = True
        answer = await site.get("/readyz", key=None)
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["draining"])


async def test_readiness_fails_while_the_ledger_cannot_commit() -> None:
    async with open_site() as site:
        site.services.ledger.note_late(object())
        answer = await site.get("/readyz", key=None)
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["the ledger cannot commit"])


async def test_a_gateway_without_accounts_is_ready_and_says_what_is_missing() -> None:
    async with open_site() as site:
        site.change(accounts=())
        answer = await site.get("/readyz", key=None)
    assert answer.status_code == 200
    assert "trigate accounts add" in answer.json()["warnings"][0]


async def test_metrics_are_prometheus_text() -> None:
    async with open_site() as site:
        answer = await site.get("/metrics", key=None)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "trigate_build_info" in answer.text


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_documents_can_be_switched_off(path: str) -> None:
    async with open_site(docs_enabled=False) as site:
        assert (await site.get(path, key=None)).status_code == 404
        assert path not in (await site.get("/", key=None)).text


async def test_the_documentation_loads_nothing_from_elsewhere() -> None:
    async with open_site() as site:
        answer = await site.get("/docs", key=None)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "src=" not in answer.text
    assert "$TRIGATE_API_KEY" in answer.text


def test_every_operation_is_documented_under_a_path_that_means_it() -> None:
    documented = {
        route(method.upper(), path.replace("{", "").replace("}", ""), {}).operation
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }
    assert documented == set(Operation) - {Operation.RESPONSES_SOCKET, Operation.PREFLIGHT}


def test_every_open_page_is_documented_as_open() -> None:
    is_open = {path for path, methods in DOCUMENT["paths"].items() if methods.get("get", {}).get("security") == []}
    assert is_open == {"/", *PLAIN}


def test_every_error_is_explained() -> None:
    def kinds(base: type[CallError]) -> set[type[CallError]]:
        return {kind for each in base.__subclasses__() for kind in {each, *kinds(each)}}

    assert {kind for kind in kinds(CallError) if kind.__module__ == "gateway.errors"} == set(MEANINGS)


def test_every_schema_that_is_named_is_there() -> None:
    text = msgspec.json.encode(DOCUMENT).decode()
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named == set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize(
    ("path", "headers", "kind"),
    [
        ("/v1/embeddings", {}, "invalid_request_error"),
        ("/v1/embeddings", {"anthropic_version": "2023-06-01"}, "not_found_error"),
        ("/v1/messages/batches", {}, "not_found_error"),
    ],
)
async def test_an_unknown_path_is_a_404_in_the_dialect(path: str, headers: dict, kind: str) -> None:
    async with open_site() as site:
        answer = await site.ask("POST", path, **headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, kind)
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("method", ["POST", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/healthz", "/", "/docs"])
async def test_a_wrong_method_is_a_405_that_names_the_right_ones(method: str, path: str) -> None:
    async with open_site() as site:
        answer = await site.ask(method, path, key=None)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/usage/req_missing", "/nowhere"])
async def test_every_answer_carries_its_id_twice(path: str) -> None:
    async with open_site() as site:
        answer = await site.get(path)
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.is_success or answer.json()["request_id"] == answer.headers["request-id"]


async def test_an_allowed_origin_may_read_pages_and_errors() -> None:
    async with open_site(cors_origins=("https://app.example",)) as site:
        for path in ("/v1/models", "/nowhere"):
            answer = await site.get(path, origin="https://app.example")
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            assert "access-control-allow-origin" not in (await site.get(path, origin="https://evil.example")).headers


async def test_a_bug_is_a_500_envelope_and_a_line_in_the_log(logged: list) -> None:
    async with open_site() as site:
        site.reads.failure = ZeroDivisionError("private detail")
        answer = await site.get("/v1/usage/req_1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "private detail" not in answer.text
    assert [line["request_id"] for line in logged if line["event"] == "page_failed"] == [answer.headers["request-id"]]


async def test_a_large_body_to_a_page_changes_nothing() -> None:
    async with open_site() as site:
        answer = await site.client.post("/nowhere", content=b"x" * 1_000_000)
    assert answer.status_code == 404


@pytest.mark.parametrize("host", ["", "a b", "[", "x" * 300])
async def test_a_strange_host_header_changes_nothing(host: str) -> None:
    async with open_site() as site:
        assert (await site.get("/healthz", key=None, host=host)).status_code == 200


async def test_a_query_of_a_thousand_parameters_is_a_400() -> None:
    async with open_site() as site:
        assert (await site.get("/v1/models?" + "a=1&" * 1000)).status_code == 400


def test_every_listing_operation_has_a_page() -> None:
    for name in ("MODELS", "MODELS_INFO", "MODEL", "USAGE", "USAGE_RECORD", "BALANCE", "ROOT"):
        assert Operation[name] in OPERATIONS


async def test_a_client_that_left_is_no_failure(logged: list) -> None:
    async def send(_: dict) -> None:
        raise ConnectionResetError

    async def receive() -> dict:
        await trio.sleep_forever()
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": []}
    scope |= {"scheme": "http", "http_version": "1.1", "root_path": ""}
    async with open_site() as site:
        await site.app(scope, receive, send)
    assert [line["event"] for line in logged] == ["client_gone"]
