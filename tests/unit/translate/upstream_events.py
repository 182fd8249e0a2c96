"""Upstream streams for tests: Responses events and Chat chunks, written as their vendor writes them."""

from itertools import pairwise
from typing import Any

import msgspec

from gateway.translate.base import TranslatingReader
from tests.golden.playback import read_events

USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
    "output_tokens": 25,
    "output_tokens_details": {"reasoning_tokens": 9},
    "total_tokens": 65,
}
CHAT_USAGE = {
    "prompt_tokens": 40,
    "completion_tokens": 25,
    "total_tokens": 65,
    "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 9},
}


def message(text: str, **members: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    given = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    return {**given, **members}


def refusal(text: str) -> dict[str, Any]:
    return message("", content=[{"type": "refusal", "refusal": text}])


def call(call_id: str = "call_1", arguments: str = "{}", **members: Any) -> dict[str, Any]:
    given = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed", "call_id": call_id}
    return {**given, "name": "get_weather", "arguments": arguments, **members}


def reasoning(text: str = "", **members: Any) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": "rs_1", "type": "reasoning", "summary": summary, **members}


def response(output: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    """A whole response with this output."""
    given = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m"}
    return {**given, "output": output, "error": None, "incomplete_details": None, "usage": USAGE, **members}


def event(kind: str, **members: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def created() -> bytes:
    return event("response.created", response=response([], status="in_progress", usage=None))


def added(index: int, item: dict[str, Any]) -> bytes:
    return event("response.output_item.added", output_index=index, item=item)


def done(index: int, item: dict[str, Any]) -> bytes:
    return event("response.output_item.done", output_index=index, item=item)


def delta(kind: str, index: int, piece: str, **members: Any) -> bytes:
    return event(f"response.{kind}.delta", output_index=index, content_index=0, delta=piece, **members)


def completed(output: list[dict[str, Any]], **members: Any) -> bytes:
    return event("response.completed", response=response(output, **members))


def chunk(finish_reason: str | None = None, **delta_members: Any) -> bytes:
    """A Chat chunk with this delta."""
    choice = {"index": 0, "delta": delta_members, "finish_reason": finish_reason}
    return data(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


def fragment(index: int, arguments: str = "", **members: Any) -> bytes:
    """A Chat chunk with a piece of a tool call. `id` and `name` come with the first."""
    function = {"arguments": arguments, **({"name": members.pop("name")} if "name" in members else {})}
    return chunk(tool_calls=[{"index": index, "type": "function", "function": function, **members}])


def usage_chunk() -> bytes:
    return data({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": CHAT_USAGE})


def data(value: Any) -> bytes:
    return b"data: %s\n\n" % (value if isinstance(value, bytes) else msgspec.json.encode(value))


DONE = data(b"[DONE]")


class Played:
    """What came out of a reader: the client's events, and how it ended."""

    def __init__(self, reader: TranslatingReader, stream: bytes, cuts: list[int] | None = None) -> None:
        self.reader = reader
        frames = b""
        self.terminal = b""
        self.error = None
        edges = [0, *sorted({cut % (len(stream) + 1) for cut in cuts or []}), len(stream)]
        reads = [stream[start:end] for start, end in pairwise(edges)]
        for batch in (*map(reader.feed, reads), reader.end()):
            frames += batch.forward
            assert not (self.terminal or self.error) or not (batch.forward or batch.terminal or batch.error)
            self.terminal = self.terminal or batch.terminal
            self.error = self.error or batch.error
        self.frames = frames + self.terminal

    @property
    def events(self) -> list[dict[str, Any]]:
        return read_events(self.frames)
