"""Messages clients on Chat upstreams."""

from gateway.records import DialectName
from gateway.translate.base import Memo
from gateway.translate.messages_chat_answer import MessagesFromChat, translate_answer
from gateway.translate.messages_chat_request import count_body, translate_request

__all__ = ["client", "count_body", "reader", "resume", "translate_answer", "translate_request", "upstream"]

client: DialectName = "messages"
upstream: DialectName = "chat"


def reader(memo: Memo) -> MessagesFromChat:
    """A reader for one attempt's stream."""
    return MessagesFromChat(memo)


def resume(body: bytes, memo: Memo) -> bytes | None:
    """A Chat server never pauses."""
    return None
