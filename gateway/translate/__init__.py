"""Translation between the dialects: one module per pair of client and upstream."""

import gateway.translate.chat_messages as chat_messages
import gateway.translate.chat_responses as chat_responses
import gateway.translate.messages_chat as messages_chat
import gateway.translate.messages_responses as messages_responses
import gateway.translate.responses_chat as responses_chat
import gateway.translate.responses_messages as responses_messages
from gateway.records import DialectName
from gateway.translate.base import Translator

_TRANSLATORS: dict[tuple[DialectName, DialectName], Translator] = {
    ("messages", "chat"): messages_chat,
    ("chat", "messages"): chat_messages,
    ("chat", "responses"): chat_responses,
    ("responses", "chat"): responses_chat,
    ("messages", "responses"): messages_responses,
    ("responses", "messages"): responses_messages,
}

PAIRS = tuple(_TRANSLATORS)


def translator(client: DialectName, upstream: DialectName) -> Translator:
    """The module that translates this pair. KeyError for a dialect and itself: those answers are passed on."""
    return _TRANSLATORS[client, upstream]
