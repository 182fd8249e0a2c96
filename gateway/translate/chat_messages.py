"""Chat clients on Messages upstreams."""

from gateway.records import DialectName
from gateway.translate.base import Memo
from gateway.translate.chat_messages_answer import ChatFromMessages, translate_answer
from gateway.translate.chat_messages_request import count_body, translate_request
from gateway.translate.claude_answer import resume

__all__ = ["client", "count_body", "reader", "resume", "translate_answer", "translate_request", "upstream"]

client: DialectName = "chat"
upstream: DialectName = "messages"


def reader(memo: Memo) -> ChatFromMessages:
    """A reader for one attempt's stream."""
    return ChatFromMessages(memo)
