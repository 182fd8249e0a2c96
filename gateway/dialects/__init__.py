"""The client protocols: one module each, all with the functions of `base.Dialect`."""

from gateway.dialects import chat, messages, responses
from gateway.dialects.base import Dialect
from gateway.records import DialectName

_DIALECTS: dict[DialectName, Dialect] = {"messages": messages, "chat": chat, "responses": responses}


def dialect_named(name: DialectName) -> Dialect:
    """The module that speaks this dialect."""
    return _DIALECTS[name]
