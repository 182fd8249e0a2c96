"""The pages beside the calls, the headers of answers, and what a customer can read about money."""

import pytest

from tests.contract.clients import hello
from tests.contract.sse import events_of

BODY = {"model": "claude-plain", "max_tokens": 100, "messages": hello()}


@pytest.mark.parametrize("path", ["/", "/v1", "/anthropic"])
def test_head_of_the_root_needs_no_key(gateway, path):
    answer = gateway.http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/", "/health", "/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"])
def test_open_pages_need_no_key(gateway, path):
    assert gateway.http.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/info", "/v1/usage", "/v1/balance", "/v1/usage/req_1"])
def test_the_callers_own_pages_need_one(gateway, path):
    answer = gateway.http.get(path)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (401, "false")


def test_options_is_answered_without_cors(gateway):
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    answer = gateway.http.request("OPTIONS", "/v1/messages", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "access-control-allow-origin" not in answer.headers


def test_head_of_a_listing_has_no_body(gateway, keys):
    answer = gateway.http.head("/v1/models", headers={"x-api-key": keys.claude})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/models", "/v1/v1/models", "/openai/v1/models"])
def test_every_spelling_of_a_path_is_the_same_page(gateway, keys, path):
    assert gateway.get(path, keys.claude).json() == gateway.get("/v1/models", keys.claude).json()


@pytest.mark.parametrize(
    "name", ["claude-sonnet-4-6", "claude-sonnet-4.6", "claude-sonnet-4-6[1m]", "sonnet", "claude-3-5-sonnet-20241022"]
)
def test_a_model_is_shown_under_every_spelling_that_a_call_could_use(gateway, keys, name):
    answer = gateway.get(f"/v1/models/{name}", keys.claude)
    assert (answer.status_code, answer.json()["type"]) == (200, "model")


def test_a_key_lists_only_what_it_may_call(gateway, keys):
    listed = [each["id"] for each in gateway.get("/v1/models", keys.narrow).json()["data"]]
    assert listed
    assert all("haiku" in name for name in listed)


def test_every_listed_model_can_be_called(gateway, keys):
    listed = [each["id"] for each in gateway.get("/v1/models", keys.narrow).json()["data"]]
    answers = [gateway.post("/v1/messages", keys.narrow, {**BODY, "model": name, "max_tokens": 8}) for name in listed]
    assert {answer.status_code for answer in answers} == {200}


def test_an_answer_says_what_it_cost_and_what_is_left(gateway, keys):
    before = gateway.balance("everything")
    answer = gateway.post("/v1/messages", keys.everything, BODY)
    assert answer.headers["x-gateway-cost-micro"] == "117"
    assert answer.headers["x-gateway-balance-micro"] == str(before - 117)
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-gateway-attempts"] == "1"


def test_a_stream_carries_its_id_and_no_cost_it_cannot_know(gateway, keys):
    answer = gateway.post("/v1/messages", keys.everything, {**BODY, "stream": True})
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert "x-gateway-cost-micro" not in answer.headers
    assert events_of(answer.content)[-1] == {"type": "message_stop"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"model": "claude-plain", "max_tokens": 100, "messages": hello()}),
        ("/v1/chat/completions", {"model": "gpt-plain", "messages": hello()}),
        ("/v1/responses", {"model": "gpt-plain", "input": "Hello"}),
    ],
    ids=["messages", "chat", "responses"],
)
def test_receipt_ledger_and_balance_agree(gateway, keys, path, body, streamed):
    before = gateway.get("/v1/balance", keys.everything).json()
    answer = gateway.post(path, keys.everything, {**body, "stream": streamed})
    call_id = answer.headers["request-id"]
    receipt = gateway.get(f"/v1/usage/{call_id}", keys.everything).json()
    after = gateway.get("/v1/balance", keys.everything).json()
    assert receipt["cost_micro"] > 0
    assert gateway.charges(call_id) == [-receipt["cost_micro"]]
    assert before["balance_micro"] - after["balance_micro"] == receipt["cost_micro"]
    assert after["balance_micro"] == gateway.balance("everything")
    assert after["held_micro"] == 0


def test_the_cost_of_a_receipt_can_be_worked_out_from_it(gateway, keys):
    answer = gateway.post("/v1/messages", keys.everything, {**BODY, "model": "claude-sonnet-4-6"})
    receipt = gateway.get(f"/v1/usage/{answer.headers['request-id']}", keys.everything).json()
    listing = gateway.get("/v1/models/info", keys.everything).json()["data"]
    prices = next(each["prices"] for each in listing if each["id"] == "claude-sonnet-4-6")
    rates = {bucket: rate["micro"] for bucket, rate in prices["tokens"].items()}
    exact = receipt["input_tokens"] * rates["input"] + receipt["output_tokens"] * rates["output"]
    assert receipt["cost_micro"] == -(-exact // 1_000_000)
    assert receipt["price_version"] == prices["version"]
    assert receipt["multiplier_bp"] == prices["multiplier_bp"] == 10_000


def test_a_receipt_is_its_customers_alone(gateway, keys):
    answer = gateway.post("/v1/messages", keys.everything, BODY)
    path = f"/v1/usage/{answer.headers['request-id']}"
    stranger, nobody = gateway.get(path, keys.stranger), gateway.get("/v1/usage/req_nobody", keys.stranger)
    assert stranger.status_code == nobody.status_code == 404


def test_the_summary_counts_what_was_called(gateway, keys):
    before = gateway.get("/v1/usage", keys.claude).json()["total"]
    gateway.post("/v1/messages", keys.claude, BODY)
    after = gateway.get("/v1/usage", keys.claude).json()["total"]
    assert (after["calls"] - before["calls"], after["cost_micro"] - before["cost_micro"]) == (1, 117)


def test_an_unlimited_customer_is_metered_and_has_no_balance(gateway, keys):
    answer = gateway.post("/v1/messages", keys.unlimited, BODY)
    balance = gateway.get("/v1/balance", keys.unlimited).json()
    assert answer.headers["x-gateway-cost-micro"] == "117"
    assert "x-gateway-balance-micro" not in answer.headers
    assert (balance["unlimited"], balance["balance_micro"]) == (True, None)


def test_a_refused_call_costs_nothing_and_holds_nothing(gateway, keys):
    before = gateway.get("/v1/balance", keys.everything).json()
    gateway.post("/v1/messages", keys.everything, {**BODY, "model": "claude-invalid"})
    after = gateway.get("/v1/balance", keys.everything).json()
    assert (after["balance_micro"], after["held_micro"]) == (before["balance_micro"], 0)


def test_sixteen_counts_at_once_are_answered_free(gateway, keys):
    """Claude Code asks for fourteen within ten milliseconds, and for paid calls where it is refused."""
    body = {"model": "claude-plain", "messages": hello(), "tools": []}
    answers = [gateway.post("/v1/messages/count_tokens", keys.slow, body) for _ in range(16)]
    assert {answer.status_code for answer in answers} == {200}
    assert gateway.balance("slow") >= 100_000_000 - 117


def test_metrics_name_no_key(gateway, keys):
    gateway.post("/v1/messages", keys.everything, BODY)
    text = gateway.http.get("/metrics").text
    assert "trigate_" in text
    assert keys.everything not in text
