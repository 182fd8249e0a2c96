"""The verbs a test scripts a fake provider in. Each makes one `Act`: what happens to one request.

An act is written in the request's own protocol when it is played, so the same script serves Messages, Chat and
Responses, streamed and not. `stream` answers a caller that did not ask for a stream with the same content as JSON,
after the time the stream would have taken.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.fakes.content import Content, Stop, Tokens, ToolCall

Break = Literal["cut", "end", "hang", "error"]
FOREVER = math.inf


@dataclass(frozen=True)
class Act:
    """What the provider does with one request. Times are in seconds.

    `head_delay` passes before the status line; `first_delay` between it and the first content, `gap` between later
    pieces, `end_delay` before the frames that end the answer. After `break_after` pieces of content `break_by` happens:
    the socket is cut, the body ends cleanly, nothing comes any more, or the protocol's error event follows. `raw` is
    a body sent as it is; `model` is the name in the answer where it is not the one asked for. `split` sends the body
    in pieces of so many bytes, whatever frames they cut.
    """

    content: Content = field(default_factory=Content)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error_code: str = ""
    error_message: str = ""
    raw: bytes | None = None
    raw_type: str = "application/json"
    model: str | None = None
    head_delay: float = 0
    first_delay: float = 0
    gap: float = 0
    end_delay: float = 0
    break_after: int | None = None
    break_by: Break = "cut"
    split: int = 0
    refused: bool = False

    def but(self, **changes: Any) -> "Act":
        """The same act with some fields changed: `stream("a").but(model="other")`."""
        return replace(self, **changes)


def reply(
    *text: str,
    thinking: tuple[str, ...] = (),
    tools: tuple[ToolCall, ...] = (),
    tokens: Tokens | None = None,
    stop: Stop | None = None,
    after: float = 0,
    headers: Mapping[str, str] | None = None,
) -> Act:
    """A complete answer at once, after `after` seconds."""
    return Act(_content(text, thinking, tools, tokens, stop), head_delay=after, headers=headers or {})


def stream(
    *text: str,
    gap: float = 0,
    first: float | None = None,
    end: float = 0,
    thinking: tuple[str, ...] = (),
    tools: tuple[ToolCall, ...] = (),
    tokens: Tokens | None = None,
    stop: Stop | None = None,
    split: int = 0,
) -> Act:
    """A complete answer in pieces `gap` seconds apart, the first after `first` seconds (`gap`, if not given)."""
    content = _content(text, thinking, tools, tokens, stop)
    return Act(content, gap=gap, first_delay=gap if first is None else first, end_delay=end, split=split)


def slow_first(seconds: float, *text: str, gap: float = 0) -> Act:
    """Headers at once, the first content only after `seconds`."""
    return stream(*(text or ("late",)), first=seconds, gap=gap)


def cut_after(pieces: int, *, gap: float = 0, clean: bool = False, text: tuple[str, ...] = ()) -> Act:
    """Breaks off after so many pieces of content: the socket closes mid-body, or with `clean` the body just ends."""
    act = stream(*(text or _words(pieces + 1)), gap=gap)
    return act.but(break_after=pieces, break_by="end" if clean else "cut")


def hang_after(pieces: int, *, gap: float = 0) -> Act:
    """Goes silent for ever after so many pieces of content."""
    return stream(*_words(pieces + 1), gap=gap).but(break_after=pieces, break_by="hang")


def error_midway(
    after: int = 1, *, status: int = 529, code: str = "", message: str = "Overloaded", gap: float = 0
) -> Act:
    """After so many pieces of content, the protocol's own error event, as for this status. Not streamed: the error."""
    act = stream(*_words(after + 1), gap=gap)
    return act.but(break_after=after, break_by="error", status=status, error_code=code, error_message=message)


def hang() -> Act:
    """Takes the request and never answers."""
    return Act(head_delay=FOREVER)


def refuse() -> Act:
    """Refuses the connection. On a real socket: closes it without a byte."""
    return Act(refused=True)


def status(
    code: int,
    *,
    retry_after: float | None = None,
    error_code: str = "",
    message: str = "The fake provider was told to fail.",
    headers: Mapping[str, str] | None = None,
    after: float = 0,
) -> Act:
    """An error answer in the protocol's envelope, after `after` seconds."""
    extra = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Act(
        status=code,
        headers=extra | dict(headers or {}),
        error_code=error_code,
        error_message=message,
        head_delay=after,
    )


def garbage(body: bytes = b"<html><body>It works!</body></html>", content_type: str = "text/html") -> Act:
    """Status 200 and a body that is no answer."""
    return Act(raw=body, raw_type=content_type)


def error_in_200(code: int = 529, *, error_code: str = "", message: str = "Overloaded") -> Act:
    """Status 200 with an error inside: as JSON, or as the only event of a stream."""
    act = Act(Content(text=("never",)), status=code, error_code=error_code, error_message=message)
    return act.but(break_after=0, break_by="error")


VERBS: dict[str, Callable[..., Act]] = {
    verb.__name__: verb
    for verb in (
        reply,
        stream,
        slow_first,
        cut_after,
        hang_after,
        error_midway,
        hang,
        refuse,
        status,
        garbage,
        error_in_200,
    )
}


def directive(text: str) -> Act:
    """An act from one line of text: a verb, numbers, then names with numbers.

    `stream events=200 gap=0.01 size=16` and `reply size=200` say how many pieces of how many characters there are;
    otherwise the words are the verb's own parameters: `status 429 retry_after=7`. Raises ValueError.
    """
    verb, *words = text.split() or [""]
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is no verb of the fake provider; it knows {', '.join(VERBS)}")
    named = {name: _number(value) for name, _, value in (word.partition("=") for word in words if "=" in word)}
    plain: list[Any] = [_number(word) for word in words if "=" not in word]
    if verb in ("reply", "stream", "slow_first"):
        events, size = int(named.pop("events", 1)), int(named.pop("size", 16))
        plain += [("word " * (size // 5 + 1))[:size]] * events
        act = VERBS[verb](*plain, **named)
        return act.but(content=replace(act.content, tokens=Tokens(output=events)))
    return VERBS[verb](*plain, **named)


def _content(
    text: tuple[str, ...],
    thinking: tuple[str, ...],
    tools: tuple[ToolCall, ...],
    tokens: Tokens | None,
    stop: Stop | None,
) -> Content:
    return Content(text, thinking, tools, tokens or Tokens(), stop or ("tools" if tools else "end"))


def _words(count: int) -> tuple[str, ...]:
    return tuple(f"word{number} " for number in range(count))


def _number(text: str) -> float | int:
    return float(text) if "." in text else int(text)
