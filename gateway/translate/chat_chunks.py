"""Reading Chat chunks and completions of every kind of server, in one shape for the pairs that have Chat upstream."""

from typing import Any

import msgspec
from msgspec import Struct

from gateway.dialects.envelope import stream_error
from gateway.dialects.usage import chat_usage, merge_reports
from gateway.records import Usage
from gateway.translate.stream import Broken


class Fragment(Struct):
    """A piece of a tool call. `index` is None on servers that send none; `custom` is a freeform call's text."""

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    custom: bool = False


class Chunk(Struct):
    """What one chunk says, of the only choice there is."""

    id: str = ""
    content: str = ""
    refusal: str = ""
    reasoning: str = ""
    fragments: list[Fragment] = []
    finish_reason: str = ""
    annotations: list[dict[str, Any]] = []


class UsageReport:
    """The usage of a stream or a completion, wherever in it the server put it: the fullest of every count."""

    def __init__(self) -> None:
        self._reported: dict[str, Any] | None = None
        self.service_tier = ""

    def read(self, holder: dict[str, Any]) -> None:
        """Look at a chunk, a choice or a completion."""
        tier = holder.get("service_tier")
        if isinstance(tier, str):
            self.service_tier = tier
        found = holder.get("usage")
        if isinstance(found, dict):
            self._reported = merge_reports(self._reported, found) if self._reported else found

    @property
    def usage(self) -> Usage | None:
        return None if self._reported is None else chat_usage(self._reported, service_tier=self.service_tier)

    @property
    def reasoning_reported(self) -> bool:
        details = (self._reported or {}).get("completion_tokens_details")
        return isinstance(details, dict) and details.get("reasoning_tokens") is not None


def read_chunk(data: bytes, report: UsageReport) -> Chunk:
    """One chunk's data, its usage noted. Raises Broken for an error, DecodeError for what is no JSON."""
    found: Any = msgspec.json.decode(data)
    if not isinstance(found, dict):
        return Chunk()
    if found.get("error"):
        raise Broken(stream_error(data))
    report.read(found)
    chunk = Chunk(id=_text(found.get("id")))
    choices = found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict):
        report.read(choice)
        chunk.finish_reason = _text(choice.get("finish_reason"))
        if chunk.finish_reason == "error":
            # OpenRouter's way to say that the provider behind it failed.
            raise Broken(stream_error(data))
        delta = choice.get("delta")
        if isinstance(delta, dict):
            _read_delta(delta, chunk)
    return chunk


def read_message(message: dict[str, Any]) -> Chunk:
    """A whole message, in the shape of a chunk that says everything at once."""
    chunk = Chunk()
    _read_delta(message, chunk)
    return chunk


def _read_delta(delta: dict[str, Any], chunk: Chunk) -> None:
    chunk.content = _content(delta.get("content"))
    chunk.refusal = _text(delta.get("refusal"))
    chunk.reasoning = _reasoning(delta)
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        chunk.fragments = [_fragment(call) for call in calls if isinstance(call, dict)]
    old = delta.get("function_call")
    if isinstance(old, dict):
        chunk.fragments = [Fragment(0, "", _text(old.get("name")), _text(old.get("arguments")))]
    annotations = delta.get("annotations")
    if isinstance(annotations, list):
        chunk.annotations = [found for found in annotations if isinstance(found, dict)]


def _reasoning(delta: dict[str, Any]) -> str:
    """DeepSeek, Kimi and vLLM say `reasoning_content`, OpenRouter and newer vLLM `reasoning`; never both are read."""
    for name in ("reasoning_content", "reasoning"):
        found = _text(delta.get(name))
        if found:
            return found
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    texts = [part.get("text") or part.get("summary") for part in details if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _fragment(call: dict[str, Any]) -> Fragment:
    index = call.get("index")
    custom = call.get("custom")
    held = custom if isinstance(custom, dict) else call.get("function")
    function: dict[str, Any] = held if isinstance(held, dict) else {}
    arguments = function.get("input" if isinstance(custom, dict) else "arguments")
    if isinstance(arguments, dict):
        # Some servers send arguments as the object they stand for.
        arguments = msgspec.json.encode(arguments).decode()
    return Fragment(
        index=index if isinstance(index, int) else None,
        id=_text(call.get("id")),
        name=_text(function.get("name")),
        arguments=_text(arguments),
        custom=isinstance(custom, dict),
    )


def _content(value: object) -> str:
    """Content is a string, or parts (Mistral): of those the text."""
    if not isinstance(value, list):
        return _text(value)
    return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
