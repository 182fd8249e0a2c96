"""What a fake provider says, apart from how a protocol writes it down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Stop = Literal["end", "length", "tools", "refusal"]

CREATED = 1_795_000_000


@dataclass(frozen=True)
class Tokens:
    """Usage in disjoint buckets, as the gateway's own records have it; `reasoning` is a part of `output`."""

    input: int = 12
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 7
    reasoning: int = 0

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """What OpenAI counts as the prompt: every input bucket together."""
        return self.input + self.cache_read + self.cache_write


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool. `fragments` are its JSON arguments in the pieces they stream in; none means `{}`."""

    name: str
    fragments: tuple[str, ...] = ()

    @property
    def arguments(self) -> str:
        return "".join(self.fragments) or "{}"


@dataclass(frozen=True)
class Content:
    """One answer: thinking first, then text, then tool calls. The pieces of text are the deltas of a stream."""

    text: tuple[str, ...] = ()
    thinking: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    tokens: Tokens = field(default_factory=Tokens)
    stop: Stop = "end"


@dataclass(frozen=True)
class Beats:
    """A stream as bytes, cut where time may pass: what precedes content, each delta, and what ends it as a success."""

    preamble: bytes
    deltas: tuple[bytes, ...]
    ending: bytes

    @classmethod
    def of(cls, preamble: Sequence[bytes], deltas: Sequence[bytes], ending: Sequence[bytes]) -> "Beats":
        return cls(b"".join(preamble), tuple(deltas), b"".join(ending))
