"""The messages of a Messages request as Chat messages."""

from typing import Any

from msgspec import Struct

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Blocks, Context
from gateway.translate.ids import ToolNames, call_id_for
from gateway.translate.media import data_url, document_text, openai_image_url, search_result_text
from gateway.translate.messages_client import breakpoint_of, is_new_version, system_blocks
from gateway.translate.reading import a_list, an_object, compact, kind_of, member, text_member
from gateway.translate.warnings import Warnings

EMPTY = "(empty)"
_ERROR = "[tool error] "
_SYNTHETIC = "srvtoolu_gw"
"""Beginning of the ids of searches that this gateway itself told a client of."""
_SERVER_BLOCKS = ("server_tool_use", "mcp_tool_use")


class History(Struct):
    """The Chat messages, and whether any of them marks a place for the cache."""

    messages: list[dict[str, Any]] = []
    marked: bool = False


def read_messages(
    decoded: dict[str, Any], names: ToolNames, context: Context, warnings: Warnings, *, note: str | None
) -> History:
    """Every message in its place, the system prompt first and `note` at its end. Raises BadRequest."""
    reader = _Reader(names, context, warnings)
    reader.system(decoded.get("system"), note)
    messages = a_list(decoded.get("messages"), "messages")
    for position, message in enumerate(messages):
        reader.read(an_object(message, f"messages.{position}"), f"messages.{position}")
    if messages and messages[-1].get("role") == "assistant":
        message_path = f"messages.{len(messages) - 1}"
        raise Unsupported("Prefilling assistant messages is not supported for this model.", field=message_path)
    reader.settle_calls()
    return reader.history


