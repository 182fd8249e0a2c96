"""What putting a stream together has in common in all dialects: when it wins, when it ends, when it fails."""

import msgspec
import pytest

from gateway.dialects import dialect_named
from gateway.dialects.assemble import CANNOT_ASSEMBLE, Assembler
from gateway.dialects.assembly import assembly_named
from gateway.records import DialectName
from tests.unit.assemblies import LIMIT_BYTES, assembled, assembler, refused
from tests.unit.dialect_streams import (
    BODIES,
    MESSAGE_START,
    MESSAGE_STOP,
    UPSTREAM_MODEL,
    WHOLE,
    block_delta,
    block_start,
    block_stop,
    choice,
    chunk,
    event,
    reader_of,
)

DIALECTS: list[DialectName] = ["messages", "chat", "responses"]
PAUSED = event("message_delta", delta={"stop_reason": "pause_turn"}, usage={"output_tokens": 10})
ENDED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_forwarded_before_the_whole_answer(name: DialectName):
    made = assembler(name)
    content, end = WHOLE[name]
    assert made.feed(content).forward == b""
    last = made.feed(end)
    assert (last.forward, last.semantic) == (b"", True)
    assert msgspec.json.decode(last.terminal)["model"] == UPSTREAM_MODEL


@pytest.mark.parametrize("name", DIALECTS)
def test_a_race_is_won_at_the_frame_that_wins_it_streamed(name: DialectName):
    made, reader = assembler(name), reader_of(name)
    frames = [frame + b"\n\n" for frame in b"".join(WHOLE[name]).split(b"\n\n")[:-1]]
    assert [made.feed(frame).semantic for frame in frames] == [reader.feed(frame).semantic for frame in frames]


@pytest.mark.parametrize("name", DIALECTS)
def test_the_answer_is_one_that_was_never_streamed_to_whoever_reads_it(name: DialectName):
    body = msgspec.json.encode(assembled(name, *WHOLE[name]))
    answer = dialect_named(name).read_body(body, echo_model="asked")
    assert answer.error is None
    assert msgspec.json.decode(answer.body)["model"] == "asked"


@pytest.mark.parametrize("name", DIALECTS)
def test_usage_is_what_the_answer_reports(name: DialectName):
    made = assembler(name)
    made.feed(b"".join(WHOLE[name]))
    body = msgspec.json.encode(assembled(name, *WHOLE[name]))
    assert made.usage() == dialect_named(name).read_body(body, echo_model="asked").usage


@pytest.mark.parametrize("name", DIALECTS)
def test_a_stream_that_is_cut_is_no_answer(name: DialectName):
    frames = [frame + b"\n\n" for frame in WHOLE[name][0].split(b"\n\n")]
    assert refused(name, *frames[:5]).code == "stream_cut"


@pytest.mark.parametrize("name", DIALECTS)
def test_what_follows_the_end_changes_nothing(name: DialectName):
    made = assembler(name)
    made.feed(b"".join(WHOLE[name]))
    after = made.feed(b"data: garbage\n\n")
    assert (after.terminal, after.error, made.end().error) == (b"", None, None)


@pytest.mark.parametrize("name", DIALECTS)
def test_html_under_a_good_status_is_no_answer(name: DialectName):
    assert refused(name, b"<html>\n\n").code == "invalid_answer"


@pytest.mark.parametrize("name", DIALECTS)
def test_an_answer_larger_than_the_limit_is_refused(name: DialectName):
    made = assembler(name, limit_bytes=30)
    assert made.feed(b"".join(WHOLE[name])).error is not None


def test_an_error_midway_has_its_real_status():
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    assert refused("messages", MESSAGE_START, block_start(0, type="text", text=""), error).status == 529


def test_only_the_unknown_is_called_not_assembled():
    unknown = block_delta(0, "novel_delta", novelty="x")
    assert refused("messages", MESSAGE_START, block_start(0, type="text", text=""), unknown).code == CANNOT_ASSEMBLE
    assert refused("chat", chunk(choices=[choice(content="a")])).code != CANNOT_ASSEMBLE


def paused_assembler() -> Assembler:
    """One that is told to go on after the first answer."""
    bodies = iter([b"go on", None])
    return Assembler(assembly_named("messages"), LIMIT_BYTES, lambda body: next(bodies))


def said(text: str) -> bytes:
    return (
        MESSAGE_START + block_start(0, type="text", text="") + block_delta(0, "text_delta", text=text) + block_stop(0)
    )


def test_a_paused_answer_asks_to_go_on_and_is_no_end():
    made = paused_assembler()
    batch = made.feed(said("one") + PAUSED + MESSAGE_STOP)
    assert (batch.terminal, batch.error, made.resume, made.end().error) == (b"", None, b"go on", None)


def test_the_answer_after_a_pause_is_its_last_part():
    made = paused_assembler()
    made.feed(said("one") + PAUSED + MESSAGE_STOP)
    batch = made.feed(said("two") + ENDED + MESSAGE_STOP)
    assert msgspec.json.decode(batch.terminal)["content"] == [{"type": "text", "text": "two"}]
    assert made.resume is None


def test_the_usage_of_paused_parts_adds_up():
    made = paused_assembler()
    made.feed(said("one") + PAUSED + MESSAGE_STOP)
    made.feed(said("two") + ENDED + MESSAGE_STOP)
    usage = made.usage()
    assert usage is not None
    assert usage.output_tokens == 15


def test_what_a_paused_part_left_behind_is_remembered_with_the_rest():
    made = paused_assembler()
    made.feed(MESSAGE_START + block_start(0, type="container_upload", file_id="file_1") + PAUSED + MESSAGE_STOP)
    made.feed(said("two") + ENDED + MESSAGE_STOP)
    assert made.object_ids == [("file", "file_1")]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_request_differs_in_its_stream_alone(name: DialectName):
    before = msgspec.json.decode(BODIES[name].replace(b'"stream":true', b'"stream":false'))
    after = msgspec.json.decode(assembly_named(name).streaming_body(msgspec.json.encode(before)))
    assert after.pop("stream") is True
    before.pop("stream")
    assert after == before


def test_values_keep_their_spelling():
    body = b'{"model":"m","temperature":1.0e-1,"messages":[{"role":"user","content":"\\u00e9"}],"max_tokens":5}'
    assert assembly_named("messages").streaming_body(body) == body[:-1] + b',"stream":true}'
