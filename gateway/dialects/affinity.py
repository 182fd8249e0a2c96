"""What names the conversation a request belongs to.

A conversation that stays at one account finds its prompt in that account's cache. It is named by the first of

    a session header     Claude Code, Codex, OpenCode, pi, Amp, litellm
    metadata.user_id     Messages; of Claude Code's the session in it
    prompt_cache_key     Chat, Responses
    conversation         Responses
    the prompt's start   system, tools and the first user message, where the prompt is large enough to be cached or the
                         conversation will go on

`x-client-request-id` is none: most clients make a new one for every request.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.dialects.base import Peek
from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import DialectName

SESSION_HEADERS = (
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "x-amp-thread-id",
    "x-litellm-session-id",
)
LEAST_CACHED_TOKENS = 1_024
"""The shortest prompt that providers cache, where the catalog does not say."""

_LOOKED_AT = 16 * 1024
"""Of each piece so many bytes count: conversations that begin to differ later than that may share an account."""

_MOST_DECODED = 64 * 1024

_HASH_BYTES = 16
CONVERSATION, THREAD = b"c", b"t"
"""What bindings begin with. A thread's follows every answer: the last account to answer sealed the reasoning last."""

_TURNS_BEFORE_USER = 4
_OLD_SESSION = re.compile(r"_session_([0-9a-fA-F-]{32,36})\Z")
"""Claude Code before 2.1 wrote `user_…_account_…_session_…`."""

_CACHE_CONTROL = b'"cache_control"'
_MARKER = re.compile(rb'"cache_control"\s*:\s*(?:\{[^{}]*\}|null)\s*(,?)')


class _Metadata(msgspec.Struct):
    user_id: Any = None


class _Session(msgspec.Struct):
    session_id: str = ""


class _Turn(msgspec.Struct):
    role: Any = None
    content: Any = None
    type: Any = None


_METADATA = msgspec.json.Decoder(_Metadata)
_SESSION = msgspec.json.Decoder(_Session)
_TURN = msgspec.json.Decoder(_Turn)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def binding_of(
    headers: Mapping[str, str],
    peek: Peek,
    dialect: DialectName,
    customer_id: int,
    *,
    several: bool = True,
    least_tokens: int = 0,
    history: Sequence[dict[str, Any]] = (),
) -> bytes | None:
    """A hash that is the same for every request of a conversation of this customer; None where nothing names it.

    The prompt is looked at only with `several` accounts to choose from. `least_tokens` is what the model's provider
    caches at least; `history` stands in front of the input, where the gateway keeps it.
    """
    hint = _hint(headers, peek.fields, dialect)
    if hint is not None:
        return CONVERSATION + _hashed(customer_id, hint)
    if several and _worth_binding(peek, least_tokens or LEAST_CACHED_TOKENS):
        turns = _from_history(history) or _first_turns(peek.fields, dialect)
        if turns is not None:
            fixed = [_stable(peek.fields[name]) for name in ("system", "instructions", "tools") if name in peek.fields]
            return CONVERSATION + _hashed(customer_id, b"start", *fixed, *turns)
    return None


def thread_of(
    headers: Mapping[str, str],
    peek: Peek,
    dialect: DialectName,
    customer_id: int,
    *,
    least_tokens: int = 0,
    history: Sequence[dict[str, Any]] = (),
) -> bytes | None:
    """As `binding_of`, for a conversation whose reasoning is sealed by the account that answers; begins with `THREAD`.

    A session is not enough to tell where that was: its helpers share the name and may be at other accounts. So it is
    the prompt's cache key (Codex gives every thread its own), or the session with the first turns.
    """
    key = _named(peek.fields["prompt_cache_key"]) if "prompt_cache_key" in peek.fields else ""
    if key:
        return THREAD + _hashed(customer_id, b"thread", key.encode("utf-8", "replace"))
    hint = _hint(headers, peek.fields, dialect)
    if hint is None and not _worth_binding(peek, least_tokens or LEAST_CACHED_TOKENS):
        return None
    turns = _from_history(history) or _first_turns(peek.fields, dialect)
    if hint is None and turns is None:
        return None
    return THREAD + _hashed(customer_id, b"thread", hint or b"", *(turns or ()))