class _Reader:
    def __init__(self, names: ToolNames, context: Context, warnings: Warnings) -> None:
        self.history = History()
        self._names = names
        self._context = context
        self._warnings = warnings
        self._pending: list[str] = []
        self._pending_path = ""
        self._new_version = is_new_version(context)
        developer = context.flavour == "openai" and context.model.capabilities.developer_role
        self._system_role = "developer" if developer else "system"

    def system(self, system: Any, note: str | None) -> None:
        blocks = [block for block, _ in system_blocks(system)]
        if isinstance(system, str) and note is None:
            content: Any = blocks[0]["text"] if blocks else ""
        else:
            blocks += [{"type": "text", "text": note}] if note else []
            content = self._told(blocks)
        if content:
            self._put({"role": self._system_role, "content": content})

    def read(self, message: dict[str, Any], path: str) -> None:
        role = text_member(message, "role", path)
        content = member(message, "content", path)
        text = content if isinstance(content, str) else None
        blocks = [] if text is not None else _blocks(content, path)
        if role == "assistant":
            self.settle_calls()
            self._assistant(text, blocks, path)
        elif role == "user":
            self._user(text, blocks, path)
        elif role == "system":
            self._late_system(content, path)
        else:
            raise BadRequest(f"{path}.role: {role!r} is not a role", field=f"{path}.role")

    def settle_calls(self) -> None:
        """Every call has its result by now. Raises BadRequest in Anthropic's words."""
        if not self._pending:
            return
        if not self._warnings.lenient:
            raise BadRequest(
                f"{self._pending_path}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(self._pending)}. Each `tool_use` block must have a corresponding `tool_result` block in "
                "the next message.",
                field=self._pending_path,
            )
        for call_id in self._pending:
            content = f"{_ERROR}no result was provided"
            self._put({"role": "tool", "tool_call_id": call_id_for("chat", call_id), "content": content})
        self._pending = []

    def _late_system(self, content: Any, path: str) -> None:
        self.settle_calls()
        told = self._told([block for block, _ in system_blocks(content, f"{path}.content")])
        if not told:
            return
        if self._context.flavour == "generic" and self._context.options.late_system == "user_wrap":
            self._warnings.emulated(f"{path}(system)")
            text = told if isinstance(told, str) else "\n".join(part["text"] for part in told)
            self._put({"role": "user", "content": f"<system>\n{text}\n</system>"})
        else:
            self._put({"role": self._system_role, "content": told})

    def _told(self, blocks: Blocks) -> str | Blocks:
        """System blocks as content. Compatible servers understand a string best."""
        parts = [{"type": "text", "text": block["text"], **self._marker(block)} for block in blocks]
        if self._context.flavour != "openai":
            return "\n\n".join(part["text"] for part in parts)
        return parts

    def _assistant(self, text: str | None, blocks: list[tuple[dict[str, Any], str]], path: str) -> None:
        parts: Blocks = [{"type": "text", "text": text}] if text else []
        calls: Blocks = []
        reasoning = ""
        for block, where in blocks:
            match kind_of(block, where):
                case "text":
                    parts.append({"type": "text", "text": text_member(block, "text", where), **self._marker(block)})
                case "tool_use":
                    calls.append(self._call(block, where))
                case "thinking" | "redacted_thinking":
                    reasoning += self._thinking(block, where)
                case kind:
                    self._other_assistant_block(kind, block, where)
        self._pending_path = path
        message = {"role": "assistant", "content": _content([part for part in parts if part["text"]], joined=True)}
        if reasoning:
            message["reasoning_content"] = reasoning
        if calls:
            message["tool_calls"] = calls
        if message["content"] is not None or calls:
            self._put(message)

    def _call(self, block: dict[str, Any], path: str) -> dict[str, Any]:
        call_id = text_member(block, "id", path)
        self._pending.append(call_id)
        name = self._names.upstream(text_member(block, "name", path))
        arguments = compact(an_object(block.get("input") or {}, f"{path}.input"))
        return {
            "id": call_id_for("chat", call_id),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    def _thinking(self, block: dict[str, Any], path: str) -> str:
        """Thinking has no place in Chat; some servers want their own back."""
        if self._context.options.replay_reasoning and block.get("type") == "thinking":
            payload = self._context.signer.open(str(block.get("signature") or ""))
            if payload is not None and payload.get("v") == "chat":
                return str(block.get("thinking") or "")
        self._warnings.dropped(f"{path}({block['type']})")
        return ""

    def _other_assistant_block(self, kind: str, block: dict[str, Any], path: str) -> None:
        if kind in _SERVER_BLOCKS or kind.endswith("_tool_result"):
            named = str(block.get("id") or block.get("tool_use_id") or "")
            if not named.startswith(_SYNTHETIC):
                self._warnings.dropped(f"{path}({kind})")
            return
        raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _user(self, text: str | None, blocks: list[tuple[dict[str, Any], str]], path: str) -> None:
        """Results first, each a message; then one message with their images and what else the user said."""
        shown: Blocks = []
        said: Blocks = []
        for block, where in blocks:
            if kind_of(block, where) == "tool_result":
                shown += self._result(block, where)
            else:
                said += self._part(block, where)
        self.settle_calls()
        if text is not None or not blocks:
            self._put({"role": "user", "content": text or EMPTY})
        elif shown or said or not any(block["type"] == "tool_result" for block, _ in blocks):
            self._put({"role": "user", "content": _content([*shown, *said], joined=False) or EMPTY})

    def _result(self, block: dict[str, Any], path: str) -> Blocks:
        """A tool message; what is not text comes back, labelled, to be shown after all results."""
        call_id = text_member(block, "tool_use_id", path)
        if call_id not in self._pending:
            return self._orphan(block, call_id, path)
        self._pending.remove(call_id)
        upstream_id = call_id_for("chat", call_id)
        texts, shown = self._result_content(block.get("content"), upstream_id, f"{path}.content")
        text = "\n".join(texts)
        if block.get("is_error") is True:
            self._warnings.emulated("tool_result.is_error")
            text = _ERROR + text
        marker = self._marker(block)
        content = [{"type": "text", "text": text, **marker}] if marker and text else text
        self._put({"role": "tool", "tool_call_id": upstream_id, "content": content})
        return shown

    def _orphan(self, block: dict[str, Any], call_id: str, path: str) -> Blocks:
        if not self._warnings.lenient:
            raise BadRequest(
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each `tool_result` block "
                "must have a corresponding `tool_use` block in the previous message.",
                field=path,
            )
        texts, shown = self._result_content(block.get("content"), call_id, f"{path}.content")
        return [{"type": "text", "text": text} for text in texts if text] + shown

    def _result_content(self, content: Any, call_id: str, path: str) -> tuple[list[str], Blocks]:
        if content is None or isinstance(content, str):
            return [content or ""], []
        texts: list[str] = []
        shown: Blocks = []
        images = 0
        for block, where in _blocks(content, path, own=True):
            for part in self._part(block, where):
                if part["type"] == "text":
                    texts.append(part["text"])
                    continue
                images += 1
                self._warnings.emulated(f"tool_result.{block['type']}")
                texts.append(f"[image {images} of tool call {call_id} follows]")
                shown += [{"type": "text", "text": f"[image {images} of tool call {call_id}]"}, part]
        return texts, shown

    def _part(self, block: dict[str, Any], path: str) -> Blocks:
        match kind_of(block, path):
            case "text":
                text = text_member(block, "text", path)
                if self._new_version and block.get("citations"):
                    raise BadRequest(f"{path}.citations: Extra inputs are not permitted", field=f"{path}.citations")
                return [{"type": "text", "text": text, **self._marker(block)}] if text else []
            case "image":
                if not self._context.model.capabilities.image_input:
                    raise Unsupported(f"{path}: this model does not look at images", field=path)
                url = openai_image_url(an_object(block.get("source"), f"{path}.source"), f"{path}.source")
                return [{"type": "image_url", "image_url": {"url": url}, **self._marker(block)}]
            case "document":
                return self._document(block, path)
            case "search_result":
                self._warnings.emulated(f"{path}(search_result)")
                return [{"type": "text", "text": search_result_text(block), **self._marker(block)}]
            case kind:
                raise Unsupported(f"{path}: type {kind!r} is not supported by this model", field=f"{path}.type")

    def _document(self, block: dict[str, Any], path: str) -> Blocks:
        source = an_object(block.get("source"), f"{path}.source")
        citations = block.get("citations")
        if isinstance(citations, dict) and citations.get("enabled"):
            self._warnings.dropped(f"{path}.citations")
        title = block.get("title") if isinstance(block.get("title"), str) else None
        kind = kind_of(source, f"{path}.source")
        if kind == "text" or (kind == "content" and isinstance(source.get("content"), str)):
            self._warnings.emulated(f"{path}(document)")
            text = text_member(source, "data" if kind == "text" else "content", f"{path}.source")
            return [{"type": "text", "text": document_text(title, text), **self._marker(block)}]
        if kind == "content":
            self._warnings.emulated(f"{path}(document)")
            return self._mixed_document(title, source.get("content"), f"{path}.source.content")
        if kind != "base64" or not (self._context.flavour == "openai" or self._context.options.file_input):
            raise Unsupported(
                f"{path}: documents of source type {kind!r} are not supported by this model",
                field=f"{path}.source.type",
            )
        data = text_member(source, "data", f"{path}.source")
        file = {"filename": title or "document.pdf", "file_data": data_url("application/pdf", data)}
        return [{"type": "file", "file": file, **self._marker(block)}]

    def _mixed_document(self, title: str | None, content: Any, path: str) -> Blocks:
        """A document of text and images: the images stay where they are."""
        head, tail = document_text(title, "\0").split("\0")
        inner = [part for block, where in _blocks(content, path, own=True) for part in self._part(block, where)]
        return [{"type": "text", "text": head.rstrip("\n")}, *inner, {"type": "text", "text": tail.lstrip("\n")}]

    def _marker(self, block: dict[str, Any]) -> dict[str, Any]:
        found = breakpoint_of(block, self._context)
        self.history.marked = self.history.marked or bool(found)
        return found

    def _put(self, message: dict[str, Any]) -> None:
        self.history.messages.append(message)


def _content(parts: Blocks, *, joined: bool) -> str | Blocks | None:
    """Parts as content: a string where that says as much, None where there is nothing.

    `joined`: adjacent texts are one text, as an answer's are; a user's keep their borders.
    """
    if not parts:
        return None
    plain = all(part["type"] == "text" and len(part) == 2 for part in parts)
    if plain and (joined or len(parts) == 1):
        return "".join(part["text"] for part in parts)
    return parts


def _blocks(content: Any, path: str, *, own: bool = False) -> list[tuple[dict[str, Any], str]]:
    """Content blocks, each with its path. `own`: the path is the list's already."""
    where = path if own else f"{path}.content"
    return [(an_object(block, f"{where}.{n}"), f"{where}.{n}") for n, block in enumerate(a_list(content, where))]
