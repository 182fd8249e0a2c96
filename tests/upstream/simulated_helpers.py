"""Runs the simulated provider without a clock, and the official SDKs against it."""

import random
from collections.abc import Iterable
from functools import cache

import anthropic
import httpx2
import msgspec
import openai

from gateway.catalog import Catalog
from gateway.catalog.load import shipped_catalog
from gateway.records import Account
from gateway.upstream.providers.simulated.service import Outcome, Request, Service

NOW_MS = 1_795_000_000_000
WEATHER = {
    "type": "object",
    "properties": {"location": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["location", "unit"],
}


@cache
def catalog() -> Catalog:
    return shipped_catalog()


def account(**options) -> Account:
    return Account(id=1, name="demo", kind="simulated", base_url="http://simulated.invalid", options=options)


def service(**options) -> Service:
    return Service(account(**options), catalog(), random.Random(7))


def ask(server: Service, path: str, body=None, *, method="POST", headers=None, now_s=0.0) -> Outcome:
    data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    return server.answer(Request(method, path, headers or {}, data), now_s=now_s, now_ms=NOW_MS)


def data_of(outcome: Outcome) -> bytes:
    return b"".join(data for _, data in outcome.frames)


def json_of(outcome: Outcome):
    return msgspec.json.decode(data_of(outcome))


def events(data: bytes) -> list[tuple[str, object]]:
    """(event name, decoded data) of every SSE frame."""
    found = []
    for frame in data.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.splitlines())
        if lines:
            text = lines["data"]
            found.append((lines.get("event", ""), text if text == "[DONE]" else msgspec.json.decode(text)))
    return found


def kinds(found: Iterable[tuple[str, object]]) -> list[str]:
    """Event names, runs of the same name as one."""
    names = []
    for name, _ in found:
        if not names or names[-1] != name:
            names.append(name)
    return names


def _transport(server: Service) -> httpx2.MockTransport:
    def handle(request: httpx2.Request) -> httpx2.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, request.url.raw_path.decode(), headers, request.read())
        outcome = server.answer(asked, now_s=0.0, now_ms=NOW_MS)
        return httpx2.Response(outcome.status, headers=outcome.headers, content=data_of(outcome))

    return httpx2.MockTransport(handle)


def anthropic_client(server: Service) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="unused",
        base_url="http://simulated.invalid",
        max_retries=0,
        http_client=httpx2.Client(transport=_transport(server)),
        _strict_response_validation=True,
    )


def openai_client(server: Service) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="unused",
        base_url="http://simulated.invalid/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=_transport(server)),
        _strict_response_validation=True,
    )
