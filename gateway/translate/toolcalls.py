"""Tool arguments while they stream: is the JSON complete, and what is the text inside a wrapped freeform tool.

A freeform (`custom`) tool of OpenAI's has plain text for input. To Claude and to Chat servers it goes out as a function
with one string property, and what comes back is unwrapped.
"""

import re
from typing import Any

import msgspec

from gateway.translate.pieces import Pieces
from gateway.translate.reading import compact

WRAPPER_PROPERTY = "input"
WRAPPER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {WRAPPER_PROPERTY: {"type": "string", "description": "Raw input for the tool"}},
    "required": [WRAPPER_PROPERTY],
    "additionalProperties": False,
}

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_IN_STRING = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class ObjectScanner:
    """Follows a JSON text in pieces and knows when its outermost value is closed."""

    def __init__(self) -> None:
        self.complete = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: str) -> None:
        position = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        while True:
            found = (_IN_STRING if self._in_string else _OUTSIDE).search(piece, position)
            if found is None:
                return
            mark = found.group()
            position = found.end()
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                self._escaped = position >= len(piece)
                position += 1
            else:
                self._depth += 1 if mark in "{[" else -1
                self.complete = self._depth <= 0


class CustomInputDecoder:
    """The text of a wrapped freeform call, as far as the pieces of its JSON give it.

    An escape that is not whole waits for its rest, and so does the first half of a surrogate pair. Arguments that turn
    out not to be `{"input": "…"}` are given whole, as they are, by `finish`.
    """

    def __init__(self) -> None:
        self._raw = Pieces()
        self._sent = Pieces()
        self._rest = ""
        """What has come and is not decoded yet."""
        self._begun = False
        self._closed = False

    def feed(self, piece: str) -> str:
        """What of the text this piece completes."""
        self._raw.add(piece)
        if self._closed:
            return ""
        self._rest += piece
        if not self._begun:
            head = _HEAD.match(self._rest)
            if head is None:
                return ""
            self._begun = True
            self._rest = self._rest[head.end() :]
        text = self._decode()
        self._sent.add(text)
        return text

    def finish(self) -> str:
        """What is missing of the text now that the arguments are whole."""
        sent, text = self._sent.joined(), unwrapped_text(self._raw.joined())
        if not text.startswith(sent):
            return ""
        self._sent.add(text[len(sent) :])
        return text[len(sent) :]

    @property
    def text(self) -> str:
        """All of the text that was given."""
        return self._sent.joined()

    def _decode(self) -> str:
        decoded: list[str] = []
        raw = self._rest
        position = 0
        while position < len(raw):
            stop = _plain_end(raw, position)
            decoded.append(raw[position:stop])
            position = stop
            if position == len(raw):
                break
            if raw[position] == '"':
                self._closed = True
                break
            found = _escape_at(raw, position)
            if found is None:
                break
            decoded.append(found[0])
            position = found[1]
        self._rest = raw[position:]
        return "".join(decoded)


def _plain_end(raw: str, start: int) -> int:
    """Where the next quote or backslash stands."""
    ends = [place for place in (raw.find('"', start), raw.find("\\", start)) if place != -1]
    return min(ends, default=len(raw))


def _escape_at(raw: str, position: int) -> tuple[str, int] | None:
    """The character an escape stands for and where it ends; None while it is not whole."""
    if position + 1 >= len(raw):
        return None
    letter = raw[position + 1]
    if letter != "u":
        return _ESCAPES.get(letter, letter), position + 2
    first = _unit(raw, position)
    if first is None:
        return None
    if not 0xD800 <= first < 0xDC00:
        return _character(first), position + 6
    if len(raw) < position + 8 and raw[position + 6 :] == "\\u"[: len(raw) - position - 6]:
        return None
    if raw[position + 6 : position + 8] != "\\u":
        return _character(first), position + 6
    second = _unit(raw, position + 6)
    if second is None:
        return None
    if not 0xDC00 <= second < 0xE000:
        return _character(first), position + 6
    return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), position + 12


def _unit(raw: str, position: int) -> int | None:
    digits = raw[position + 2 : position + 6]
    if len(digits) < 4:
        return None
    try:
        return int(digits, 16)
    except ValueError:
        return 0xFFFD


def _character(unit: int) -> str:
    """Half a surrogate pair is no character, and UTF-8 cannot say it."""
    return "\ufffd" if 0xD800 <= unit < 0xE000 else chr(unit)


def wrapped(text: str) -> str:
    """Freeform text as the arguments of the function that stands for the tool."""
    return compact({WRAPPER_PROPERTY: text})


def unwrapped(arguments: Any) -> str:
    """The text in a wrapped call's decoded arguments; anything else as compact JSON."""
    if isinstance(arguments, dict) and list(arguments) == [WRAPPER_PROPERTY]:
        found = arguments[WRAPPER_PROPERTY]
        if isinstance(found, str):
            return found
    return compact(arguments)


def unwrapped_text(arguments: str) -> str:
    """The text in a wrapped call's arguments; anything else as it came."""
    try:
        found = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return arguments
    return unwrapped(found) if isinstance(found, dict) and list(found) == [WRAPPER_PROPERTY] else arguments


def wrapper_description(description: str | None, grammar: Any) -> str | None:
    """The description of the function; a grammar is only told, as nothing here can hold the model to it."""
    if not isinstance(grammar, dict):
        return description
    note = f"The input must match this {grammar.get('syntax') or ''} grammar:\n{grammar.get('definition') or ''}"
    return f"{description}\n\n{note}" if description else note
