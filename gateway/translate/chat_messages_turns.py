"""The messages of a Chat request as Claude's turns."""

from typing import Any

from msgspec import Struct

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Blocks, Context
from gateway.translate.claude_request import ClaudeTools, cache_marker
from gateway.translate.claude_turns import ClaudeConversation
from gateway.translate.ids import call_id_for
from gateway.translate.media import claude_document, claude_image
from gateway.translate.reading import (
    a_list,
    a_text,
    an_object,
    kind_of,
    member,
    optional_text,
    read_arguments,
    text_member,
)
from gateway.translate.toolcalls import WRAPPER_PROPERTY
from gateway.translate.warnings import Warnings

_REASONING = ("thinking", "redacted_thinking")


class History(Struct):
    """The conversation, the upstream's names of the tools it calls, and whether it ends in the results of calls whose
    thinking is not remembered."""

    conversation: ClaudeConversation
    called: list[str] = []
    loop_without_thinking: bool = False


def read_messages(decoded: dict[str, Any], tools: ClaudeTools, context: Context, warnings: Warnings) -> History:
    """Every message in its place. Raises BadRequest."""
    reader = _Reader(tools, context, warnings)
    for position, message in enumerate(a_list(decoded.get("messages"), "messages")):
        path = f"messages.{position}"
        reader.read(an_object(message, path), path)
    return reader.history


