"""Making a whole Chat completion of its chunks, also as the many compatible servers write them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.dialects.assemble import CannotAssemble, Draft, Said, is_null, streamed, write
from gateway.dialects.chat_stream import ChatReader
from gateway.dialects.stream import NULL
from gateway.dialects.usage import merge_reports

_ONLY_WHOLE = ("audio", "metadata", "web_search_options", "prompt_logprobs", "use_beam_search", "best_of")
"""Members that put into an answer what chunks do not bring, or not surely. Audio has other formats, `metadata` is
repeated in whole answers alone; whether the citations of a web search are streamed differs from report to report."""

_NOT_KEPT = frozenset(("choices", "usage", "object", "obfuscation"))
_SAYS_NOTHING = frozenset((b"null", b'""', b"0"))
"""Azure's first chunk has an empty id and model, and was created at 0."""

_GROWING = frozenset(("text", "summary", "data", "thinking", "content", "arguments", "input"))
"""Members of the elements of a list, and of a call's function, whose text comes in pieces. Others are sent once."""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CHOICES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_LOGPROBS = msgspec.json.Decoder(dict[str, list[msgspec.Raw] | None] | None)
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_DELTA = msgspec.json.Decoder(dict[str, Any] | None)


def can_assemble(fields: Mapping[str, msgspec.Raw], headers: Mapping[str, str]) -> bool:
    """Not what only whole answers have, nor freeform tools, for whose calls chunks have no shape. Raises what decoding
    does where tools make no sense."""
    if any(name in fields and not is_null(fields[name]) for name in _ONLY_WHOLE):
        return False
    if b'"audio"' in bytes(fields.get("modalities", b"")):
        return False
    tools: Any = msgspec.json.decode(fields.get("tools", b"null"))
    listed = tools if isinstance(tools, list) else []
    return all(isinstance(tool, dict) and tool.get("type", "function") == "function" for tool in listed)


def streaming_body(body: bytes) -> bytes:
    """Without `include_usage` a stream says nothing of its usage, which whole answers always bear."""
    options = _DELTA.decode(_FIELDS.decode(body).get("stream_options", b"null")) or {}
    return streamed(body, stream_options={**options, "include_usage": True})


def begin() -> tuple[ChatReader, "ChatDraft"]:
    return ChatReader("", include_usage=True), ChatDraft()


class ChatDraft(Draft):
    """The members of the chunks, the last of each that says something, and the choices by their index."""

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[str, msgspec.Raw] = {}
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, _Choice] = {}

    def take(self, event: str, data: bytes) -> None:
        if not data or data.startswith(b"[DONE]"):
            return
        chunk = _FIELDS.decode(data)
        for name, raw in chunk.items():
            if name not in _NOT_KEPT:
                _keep_last(self._members, name, raw)
        reported = _DELTA.decode(chunk.get("usage", b"null"))
        if reported is not None:
            self._usage = merge_reports(self._usage, reported) if self._usage else reported
        for fields in _CHOICES.decode(chunk.get("choices", b"null")) or ():
            index = msgspec.json.decode(fields.pop("index", b"0"), type=int)
            self.kept_bytes += sum(len(bytes(raw)) for raw in fields.values())
            self._choices.setdefault(index, _Choice()).take(fields)

    def body(self) -> bytes:
        choices = [{"index": index, **self._choices[index].finished()} for index in sorted(self._choices)]
        usage = {} if self._usage is None else {"usage": self._usage}
        head = {"id": NULL, "object": "chat.completion", "created": 0, "model": ""}
        return write({**head, **self._members, "choices": choices, **usage})


class _Choice:
    """One answer: its message, its log probabilities, why it ended, and what else vendors say of a choice."""

    def __init__(self) -> None:
        self._message = _Message()
        self._logprobs: dict[str, list[msgspec.Raw] | None] | None = None
        self._lists: dict[str, list[msgspec.Raw] | None] = {}
        self._members: dict[str, Any] = {"message": None, "logprobs": None, "finish_reason": None}

    def take(self, fields: dict[str, msgspec.Raw]) -> None:
        self._message.take(_DELTA.decode(fields.pop("delta", b"null")) or {})
        for name, entries in (_LOGPROBS.decode(fields.pop("logprobs", b"null")) or {}).items():
            self._logprobs = {} if self._logprobs is None else self._logprobs
            _lengthen(self._logprobs, name, entries)
        for name, raw in fields.items():
            if bytes(raw).startswith(b"["):
                _lengthen(self._lists, name, _ELEMENTS.decode(raw))
            else:
                _keep_last(self._members, name, raw)

    def finished(self) -> dict[str, Any]:
        written = {"message": self._message.finished(), "logprobs": self._logprobs}
        return {**self._members, **self._lists, **written}


