"""The input items of a Responses request as Chat messages."""

from typing import Any

from msgspec import Struct, field

from gateway.errors import BadRequest, Unsupported
from gateway.translate.added_tools import ADDED_TOOLS
from gateway.translate.base import Blocks, Context
from gateway.translate.ids import ToolNames, call_id_for
from gateway.translate.openai_pairs import breakpoint_of
from gateway.translate.reading import a_list, a_text, an_object, kind_of, member, optional_text, text_member
from gateway.translate.toolcalls import wrapped
from gateway.translate.warnings import Warnings

NO_RESULT = "no result was provided"

_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_OUTPUTS = tuple(_CALLS.values())
_HOSTED = frozenset(
    (
        "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call",
        "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "tool_search_call", "tool_search_output",
    )
)  # fmt: skip
"""Items of tools that ran at OpenAI. What they came to is in the text that follows them."""


class _Turn(Struct):
    """What the model said and called, until everything it called has its result."""

    text: list[str] = field(default_factory=list)
    refusal: str = ""
    reasoning: str = ""
    calls: Blocks = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    """Result per call id, None while it is missing."""
    after: Blocks = field(default_factory=list)
    """Messages that came before the last result, and go behind it."""

    @property
    def missing(self) -> list[str]:
        return [call_id for call_id, result in self.results.items() if result is None]


