"""What the simulated model answers: thoughts, text, tool calls and why it stops. Pure, and the same for the same seed.

The three protocols turn a request into an `Ask` and a `Script` into frames; nothing in here knows a protocol.
"""

import hashlib
import random
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gateway.upstream.providers.simulated.instances import instance
from gateway.upstream.providers.simulated.memory import Part

Stop = Literal["end", "limit", "stop", "tools"]

_PIECE = re.compile(r"\s*\S{1,6}|\s+\Z")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_VERBS = frozenset(
    {"get", "fetch", "find", "search", "list", "set", "create", "make", "do", "run", "add", "read", "write", "current"}
)
_ASKS_FOR_TOOL = re.compile(r"\b(use|call|run|try|invoke)\b[^.?!]*\btools?\b", re.IGNORECASE)
_ASKS_FOR_SEVERAL = re.compile(r"\b(parallel|both|each|every|all|several|two|twice)\b", re.IGNORECASE)
_ASKS_FOR_LENGTH = re.compile(r"\b(\d{1,6})[\s-]*(words?|tokens?)\b", re.IGNORECASE)
_MOST_TOKENS = 100_000
_MOST_QUESTION = 1_000
_CALL_TOKENS = 8
_THOUGHTS = {"minimal": 1, "low": 2, "medium": 4, "high": 8, "xhigh": 16, "max": 24}

_OPENINGS = (
    "This is a simulated answer: no model was asked.",
    "You are talking to a simulated account, so no model wrote this.",
    "This answer comes from the gateway's simulated provider, not from a model.",
)
_REMARKS = (
    "The tokens of this answer are counted and charged like a real one's.",
    "Its pace and the time to its first token are settings of the simulated account.",
    "The request came through the same checks, limits and holds that a real account's requests pass.",
    "What it cost is in your usage, under the id in the request-id header.",
    "Ask again with other words and the length of the answer changes with them.",
    "The same question to the same account gets the same answer.",
    "Offer a tool and mention its name to see a tool call.",
    "Ask for a number of words to get a longer answer.",
    "Close the connection half-way and only what was delivered is billed.",
    "Add an account with a real credential and the same key serves real answers.",
    "Fault rates of the simulated account show how failover and retries behave.",
    "Prompt caching can be watched too: repeat a marked prompt and its tokens are read from the cache.",
)
_MUSINGS = (
    "The question is clear enough to answer briefly.",
    "There is nothing to look up, so the answer can come straight away.",
    "A few sentences should do.",
    "It is worth saying that this is a simulation before anything else.",
    "The answer should quote the question, so that it can be recognised in a listing.",
    "Checking that nothing was overlooked.",
)


class Tool(Struct, frozen=True):
    """A tool on offer. `kind` custom takes free text instead of arguments; `namespace` is Responses' grouping."""

    name: str
    schema: Any = None
    kind: Literal["function", "custom"] = "function"
    namespace: str = ""


class Ask(Struct, frozen=True, kw_only=True):
    """A request, whatever its protocol.

    `effort` is empty where no thinking was asked for. `tool_choice` is auto, none, required or a tool's name.
    `tool_results` are the texts of the results the request ends with.
    """

    model: str
    question: str
    parts: tuple[Part, ...]
    tool_results: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    parallel: bool = True
    schema: Any = None
    effort: str = ""
    output_limit: int | None = None
    stops: tuple[str, ...] = ()


class ToolCall(Struct, frozen=True):
    """A call of a tool; `pieces` join to its arguments as compact JSON, or to a custom tool's input."""

    tool: Tool
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class Script(Struct, frozen=True):
    """An answer in tokens: every piece counts as one."""

    thoughts: tuple[str, ...]
    text: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    stop: Stop
    stop_sequence: str | None = None

    @property
    def output_tokens(self) -> int:
        """All of it, thoughts included."""
        return len(self.thoughts) + len(self.text) + sum(_cost(call) for call in self.calls)


def compose(ask: Ask, seed: int, choice: int = 0) -> Script:
    """The answer to `ask`. `choice` tells apart several answers to one request."""
    source = _source(f"{seed}:{choice}:{ask.model}:{ask.question}:{ask.tool_results}")
    thoughts = pieces_of(_thoughts(ask, source)) if ask.effort else []
    calls = _calls(ask)
    stop: Stop = "end"
    stop_sequence = None
    if calls:
        text = pieces_of("I will ask the tool for that." if len(calls) == 1 else "I will ask the tools for that.")
        stop = "tools"
    else:
        whole, stop_sequence = _cut_at(_text(ask, source), ask.stops)
        text = pieces_of(whole)
        if stop_sequence is not None:
            stop = "stop"
    script = Script(tuple(thoughts), tuple(text), tuple(calls), stop, stop_sequence)
    return script if ask.output_limit is None else _limited(script, ask.output_limit)


