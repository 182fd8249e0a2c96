"""Reading an OpenAI Chat Completions stream, also as the many compatible servers write it."""

from typing import Any

import msgspec
from msgspec import Struct

from gateway.dialects import envelope
from gateway.dialects.base import UpstreamError
from gateway.dialects.sse import EventStreamError, read_frame, replace_data, write_frame
from gateway.dialects.stream import CUT, EventReader, Terminal, Verdict, text_bytes
from gateway.dialects.usage import chat_usage, merge_reports
from gateway.errors import CallError
from gateway.records import Usage

COMMENT = b": keep-alive\n\n"
_DONE = b"data: [DONE]"


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    function: _Function | None = None


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: Any = None


class _Choice(Struct):
    delta: _Delta | None = None
    index: int = 0
    finish_reason: str | None = None
    text: str | None = None


class _Chunk(Struct):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    service_tier: str | None = None


_CHUNKS = msgspec.json.Decoder(_Chunk)


def error_chunk(error: CallError, request_id: str) -> bytes:
    """The chunk a failed stream ends with: both openai SDKs raise APIError for a truthy `error`."""
    return write_frame(b"", msgspec.json.encode(envelope.envelope("chat", error, request_id))) + b"\n\n"


class ChatReader(EventReader):
    """Chunks, a `finish_reason` for each choice, perhaps a chunk with nothing but usage, `[DONE]`."""

    def __init__(self, echo_model: str, *, include_usage: bool) -> None:
        super().__init__(echo_model)
        self._include_usage = include_usage
        self._reported: dict[str, Any] | None = None
        self._service_tier = ""
        self._choices: set[int] = set()
        self._finished: set[int] = set()

    def usage(self) -> Usage | None:
        if self._reported is None:
            return None
        return chat_usage(self._reported, service_tier=self._service_tier)

    def keepalive(self) -> bytes:
        return COMMENT

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return error_chunk(error, request_id)

    def _take(self, body: bytes) -> Verdict:
        if body.startswith(b"data: {") and b"\n" not in body:
            data: bytes | None = body[6:]
        else:
            data = read_frame(body)[1]
        if not data:
            return None
        if data.startswith(b"[DONE]"):
            return self._take_done(body)
        return self._take_chunk(body, data, _decode_chunk(data))

    def _take_done(self, body: bytes) -> Terminal:
        if not self._finished and not self._semantic:
            raise EventStreamError("The answer is done before it said anything.")
        return Terminal(body)

    def _take_chunk(self, body: bytes, data: bytes, chunk: _Chunk) -> Verdict:
        if chunk.error:
            return envelope.stream_error(data)
        if not self.response_id and chunk.id:
            self.response_id = chunk.id
        if chunk.service_tier:
            self._service_tier = chunk.service_tier
        if chunk.usage is not None:
            self._reported = merge_reports(self._reported, chunk.usage) if self._reported else chunk.usage
            if not chunk.choices and not self._include_usage:
                return b""
        for choice in chunk.choices or ():
            self._take_choice(choice)
        if chunk.model and chunk.model != self._echo.name:
            edited = self._echo.exchange(data)
            return b"data: " + edited if len(body) == len(data) + 6 else replace_data(body, edited)
        return None

    def _take_choice(self, choice: _Choice) -> None:
        delta = choice.delta
        if delta is not None:
            if delta.content:
                self._deliver(text_bytes(delta.content))
            else:
                self._take_rare(delta)
        if choice.text:
            self._deliver(text_bytes(choice.text))
        if choice.finish_reason:
            self._finished.add(choice.index)
        self._choices.add(choice.index)

    def _take_rare(self, delta: _Delta) -> None:
        reasoning = text_bytes(delta.reasoning_content) or text_bytes(delta.reasoning)
        self._deliver(reasoning + text_bytes(delta.refusal))
        functions = [call.function for call in delta.tool_calls or ()]
        for function in (*functions, delta.function_call):
            if function is not None:
                self._deliver(text_bytes(function.name) + text_bytes(function.arguments))
        if isinstance(delta.audio, dict):
            self._remember_object("audio", delta.audio.get("id"))
            self._deliver(text_bytes(delta.audio.get("transcript")))

    def _at_end(self) -> Terminal | UpstreamError:
        """Several servers close without `[DONE]`; when every choice has finished, the answer is whole."""
        if self._finished and self._finished == self._choices:
            return Terminal(_DONE)
        return CUT


def _decode_chunk(data: bytes) -> _Chunk:
    """A chunk; where a server writes an odd type somewhere, what can be read of it."""
    try:
        return _CHUNKS.decode(data)
    except msgspec.ValidationError:
        found: Any = msgspec.json.decode(data)
    if not isinstance(found, dict):
        return _Chunk()
    choices = found.get("choices")
    usage = found.get("usage")
    return _Chunk(
        id=_word(found.get("id")),
        model=_word(found.get("model")),
        choices=[_odd_choice(choice) for choice in choices if isinstance(choice, dict)]
        if isinstance(choices, list)
        else [],
        usage=usage if isinstance(usage, dict) else None,
        error=found.get("error"),
        service_tier=_word(found.get("service_tier")),
    )


def _odd_choice(choice: dict[str, Any]) -> _Choice:
    """Content that is not a string (Mistral sends its thinking as parts) counts by its JSON."""
    delta = choice.get("delta")
    content = delta.get("content") if isinstance(delta, dict) else None
    index = choice.get("index")
    return _Choice(
        delta=_Delta(content=msgspec.json.encode(content).decode() if content else None),
        index=index if isinstance(index, int) else 0,
        finish_reason=_word(choice.get("finish_reason")),
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None
