"""Messages clients on Responses upstreams."""

from gateway.records import DialectName
from gateway.translate.base import Memo
from gateway.translate.messages_responses_answer import translate_answer
from gateway.translate.messages_responses_request import count_body, translate_request
from gateway.translate.messages_responses_stream import MessagesFromResponses

__all__ = ["client", "count_body", "reader", "resume", "translate_answer", "translate_request", "upstream"]

client: DialectName = "messages"
upstream: DialectName = "responses"


def reader(memo: Memo) -> MessagesFromResponses:
    """A reader for one attempt's stream."""
    return MessagesFromResponses(memo)


def resume(body: bytes, memo: Memo) -> bytes | None:
    """A response never pauses."""
    return None
