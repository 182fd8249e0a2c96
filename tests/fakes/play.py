"""An act and a request make a performance: the bytes of the answer and the pauses between them. No clock, no socket."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec

from tests.fakes import chat, messages, responses
from tests.fakes.content import Beats
from tests.fakes.verbs import FOREVER, Act

Dialect = Literal["messages", "chat", "responses"]
SHAPES: dict[str, Dialect] = {"/messages": "messages", "/chat/completions": "chat", "/responses": "responses"}
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
SSE_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


@dataclass(frozen=True)
class Asked:
    """One request as the provider received it. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body, decoded; empty when it is no JSON object."""
        try:
            value = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def dialect(self) -> Dialect:
        """The protocol of the path, whatever is asked under it."""
        found = re.search(r"/(messages|chat/completions|responses)(/|$)", self.path)
        return SHAPES[f"/{found[1]}"] if found else "chat"

    @cached_property
    def generates(self) -> bool:
        """Whether this asks a model for an answer: such requests take an act from the script."""
        return self.method == "POST" and self.path.endswith(tuple(SHAPES))

    @property
    def model(self) -> str:
        return str(self.json.get("model", "fake-model"))

    @property
    def streamed(self) -> bool:
        return self.json.get("stream") is True

    @property
    def include_usage(self) -> bool:
        options = self.json.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Send:
    data: bytes


@dataclass(frozen=True)
class Cut:
    """The socket closes in the middle of the body."""


Step = Wait | Send | Cut


@dataclass(frozen=True)
class Performance:
    """`head_delay` seconds, the head, then the steps. A body of known length says so in `headers`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    head_delay: float = 0
    refused: bool = False

    @cached_property
    def chunked(self) -> bool:
        """Whether HTTP/1.1 must frame the body, its length being unknown."""
        return all(name != "content-length" for name, _ in self.headers)

    @cached_property
    def head(self) -> bytes:
        """Status line and headers as HTTP/1.1 bytes."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += ["transfer-encoding: chunked"] if self.chunked else []
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @cached_property
    def at_once(self) -> bytes | None:
        """Head and body together where nothing needs time; else None."""
        if self.refused or self.head_delay or self.chunked or not all(isinstance(step, Send) for step in self.steps):
            return None
        return self.head + b"".join(step.data for step in self.steps if isinstance(step, Send))


def perform(act: Act, asked: Asked, answer_id: str) -> Performance:
    """The performance of one act for one request. Ids of the answer end in `answer_id`."""
    if act.raw is not None:
        return _whole(act, answer_id, act.raw, 200, act.raw_type)
    if act.refused or act.head_delay == FOREVER:
        return Performance(200, (), (), act.head_delay, act.refused)
    if act.status != 200 and act.break_after is None:
        return _whole(act, answer_id, _error_body(act, asked), act.status)
    if asked.streamed:
        return _streamed(act, asked, answer_id)
    if act.break_by == "error" and act.break_after is not None:
        return _whole(act, answer_id, _error_body(act, asked), 200)
    return _not_streamed(act, asked, answer_id)


def _whole(act: Act, answer_id: str, body: bytes, status: int, kind: str = "application/json") -> Performance:
    headers = _headers(act, answer_id, {"content-type": kind, "content-length": str(len(body))})
    return Performance(status, headers, (Send(body),) if body else (), act.head_delay)


def _not_streamed(act: Act, asked: Asked, answer_id: str) -> Performance:
    """The answer as JSON after the time its stream would take. A cut leaves half of it."""
    model = act.model or asked.model
    body = {"messages": messages, "chat": chat, "responses": responses}[asked.dialect].body(
        act.content, model, answer_id
    )
    headers = _headers(act, answer_id, {"content-type": "application/json", "content-length": str(len(body))})
    pieces = len(act.content.text) + len(act.content.thinking)
    played = pieces if act.break_after is None else min(act.break_after, pieces)
    busy = (act.first_delay if played else 0) + act.gap * max(0, played - 1)
    if act.break_after is not None:
        last: Step = Wait(FOREVER) if act.break_by == "hang" else Cut()
        return Performance(200, headers, (Send(body[: len(body) // 2]), last), act.head_delay + busy)
    return Performance(200, headers, _split([Send(body)], act.split), act.head_delay + busy + act.end_delay)


def _streamed(act: Act, asked: Asked, answer_id: str) -> Performance:
    beats = _beats(act, asked, answer_id)
    played = beats.deltas if act.break_after is None else beats.deltas[: act.break_after]
    alone = act.break_by == "error" and act.break_after == 0 and asked.dialect != "responses"
    steps: list[Step] = [] if alone else [Send(beats.preamble)]
    for number, delta in enumerate(played):
        steps += [Wait(act.gap if number else act.first_delay), Send(delta)]
    if act.break_after is None:
        steps += [Wait(act.end_delay), Send(beats.ending)]
    else:
        steps += _break(act, asked, answer_id, steps)
    headers = _headers(act, answer_id, SSE_HEADERS)
    return Performance(200, headers, _split(_joined(steps), act.split), act.head_delay)


def _beats(act: Act, asked: Asked, answer_id: str) -> Beats:
    model = act.model or asked.model
    if asked.dialect == "messages":
        return messages.beats(act.content, model, answer_id)
    if asked.dialect == "chat":
        return chat.beats(act.content, model, answer_id, include_usage=asked.include_usage)
    return responses.beats(act.content, model, answer_id)


def _break(act: Act, asked: Asked, answer_id: str, steps: list[Step]) -> list[Step]:
    if act.break_by == "cut":
        return [Cut()]
    if act.break_by == "hang":
        return [Wait(FOREVER)]
    if act.break_by == "end":
        return []
    return [Wait(act.gap), Send(_error_frame(act, asked, answer_id, steps))]


def _error_frame(act: Act, asked: Asked, answer_id: str, steps: list[Step]) -> bytes:
    if asked.dialect == "messages":
        return messages.error_frame(act.status, act.error_code, act.error_message)
    if asked.dialect == "chat":
        return chat.error_frame(act.status, act.error_code, act.error_message)
    sent = sum(step.data.count(b"\n\n") for step in steps if isinstance(step, Send))
    model = act.model or asked.model
    return responses.error_frame(
        act.status, act.error_code, act.error_message, model=model, answer_id=answer_id, sequence_number=sent
    )


def _error_body(act: Act, asked: Asked) -> bytes:
    dialect = messages if asked.dialect == "messages" else chat
    return dialect.error_body(act.status, act.error_code, act.error_message)


def _headers(act: Act, answer_id: str, own: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    request_id = f"req_{answer_id}"
    return tuple(({"request-id": request_id, "x-request-id": request_id} | dict(own) | dict(act.headers)).items())


def _joined(steps: list[Step]) -> list[Step]:
    """What no time separates arrives together, as it does from one `recv`."""
    joined: list[Step] = []
    for step in steps:
        if isinstance(step, Wait) and step.seconds == 0:
            continue
        if isinstance(step, Send) and joined and isinstance(joined[-1], Send):
            joined[-1] = Send(joined[-1].data + step.data)
        else:
            joined.append(step)
    return joined


def _split(steps: list[Step], size: int) -> tuple[Step, ...]:
    """The same bytes in pieces of `size`; as they are where it is 0."""
    if not size:
        return tuple(steps)
    pieces: list[Step] = []
    for step in steps:
        if isinstance(step, Send):
            pieces += [Send(step.data[at : at + size]) for at in range(0, len(step.data), size)]
        else:
            pieces.append(step)
    return tuple(pieces)
