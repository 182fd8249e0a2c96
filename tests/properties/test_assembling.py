"""A whole answer made of a stream does not depend on how the stream was cut, nor on its having been one."""

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.assemble import Assembler
from gateway.dialects.assembly import assembly_named
from gateway.records import DialectName
from gateway.upstream.providers.simulated.service import Service
from tests.fakes import chat, messages, responses
from tests.fakes.content import Content, Stop, Tokens, ToolCall
from tests.unit.assemblies import LIMIT_BYTES
from tests.unit.dialect_streams import WHOLE
from tests.upstream.simulated_helpers import WEATHER, account, ask, catalog, data_of

DIALECTS: list[DialectName] = ["messages", "chat", "responses"]
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}
HEADERS = {"messages": {"anthropic-version": "2023-06-01"}}
FAKES: dict[DialectName, Any] = {"messages": messages, "chat": chat, "responses": responses}


def outcome(name: DialectName, pieces: list[bytes]) -> tuple[bytes, str]:
    """(the whole answer, the code of the error) of a stream that arrives in these reads."""
    made = Assembler(assembly_named(name), LIMIT_BYTES)
    batches = [*[made.feed(piece) for piece in pieces], made.end()]
    assert all(batch.forward == b"" for batch in batches)
    codes = [batch.error.code for batch in batches if batch.error is not None]
    terminals = [batch.terminal for batch in batches if batch.terminal]
    assert len(codes) + len(terminals) == 1
    return b"".join(terminals), "".join(codes)


def comparable(value: Any) -> Any:
    """Without the members that say nothing: a whole answer has `citations: null` and `annotations: []` where a stream
    leaves them out."""
    if isinstance(value, dict):
        silent = {"citations": None, "annotations": []}
        return {name: comparable(each) for name, each in value.items() if name not in silent or each != silent[name]}
    return [comparable(each) for each in value] if isinstance(value, list) else value


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[DialectName, bytes, list[bytes]]:
    """A stream, perhaps broken off, perhaps with a tail, in any legal spelling, and the reads it arrives in."""
    name = draw(st.sampled_from(DIALECTS))
    stream = b"".join(WHOLE[name]) + draw(st.sampled_from([b"", b"data: [DONE]\n\n", b"\n", b"garbage"]))
    stream = stream.replace(b"\n", draw(st.sampled_from([b"\n", b"\r\n", b"\r"])))
    stream = stream[: draw(st.one_of(st.just(len(stream)), st.integers(0, len(stream))))]
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=24)))
    return name, stream, [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]


@settings(max_examples=150, deadline=None)
@given(cut_streams())
def test_any_cut_makes_the_same_answer(case: tuple[DialectName, bytes, list[bytes]]):
    name, stream, pieces = case
    assert outcome(name, pieces) == outcome(name, [stream])


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_byte_by_byte_it_is_the_same_answer(name: DialectName, line_end: bytes):
    stream = b"".join(WHOLE[name])
    spelled = stream.replace(b"\n", line_end)
    assert outcome(name, [spelled[at : at + 1] for at in range(len(spelled))]) == outcome(name, [stream])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DIALECTS), st.binary(max_size=400), st.integers(0, 2000))
def test_no_bytes_whatever_break_an_assembler(name: DialectName, noise: bytes, place: int):
    stream = b"".join(WHOLE[name])
    outcome(name, [stream[:place] + noise + stream[place:]])


TEXTS = st.lists(st.text(min_size=1, max_size=12), max_size=4).map(tuple)
FRAGMENTS = st.sampled_from([(), ("{}",), ('{"a":', " 1}"), ('{"ü":"', '\\"x', '"}')])
CALLS = st.lists(st.builds(ToolCall, st.sampled_from(["look", "now"]), FRAGMENTS), max_size=3).map(tuple)
CONTENTS = st.builds(
    Content,
    text=TEXTS.filter(bool),
    thinking=TEXTS,
    tools=CALLS,
    tokens=st.builds(Tokens, cache_read=st.integers(0, 9), cache_write_5m=st.integers(0, 9), reasoning=st.just(3)),
    stop=st.sampled_from(list[Stop](["end", "length", "tools"])),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DIALECTS), CONTENTS)
def test_a_stream_of_an_answer_makes_that_answer(name: DialectName, content: Content):
    fake = FAKES[name]
    options = {"include_usage": True} if name == "chat" else {}
    beats = fake.beats(content, "model-1", "x", **options)
    body, error = outcome(name, [beats.preamble, *beats.deltas, beats.ending])
    assert error == ""
    assert comparable(msgspec.json.decode(body)) == comparable(msgspec.json.decode(fake.body(content, "model-1", "x")))


def request_of(name: DialectName, question: str, *, tool: bool, think: bool, limit: int) -> dict[str, Any]:
    turn = [{"role": "user", "content": question}]
    if name == "messages":
        body: dict[str, Any] = {"messages": turn, "max_tokens": limit + 2_000}
        body |= {"thinking": {"type": "enabled", "budget_tokens": 1_024}} if think else {"max_tokens": limit}
        tools: list[dict[str, Any]] = [{"name": "weather", "input_schema": WEATHER}]
        choice: Any = {"type": "any"}
    elif name == "chat":
        body = {"messages": turn, "max_completion_tokens": limit, "n": 2}
        tools, choice = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}], "required"
    else:
        body = {"input": question, "max_output_tokens": limit + 16, "include": ["reasoning.encrypted_content"]}
        body |= {"reasoning": {"effort": "high", "summary": "auto"}} if think else {}
        tools, choice = [{"type": "function", "name": "weather", "parameters": WEATHER}], "required"
    return {"model": "model-1", **body, **({"tools": tools, "tool_choice": choice} if tool else {})}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(DIALECTS),
    st.sampled_from(["What is the weather in Paris?", "Write 90 words about “Zürich”.", "Hi"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([5, 40, 500]),
    st.integers(0, 5),
)
def test_the_simulated_provider_streams_what_it_answers(
    name: DialectName, question: str, tool: bool, think: bool, limit: int, seed: int
):
    body = msgspec.json.encode(request_of(name, question, tool=tool, think=think, limit=limit))

    def asked(body: bytes) -> bytes:
        server = Service(account(seed=seed), catalog(), random.Random(seed))
        found = ask(server, PATHS[name], body, headers=HEADERS.get(name))
        assert found.status == 200
        return data_of(found)

    streamed, error = outcome(name, [asked(assembly_named(name).streaming_body(body))])
    assert error == ""
    assert comparable(msgspec.json.decode(streamed)) == comparable(msgspec.json.decode(asked(body)))
