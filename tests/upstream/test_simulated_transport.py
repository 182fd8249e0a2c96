"""The simulated provider behind httpx, on virtual time: pace, faults, cancellation."""

import itertools
import random

import httpx
import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.errors import ConfigurationError
from gateway.records import Account
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.providers.simulated import PROVIDER, simulated_transport
from gateway.upstream.providers.simulated.instances import instance
from gateway.upstream.providers.simulated.service import Service
from gateway.upstream.providers.simulated.transport import SimulatedTransport
from gateway.upstream.serving import dialects_of
from tests.upstream.simulated_helpers import account, ask, catalog, data_of, events, json_of, service

BODIES = {
    "/v1/messages": {"model": "claude-sonnet-5", "max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]},
    "/v1/chat/completions": {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hello"}]},
    "/v1/responses": {"model": "gpt-5.5", "input": "Hello"},
}
TERMINALS = {"/v1/messages": b"message_stop", "/v1/chat/completions": b"[DONE]", "/v1/responses": b"response.completed"}
PATHS = list(BODIES)


def request(path="/v1/messages", *, stream=True, read_timeout=None, **more):
    return httpx.Request(
        "POST",
        "http://simulated.invalid" + path,
        content=msgspec.json.encode({**BODIES[path], "stream": stream, **more}),
        extensions={"timeout": {"read": read_timeout}},
    )


def transport(**options):
    return SimulatedTransport(service(**{"jitter": 0, **options}))


async def arrivals(response):
    """(virtual seconds, bytes) of each chunk."""
    return [(trio.current_time(), chunk) async for chunk in response.stream]


async def test_the_first_frame_comes_after_the_time_to_first_token(autojump_clock):
    start = trio.current_time()
    response = await transport(ttft_ms=700).handle_async_request(request())
    assert trio.current_time() == start
    first = (await arrivals(response))[0]
    assert first[0] - start == pytest.approx(0.7)
    assert b"message_start" in first[1]


async def test_tokens_come_at_the_chosen_pace(autojump_clock):
    response = await transport(tokens_per_second=10).handle_async_request(request())
    times = [at for at, chunk in await arrivals(response) if b"text_delta" in chunk]
    assert {round(after - before, 3) for before, after in itertools.pairwise(times)} == {0.1}


async def test_an_answer_that_is_not_streamed_comes_whole_when_it_would_have_ended(autojump_clock):
    start = trio.current_time()
    response = await transport(tokens_per_second=10, ttft_ms=500).handle_async_request(request(stream=False))
    message = msgspec.json.decode(await response.aread())
    assert trio.current_time() - start == pytest.approx(0.5 + message["usage"]["output_tokens"] / 10)


async def test_jitter_moves_the_frames(autojump_clock):
    response = await transport(jitter=0.5).handle_async_request(request())
    times = [at for at, chunk in await arrivals(response) if b"text_delta" in chunk]
    assert len({round(after - before, 6) for before, after in itertools.pairwise(times)}) > 3


async def test_closing_the_answer_ends_it_at_once(autojump_clock):
    response = await transport().handle_async_request(request())
    stream = response.stream
    await anext(aiter(stream))
    await response.aclose()
    assert [chunk async for chunk in stream] == []


async def test_a_hanging_account_runs_into_the_read_timeout(autojump_clock):
    response = await transport(hang_rate=1).handle_async_request(request(read_timeout=45))
    with pytest.raises(httpx.ReadTimeout):
        await arrivals(response)
    assert trio.current_time() == pytest.approx(45.3)


async def test_a_hanging_account_gives_no_head_to_a_call_that_is_not_streamed(autojump_clock):
    asked = request(stream=False, read_timeout=45)
    asked.extensions["timeout"]["first_byte"] = 90
    with pytest.raises(httpx.ReadTimeout):
        await transport(hang_rate=1).handle_async_request(asked)
    assert trio.current_time() == pytest.approx(90)


async def test_a_hanging_account_can_be_cancelled(autojump_clock):
    response = await transport(hang_rate=1).handle_async_request(request())
    with trio.move_on_after(1_000) as scope:
        await arrivals(response)
    assert scope.cancelled_caught


@pytest.mark.parametrize("path", PATHS)
async def test_a_cut_stream_never_shows_success(path, autojump_clock):
    cutting = transport(cut_rate=1)
    endings = set()
    for _ in range(30):
        response = await cutting.handle_async_request(request(path))
        data = b""
        try:
            async for chunk in response.stream:
                data += chunk
            endings.add("error event" if b"Internal server error" in data else "silent end")
        except httpx.RemoteProtocolError:
            endings.add("reset")
        assert TERMINALS[path] not in data
        assert len(events(data)) > 3
    assert endings == {"reset", "silent end", "error event"}


async def test_a_cut_answer_that_is_not_streamed_breaks_off(autojump_clock):
    response = await transport(cut_rate=1).handle_async_request(request(stream=False))
    with pytest.raises(httpx.RemoteProtocolError):
        await response.aread()


@pytest.mark.parametrize("dialect", ["messages", "chat", "responses"])
async def test_requests_of_the_provider_reach_the_transport(dialect, autojump_clock):
    plain = Account(id=1, name="demo", kind="simulated", base_url="")
    path = {"chat": "/chat/completions"}.get(dialect, f"/{dialect}")
    asked = PROVIDER.request(
        plain, "", UpstreamOperation(dialect, path), msgspec.json.encode(BODIES["/v1" + path]), {}, {}
    )
    response = await simulated_transport(plain, catalog()).handle_async_request(asked)
    assert response.status_code == 200
    assert asked.url.host == "simulated.invalid"


async def test_the_models_of_an_account_are_discovered(autojump_clock):
    own = Account(id=1, name="demo", kind="simulated", base_url="", models=("claude-*", "house-model"))
    response = await simulated_transport(own, catalog()).handle_async_request(PROVIDER.models_request(own, ""))
    names = PROVIDER.read_models(await response.aread())
    assert "house-model" in names
    assert "claude-sonnet-5" in names
    assert not any(name.startswith("gpt") for name in names)


def test_a_simulated_account_speaks_what_it_is_limited_to():
    assert dialects_of(account()) == ("messages", "chat", "responses")
    assert dialects_of(replace(account(), dialects=("chat",))) == ("chat",)


@pytest.mark.parametrize("path", PATHS)
def test_every_stream_ends_in_its_terminal(path):
    data = data_of(ask(service(), path, {**BODIES[path], "stream": True}))
    assert TERMINALS[path] in data[-4_000:]


@pytest.mark.parametrize("path", PATHS)
def test_the_same_seed_gives_the_same_answer_under_another_id(path):
    server = service()
    first, second = (json_of(ask(server, path, BODIES[path])) for _ in range(2))
    assert first["id"] != second["id"]
    texts = [
        str(each.get("content") or each.get("choices") or each["output"][0]["content"]) for each in (first, second)
    ]
    assert texts[0] == texts[1]


def test_ids_do_not_come_again_after_a_restart():
    ids = {json_of(ask(Service(account(), catalog()), "/v1/messages", BODIES["/v1/messages"]))["id"] for _ in range(2)}
    assert len(ids) == 2


def test_lengths_of_answers_vary():
    lengths = set()
    for number in range(20):
        body = {**BODIES["/v1/messages"], "messages": [{"role": "user", "content": f"Question {number}"}]}
        lengths.add(json_of(ask(service(), "/v1/messages", body))["usage"]["output_tokens"])
    assert len(lengths) > 5


def test_fault_rates_hold_over_many_calls():
    server = service(error_rate=0.1, rate_limit_rate=0.2)
    statuses = [ask(server, "/v1/messages", BODIES["/v1/messages"]).status for _ in range(2_000)]
    assert 150 < statuses.count(500) < 250
    assert 330 < statuses.count(429) < 470


def test_counting_tokens_is_never_struck_by_faults():
    server = service(error_rate=1)
    assert ask(server, "/v1/messages/count_tokens", BODIES["/v1/messages"]).status == 200


@pytest.mark.parametrize(
    "options", [{"error_rate": 2}, {"tokens_per_second": 0}, {"ttft_ms": "soon"}, {"jitter": -1}, {"hang_rate": -0.1}]
)
def test_wrong_options_name_the_account(options):
    wrong = Account(id=1, name="demo", kind="simulated", base_url="", options=options)
    with pytest.raises(ConfigurationError, match="'demo'"):
        simulated_transport(wrong, catalog())


def test_unknown_paths_are_not_found():
    assert ask(service(), "/v1/embeddings", {}).status == 404


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.sampled_from(["user", "tool", "message"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "id", "name", "tools", "function", "tool_calls", "format"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MEMBERS = ["messages", "input", "tools", "tool_choice", "thinking", "stop", "stop_sequences", "response_format", "text"]
MEMBERS += ["reasoning", "output_config", "system", "n", "stream", "stream_options", "max_tokens", "cache_control"]
MEMBERS += ["reasoning_effort", "instructions", "include", "metadata", "store", "prompt_cache_key", "model"]


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(PATHS), changes=st.dictionaries(st.sampled_from(MEMBERS), ODD, max_size=4))
def test_any_body_is_answered_or_refused(path, changes):
    outcome = ask(service(), path, {**BODIES[path], **changes})
    assert outcome.status in (200, 400, 404)
    assert data_of(outcome)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(data):
    assert ask(service(), "/v1/messages", data).status == 400


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": ["null", "integer"], "minimum": 3}, 3),
        ({"type": "number", "exclusiveMinimum": 2, "multipleOf": 5}, 5),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "maxLength": 3}, "sim"),
        ({"anyOf": [{"$ref": "#/$defs/none"}, {"type": "null"}]}, None),
        ({"$ref": "#/$defs/size", "$defs": {"size": {"type": "integer"}}}, 0),
        ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"const": 1}}}]}, {"a": 1}),
        (
            {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
            {"query": "Hello there"},
        ),
    ],
)
def test_instances_fit_their_schema(schema, value):
    assert instance(schema, "Hello there") == value


def test_a_schema_that_branches_into_itself_is_bounded():
    names = [f"child{number}" for number in range(10)]
    schema = {"type": "object", "properties": {name: {"$ref": "#"} for name in names}, "required": names}
    assert len(msgspec.json.encode(instance(schema))) < 100_000


def test_answers_do_not_depend_on_the_source_of_ids():
    answers = [
        json_of(ask(Service(account(), catalog(), random.Random(seed)), "/v1/messages", BODIES["/v1/messages"]))
        for seed in (1, 2)
    ]
    assert answers[0]["content"] == answers[1]["content"]