def _hint(headers: Mapping[str, str], fields: dict[str, msgspec.Raw], dialect: DialectName) -> bytes | None:
    for name in SESSION_HEADERS:
        value = headers.get(name)
        if value:
            return b"session " + value.encode("utf-8", "replace")
    if dialect == "messages":
        return _user(fields["metadata"]) if "metadata" in fields else None
    for name in ("prompt_cache_key", "conversation"):
        if name in fields and (found := _named(fields[name])):
            return b"%s %s" % (name.encode(), found.encode("utf-8", "replace"))
    return None


def _user(raw: msgspec.Raw) -> bytes | None:
    """`metadata.user_id`: the session in it if there is one, under the name that the header has it by."""
    try:
        user_id = _METADATA.decode(raw).user_id
    except DECODE_ERRORS:
        return None
    if not isinstance(user_id, str) or not user_id:
        return None
    session = _session(user_id)
    return b"session " + session.encode() if session else b"user " + user_id.encode("utf-8", "replace")


def _session(user_id: str) -> str:
    if user_id.startswith("{"):
        try:
            return _SESSION.decode(user_id).session_id
        except DECODE_ERRORS:
            return ""
    old = _OLD_SESSION.search(user_id)
    return old[1] if old else ""


def _named(raw: msgspec.Raw) -> str:
    """A member that is a name, or an object whose `id` is one."""
    try:
        value = msgspec.json.decode(raw)
    except DECODE_ERRORS:
        return ""
    value = value.get("id") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def _worth_binding(peek: Peek, least_tokens: int) -> bool:
    """Whether the conversation gains by staying where it is. A short prompt does if more is to come: it has tools, or
    asks for reasoning that it will give back. Many short ones that are alike are to be spread."""
    if peek.input_estimate >= least_tokens or "thinking" in peek.fields:
        return True
    tools = peek.fields.get("tools")
    if tools is not None and memoryview(tools).nbytes > len(b"[ ]"):
        return True
    include = peek.fields.get("include")
    return include is not None and b"encrypted_content" in bytes(include)


def _stable(raw: msgspec.Raw) -> bytes:
    """The piece without cache markers, which clients move along from turn to turn."""
    piece = bytes(memoryview(raw)[:_LOOKED_AT])
    at = piece.find(_CACHE_CONTROL)
    while at != -1:
        marker = _MARKER.match(piece, at)
        if marker is None:
            break
        before = piece[:at] if marker[1] else piece[:at].rstrip().removesuffix(b",")
        piece = before + piece[marker.end() :].lstrip()
        at = piece.find(_CACHE_CONTROL, len(before))
    return piece


def _first_turns(fields: dict[str, msgspec.Raw], dialect: DialectName) -> list[bytes] | None:
    """The turns up to the first of the user."""
    raw = fields.get("input" if dialect == "responses" else "messages")
    if raw is None:
        return None
    try:
        if bytes(memoryview(raw)[:1]) == b'"':
            return [_turn(_Turn("user", _TEXT.decode(raw)))]
        return _up_to_user(_RAWS.decode(raw))
    except DECODE_ERRORS:
        return None


def _up_to_user(turns: list[msgspec.Raw]) -> list[bytes] | None:
    found: list[bytes] = []
    for raw in turns[:_TURNS_BEFORE_USER]:
        if memoryview(raw).nbytes > _MOST_DECODED:
            return [*found, _stable(raw)]
        turn = _TURN.decode(raw)
        found.append(_turn(turn))
        if turn.role == "user":
            return found
    return found or None


def _from_history(history: Sequence[dict[str, Any]]) -> list[bytes] | None:
    found: list[bytes] = []
    for item in history[:_TURNS_BEFORE_USER]:
        found.append(_turn(_Turn(item.get("role"), item.get("content"), item.get("type"))))
        if item.get("role") == "user":
            return found
    return found or None


def _turn(turn: _Turn) -> bytes:
    """A turn in one spelling: clients send its text as a string or as parts, and put cache markers into parts."""
    content = turn.content
    parts = [content] if isinstance(content, str) else content if isinstance(content, list) else []
    return msgspec.json.encode((str(turn.role), [_part(part) for part in parts]))[:_LOOKED_AT]


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    text = part.get("text")
    return text if isinstance(text, str) else {name: part[name] for name in part if name != "cache_control"}


def _hashed(customer_id: int, *parts: bytes) -> bytes:
    return blake2b(b"%d %s" % (customer_id, b"\n".join(parts)), digest_size=_HASH_BYTES).digest()
