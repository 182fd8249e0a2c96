"""The messages of a Chat request as Responses input items."""

from typing import Any

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Blocks, Context
from gateway.translate.ids import ToolNames, call_id_for
from gateway.translate.openai_pairs import breakpoint_of
from gateway.translate.reading import (
    a_list,
    a_text,
    an_object,
    compact,
    kind_of,
    member,
    optional_text,
    text_member,
)
from gateway.translate.toolcalls import wrapped
from gateway.translate.warnings import Warnings

MESSAGE = {"type": "message"}
"""Stands, in what is remembered of an answer, for the text that came between its reasoning and its call."""

_NO_RESULT = "no result was provided"


class ChatItems:
    """Takes Chat messages in order; `finish` gives the input items.

    Calls to freeform tools go out as such, or, with `wrap`, as functions. Reasoning that led to a call and is still
    remembered goes back in front of what it was followed by.
    """

    def __init__(self, names: ToolNames, context: Context, warnings: Warnings, *, wrap: bool) -> None:
        self._items: list[dict[str, Any]] = []
        self._names = names
        self._context = context
        self._warnings = warnings
        self._wrap = wrap
        self._pending: dict[str, str] = {}
        self._pending_path = ""
        self._old_calls = 0

    def told(self, text: str) -> None:
        """A system message of the gateway's own, in front of everything."""
        part = {"type": "input_text", "text": text}
        self._items.append({"type": "message", "role": "system", "content": [part]})

    def message(self, message: dict[str, Any], path: str) -> None:
        """The next message. Raises BadRequest."""
        role = text_member(message, "role", path)
        if message.get("name") is not None and role != "function":
            self._warnings.dropped(f"{path}.name")
        match role:
            case "tool":
                self._result(text_member(message, "tool_call_id", path), message, path)
            case "function":
                self._result(f"call_fn_{self._old_calls - 1}", message, path)
            case "user" | "system" | "developer":
                self._settle_calls()
                self._prompt(role, message, path)
            case "assistant":
                self._settle_calls()
                self._assistant(message, path)
            case _:
                raise BadRequest(f"{path}.role: {role!r} is not a role", field=f"{path}.role")

    def finish(self) -> list[dict[str, Any]]:
        """The input items. Raises BadRequest for a call without a result."""
        self._settle_calls()
        return self._items

    def _prompt(self, role: str, message: dict[str, Any], path: str) -> None:
        if role == "developer" and self._context.flavour != "openai":
            role = "system"
        parts = self._parts(message.get("content"), path, text_only=role != "user")
        self._items.append({"type": "message", "role": role, "content": parts})

    def _parts(self, content: Any, path: str, *, text_only: bool) -> Blocks:
        if content is None or isinstance(content, str):
            return [{"type": "input_text", "text": content or ""}]
        return [self._part(part, where, text_only=text_only) for part, where in _parts_of(content, path)]

    def _part(self, part: dict[str, Any], path: str, *, text_only: bool) -> dict[str, Any]:
        kind = kind_of(part, path)
        marker = breakpoint_of(part, self._context)
        if kind == "text":
            return {"type": "input_text", "text": text_member(part, "text", path), **marker}
        if text_only:
            raise Unsupported(f"{path}: only text may stand here", field=f"{path}.type")
        if kind == "image_url":
            return {**_image(part, f"{path}.image_url"), **marker}
        if kind == "file":
            return {**self._file(an_object(member(part, "file", path), f"{path}.file"), f"{path}.file"), **marker}
        raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _file(self, file: dict[str, Any], path: str) -> dict[str, Any]:
        name = optional_text(file, "filename", path)
        named = {} if name is None else {"filename": name}
        if file.get("file_data") is not None:
            return {"type": "input_file", **named, "file_data": text_member(file, "file_data", path)}
        if self._context.flavour != "openai":
            raise Unsupported(f"{path}: files have to be sent along as file_data", field=path)
        return {"type": "input_file", "file_id": text_member(file, "file_id", path)}

    def _assistant(self, message: dict[str, Any], path: str) -> None:
        if message.get("audio") is not None:
            raise Unsupported(f"{path}.audio is not supported by this model", field=f"{path}.audio")
        for name in ("reasoning_content", "reasoning"):
            if message.get(name):
                self._warnings.dropped(f"{path}.{name}")
        said = _said(message, path)
        spoken = [{"type": "message", "role": "assistant", "content": said}] if said else []
        calls = self._calls(message, path)
        remembered = [self._context.memory.get(call_id) or [] for call_id in self._pending]
        if not any(MESSAGE in blocks for blocks in remembered):
            self._items += spoken
            spoken = []
        for blocks, call in zip(remembered, calls, strict=True):
            for block in blocks:
                self._items += spoken if block == MESSAGE else [block]
                spoken = [] if block == MESSAGE else spoken
            self._items.append(call)

    def _calls(self, message: dict[str, Any], path: str) -> list[dict[str, Any]]:
        self._pending_path = path
        found = message.get("tool_calls")
        calls = []
        for number, call in enumerate([] if found is None else a_list(found, f"{path}.tool_calls")):
            where = f"{path}.tool_calls.{number}"
            calls.append(self._call(an_object(call, where), where))
        old = message.get("function_call")
        if old is not None:
            function = an_object(old, f"{path}.function_call")
            calls.append(
                self._call({"id": f"call_fn_{self._old_calls}", "type": "function", "function": function}, path)
            )
            self._old_calls += 1
        return calls

    def _call(self, call: dict[str, Any], path: str) -> dict[str, Any]:
        call_id = text_member(call, "id", path)
        if call_id in self._pending:
            raise BadRequest(f"{path}: tool call id {call_id!r} is used twice", field=path)
        kind = call.get("type", "function")
        if kind not in ("function", "custom"):
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")
        held = an_object(member(call, kind, path), f"{path}.{kind}")
        name = self._names.upstream(text_member(held, "name", f"{path}.{kind}"))
        made = {"call_id": call_id_for("responses", call_id), "name": name}
        if kind == "custom" and not self._wrap:
            self._pending[call_id] = "custom_tool_call_output"
            return {"type": "custom_tool_call", **made, "input": text_member(held, "input", f"{path}.custom")}
        self._pending[call_id] = "function_call_output"
        if kind == "custom":
            return {"type": "function_call", **made, "arguments": wrapped(text_member(held, "input", f"{path}.custom"))}
        return {"type": "function_call", **made, "arguments": _arguments(held, f"{path}.function")}

    def _result(self, call_id: str, message: dict[str, Any], path: str) -> None:
        content = message.get("content")
        output: Any = content or ""
        if isinstance(content, list):
            output = self._parts(content, path, text_only=False)
        kind = self._pending.pop(call_id, None)
        if kind is not None:
            self._items.append({"type": kind, "call_id": call_id_for("responses", call_id), "output": output})
        elif self._warnings.lenient:
            self._warnings.emulated(path)
            parts = [{"type": "input_text", "text": output}] if isinstance(output, str) else output
            self._items.append({"type": "message", "role": "user", "content": parts})
        else:
            raise BadRequest(
                f"messages with role 'tool' must be a response to a preceding message with 'tool_calls': {call_id}",
                field=path,
            )

    def _settle_calls(self) -> None:
        """Every call has its result by now, or gets one that says there is none."""
        if self._pending and not self._warnings.lenient:
            raise BadRequest(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. Missing: {', '.join(self._pending)}",
                field=self._pending_path,
            )
        for call_id, kind in self._pending.items():
            self._warnings.emulated(self._pending_path)
            self._items.append({"type": kind, "call_id": call_id_for("responses", call_id), "output": _NO_RESULT})
        self._pending = {}


