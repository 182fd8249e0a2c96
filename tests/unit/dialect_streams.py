"""Streams as the vendors write them: for the readers' unit tests, their property tests and the SDKs' verdict."""

import msgspec

from gateway.dialects import dialect_named
from gateway.dialects.base import Batch, StreamReader
from gateway.records import DialectName

UPSTREAM_MODEL = "vendor-model-1"

BODIES: dict[DialectName, bytes] = {
    "messages": b'{"model":"asked","max_tokens":64,"stream":true,"messages":[]}',
    "chat": b'{"model":"asked","stream":true,"messages":[],"stream_options":{"include_usage":true}}',
    "responses": b'{"model":"asked","stream":true,"input":"hello"}',
}
CHAT_BODY_WITHOUT_USAGE = b'{"model":"asked","stream":true,"messages":[]}'


def reader_of(name: DialectName, *, echo: str = UPSTREAM_MODEL, body: bytes | None = None) -> StreamReader:
    """A reader that has nothing to edit unless told another model."""
    dialect = dialect_named(name)
    return dialect.reader(echo_model=echo, peek=dialect.peek(body or BODIES[name]))


def event(kind: str, **members: object) -> bytes:
    """A named event whose data carries its type, as Anthropic and Responses write them."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def chunk(**members: object) -> bytes:
    """A Chat chunk."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": UPSTREAM_MODEL}
    return b"data: %s\n\n" % msgspec.json.encode(head | members)


def choice(finish_reason: str | None = None, index: int = 0, **delta: object) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


MESSAGE_START = event(
    "message_start",
    message={
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": UPSTREAM_MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 25,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 1,
            "service_tier": "standard",
        },
    },
)
MESSAGE_STOP = event("message_stop")


def block_start(index: int, **block: object) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def block_delta(index: int, kind: str, **delta: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **delta})


def block_stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


MESSAGES_STREAM = [
    MESSAGE_START,
    event("ping"),
    block_start(0, type="thinking", thinking="", signature=""),
    block_delta(0, "thinking_delta", thinking="Let me see \u2026"),
    block_delta(0, "signature_delta", signature="c2lnbmF0dXJl" * 8),
    block_stop(0),
    block_start(1, type="text", text=""),
    block_delta(1, "text_delta", text="Gr\u00fc\u00dfe, \u4e16\u754c \U0001f30d"),
    block_delta(1, "text_delta", text='a "quoted" line\nand data: more'),
    block_delta(
        1,
        "citations_delta",
        citation={
            "type": "char_location",
            "cited_text": "x",
            "document_index": 0,
            "document_title": None,
            "file_id": None,
            "start_char_index": 0,
            "end_char_index": 1,
        },
    ),
    block_stop(1),
    b": a comment\n\n",
    event("content_block_novelty", index=1, novelty={"unknown": True}),
    block_start(2, type="tool_use", id="toolu_1", name="look", input={}),
    block_delta(2, "input_json_delta", partial_json=""),
    block_delta(2, "input_json_delta", partial_json='{"place":'),
    block_delta(2, "input_json_delta", partial_json='"Z\u00fcrich"}'),
    block_stop(2),
    event(
        "message_delta",
        delta={"stop_reason": "tool_use", "stop_sequence": None},
        usage={"output_tokens": 42, "cache_read_input_tokens": 110},
    ),
]

CHAT_STREAM = [
    chunk(choices=[choice(role="assistant", content="")], usage=None),
    chunk(choices=[choice(reasoning_content="thinking \u2026")], usage=None),
    b": PROCESSING\n\n",
    chunk(choices=[choice(content="Gr\u00fc\u00dfe ")], usage=None, obfuscation="xyz"),
    chunk(choices=[choice(content='{"error": "no", "model": "in text"}')], usage=None),
    chunk(
        choices=[
            choice(
                tool_calls=[
                    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
                ]
            )
        ],
        usage=None,
    ),
    chunk(
        choices=[choice(tool_calls=[{"index": 0, "function": {"arguments": '{"place":"Z\u00fcrich"}'}}])], usage=None
    ),
    chunk(choices=[choice("tool_calls")], usage=None),
]
CHAT_USAGE = chunk(
    choices=[],
    service_tier="default",
    usage={
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 15},
        "completion_tokens_details": {"reasoning_tokens": 12},
    },
)
DONE = b"data: [DONE]\n\n"


def response_object(status: str, **members: object) -> dict[str, object]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": UPSTREAM_MODEL,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **members,
    }


_PART = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
_ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
_TEXT = 'Gr\u00fc\u00dfe, "data"'
_DONE_PART = {**_PART, "text": _TEXT}
_DONE_ITEM = {**_ITEM, "status": "completed", "content": [_DONE_PART]}
_CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look", "status": "in_progress"}
_DONE_CALL = {**_CALL, "arguments": "{}", "status": "completed"}
_AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
RESPONSES_USAGE = {
    "input_tokens": 120,
    "output_tokens": 30,
    "total_tokens": 150,
    "input_tokens_details": {
        "cached_tokens": 80,
        "cache_write_tokens": 15,
        "cache_write_tokens_details": {"ttl_30m_tokens": 5, "ttl_12h_tokens": 10},
    },
    "output_tokens_details": {"reasoning_tokens": 12},
}
RESPONSES_STREAM = [
    event("response.created", sequence_number=0, response=response_object("in_progress")),
    event("response.in_progress", sequence_number=1, response=response_object("in_progress")),
    event("response.output_item.added", sequence_number=2, output_index=0, item=_ITEM),
    event("response.content_part.added", sequence_number=3, part=_PART, **_AT),
    event("response.output_text.delta", sequence_number=4, **_AT, delta=_TEXT, logprobs=[], obfuscation="a"),
    event("response.novelty.delta", sequence_number=5, delta="unknown"),
    event("response.output_text.done", sequence_number=6, **_AT, text=_TEXT, logprobs=[]),
    event("response.content_part.done", sequence_number=7, part=_DONE_PART, **_AT),
    event("response.output_item.done", sequence_number=8, output_index=0, item=_DONE_ITEM),
    event("response.output_item.added", sequence_number=9, output_index=1, item={**_CALL, "arguments": ""}),
    event("response.function_call_arguments.delta", sequence_number=10, item_id="fc_1", output_index=1, delta="{}"),
    event("response.function_call_arguments.done", sequence_number=11, item_id="fc_1", output_index=1, arguments="{}"),
    event("response.output_item.done", sequence_number=12, output_index=1, item=_DONE_CALL),
]
RESPONSES_COMPLETED = event(
    "response.completed",
    sequence_number=13,
    response=response_object("completed", output=[_DONE_ITEM, _DONE_CALL], usage=RESPONSES_USAGE, service_tier="flex"),
)
RESPONSES_TEXT = _TEXT

WHOLE: dict[DialectName, tuple[bytes, bytes]] = {
    "messages": (b"".join(MESSAGES_STREAM), MESSAGE_STOP),
    "chat": (b"".join(CHAT_STREAM) + CHAT_USAGE, DONE),
    "responses": (b"".join(RESPONSES_STREAM), RESPONSES_COMPLETED),
}
"""Per dialect a whole stream: what may be forwarded, and what waits for the commit."""


def read(name: DialectName, *frames: bytes, echo: str = UPSTREAM_MODEL, body: bytes | None = None) -> Batch:
    """What comes of these frames in one piece."""
    return reader_of(name, echo=echo, body=body).feed(b"".join(frames))
