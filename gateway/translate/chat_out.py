"""Writing a Chat stream: one chunk after another with the same head, the role first, one end."""

from typing import Any

import msgspec

from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.stream import Outlet
from gateway.translate.usage import chat_usage

DONE = b"data: [DONE]\n\n"


class ChatWriter:
    """The chunks of one answer to a Chat client.

    `id` and `name` of a call go out once and the role goes out once: the SDK joins what comes twice. With
    `include_usage` every chunk has `usage: null` but the last, which has nothing but usage. `calls` counts tool calls.
    """

    def __init__(self, memo: Memo, out: Outlet) -> None:
        self._memo = memo
        self._out = out
        self._id = ""
        self.started = False
        self.calls = 0

    def start(self, completion_id: str) -> None:
        """The role chunk, once; every chunk bears this id."""
        if self.started:
            return
        self.started = True
        self._id = completion_id
        self._out.put(self._chunk({"role": "assistant", "content": ""}))

    def content(self, text: str) -> None:
        if text:
            self._out.deliver(self._chunk({"content": text}), text)

    def refusal(self, text: str) -> None:
        if text:
            self._out.deliver(self._chunk({"refusal": text}), text)

    def reasoning(self, text: str) -> None:
        """Reasoning, where the account's options name a member for it; otherwise nothing."""
        field = self._memo.context.options.reasoning_field
        if text and field != "none":
            self._out.deliver(self._chunk({field: text}), text)

    def annotations(self, annotations: list[dict[str, Any]]) -> None:
        """Citations of the whole content. The SDK's chunk type does not know them; its models keep extra members."""
        if annotations:
            self._out.put(self._chunk({"annotations": annotations}))

    def open_call(self, call_id: str, name: str) -> int:
        """The first fragment of a tool call; returns the index its arguments go to."""
        index = self.calls
        self.calls += 1
        function = {"name": name, "arguments": ""}
        fragment = {"index": index, "id": call_id, "type": "function", "function": function}
        self._out.deliver(self._chunk({"tool_calls": [fragment]}), name)
        return index

    def arguments(self, index: int, piece: str) -> None:
        if piece:
            fragment = {"index": index, "function": {"arguments": piece}}
            self._out.deliver(self._chunk({"tool_calls": [fragment]}), piece)

    def custom_call(self, call_id: str, name: str, text: str) -> None:
        """A freeform call in one fragment: the vendor has no shape for it in streams."""
        fragment = {"index": self.calls, "id": call_id, "type": "custom", "custom": {"name": name, "input": text}}
        self.calls += 1
        self._out.deliver(self._chunk({"tool_calls": [fragment]}), text)

    def ending(self, finish_reason: str, usage: Usage) -> bytes:
        """The frames that end the answer well: they are the caller's to send."""
        frames = self._chunk({}, finish_reason)
        if self._memo.include_usage:
            frames += self._frame({**self._head(), "choices": [], "usage": chat_usage(usage)})
        return frames + DONE

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        chunk = {**self._head(), "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
        if self._memo.include_usage:
            chunk["usage"] = None
        return self._frame(chunk)

    def _head(self) -> dict[str, Any]:
        context = self._memo.context
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": context.now_s,
            "model": context.asked_model,
        }

    def _frame(self, chunk: dict[str, Any]) -> bytes:
        return b"data: %s\n\n" % msgspec.json.encode(chunk)


def completion_body(
    memo: Memo,
    completion_id: str,
    message: dict[str, Any],
    finish_reason: str,
    usage: Usage,
    *,
    service_tier: str = "",
) -> dict[str, Any]:
    """A whole completion. `message` has `content` and may have `refusal`, `tool_calls`, `annotations`, reasoning."""
    context = memo.context
    completion: dict[str, Any] = {
        "id": completion_id,
        "object": "chat.completion",
        "created": context.now_s,
        "model": context.asked_model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": chat_usage(usage),
    }
    if service_tier:
        completion["service_tier"] = service_tier
    return completion


def function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def custom_call(call_id: str, name: str, text: str) -> dict[str, Any]:
    return {"id": call_id, "type": "custom", "custom": {"name": name, "input": text}}