class _Message:
    """A message, its deltas put one after another: text joined, calls placed by their index, lists made longer."""

    def __init__(self) -> None:
        self._members: dict[str, Any] = {"role": "assistant", "content": None}
        self._calls = _Calls()
        self._function: dict[str, Any] = {}

    def take(self, delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if name == "tool_calls":
                for fragment in value or ():
                    self._calls.take(fragment)
            elif name == "function_call":
                _join(self._function, value or {})
            elif name == "audio" and value:
                raise CannotAssemble("Streamed audio is not put together.")
            elif name == "role":
                self._members[name] = value or self._members[name]
            elif value is not None or name == "refusal":
                self._add(name, value)

    def finished(self) -> dict[str, Any]:
        members = dict(self._members)
        calls = self._calls.finished()
        if calls:
            members["tool_calls"] = calls
        if self._function:
            members["function_call"] = self._function
        if _is_empty(members.get("refusal")):
            members["refusal"] = None
        if (calls or self._function or members["refusal"]) and _is_empty(members["content"]):
            # The first chunk says "" where a whole answer without text says null.
            members["content"] = None
        return members

    def _add(self, name: str, value: Any) -> None:
        found = self._members.get(name)
        if isinstance(value, str) and not isinstance(found, list):
            _say(self._members, name, value)
        elif isinstance(value, list) or isinstance(found, list):
            # Mistral's thinking is a list of parts, with strings before and after them.
            self._members[name] = found = _as_parts(found)
            _append(found, _as_parts(value))
        elif value is not None or found is None:
            self._members[name] = value


class _Calls:
    """Tool calls under way. Servers that give no index mean the last call, or the one of that id; some give every
    call the index 0, and only another id says that it is another."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._at: dict[int, dict[str, Any]] = {}

    def take(self, fragment: Any) -> None:
        if not isinstance(fragment, dict):
            raise CannotAssemble("A piece of a tool call is not an object.")
        index = fragment.pop("index", None)
        call_id = fragment.get("id") or None
        call = self._place(index, call_id)
        if call is None or (call_id and call.get("id") not in (None, "", call_id)):
            call = {"id": None, "type": "function"}
            self._calls.append(call)
        if isinstance(index, int):
            self._at[index] = call
        _join(call, fragment)

    def finished(self) -> list[dict[str, Any]]:
        """In the order of their indexes; those that share one, or have none, in the order in which they came."""
        for call in self._calls:
            function = call.get("function")
            if isinstance(function, dict) and function.get("arguments") is None:
                function["arguments"] = ""
        places = {id(call): index for index, call in self._at.items()}
        return sorted(self._calls, key=lambda call: places.get(id(call), 0))

    def _place(self, index: Any, call_id: str | None) -> dict[str, Any] | None:
        if isinstance(index, int):
            return self._at.get(index)
        if call_id is not None:
            return next((call for call in self._calls if call.get("id") == call_id), None)
        return self._calls[-1] if self._calls else None


def _lengthen(lists: dict[str, list[msgspec.Raw] | None], name: str, more: list[msgspec.Raw] | None) -> None:
    """Make a list longer by elements that are complete; null where nothing else was ever said."""
    found = lists.get(name)
    if found is None:
        lists[name] = more
    else:
        found.extend(more or ())


def _keep_last(members: dict[str, Any], name: str, raw: msgspec.Raw) -> None:
    """The last that says something, otherwise the first."""
    if name not in members or bytes(raw) not in _SAYS_NOTHING:
        members[name] = raw


def _join(whole: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Put another piece to a call, to its function or to an element of a list."""
    for name, value in piece.items():
        found = whole.get(name)
        if isinstance(value, str) and name in _GROWING:
            _say(whole, name, value)
        elif name == "name" and value and isinstance(found, str) and value != found:
            # Sent once by most, whole every time by some, and accumulators take it in pieces.
            whole[name] = found + str(value)
        elif isinstance(value, dict) and isinstance(found, dict):
            _join(found, value)
        elif isinstance(value, dict):
            whole[name] = {}
            _join(whole[name], value)
        elif isinstance(value, list) and isinstance(found, list):
            _append(found, value)
        elif value not in (None, "") or found is None:
            whole[name] = value


def _append(elements: list[Any], more: list[Any]) -> None:
    """Make a list longer. An element goes on with the last one where both have the same index and type, and where both
    are parts of text."""
    for element in more:
        last = elements[-1] if elements else None
        if isinstance(last, dict) and isinstance(element, dict) and _goes_on(last, element):
            _join(last, element)
        elif isinstance(element, dict):
            started: dict[str, Any] = {}
            _join(started, element)
            elements.append(started)
        else:
            elements.append(element)


def _goes_on(last: dict[str, Any], element: dict[str, Any]) -> bool:
    if last.get("type") != element.get("type"):
        return False
    return last.get("index") == element["index"] if "index" in element else element.get("type") in ("text", "thinking")


def _as_parts(value: Any) -> list[Any]:
    """Content as a list of parts, also where it was plain text so far."""
    if isinstance(value, list):
        return value
    return [] if _is_empty(value) else [{"type": "text", "text": value}]


def _say(members: dict[str, Any], name: str, piece: str) -> None:
    said = members.get(name)
    if isinstance(said, Said):
        said.add(piece)
    else:
        members[name] = Said(said, piece) if isinstance(said, str) else Said(piece)


def _is_empty(value: Any) -> bool:
    return not (value.text() if isinstance(value, Said) else value)
