"""Responses clients on Messages upstreams."""

from gateway.records import DialectName
from gateway.translate.base import Memo
from gateway.translate.claude_answer import resume
from gateway.translate.responses_messages_answer import translate_answer
from gateway.translate.responses_messages_request import count_body, translate_request
from gateway.translate.responses_messages_stream import ResponsesFromMessages

__all__ = ["client", "count_body", "reader", "resume", "translate_answer", "translate_request", "upstream"]

client: DialectName = "responses"
upstream: DialectName = "messages"


def reader(memo: Memo) -> ResponsesFromMessages:
    """A reader for one attempt's stream."""
    return ResponsesFromMessages(memo)
