"""Reading streams of Chat Completions: what is edited, what ends them and how."""

import msgspec

from gateway.dialects.base import Batch
from tests.unit.dialect_streams import (
    CHAT_BODY_WITHOUT_USAGE,
    CHAT_STREAM,
    CHAT_USAGE,
    DONE,
    UPSTREAM_MODEL,
    choice,
    chunk,
    read,
    reader_of,
)


def test_a_chunk_is_edited_the_same_whatever_its_members_order():
    odd = b'data: {"choices":[{"index":0,"delta":{"content":"\\"model\\""}}],"model" : "up","z": 1.50}\n\n'
    edited = read("chat", odd, odd, echo="asked").forward
    assert [msgspec.json.decode(frame[6:])["model"] for frame in edited.split(b"\n\n") if frame] == ["asked", "asked"]
    assert edited.count(b"1.50") == 2


def test_a_model_inside_the_content_is_not_the_chunks_own():
    first = chunk(choices=[choice(content="a")])
    second = b'data: {"meta":{"model":"%s"},"model":"%s","choices":[]}\n\n' % ((UPSTREAM_MODEL.encode(),) * 2)
    assert read("chat", first, second, echo="asked").forward.endswith(
        b'{"meta":{"model":"%s"},"model":"asked","choices":[]}\n\n' % UPSTREAM_MODEL.encode()
    )


def test_a_model_written_twice_is_echoed_though_the_chunk_begins_like_the_last():
    first = chunk(choices=[])
    second = first.replace(b"}\n\n", b',"model":"another"}\n\n')
    last = read("chat", first, second, echo="asked").forward.split(b"\n\n")[1]
    assert msgspec.json.decode(last[6:])["model"] == "asked"


def test_the_usage_chunk_is_removed_for_a_client_that_did_not_ask():
    batch = read("chat", *CHAT_STREAM, CHAT_USAGE, DONE, body=CHAT_BODY_WITHOUT_USAGE)
    assert batch.forward == b"".join(CHAT_STREAM)
    assert batch.terminal == DONE


def test_usage_beside_choices_stays_where_it_is():
    frame = chunk(choices=[choice("stop")], usage={"prompt_tokens": 1, "completion_tokens": 2})
    assert read("chat", frame, body=CHAT_BODY_WITHOUT_USAGE).forward == frame


def test_a_finished_chat_answer_without_done_gets_one():
    reader = reader_of("chat")
    reader.feed(b"".join(CHAT_STREAM))
    assert reader.end() == Batch(semantic=True, terminal=DONE)


def test_a_chat_answer_is_finished_when_every_choice_is():
    reader = reader_of("chat")
    reader.feed(
        chunk(choices=[choice(index=0, content="a"), choice(index=1, content="b")]) + chunk(choices=[choice("stop")])
    )
    assert reader.end().error is not None


def test_done_before_anything_was_said_is_an_error():
    assert read("chat", DONE).error is not None


def test_a_chunk_with_an_error_is_an_error_and_is_not_forwarded():
    failure = b'data: {"error":{"message":"overheated","code":"server_is_overloaded"}}\n\n'
    batch = read("chat", *CHAT_STREAM[:4], failure, DONE)
    assert batch.forward == b"".join(CHAT_STREAM[:4])
    assert batch.error is not None
    assert (batch.error.status, batch.error.message) == (503, "overheated")


def test_a_null_error_is_none():
    assert read("chat", chunk(choices=[choice(content="a")], error=None)).error is None


def test_chat_is_kept_alive_by_a_comment():
    assert reader_of("chat").keepalive() == b": keep-alive\n\n"
