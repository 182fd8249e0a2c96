"""Ids and tool names that are legal on the other side: made from the old ones, the same way every time."""

import hashlib
import re

from gateway.records import DialectName

_PREFIX = re.compile(r"^(?:chatcmpl-|msg_|resp_|req_)")
_CLAUDE_ID = re.compile(r"[A-Za-z0-9_-]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_MAX_ID: dict[DialectName, int] = {"messages": 256, "chat": 40, "responses": 64}
"""OpenAI's limits are measured: `string_above_max_length`. Claude names a character set and no length."""

PREFIXES: dict[DialectName, str] = {"messages": "msg_", "chat": "chatcmpl-", "responses": "resp_"}


def suffix_of(answer_id: str) -> str:
    """What is left of an answer's id without its vendor's prefix."""
    return _PREFIX.sub("", answer_id)


def answer_id(upstream_id: str, client: DialectName) -> str:
    """An answer's id with the client's prefix: `chatcmpl-X`, `msg_X` and `resp_X` are one answer."""
    return PREFIXES[client] + suffix_of(upstream_id)


def call_id_for(dialect: DialectName, call_id: str) -> str:
    """A tool call's id as this dialect takes it: as it is where that is legal, otherwise `call_` and a digest of it."""
    legal = 0 < len(call_id) <= _MAX_ID[dialect]
    if legal and (dialect != "messages" or _CLAUDE_ID.fullmatch(call_id)):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def opaque_user(user: str) -> str:
    """A user's id of at most 128 characters, which is all OpenAI takes."""
    return user if len(user) <= 128 else hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()


class ToolNames:
    """The names of one request's tools, as every vendor takes them: `^[A-Za-z0-9_-]{1,64}$`."""

    def __init__(self) -> None:
        self.restored: dict[str, str] = {}
        """New name -> the client's, for those that changed."""

    def upstream(self, name: str) -> str:
        """A legal name stays; another keeps what it can of itself and gets six digits of its digest."""
        if _NAME.fullmatch(name):
            return name
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        new = f"{_NOT_IN_NAMES.sub('_', name)[:57]}_{digest}"
        self.restored[new] = name
        return new