def _parts_of(content: Any, path: str) -> list[tuple[dict[str, Any], str]]:
    where = f"{path}.content"
    return [(an_object(part, f"{where}.{n}"), f"{where}.{n}") for n, part in enumerate(a_list(content, where))]


def _said(message: dict[str, Any], path: str) -> str:
    """What the model said, refusals included: an input message has no other place for them."""
    content = message.get("content")
    texts = [content] if isinstance(content, str) else []
    for part, where in _parts_of(content, path) if isinstance(content, list) else ():
        kind = kind_of(part, where)
        if kind not in ("text", "refusal"):
            raise Unsupported(f"{where}: type {kind!r} is not supported by this model", field=f"{where}.type")
        texts.append(text_member(part, kind, where))
    refusal = message.get("refusal")
    if refusal is not None and not isinstance(content, list):
        texts.append(a_text(refusal, f"{path}.refusal"))
    return "".join(texts)


def _image(part: dict[str, Any], path: str) -> dict[str, Any]:
    image = part.get("image_url")
    if isinstance(image, str):
        return {"type": "input_image", "detail": "auto", "image_url": image}
    image = an_object(image, path)
    detail = optional_text(image, "detail", path) or "auto"
    return {"type": "input_image", "detail": detail, "image_url": text_member(image, "url", path)}


def _arguments(function: dict[str, Any], path: str) -> str:
    """The text of a call's arguments, the same as last time; some clients send the object itself."""
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        return compact(arguments)
    return "{}" if arguments is None else a_text(arguments, f"{path}.arguments") or "{}"
