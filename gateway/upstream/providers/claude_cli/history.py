"""A conversation of the Messages API as lines for the CLI's standard input. Pure.

Observed of Claude Code 2.1.197: assistant lines with one `message.id` are merged into one message, so each gets its
own; thinking survives only where `message.model` is the session's own. In the last text of a user's line `/word` is a
command and `@path` has the file read and sent along. So every line ends with a blank text, which is not sent on.
"""

from typing import Any

import msgspec

from gateway.errors import BadRequest, Unsupported
from gateway.upstream.providers.claude_cli.tools import Tools

Message = dict[str, Any]
Content = list[dict[str, Any]]

_BLANK = {"type": "text", "text": " "}


def normalised(messages: object, tools: Tools) -> list[Message]:
    """The messages, strictly alternating, contents as blocks, tools by the CLI's names, without cache marks (the CLI
    sets its own). Raises BadRequest for what the API would refuse and the CLI would quietly mend."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("`messages` must be a list that is not empty.", field="messages")
    found: list[Message] = []
    for number, message in enumerate(messages):
        role, content = _read(message, number, tools)
        if found and found[-1]["role"] == role:
            found[-1]["content"].extend(content)
        else:
            found.append({"role": role, "content": content})
    _check(found)
    return found


def _read(message: object, number: int, tools: Tools) -> tuple[str, Content]:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in ("user", "assistant", "system"):
        raise BadRequest("The role must be user or assistant.", field=f"messages.{number}.role")
    assert isinstance(message, dict)
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise BadRequest("`content` must be text or a list of blocks.", field=f"messages.{number}.content")
    kept = [_block(block, tools) for block in blocks if not _is_blank(block)]
    if role == "system":
        return "user", [_reminder(block) for block in kept]
    return role, kept


def _block(block: dict[str, Any], tools: Tools) -> dict[str, Any]:
    block = {name: value for name, value in block.items() if name != "cache_control"}
    if block.get("type") == "tool_use":
        block["name"] = tools.to_cli(str(block.get("name")))
    return block


def _reminder(block: dict[str, Any]) -> dict[str, Any]:
    """A system message in the middle of a conversation, in the form the CLI itself gives such words."""
    return {"type": "text", "text": f"<system-reminder>\n{block.get('text', '')}\n</system-reminder>"}


def _is_blank(block: dict[str, Any]) -> bool:
    return block.get("type") == "text" and not str(block.get("text") or "").strip()


def _check(messages: list[Message]) -> None:
    if messages[0]["role"] != "user":
        raise BadRequest("The first message must be the user's.", field="messages.0.role")
    if messages[-1]["role"] != "user":
        raise Unsupported(
            "An account of the Claude CLI cannot go on from the beginning of an answer: the last message must be the "
            "user's.",
            field="messages",
        )
    if not messages[-1]["content"]:
        raise BadRequest("The last message is empty.", field="messages")
    asked: list[str] = []
    for message in messages:
        if message["role"] == "assistant":
            asked = _ids(message, "tool_use", "id")
            continue
        answered = _ids(message, "tool_result", "tool_use_id")
        if missing := [each for each in asked if each not in answered]:
            raise BadRequest(f"The call of a tool {missing[0]!r} has no `tool_result` in the next message.")
        if strange := [each for each in answered if each not in asked]:
            raise BadRequest(f"The `tool_result` {strange[0]!r} answers no `tool_use` of the message before it.")


def _ids(message: Message, kind: str, name: str) -> list[str]:
    return [str(block.get(name)) for block in message["content"] if block.get("type") == kind]


def results_of(messages: list[Message]) -> dict[str, dict[str, Any]]:
    """The results by the id of their call, if the last message holds nothing else; otherwise {}."""
    last = messages[-1]["content"]
    if any(block.get("type") != "tool_result" for block in last):
        return {}
    return {str(block.get("tool_use_id")): block for block in last}


def user_line(content: Content, *, query: bool) -> bytes:
    """A user's message. Without `query` it is only remembered, which an empty `result` line acknowledges."""
    line: dict[str, Any] = {
        "type": "user",
        "session_id": "",
        "parent_tool_use_id": None,
        "message": {"role": "user", "content": [*content, _BLANK]},
    }
    if not query:
        line["shouldQuery"] = False
    return msgspec.json.encode(line) + b"\n"


def assistant_line(content: Content, number: int, model: str) -> bytes:
    """An answer of the model's, remembered without an acknowledgement."""
    message = {
        "id": f"msg_history_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
    }
    line = {"type": "assistant", "session_id": "", "parent_tool_use_id": None, "message": message}
    return msgspec.json.encode(line) + b"\n"
