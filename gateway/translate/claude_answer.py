"""Reading Claude's whole answers and resuming its paused ones, for the clients of OpenAI's dialects."""

from typing import Any

import msgspec

from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.messages_events import MessageUsage

PAUSED = "pause_turn"
TRUNCATED = ("max_tokens", "model_context_window_exceeded")


def decode_message(body: bytes) -> dict[str, Any] | None:
    """A whole message with its content as a list of objects; None for anything that is no message."""
    try:
        found: Any = msgspec.json.decode(body)
    except DECODE_ERRORS:
        return None
    if not isinstance(found, dict) or found.get("error") or not isinstance(found.get("content"), list):
        return None
    found["content"] = [block for block in found["content"] if isinstance(block, dict)]
    return found


def resume_request(memo: Memo, message: dict[str, Any]) -> bytes | None:
    """The request that lets a paused turn go on, or None where it may not any more. The memo keeps the message.

    What Claude said so far goes back as it came; a later pause is resumed with everything since the first.
    """
    if message.get("stop_reason") != PAUSED or memo.resumes_left <= 0 or not memo.request:
        return None
    memo.legs.append(message)
    content = [block for leg in memo.legs for block in leg["content"]]
    request = {**memo.request, "messages": [*memo.request["messages"], {"role": "assistant", "content": content}]}
    return msgspec.json.encode(request)


def resume(body: bytes, memo: Memo) -> bytes | None:
    """The request that lets a paused answer go on, or None."""
    message = decode_message(body)
    return None if message is None else resume_request(memo, message)


def with_paused(last: dict[str, Any], memo: Memo) -> tuple[list[dict[str, Any]], Usage | None]:
    """Every part of an answer, those that paused first, and the usage of all of them together."""
    parts = [*memo.legs, last]
    report = MessageUsage()
    for part in parts:
        report.read(part.get("usage"))
        report.next_part()
    return parts, report.usage


def truncated(stop_reason: object) -> bool:
    """Whether the answer ended before it was finished. A pause that nobody resumed counts as one."""
    return stop_reason in TRUNCATED or stop_reason == PAUSED


def strip_fence(text: str) -> str:
    """JSON without the code fence some models put around it."""
    bare = text.strip()
    if not bare.startswith("```") or not bare.endswith("```") or len(bare) < 6:
        return text
    first_line, _, rest = bare[3:-3].partition("\n")
    return rest.strip() if first_line.strip().lower() in ("", "json") else text