class ItemMessages:
    """Takes input items in order; `finish` gives the Chat messages.

    All of a turn is one assistant message, for Chat wants the results of its calls right behind it.
    """

    def __init__(self, names: "ItemNames", context: Context, warnings: Warnings) -> None:
        self._messages: list[dict[str, Any]] = []
        self._turn: _Turn | None = None
        self._names = names
        self._context = context
        self._warnings = warnings
        can = context.model.capabilities
        self._system_role = "developer" if context.flavour == "openai" and can.developer_role else "system"
        self._replays = context.flavour == "generic" and context.options.replay_reasoning

    def told(self, text: str) -> None:
        """Instructions: a system message, in front of everything."""
        self._messages.append({"role": self._system_role, "content": text})

    def item(self, item: dict[str, Any], path: str) -> None:
        """The next item. Raises BadRequest."""
        kind = a_text(item.get("type") or ("message" if "role" in item else "item_reference"), f"{path}.type")
        if kind == "message":
            self._message(item, path)
        elif kind == "reasoning":
            self._reasoning(item, path)
        elif kind in _CALLS:
            self._call(item, path)
        elif kind in _OUTPUTS:
            self._output(item, path)
        elif kind in _HOSTED:
            self._warnings.dropped(f"{_dotted(path)}({kind})", field=path)
        elif kind != ADDED_TOOLS:  # those have joined the others
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def finish(self) -> list[dict[str, Any]]:
        """The messages. Raises BadRequest for a call without a result."""
        self._close_turn()
        return self._messages

    def _message(self, item: dict[str, Any], path: str) -> None:
        role = text_member(item, "role", path)
        if role == "assistant":
            self._said(item, path)
            return
        if role not in ("user", "system", "developer"):
            raise BadRequest(f"{path}.role: {role!r} is not a role", field=f"{path}.role")
        if role == "user":
            message = {"role": role, "content": self._content(member(item, "content", path), f"{path}.content")}
        else:
            message = self._system(role, item, path)
        if self._turn is not None and self._turn.missing:
            self._turn.after.append(message)
        else:
            self._close_turn()
            self._messages.append(message)

    def _system(self, role: str, item: dict[str, Any], path: str) -> dict[str, Any]:
        content = self._content(member(item, "content", path), f"{path}.content", text_only=True)
        if self._context.flavour == "openai":
            return {"role": role, "content": content}
        text = content if isinstance(content, str) else "\n\n".join(part["text"] for part in content)
        began = any(message["role"] not in ("system", "developer") for message in self._messages) or self._turn
        if began and self._context.options.late_system == "user_wrap":
            self._warnings.emulated(f"{_dotted(path)}(system)")
            return {"role": "user", "content": f"<system>\n{text}\n</system>"}
        return {"role": "system", "content": text}

    def _said(self, item: dict[str, Any], path: str) -> None:
        turn = self._open_turn()
        if item.get("phase") is not None:
            self._warnings.dropped(f"{_dotted(path)}.phase", field=f"{path}.phase")
        content = member(item, "content", path)
        if isinstance(content, str):
            turn.text.append(content)
            return
        texts = []
        for number, part in enumerate(a_list(content, f"{path}.content")):
            where = f"{path}.content[{number}]"
            kind = kind_of(an_object(part, where), where)
            if kind == "refusal":
                turn.refusal += text_member(part, "refusal", where)
            elif kind in ("output_text", "input_text", "text"):
                texts.append(text_member(part, "text", where))
            else:
                raise Unsupported(f"{where}: type {kind!r} is not supported by this model", field=f"{where}.type")
        turn.text.append("".join(texts))

    def _reasoning(self, item: dict[str, Any], path: str) -> None:
        """Chat has no place for reasoning, but some servers want their own back while a tool loop lasts."""
        encrypted = item.get("encrypted_content")
        payload = self._context.signer.open(encrypted) if isinstance(encrypted, str) and encrypted else {"v": "chat"}
        text = _reasoning_text(item)
        if self._replays and text and payload is not None and payload.get("v") == "chat":
            self._open_turn().reasoning += text
        else:
            self._warnings.dropped(f"{_dotted(path)}(reasoning)", field=path)

    def _call(self, item: dict[str, Any], path: str) -> None:
        turn = self._open_turn()
        kind = item["type"]
        call_id = text_member(item, "call_id", path)
        if call_id in turn.results:
            raise BadRequest(f"{path}: call id {call_id!r} is used twice", field=f"{path}.call_id")
        turn.results[call_id] = None
        name = self._names.upstream(text_member(item, "name", path), optional_text(item, "namespace", path))
        made = {"id": call_id_for("chat", call_id)}
        if kind == "custom_tool_call" and not self._names.wrap:
            custom = {"name": name, "input": text_member(item, "input", path)}
            turn.calls.append({**made, "type": "custom", "custom": custom})
            return
        if kind == "custom_tool_call":
            arguments = wrapped(text_member(item, "input", path))
        else:
            arguments = a_text(item.get("arguments", ""), f"{path}.arguments") or "{}"
        turn.calls.append({**made, "type": "function", "function": {"name": name, "arguments": arguments}})

    def _output(self, item: dict[str, Any], path: str) -> None:
        call_id = text_member(item, "call_id", path)
        output = member(item, "output", path)
        content: Any = output if isinstance(output, str) else self._content(output, f"{path}.output")
        turn = self._turn
        if turn is not None and turn.results.get(call_id, "") is None:
            if not isinstance(content, str) and any(part["type"] != "text" for part in content):
                self._warnings.emulated(f"{item['type']}.image")
            turn.results[call_id] = content
        elif self._warnings.lenient:
            self._warnings.emulated(_dotted(path))
            self._message({"role": "user", "content": output}, path)
        else:
            raise BadRequest(f"No tool call found for function call output with call_id {call_id}.", field=path)

    def _content(self, content: Any, path: str, *, text_only: bool = False) -> str | Blocks:
        if isinstance(content, str):
            return content
        parts = a_list(content, path)
        where = [f"{path}[{number}]" for number in range(len(parts))]
        return [
            self._part(an_object(part, place), place, text_only=text_only)
            for part, place in zip(parts, where, strict=True)
        ]

    def _part(self, part: dict[str, Any], path: str, *, text_only: bool) -> dict[str, Any]:
        kind = kind_of(part, path)
        marker = breakpoint_of(part, self._context)
        if kind in ("input_text", "output_text", "text"):
            return {"type": "text", "text": text_member(part, "text", path), **marker}
        if kind == "input_image" and not text_only:
            return {**_image(part, path), **marker}
        if kind == "input_file" and not text_only:
            return {**self._file(part, path), **marker}
        raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _file(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        if self._context.flavour != "openai" and not self._context.options.file_input:
            raise Unsupported(f"{path}: files are not supported by this model", field=f"{path}.type")
        name = optional_text(part, "filename", path)
        named = {} if name is None else {"filename": name}
        if part.get("file_data") is not None:
            return {"type": "file", "file": {**named, "file_data": text_member(part, "file_data", path)}}
        if part.get("file_id") is not None and self._context.flavour == "openai":
            return {"type": "file", "file": {"file_id": text_member(part, "file_id", path)}}
        raise Unsupported(f"{path}: files have to be sent along as file_data", field=path)

    def _open_turn(self) -> _Turn:
        """The turn this belongs to: the last one, unless everything it called has its result."""
        if self._turn is not None and self._turn.results and not self._turn.missing:
            self._close_turn()
        if self._turn is None:
            self._turn = _Turn()
        return self._turn

    def _close_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.missing and not self._warnings.lenient:
            raise BadRequest(f"No tool output found for function call {turn.missing[0]}.", field="input")
        for call_id in turn.missing:
            self._warnings.emulated("input")
            turn.results[call_id] = NO_RESULT
        message = self._assistant(turn)
        if message is not None:
            self._messages.append(message)
        shown: Blocks = []
        for call_id, content in turn.results.items():
            chat_id = call_id_for("chat", call_id)
            self._messages.append({"role": "tool", "tool_call_id": chat_id, "content": _told(content, chat_id, shown)})
        self._messages += [{"role": "user", "content": shown}] if shown else []
        self._messages += turn.after

    def _assistant(self, turn: _Turn) -> dict[str, Any] | None:
        texts = [text for text in turn.text if text]
        if turn.refusal and self._context.flavour != "openai":
            texts.append(turn.refusal)
        message: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(texts) or None}
        if turn.refusal and self._context.flavour == "openai":
            message["refusal"] = turn.refusal
        if turn.reasoning:
            message["reasoning_content"] = turn.reasoning
        if turn.calls:
            message["tool_calls"] = turn.calls
        said = texts or turn.refusal or turn.calls
        return message if said else None