def pieces_of(text: str) -> list[str]:
    """`text` in tokens: up to six characters with the space before them. They join to the text again."""
    return _PIECE.findall(text)


def tokens_in(data: bytes | str) -> int:
    """Tokens of a prompt's text: a quarter of its bytes, at least one."""
    size = len(data.encode()) if isinstance(data, str) else len(data)
    return max(1, (size + 3) // 4)


def question_in(text: str) -> str:
    """The user's own words, without what agents put around them; of a long text its beginning and its end."""
    first, *marked = text.split("<system-reminder>")
    words = " ".join([first, *(each.partition("</system-reminder>")[2] for each in marked)]).strip()
    return words if len(words) <= 2 * _MOST_QUESTION else f"{words[:_MOST_QUESTION]} … {words[-_MOST_QUESTION:]}"


def _source(text: str) -> random.Random:
    return random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def _text(ask: Ask, source: random.Random) -> str:
    if ask.schema is not None:
        return _compact(instance(ask.schema, ask.question))
    parts = [source.choice(_OPENINGS)]
    if ask.tool_results:
        results = " and ".join(f"“{_snippet(each, 80)}”" for each in ask.tool_results[:4])
        parts.append(f"The tool returned {results}.")
    if snippet := _snippet(ask.question, 160):
        parts.append(f"You asked: “{snippet}”.")
    parts += source.sample(_REMARKS, source.randint(1, 4))
    wanted = _ASKS_FOR_LENGTH.search(ask.question)
    if wanted:
        per_unit = 1.5 if wanted.group(2).lower().startswith("word") else 1.0
        count = min(int(int(wanted.group(1)) * per_unit), _MOST_TOKENS)
        length = sum(len(pieces_of(part)) for part in parts)
        while length < count:
            parts.append(source.choice(_REMARKS))
            length += len(pieces_of(parts[-1]))
        return "".join(pieces_of(" ".join(parts))[: max(count, 1)])
    return " ".join(parts)


def _thoughts(ask: Ask, source: random.Random) -> str:
    sentences = [f"The user asks: “{_snippet(ask.question, 80)}”."]
    count = _THOUGHTS.get(ask.effort, 4)
    while len(sentences) <= count:
        sentences.append(source.choice(_MUSINGS))
    return " ".join(sentences)


def _calls(ask: Ask) -> list[ToolCall]:
    """The tools this answer calls. A result is answered in text, unless a call is forced."""
    forced = ask.tool_choice not in ("auto", "none")
    if not ask.tools or ask.tool_choice == "none" or (ask.tool_results and not forced):
        return []
    named = [tool for tool in ask.tools if tool.name == ask.tool_choice]
    chosen = named or [tool for tool in ask.tools if _mentions(ask.question, tool.name)]
    if not chosen and (forced or _ASKS_FOR_TOOL.search(ask.question)):
        chosen = [ask.tools[0]]
    several = ask.parallel and _ASKS_FOR_SEVERAL.search(ask.question) is not None
    if not several:
        chosen = chosen[:1]
    elif len(chosen) == 1:
        chosen = chosen * 2
    return [ToolCall(tool, tuple(pieces_of(_arguments(tool, ask.question)))) for tool in chosen[:8]]


def _arguments(tool: Tool, question: str) -> str:
    if tool.kind == "custom":
        return "simulated input"
    filled = instance(tool.schema, question)
    return _compact(filled if isinstance(filled, dict) else {})


def _mentions(question: str, name: str) -> bool:
    """True if the question speaks of the tool.

    Agents offer tools with everyday names ("Read", "Write"): a name of one word counts only beside the word "tool".
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question) and (len(words) > 1 or "tool" in question.lower()):
        return True
    telling = [word for word in words if word not in _VERBS]
    spoken = set(re.findall(r"[a-z0-9]+", question.lower()))
    return len(words) > 1 and bool(telling) and all(word in spoken for word in telling)


def _limited(script: Script, limit: int) -> Script:
    """The script within `limit` output tokens: thoughts first, then text, then only calls that fit whole."""
    if script.output_tokens <= limit:
        return script
    thoughts = script.thoughts[:limit]
    left = limit - len(thoughts)
    text = script.text[:left]
    left -= len(text)
    calls = []
    for call in script.calls:
        left -= _cost(call)
        if left < 0:
            break
        calls.append(call)
    return Script(thoughts, text, tuple(calls), "limit")


def _cut_at(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """`text` before the earliest of `stops`, and which it was."""
    found = [(position, stop) for stop in stops if stop and (position := text.find(stop)) >= 0]
    if not found:
        return text, None
    position, stop = min(found, key=lambda each: each[0])
    return text[:position], stop


def _cost(call: ToolCall) -> int:
    return len(call.pieces) + _CALL_TOKENS


def _snippet(text: str, most: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else words[:most].rsplit(" ", 1)[0] + "…"


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()
