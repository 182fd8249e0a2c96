"""The system prompt and messages of a Messages request as Responses input items."""

from typing import Any

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context
from gateway.translate.ids import ToolNames, call_id_for
from gateway.translate.media import data_url, document_text, openai_image_url, search_result_text
from gateway.translate.messages_client import system_blocks, takes_breakpoints
from gateway.translate.reading import a_list, an_object, compact, kind_of, member, optional_text, text_member
from gateway.translate.warnings import Warnings

TOOL_ERROR = "[tool error] "
NO_RESULT = "no result was provided"
_BREAKPOINT = {"mode": "explicit"}
_OWN_SEARCH = "srvtoolu_gw"
"""How the ids begin of the searches that this gateway put into an answer itself."""
_SERVER_BLOCKS = (
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
)

Item = dict[str, Any]


class ResponsesInput:
    """Takes the prompt in its order. `items` is the input; `marked` says that a cache breakpoint stands in it."""

    def __init__(self, context: Context, names: ToolNames, warnings: Warnings) -> None:
        self.items: list[Item] = []
        self.marked = False
        self._context = context
        self._can = context.model.capabilities
        self._takes_markers = takes_breakpoints(context)
        self._names = names
        self._warnings = warnings
        openai = context.flavour == "openai"
        self._system_role = "developer" if openai and self._can.developer_role else "system"
        self._wrap_late_system = not openai and context.options.late_system == "user_wrap"
        self._last_part: Item | None = None
        self._waiting: dict[str, str] = {}
        """Calls without a result yet: id -> path of the call."""

    def system(self, system: Any, path: str = "system", *, note: str = "") -> None:
        """The system prompt, its blocks kept apart. `note` is one more block of the gateway's own."""
        blocks = [block for block, _ in system_blocks(system, path)]
        parts = [self._kept({"type": "input_text", "text": block["text"]}, block) for block in blocks]
        if note:
            parts.append({"type": "input_text", "text": note})
        if parts:
            self.items.append(_message(self._system_role, parts))

    def message(self, message: Item, path: str) -> None:
        """One message. Raises BadRequest naming the block that cannot be said to OpenAI."""
        role = text_member(message, "role", path)
        content = member(message, "content", path)
        where = f"{path}.content"
        if role == "assistant":
            self._assistant(_blocks(content, where), where)
        elif role == "user":
            self._user(_blocks(content, where), where)
        elif role == "system":
            self._late_system(content, path, where)
        else:
            raise BadRequest(f"{path}.role: {role!r} is not a role", field=f"{path}.role")

    def finish(self) -> list[Item]:
        """The whole input. Raises BadRequest for calls that were never answered."""
        self._settle_calls()
        return self.items

    def _late_system(self, content: Any, path: str, where: str) -> None:
        if not self._wrap_late_system:
            self.system(content, where)
            return
        text = "\n".join(block["text"] for block, _ in system_blocks(content, where))
        if text:
            self._warnings.emulated(f"{path}(system)")
            self.items.append(_message("user", [{"type": "input_text", "text": f"<system>\n{text}\n</system>"}]))

    def _assistant(self, blocks: list[tuple[Item, str]], path: str) -> None:
        text = ""
        for block, where in blocks:
            kind = kind_of(block, where)
            if kind == "text":
                text += text_member(block, "text", where)
            elif kind not in _SERVER_BLOCKS:
                text = self._said(text)
                self._assistant_block(kind, block, where)
            else:
                self._server_block(block, kind, where)
            self._moved_marker(block)
        self._said(text)
        self._drop_reasoning_without_follower(path)

    def _said(self, text: str) -> str:
        """Text the model wrote, as a message without an id: there is none to give it. Returns what is left: nothing."""
        if text:
            self.items.append({"type": "message", "role": "assistant", "content": text})
        return ""

    def _assistant_block(self, kind: str, block: Item, path: str) -> None:
        if kind in ("thinking", "redacted_thinking"):
            self._reasoning(block, kind, path)
        elif kind == "tool_use":
            self._call(block, path)
        else:
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _reasoning(self, block: Item, kind: str, path: str) -> None:
        """OpenAI's own reasoning, where this gateway sealed it; nobody else's. Without its encrypted content it is only
        an id, which means nothing to a server that stores nothing."""
        payload = self._context.signer.open(str(block.get("signature") or "")) or {}
        if payload.get("v") != "openai" or not payload.get("e"):
            self._warnings.dropped(f"{path}({kind})", field=path)
            return
        thinking = optional_text(block, "thinking", path)
        summary = [{"type": "summary_text", "text": thinking}] if thinking else []
        self.items.append(
            {"type": "reasoning", "id": payload.get("i", ""), "summary": summary, "encrypted_content": payload["e"]}
        )

    def _drop_reasoning_without_follower(self, path: str) -> None:
        """OpenAI refuses reasoning that nothing came of, which is what a truncated turn leaves."""
        while self.items and self.items[-1]["type"] == "reasoning":
            self.items.pop()
            self._warnings.dropped(f"{path}(thinking)", field=path)

    def _call(self, block: Item, path: str) -> None:
        call_id = text_member(block, "id", path)
        if call_id in self._waiting:
            raise BadRequest(f"{path}.id: `tool_use` ids must be unique", field=f"{path}.id")
        self._waiting[call_id] = path
        self.items.append(
            {
                "type": "function_call",
                "call_id": call_id_for("responses", call_id),
                "name": self._names.upstream(text_member(block, "name", path)),
                "arguments": compact(an_object(block.get("input", {}), f"{path}.input")),
            }
        )

    def _server_block(self, block: Item, kind: str, path: str) -> None:
        """What Anthropic's tools did: the text that came of it stays. Searches of the gateway's own are no loss."""
        own_id = str(block.get("id") or block.get("tool_use_id") or "")
        if not own_id.startswith(_OWN_SEARCH):
            self._warnings.dropped(f"{path}({kind})", field=path)

    def _user(self, blocks: list[tuple[Item, str]], path: str) -> None:
        """Results first, then what the user says with them."""
        parts: list[Item] = []
        for block, where in blocks:
            if kind_of(block, where) == "tool_result":
                parts += self._result(block, where)
        self._settle_calls()
        for block, where in blocks:
            if block["type"] != "tool_result":
                parts += self._user_block(block, where)
        if parts or not blocks:
            self.items.append(_message("user", parts or [{"type": "input_text", "text": ""}]))

    def _result(self, block: Item, path: str) -> list[Item]:
        """A result as an item; for one nobody asked for, which only `lenient` lets through, its content to say."""
        call_id = text_member(block, "tool_use_id", path)
        output = self._output(block, path)
        if self._waiting.pop(call_id, None) is not None:
            self.items.append(_output_item(call_id, output))
            return []
        if not self._warnings.lenient:
            raise BadRequest(
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each `tool_result` block "
                "must have a corresponding `tool_use` block in the previous message.",
                field=path,
            )
        return [{"type": "input_text", "text": output}] if isinstance(output, str) else output

    def _output(self, block: Item, path: str) -> str | list[Item]:
        """A result's content: a string stays one unless it has to carry a cache breakpoint."""
        content = block.get("content")
        failed = block.get("is_error") is True
        if failed:
            self._warnings.emulated("tool_result.is_error")
        marked = self._takes_markers and isinstance(block.get("cache_control"), dict)
        if content is None or (isinstance(content, str) and not marked):
            return (TOOL_ERROR if failed else "") + (content or "")
        parts = [part for one, where in _blocks(content, f"{path}.content") for part in self._user_block(one, where)]
        if failed:
            first = next((part for part in parts if part["type"] == "input_text"), None)
            if first is None:
                parts.insert(0, {"type": "input_text", "text": TOOL_ERROR.rstrip()})
            else:
                first["text"] = TOOL_ERROR + first["text"]
        self._moved_marker(block)
        return parts or ""

    def _settle_calls(self) -> None:
        """Whatever is still waiting for its result is refused, or answered for the user under `lenient`."""
        if not self._waiting:
            return
        if not self._warnings.lenient:
            path = next(iter(self._waiting.values()))
            raise BadRequest(
                f"{path}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(self._waiting)}. Each `tool_use` block must have a corresponding `tool_result` block in "
                "the next message.",
                field=path,
            )
        self.items += [_output_item(call_id, TOOL_ERROR + NO_RESULT) for call_id in self._waiting]
        self._waiting = {}

    def _user_block(self, block: Item, path: str) -> list[Item]:
        kind = kind_of(block, path)
        if kind == "text":
            text = text_member(block, "text", path)
            parts = [{"type": "input_text", "text": text}] if text else []
        elif kind == "image":
            parts = [self._image(block, path)]
        elif kind == "document":
            parts = self._document(block, path)
        elif kind == "search_result":
            self._warnings.emulated(f"{path}(search_result)")
            parts = [{"type": "input_text", "text": search_result_text(block)}]
        else:
            raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")
        if parts:
            self._kept(parts[-1], block)
        else:
            self._moved_marker(block)
        return parts

    def _image(self, block: Item, path: str) -> Item:
        if not self._can.image_input:
            raise Unsupported(f"{path}: images are not supported by this model", field=path)
        source = an_object(member(block, "source", path), f"{path}.source")
        if block.get("transformations"):
            self._warnings.dropped(f"{path}.transformations")
        return {"type": "input_image", "detail": "auto", "image_url": openai_image_url(source, f"{path}.source")}

    def _document(self, block: Item, path: str) -> list[Item]:
        source = an_object(member(block, "source", path), f"{path}.source")
        where = f"{path}.source"
        title = optional_text(block, "title", path)
        self._warn_of_document(block, path)
        kind = kind_of(source, where)
        if kind == "text":
            return [self._told(title, text_member(source, "data", where), path)]
        if kind == "content":
            return self._document_content(title, member(source, "content", where), path, f"{where}.content")
        if kind not in ("base64", "url"):
            raise Unsupported(
                f"{where}: documents of type {kind!r} are not supported by this model", field=f"{where}.type"
            )
        if not self._can.pdf_input:
            raise Unsupported(f"{path}: files are not supported by this model", field=path)
        if kind == "url":
            return [{"type": "input_file", "file_url": text_member(source, "url", where)}]
        media_type = optional_text(source, "media_type", where) or "application/pdf"
        file_data = data_url(media_type, text_member(source, "data", where))
        return [{"type": "input_file", "filename": title or "document.pdf", "file_data": file_data}]

    def _document_content(self, title: str | None, content: Any, path: str, where: str) -> list[Item]:
        """A document that is blocks already: its text in the document's frame, its images in their places."""
        if isinstance(content, str):
            return [self._told(title, content, path)]
        parts: list[Item] = []
        for block, place in _blocks(content, where):
            if kind_of(block, place) == "text":
                parts.append(self._told(title, text_member(block, "text", place), path))
            else:
                parts.append(self._image(block, place))
        return parts

    def _told(self, title: str | None, text: str, path: str) -> Item:
        self._warnings.emulated(f"{path}(document)")
        return {"type": "input_text", "text": document_text(title, text)}

    def _warn_of_document(self, block: Item, path: str) -> None:
        if block.get("context"):
            self._warnings.dropped(f"{path}.context")
        citations = block.get("citations")
        if isinstance(citations, dict) and citations.get("enabled"):
            self._warnings.dropped(f"{path}.citations")

    def _kept(self, part: Item, block: Item) -> Item:
        """A part that may carry the block's cache marker, or a later one that has no part to stand on."""
        self._last_part = part
        self._moved_marker(block)
        return part

    def _moved_marker(self, block: Item) -> None:
        """Put the block's cache marker on the last part that can hold one: the prompt up to there is what is cached."""
        if self._takes_markers and isinstance(block.get("cache_control"), dict) and self._last_part is not None:
            self._last_part["prompt_cache_breakpoint"] = dict(_BREAKPOINT)
            self.marked = True


def _message(role: str, parts: list[Item]) -> Item:
    return {"type": "message", "role": role, "content": parts}


def _output_item(call_id: str, output: str | list[Item]) -> Item:
    return {"type": "function_call_output", "call_id": call_id_for("responses", call_id), "output": output}


def _blocks(content: Any, path: str) -> list[tuple[Item, str]]:
    """Content as blocks with their paths; a string is one text block."""
    if isinstance(content, str):
        return [({"type": "text", "text": content}, path)] if content else []
    return [(an_object(block, f"{path}.{n}"), f"{path}.{n}") for n, block in enumerate(a_list(content, path))]