class _Reader:
    def __init__(self, tools: ClaudeTools, context: Context, warnings: Warnings) -> None:
        self.history = History(ClaudeConversation(context, warnings))
        self._conversation = self.history.conversation
        self._can = context.model.capabilities
        self._tools = tools
        self._memory = context.memory
        self._warnings = warnings
        self._function_calls = 0
        self._thought = True

    def read(self, message: dict[str, Any], path: str) -> None:
        role = text_member(message, "role", path)
        if message.get("name") is not None and role != "function":
            self._warnings.dropped(f"{path}.name")
        self.history.loop_without_thinking = role in ("tool", "function") and not self._thought
        match role:
            case "system" | "developer":
                self._conversation.system(self._text_blocks(message.get("content"), path), path)
            case "user":
                self._conversation.user(self._user(message.get("content"), path), path)
            case "assistant":
                self._conversation.assistant(self._assistant(message, path), path)
            case "tool":
                call_id = call_id_for("messages", text_member(message, "tool_call_id", path))
                self._conversation.result(call_id, self._result(message.get("content"), path), path)
            case "function":
                call_id = f"call_fn_{self._function_calls - 1}"
                self._conversation.result(call_id, self._result(message.get("content"), path), path)
            case _:
                raise BadRequest(f"{path}.role: {role!r} is not a role", field=f"{path}.role")

    def _text_blocks(self, content: Any, path: str) -> Blocks:
        if content is None or isinstance(content, str):
            return [{"type": "text", "text": content or ""}]
        return [self._text_part(part, where) for part, where in _parts(content, path)]

    def _result(self, content: Any, path: str) -> str | Blocks:
        if content is None or isinstance(content, str):
            return content or ""
        return [self._user_part(part, where) for part, where in _parts(content, path)]

    def _user(self, content: Any, path: str) -> str | Blocks:
        if content is None or isinstance(content, str):
            return content or ""
        return [self._user_part(part, where) for part, where in _parts(content, path)]

    def _text_part(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        if kind_of(part, path) != "text":
            raise Unsupported(f"{path}: only text may stand here", field=f"{path}.type")
        return {"type": "text", "text": text_member(part, "text", path), **cache_marker(part)}

    def _user_part(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        match kind_of(part, path):
            case "text":
                return self._text_part(part, path)
            case "image_url":
                return {**self._image(part, f"{path}.image_url"), **cache_marker(part)}
            case "file":
                return {**self._file(part, f"{path}.file"), **cache_marker(part)}
            case kind:
                raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _image(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        if not self._can.image_input:
            raise Unsupported(f"{path}: this model does not look at images", field=path)
        image = part.get("image_url")
        if isinstance(image, str):
            return claude_image(image, path)
        image = an_object(image, path)
        if image.get("detail") not in (None, "auto"):
            self._warnings.dropped(f"{path}.detail")
        return claude_image(text_member(image, "url", path), f"{path}.url")

    def _file(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        file = an_object(part.get("file"), path)
        if file.get("file_data") is None:
            raise Unsupported(f"{path}: files have to be sent along as file_data", field=path)
        data = text_member(file, "file_data", path)
        document = claude_document(data, optional_text(file, "filename", path), f"{path}.file_data")
        if document["source"]["type"] == "base64" and not self._can.pdf_input:
            raise Unsupported(f"{path}: this model does not read PDF", field=path)
        return document

    def _assistant(self, message: dict[str, Any], path: str) -> str | Blocks:
        if message.get("audio") is not None:
            raise Unsupported(f"{path}.audio is not supported by this model", field=f"{path}.audio")
        if message.get("reasoning_content") or message.get("reasoning"):
            name = "reasoning_content" if message.get("reasoning_content") else "reasoning"
            self._warnings.dropped(f"{path}.{name}")
        said = self._said(message, path)
        calls = [self._call(call, where) for call, where in _calls(message, path)]
        old = message.get("function_call")
        if old is not None:
            calls.append(self._old_call(an_object(old, f"{path}.function_call"), f"{path}.function_call"))
        if not calls:
            text = [block["text"] for block in said]
            return text[0] if len(said) == 1 and isinstance(message.get("content"), str) else said
        self.history.called += [call["name"] for call in calls]
        return self._with_reasoning(said, calls)

    def _said(self, message: dict[str, Any], path: str) -> Blocks:
        content = message.get("content")
        if isinstance(content, list):
            said = [self._assistant_part(part, where) for part, where in _parts(content, path)]
        else:
            said = [{"type": "text", "text": a_text(content, f"{path}.content")}] if content else []
        refusal = message.get("refusal")
        if refusal:
            said.append({"type": "text", "text": a_text(refusal, f"{path}.refusal")})
        return [block for block in said if block["text"]]

    def _assistant_part(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        if kind_of(part, path) == "refusal":
            return {"type": "text", "text": text_member(part, "refusal", path)}
        return self._text_part(part, path)

    def _call(self, call: dict[str, Any], path: str) -> dict[str, Any]:
        kind = call.get("type", "function")
        call_id = call_id_for("messages", text_member(call, "id", path))
        if kind == "custom":
            custom = an_object(member(call, "custom", path), f"{path}.custom")
            arguments = {WRAPPER_PROPERTY: a_text(custom.get("input", ""), f"{path}.custom.input")}
            return self._tool_use(call_id, text_member(custom, "name", f"{path}.custom"), arguments)
        if kind != "function":
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")
        function = an_object(member(call, "function", path), f"{path}.function")
        return self._function_use(call_id, function, f"{path}.function")

    def _old_call(self, function: dict[str, Any], path: str) -> dict[str, Any]:
        call_id = f"call_fn_{self._function_calls}"
        self._function_calls += 1
        return self._function_use(call_id, function, path)

    def _function_use(self, call_id: str, function: dict[str, Any], path: str) -> dict[str, Any]:
        text = a_text(function.get("arguments", ""), f"{path}.arguments")
        arguments = read_arguments(text)
        if arguments is None:
            if not self._warnings.lenient:
                raise BadRequest(f"{path}.arguments: is not a JSON object", field=f"{path}.arguments")
            arguments = {"_raw": text}
        return self._tool_use(call_id, text_member(function, "name", path), arguments)

    def _tool_use(self, call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"type": "tool_use", "id": call_id, "name": self._tools.names.upstream(name), "input": arguments}

    def _with_reasoning(self, said: Blocks, calls: Blocks) -> Blocks:
        """The turn with the reasoning that led to its calls, where it is remembered.

        Claude refuses thinking that moved. What is remembered is either thinking alone, which stood before everything
        the turn said, or everything that came before a call, in its order.
        """
        remembered = [self._memory.get(call["id"]) or [] for call in calls]
        self._thought = any(remembered)
        text = "".join(block["text"] for block in said)
        replayed = "".join(block["text"] for blocks in remembered for block in blocks if block["type"] == "text")
        if replayed and replayed == text:
            return [block for blocks, call in zip(remembered, calls, strict=True) for block in (*blocks, call)]
        thinking = [[block for block in blocks if block["type"] in _REASONING] for blocks in remembered]
        later = [block for blocks, call in zip(thinking[1:], calls[1:], strict=True) for block in (*blocks, call)]
        return [*thinking[0], *said, calls[0], *later]


def _parts(content: Any, path: str) -> list[tuple[dict[str, Any], str]]:
    where = f"{path}.content"
    return [(an_object(part, f"{where}.{n}"), f"{where}.{n}") for n, part in enumerate(a_list(content, where))]


def _calls(message: dict[str, Any], path: str) -> list[tuple[dict[str, Any], str]]:
    calls = message.get("tool_calls")
    where = f"{path}.tool_calls"
    return (
        []
        if calls is None
        else [(an_object(c, f"{where}.{n}"), f"{where}.{n}") for n, c in enumerate(a_list(calls, where))]
    )
