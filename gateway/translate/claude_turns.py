"""A conversation as Claude takes it, put together from the messages or items of an OpenAI client.

Claude wants a user turn first and last, every tool call answered in the very next turn, results before anything else,
no empty text, and system messages in the middle only on some models. What has to change for that is changed in place
and the same way on every turn: nothing is hoisted or reordered, or prompt caches and bound thinking blocks would break.
"""

from typing import Any

from msgspec import Struct

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Blocks, Context
from gateway.translate.warnings import Warnings

EMPTY = "(empty)"
CONTINUES = "(conversation continues)"
NO_RESULT = "no result was provided"


class _Turn(Struct):
    role: str
    content: str | Blocks
    path: str = ""


class ClaudeConversation:
    """Takes what the client said, in order; `finish` gives the `system` blocks and `messages`.

    Every method takes the client's path of what it is given, for complaints and warnings.
    """

    def __init__(self, context: Context, warnings: Warnings) -> None:
        self._mid_system = context.model.capabilities.mid_system
        self._append = context.options.append_user or ("Continue." if warnings.lenient else "")
        self._warnings = warnings
        self._system: Blocks = []
        self._turns: list[_Turn] = []
        self._held: list[tuple[Blocks, str]] = []
        self._pending: dict[str, Blocks | str | None] = {}
        self._answered: set[str] = set()
        self._extra: Blocks = []
        self._pending_path = ""

    def system(self, blocks: Blocks, path: str) -> None:
        """A system or developer message: part of `system` at the beginning, later whatever the model allows."""
        blocks = _said(blocks)
        if not blocks:
            return
        if not self._turns and not self._held:
            self._system += blocks
        else:
            self._held.append((blocks, path))

    def user(self, content: str | Blocks, path: str) -> None:
        """What the user said. It follows the tool results in their turn."""
        said = _said(_blocks(content))
        closed = self._close_results()
        told = [] if self._mid_system else self._told()
        if closed:
            self._turns[-1].content = [*_blocks(self._turns[-1].content), *told, *said]
        elif told:
            self._turns.append(_Turn("user", [*told, *said], path))
        else:
            self._turns.append(_Turn("user", (content if isinstance(content, str) else said) or EMPTY, path))

    def assistant(self, content: str | Blocks, path: str, *, joined: bool = False) -> None:
        """What the model said. `joined`: it belongs to the turn before, if that is the model's too."""
        blocks: str | Blocks = content if isinstance(content, str) else _said(content)
        if not blocks:
            return
        last = self._turns[-1] if self._turns else None
        if joined and last is not None and last.role == "assistant" and not self._held and not self._answered:
            last.content = [*_blocks(last.content), *_blocks(blocks)]
        else:
            self._close_results()
            self._place_held()
            if not self._turns:
                self._turns.append(_Turn("user", CONTINUES))
                self._warnings.emulated(path)
            self._turns.append(_Turn("assistant", blocks, path))
            self._pending_path = path
        for block in _blocks(blocks):
            if block["type"] == "tool_use":
                self._expect(block["id"], path)

    def result(self, call_id: str, content: str | Blocks, path: str) -> None:
        """What a tool call came to, in whatever order. Raises BadRequest for one nobody asked for."""
        if self._pending.get(call_id, "") is None:
            self._pending[call_id] = content
            self._answered.add(call_id)
        elif self._warnings.lenient:
            self._extra += _blocks(content)
        else:
            raise self.orphan(call_id, path)

    def finish(self) -> tuple[Blocks, list[dict[str, Any]]]:
        """The `system` blocks and the `messages`. Raises BadRequest for what Claude would refuse."""
        self._close_results()
        self._place_held()
        if not self._turns:
            self._turns.append(_Turn("user", CONTINUES))
        last = self._turns[-1]
        if last.role == "assistant":
            if not self._append:
                raise Unsupported(
                    f"{last.path}: the last message is the assistant's own, which this model does not continue",
                    field=last.path,
                )
            self._warnings.emulated(last.path)
            self._turns.append(_Turn("user", self._append))
        return self._system, [{"role": turn.role, "content": turn.content} for turn in self._turns]

    def missing(self, call_ids: list[str], path: str) -> BadRequest:
        """The refusal of a call without a result, in OpenAI's words."""
        return BadRequest(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. Missing: {', '.join(call_ids)}",
            field=path,
        )

    def orphan(self, call_id: str, path: str) -> BadRequest:
        """The refusal of a result without a call."""
        return BadRequest(
            f"messages with role 'tool' must be a response to a preceding message with 'tool_calls': {call_id}",
            field=path,
        )

    def _expect(self, call_id: str, path: str) -> None:
        if call_id in self._pending:
            raise BadRequest(f"{path}: tool call id {call_id!r} is used twice", field=path)
        self._pending[call_id] = None

    def _close_results(self) -> bool:
        """Make the user turn that answers the calls before it, in their order. Whether there is one, or loose text."""
        if not self._pending and not self._extra:
            return False
        missing = [call_id for call_id, content in self._pending.items() if content is None]
        if missing and not self._warnings.lenient:
            raise self.missing(missing, self._pending_path)
        results = [_result(call_id, content) for call_id, content in self._pending.items()]
        self._turns.append(_Turn("user", [*results, *_said(self._extra)]))
        self._pending, self._extra, self._answered = {}, [], set()
        return True

    def _place_held(self) -> None:
        """System messages go behind the user turn they stand at, where the model takes them there."""
        if not self._held:
            return
        follows_user = bool(self._turns) and self._turns[-1].role == "user"
        if self._mid_system and follows_user:
            self._turns += [_Turn("system", blocks, path) for blocks, path in self._held]
            self._held = []
        elif follows_user:
            self._turns[-1].content = [*_blocks(self._turns[-1].content), *self._told()]
        else:
            self._turns.append(_Turn("user", self._told()))

    def _told(self) -> Blocks:
        """The system messages held, as words in a user turn."""
        told: Blocks = []
        for blocks, path in self._held:
            self._warnings.emulated(f"{path}(system)")
            text = "\n".join(str(block.get("text", "")) for block in blocks)
            marker = next((block["cache_control"] for block in blocks[::-1] if "cache_control" in block), None)
            block = {"type": "text", "text": f"<system>\n{text}\n</system>"}
            told.append({**block, "cache_control": marker} if marker else block)
        self._held = []
        return told


def _blocks(content: str | Blocks) -> Blocks:
    return ([{"type": "text", "text": content}] if content else []) if isinstance(content, str) else content


def _said(blocks: Blocks) -> Blocks:
    """Without the text blocks that are empty, which Claude refuses; their cache markers move to the block before."""
    kept: Blocks = []
    for block in blocks:
        if block["type"] != "text" or block["text"]:
            kept.append(block)
        elif kept and "cache_control" in block:
            kept[-1] = {"cache_control": block["cache_control"], **kept[-1]}
    return kept


def _result(call_id: str, content: str | Blocks | None) -> dict[str, Any]:
    if content is None:
        return {"type": "tool_result", "tool_use_id": call_id, "is_error": True, "content": NO_RESULT}
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
    kept = content if isinstance(content, str) else _said(content)
    if not kept:
        return block
    marker = None if isinstance(kept, str) else next((part.pop("cache_control", None) for part in kept[::-1]), None)
    block["content"] = kept
    return {**block, "cache_control": marker} if marker else block
