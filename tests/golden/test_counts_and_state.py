"""The worked cases that belong to no pair: token counts of our own, and responses kept by the gateway."""

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.catalog.load import shipped_catalog
from gateway.catalog.resolve import resolve
from gateway.dialects import dialect_named
from gateway.errors import CallError
from gateway.translate import response_store
from gateway.translate.tokens import estimate

FOLDER = Path(os.environ.get("GOLDEN_DIR") or Path(__file__).with_name("cases"))
CASES = [msgspec.json.decode(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
TOLERANCE = 0.3
"""How far an estimate with pictures may be off; of text alone it is a few percent."""


def of(pair: str, *members: str) -> pytest.MarkDecorator:
    chosen = [case for case in CASES if case["pair"] == pair and all(member in case for member in members)]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case["name"])


@of("count_tokens", "client_request", "client_response")
def test_everything_a_model_reads_is_counted(case: dict[str, Any]) -> None:
    model = resolve(shipped_catalog(), case["config"]["upstream_model"])
    assert model is not None
    counted = estimate(msgspec.json.encode(case["client_request"]), model)
    assert counted == pytest.approx(case["client_response"]["input_tokens"], rel=TOLERANCE)
    for part in ("system", "tools"):
        if part in case["client_request"]:
            without = {name: value for name, value in case["client_request"].items() if name != part}
            assert estimate(msgspec.json.encode(without), model) < counted


@of("responses-state", "client_response")
def test_input_items_are_listed(case: dict[str, Any]) -> None:
    listed = case["client_response"]
    oldest_first = list(reversed(listed["data"]))
    items = response_store.resolved_items([_as_sent(item) for item in oldest_first], ())
    assert response_store.input_page(items, {}) == listed


@of("responses-state", "client_error")
def test_an_unknown_response(case: dict[str, Any]) -> None:
    wanted = case["client_error"]
    message = wanted["body"]["error"]["message"]
    found = re.search(r"'([^']+)'", message)
    assert found is not None
    previous = message.startswith("Previous")
    error: CallError = (response_store.previous_not_found if previous else response_store.not_found)(found[1])
    status, body = dialect_named("responses").error_body(error, "req_gw_1")
    assert status == wanted["status"]
    answered = msgspec.json.decode(body)["error"]
    assert {name: answered[name] for name in ("message", "type")} == {
        name: wanted["body"]["error"][name] for name in ("message", "type")
    }


def _as_sent(item: dict[str, Any]) -> dict[str, Any]:
    """The item as a client that gives no ids and writes messages in short would have sent it."""
    sent = {name: value for name, value in item.items() if name not in ("id", "status")}
    parts = sent.get("content")
    if isinstance(parts, list) and [part.get("type") for part in parts] == ["input_text"]:
        sent["content"] = parts[0]["text"]
    return sent
