"""The input items of a Responses request as Claude's turns."""

from typing import Any

from msgspec import Struct

from gateway.errors import BadRequest, Unsupported
from gateway.translate.added_tools import ADDED_TOOLS
from gateway.translate.base import Blocks, Context
from gateway.translate.claude_request import ClaudeTools, cache_marker
from gateway.translate.claude_turns import ClaudeConversation
from gateway.translate.envelope import to_thinking
from gateway.translate.ids import call_id_for
from gateway.translate.media import claude_document, claude_image
from gateway.translate.reading import a_list, an_object, kind_of, member, optional_text, read_arguments, text_member
from gateway.translate.toolcalls import WRAPPER_PROPERTY
from gateway.translate.warnings import Warnings

IMAGE_MADE = "(an image was generated here)"
"""Stands in the history for an image that an OpenAI tool made. It is part of cached prompts: it never changes."""

_TEXTS = ("input_text", "output_text", "text")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_HOSTED = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "mcp_list_tools",
    "mcp_call",
    "tool_search_call",
    "tool_search_output",
)
"""What ran at the provider: its traces mean nothing to Claude, and the text that came of it is there besides."""


class History(Struct):
    """The conversation, the upstream's names of the tools it calls, and whether it ends in the results of calls whose
    thinking is not there."""

    conversation: ClaudeConversation
    called: list[str] = []
    loop_without_thinking: bool = False


def read_input(decoded: dict[str, Any], tools: ClaudeTools, context: Context, warnings: Warnings) -> History:
    """Instructions, stored items and input, each in its place. Raises BadRequest."""
    reader = _Reader(tools, context, warnings)
    instructions = optional_text(decoded, "instructions", "instructions")
    if instructions:
        reader.history.conversation.system([{"type": "text", "text": instructions}], "instructions")
    for position, item in enumerate(context.history):
        reader.read(item, f"previous_response_id.{position}")
    given = decoded.get("input", [])
    if isinstance(given, str):
        reader.read({"role": "user", "content": given}, "input")
    else:
        for position, item in enumerate(a_list(given, "input")):
            reader.read(an_object(item, f"input.{position}"), f"input.{position}")
    return reader.finish()


