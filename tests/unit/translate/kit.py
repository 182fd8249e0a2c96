"""What translators are given, for tests: a signer that can be read, a memory that is a dictionary, a context."""

from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from gateway.catalog import Model
from gateway.catalog.models import Capabilities
from gateway.dialects.peek import read_fields
from gateway.translate.base import Blocks, Context, Options, TranslatingReader

NOW_S = 1_795_000_000
DEFAULTS = Options(start_usage="zero", auto_cache=False)


class PlainSigner:
    """Seals in clear: `gwr1:` and the payload as JSON, its members sorted."""

    def seal(self, payload: dict[str, str]) -> str:
        return "gwr1:" + msgspec.json.encode(payload, order="sorted").decode()

    def open(self, text: str) -> dict[str, str] | None:
        return msgspec.json.decode(text.removeprefix("gwr1:")) if text.startswith("gwr1:") else None


class DictMemory:
    """Remembers everything it is told."""

    def __init__(self, held: dict[str, Blocks] | None = None) -> None:
        self.held = held or {}

    def get(self, call_id: str) -> Blocks | None:
        return self.held.get(call_id)

    def put(self, call_id: str, blocks: Blocks) -> None:
        self.held[call_id] = blocks


def model(model_id: str = "some-model", *, max_output_tokens: int = 64_000, **capabilities: Any) -> Model:
    """A model with these capabilities and otherwise the defaults."""
    return Model(
        id=model_id,
        vendor="some-vendor",
        display_name=model_id,
        dialects=("messages", "chat", "responses"),
        created_at=0,
        context_tokens=200_000,
        max_output_tokens=max_output_tokens,
        capabilities=Capabilities(**capabilities),
    )


def context(**changes: Any) -> Context:
    """A context whose model takes everything by default. `can` are capabilities, `options` account options."""
    can = changes.pop("can", {})
    options = msgspec.structs.replace(DEFAULTS, **changes.pop("options", {}))
    given: dict[str, Any] = {
        "headers": {},
        "model": model(**can),
        "upstream_model": "upstream-model",
        "asked_model": "asked-model",
        "flavour": "openai",
        "signer": PlainSigner(),
        "memory": DictMemory(),
        "options": options,
        "now_s": NOW_S,
        "call_id": "req_test",
    }
    return Context(**(given | changes))


def fields(**members: Any) -> dict[str, msgspec.Raw]:
    """A request body, peeked."""
    return read_fields(msgspec.json.encode(members))


class Seen(NamedTuple):
    """What a client read of a stream: frames before the terminal, the terminal, the code of the error."""

    forward: bytes
    terminal: bytes
    error: str

    @property
    def frames(self) -> bytes:
        return self.forward + self.terminal


def watch(reader: TranslatingReader, pieces: list[bytes]) -> Seen:
    """Feed the pieces, then the end. Asserts what must hold at every step, whatever the pair."""
    forward = terminal = b""
    error = ""
    semantic = False
    for batch in [*[reader.feed(piece) for piece in pieces], reader.end()]:
        assert not (terminal and (batch.forward or batch.terminal or batch.error)), "something follows the terminal"
        assert not (error and (batch.forward or batch.terminal or batch.error)), "something follows the error"
        assert not (batch.terminal and batch.error), "an end both good and bad"
        assert batch.semantic or not semantic, "what has won has not won"
        forward += batch.forward
        terminal += batch.terminal
        error = error or (batch.error.code if batch.error else "")
        semantic = batch.semantic
    assert bool(terminal) != bool(error), "an end neither good nor bad"
    return Seen(forward, terminal, error)


def cut_into(stream: bytes, cuts: set[int]) -> list[bytes]:
    """The stream in pieces, cut at these places."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def events_of(frames: bytes) -> list[dict[str, Any]]:
    """SSE frames as `{"event": name or None, "data": value}`; comments are left out."""
    events: list[dict[str, Any]] = []
    for frame in frames.split(b"\n\n"):
        name, data = None, None
        for line in frame.split(b"\n"):
            kind, _, value = line.partition(b": ")
            if kind == b"event":
                name = value.decode()
            elif kind == b"data":
                data = "[DONE]" if value == b"[DONE]" else msgspec.json.decode(value)
        if data is not None:
            events.append({"event": name, "data": data})
    return events


def named_event(kind: str, **members: Any) -> bytes:
    """An event whose data carries its type, as Anthropic and Responses write them."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def chat_chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **members: Any) -> bytes:
    """A chunk of a Chat server; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "upstream-model"}
    return b"data: %s\n\n" % msgspec.json.encode({**head, "choices": choices, **members})


def fragment(index: int | None, *, call_id: str = "", name: str = "", arguments: str = "") -> dict[str, Any]:
    """A delta with a piece of one tool call."""
    call: dict[str, Any] = {"function": {"arguments": arguments, **({"name": name} if name else {})}}
    call |= {"index": index} if index is not None else {}
    return {"tool_calls": [{**call, **({"id": call_id, "type": "function"} if call_id else {})}]}


CHAT_DONE = b"data: [DONE]\n\n"
