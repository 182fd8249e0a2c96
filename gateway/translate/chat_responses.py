"""Chat clients on Responses upstreams."""

from gateway.records import DialectName
from gateway.translate.base import Memo
from gateway.translate.chat_responses_answer import translate_answer
from gateway.translate.chat_responses_request import count_body, translate_request
from gateway.translate.chat_responses_stream import ChatFromResponses

__all__ = ["client", "count_body", "reader", "resume", "translate_answer", "translate_request", "upstream"]

client: DialectName = "chat"
upstream: DialectName = "responses"


def reader(memo: Memo) -> ChatFromResponses:
    """A reader for one attempt's stream."""
    return ChatFromResponses(memo)


def resume(body: bytes, memo: Memo) -> bytes | None:
    """OpenAI pauses no turns."""
    return None