class ItemNames:
    """Names of tools, with those of a namespace flattened to `namespace__name`. `wrap`: freeform tools are functions.

    `namespaces` is the flat name as the client would have said it -> namespace and name.
    """

    def __init__(self, *, wrap: bool) -> None:
        self.legal = ToolNames()
        self.namespaces: dict[str, tuple[str, str]] = {}
        self.wrap = wrap

    def upstream(self, name: str, namespace: str | None = None) -> str:
        """The name a tool has at the upstream."""
        if namespace is None:
            return self.legal.upstream(name)
        flat = f"{namespace}__{name}"
        self.namespaces[flat] = (namespace, name)
        return self.legal.upstream(flat)


def _image(part: dict[str, Any], path: str) -> dict[str, Any]:
    if part.get("image_url") is None:
        raise Unsupported(f"{path}: images have to be sent along as image_url", field=path)
    image = {"url": text_member(part, "image_url", path)}
    detail = optional_text(part, "detail", path)
    return {"type": "image_url", "image_url": image if detail is None else {**image, "detail": detail}}


def _told(content: str | Blocks, call_id: str, shown: Blocks) -> str:
    """A result in words. What is not text is put into `shown`, for the user message behind all results."""
    if isinstance(content, str):
        return content
    lines: list[str] = []
    number = 0
    for part in content:
        if part["type"] == "text":
            lines.append(part["text"])
            continue
        number += 1
        lines.append(f"[image {number} of tool call {call_id} follows]")
        shown += [{"type": "text", "text": f"[image {number} of tool call {call_id}]"}, part]
    return "\n".join(lines)


def _reasoning_text(item: dict[str, Any]) -> str:
    parts = item.get("content") or item.get("summary")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "\n\n".join(text for text in texts if isinstance(text, str))


def _dotted(path: str) -> str:
    """A path as warnings have it: `input[1]` -> `input.1`."""
    return path.replace("[", ".").replace("]", "")
