"""Writing a Messages stream: blocks one after another, their numbers without gaps, one end."""

from typing import Any

import msgspec

from gateway.dialects.messages_stream import PING
from gateway.translate.base import Memo
from gateway.translate.envelope import CHAT_REASONING
from gateway.translate.stream import Outlet

_EMPTY_DELTAS = {
    "text": {"type": "text_delta", "text": ""},
    "thinking": {"type": "thinking_delta", "thinking": ""},
    "tool_use": {"type": "input_json_delta", "partial_json": ""},
}


def event_frame(kind: str, **members: Any) -> bytes:
    """A frame whose name is its data's type."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


class MessagesWriter:
    """The frames of one answer to a Messages client.

    `text`, `thinking` and `open_tool` close whatever block of another kind is open. A block that was closed is never
    opened again. `tools` counts the tool blocks. Nothing may be written after `ending`.
    """

    def __init__(self, memo: Memo, out: Outlet) -> None:
        self._memo = memo
        self._out = out
        self._next_index = 0
        self.block = ""
        """Type of the open block; empty where none is."""
        self.started = False
        self.tools = 0

    def start(self, message_id: str) -> None:
        """`message_start`, once. The prompt's length is an estimate, corrected by the last event's totals."""
        if self.started:
            return
        self.started = True
        context = self._memo.context
        prompt = context.input_tokens if context.options.start_usage == "estimate" else 0
        message: dict[str, Any] = {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": context.asked_model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": prompt, "output_tokens": 0},
        }
        self._out.put(event_frame("message_start", message=message))

    def text(self, text: str) -> None:
        """A piece of text, in the open text block or a new one."""
        if self.block != "text":
            self._open({"type": "text", "text": ""})
        self._delta({"type": "text_delta", "text": text}, text)

    def citation(self, citation: dict[str, Any]) -> None:
        """A citation of the open text block; without one there is nothing to cite."""
        if self.block == "text":
            self._delta({"type": "citations_delta", "citation": citation}, "")

    def thinking(self, text: str) -> None:
        """A piece of thinking, in the open thinking block or a new one."""
        if self.block != "thinking":
            self.open_thinking()
        if text:
            self._delta({"type": "thinking_delta", "thinking": text}, text)

    def open_thinking(self) -> None:
        """A thinking block, also where no text of it will come."""
        if self.block != "thinking":
            self._open({"type": "thinking", "thinking": "", "signature": ""})

    def open_tool(self, call_id: str, name: str) -> None:
        """A tool block; its arguments follow as `arguments`, or none do."""
        self.tools += 1
        self._open({"type": "tool_use", "id": call_id, "name": name, "input": {}})

    def arguments(self, piece: str) -> None:
        """A piece of the open tool block's JSON."""
        if piece:
            self._delta({"type": "input_json_delta", "partial_json": piece}, piece)

    def whole_block(self, block: dict[str, Any]) -> None:
        """A block that is complete as it starts: a server tool's result, redacted thinking."""
        self._open(block)
        self.close()

    def close(self, signature: dict[str, str] | None = None) -> None:
        """Close the open block, if there is one. A thinking block gets this sealed as its signature."""
        if not self.block:
            return
        if self.block == "thinking":
            sealed = self._memo.context.signer.seal(signature or CHAT_REASONING)
            self._delta({"type": "signature_delta", "signature": sealed}, "")
        self._out.put(event_frame("content_block_stop", index=self._next_index - 1))
        self.block = ""

    def ending(
        self,
        stop_reason: str,
        usage: dict[str, Any],
        *,
        stop_sequence: str | None = None,
        refusal: str | None = None,
    ) -> bytes:
        """Close what is open and return the frames that end the answer well: they are the caller's to send.

        `usage` is in the client's shape and has `output_tokens`. `refusal` is the explanation of a refusal.
        """
        self.close()
        delta: dict[str, Any] = {"stop_reason": stop_reason, "stop_sequence": stop_sequence}
        if stop_reason == "refusal":
            delta["stop_details"] = refusal_details(refusal)
        return event_frame("message_delta", delta=delta, usage=usage) + event_frame("message_stop")

    def keepalive(self) -> bytes:
        """An empty delta in the open block: Claude Code's 300 s watchdog takes neither pings nor comments for life.

        Where no block is open, the model thinks in silence, so a thinking block is opened; what comes next goes into
        it or closes it. Before `message_start` there is only the ping.
        """
        if not self.started:
            return PING
        opening = b""
        if not self.block:
            self.open_thinking()
            opening = self._out.take()
        return opening + self._delta_frame(_EMPTY_DELTAS[self.block])

    def _open(self, block: dict[str, Any]) -> None:
        self.close()
        self.block = block["type"]
        self._out.deliver(event_frame("content_block_start", index=self._next_index, content_block=block), "")
        self._next_index += 1

    def _delta(self, delta: dict[str, Any], text: str) -> None:
        self._out.deliver(self._delta_frame(delta), text)

    def _delta_frame(self, delta: dict[str, Any]) -> bytes:
        return event_frame("content_block_delta", index=self._next_index - 1, delta=delta)


def refusal_details(explanation: str | None) -> dict[str, Any]:
    """`stop_details` of a refusal by a vendor who names no category."""
    return {"type": "refusal", "category": None, "explanation": explanation or None}


def message_body(
    message_id: str,
    model: str,
    content: list[dict[str, Any]],
    stop_reason: str,
    usage: dict[str, Any],
    *,
    stop_sequence: str | None = None,
    refusal: str | None = None,
) -> dict[str, Any]:
    """A whole message."""
    message: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "usage": usage,
    }
    if stop_reason == "refusal":
        message["stop_details"] = refusal_details(refusal)
    return message
