"""Responses clients on Chat upstreams."""

from gateway.records import DialectName
from gateway.translate.base import Memo
from gateway.translate.responses_chat_answer import translate_answer
from gateway.translate.responses_chat_request import count_body, translate_request
from gateway.translate.responses_chat_stream import ResponsesFromChat

__all__ = ["client", "count_body", "reader", "resume", "translate_answer", "translate_request", "upstream"]

client: DialectName = "responses"
upstream: DialectName = "chat"


def reader(memo: Memo) -> ResponsesFromChat:
    """A reader for one attempt's stream."""
    return ResponsesFromChat(memo)


def resume(body: bytes, memo: Memo) -> bytes | None:
    """OpenAI pauses no turns."""
    return None