class _Reader:
    def __init__(self, tools: ClaudeTools, context: Context, warnings: Warnings) -> None:
        self.history = History(ClaudeConversation(context, warnings))
        self._conversation = self.history.conversation
        self._tools = tools
        self._signer = context.signer
        self._can = context.model.capabilities
        self._warnings = warnings
        self._thinking: list[tuple[dict[str, Any], str]] = []
        self._answered = False
        self._thought = False

    def read(self, item: dict[str, Any], path: str) -> None:
        """One item. Raises BadRequest naming what Claude cannot be told."""
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if kind == "message":
            self._message(item, path)
        elif kind == "reasoning":
            self._reasoning(item, path)
        elif kind == "function_call":
            self._call(item, self._arguments(item, path), path)
        elif kind == "custom_tool_call":
            self._call(item, {WRAPPER_PROPERTY: text_member(item, "input", path)}, path)
        elif kind in _OUTPUTS:
            self._output(item, path)
        elif kind in _HOSTED:
            self._warnings.dropped(f"{path}({kind})", field=path)
        elif kind == "image_generation_call":
            self._warnings.dropped(f"{path}({kind})", field=path)
            self._assistant([{"type": "text", "text": IMAGE_MADE}], path)
        elif kind != ADDED_TOOLS:  # those have joined the others
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def finish(self) -> History:
        self._drop_thinking()
        self.history.loop_without_thinking = self._answered and not self._thought
        return self.history

    def _message(self, item: dict[str, Any], path: str) -> None:
        role = text_member(item, "role", path)
        content = member(item, "content", path)
        if role == "assistant":
            if item.get("phase"):
                self._warnings.dropped(f"{path}.phase")
            self._assistant(content if isinstance(content, str) else self._parts(content, path), path)
            return
        self._drop_thinking()
        if role == "user":
            self._answered = self._thought = False
            self._conversation.user(content if isinstance(content, str) else self._parts(content, path), path)
        elif role in ("system", "developer"):
            text = [{"type": "text", "text": content}] if isinstance(content, str) else self._parts(content, path)
            self._conversation.system(text, path)
        else:
            raise BadRequest(f"{path}.role: {role!r} is not a role", field=f"{path}.role")

    def _assistant(self, content: str | Blocks, path: str) -> None:
        """What the model said, behind the thinking that led to it. Items of one answer are one turn."""
        if self._answered:
            self._answered = self._thought = False
        thinking = [block for block, _ in self._thinking]
        if thinking:
            self._thinking, self._thought = [], True
            said: Blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            content = [*thinking, *said]
        self._conversation.assistant(content, path, joined=True)

    def _reasoning(self, item: dict[str, Any], path: str) -> None:
        """Claude's own thinking, where this gateway sealed it; nobody else's."""
        block = to_thinking(self._signer.open(optional_text(item, "encrypted_content", path) or ""))
        if block is None:
            self._warnings.dropped(f"{path}(reasoning)", field=path)
        else:
            self._thinking.append((block, path))

    def _drop_thinking(self) -> None:
        """Thinking that nothing came of, which is what a truncated answer leaves: Claude refuses a turn of it alone."""
        for _, path in self._thinking:
            self._warnings.dropped(f"{path}(reasoning)", field=path)
        self._thinking = []

    def _arguments(self, item: dict[str, Any], path: str) -> dict[str, Any]:
        text = optional_text(item, "arguments", path) or ""
        arguments = read_arguments(text)
        if arguments is not None:
            return arguments
        if not self._warnings.lenient:
            raise BadRequest(f"{path}.arguments: is not a JSON object", field=f"{path}.arguments")
        return {"_raw": text}

    def _call(self, item: dict[str, Any], arguments: dict[str, Any], path: str) -> None:
        call_id = call_id_for("messages", text_member(item, "call_id", path))
        name = self._tools.names.upstream(flat_name(item, path))
        self.history.called.append(name)
        self._assistant([{"type": "tool_use", "id": call_id, "name": name, "input": arguments}], path)

    def _output(self, item: dict[str, Any], path: str) -> None:
        self._drop_thinking()
        call_id = call_id_for("messages", text_member(item, "call_id", path))
        output = item.get("output", "")
        content = output if isinstance(output, str) else self._parts(output, path, name="output")
        self._conversation.result(call_id, content, path)
        self._answered = True

    def _parts(self, content: Any, path: str, *, name: str = "content") -> Blocks:
        where = f"{path}.{name}"
        return [
            {**self._part(an_object(part, f"{where}.{n}"), f"{where}.{n}"), **cache_marker(part)}
            for n, part in enumerate(a_list(content, where))
        ]

    def _part(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        kind = kind_of(part, path)
        if kind in _TEXTS:
            return {"type": "text", "text": text_member(part, "text", path)}
        if kind == "refusal":
            return {"type": "text", "text": text_member(part, "refusal", path)}
        if kind == "input_image":
            return self._image(part, path)
        if kind == "input_file":
            return self._file(part, path)
        raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _image(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        url = optional_text(part, "image_url", path)
        if url is None or not self._can.image_input:
            field = f"{path}.image_url" if url else f"{path}.file_id"
            raise Unsupported(f"{path}: this model cannot be shown this image", field=field)
        if part.get("detail") not in (None, "auto"):
            self._warnings.dropped(f"{path}.detail")
        return claude_image(url, f"{path}.image_url")

    def _file(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        filename = optional_text(part, "filename", path)
        data = optional_text(part, "file_data", path)
        url = optional_text(part, "file_url", path)
        if (data is None and url is None) or not self._can.pdf_input:
            raise Unsupported(f"{path}: this model cannot be shown this file", field=f"{path}.file_id")
        if part.get("detail") not in (None, "auto"):
            self._warnings.dropped(f"{path}.detail")
        if data is not None:
            return claude_document(data, filename, f"{path}.file_data")
        title = {"title": filename} if filename else {}
        return {"type": "document", **title, "source": {"type": "url", "url": url}}


def flat_name(item: dict[str, Any], path: str) -> str:
    """A tool's name with its namespace in front, which is how Claude knows it."""
    name = text_member(item, "name", path)
    namespace = optional_text(item, "namespace", path)
    return f"{namespace}__{name}" if namespace else name
