"""The assemblies, by the dialect of the stream."""

from gateway.dialects import assemble_chat, assemble_messages, assemble_responses
from gateway.dialects.assemble import Assembly
from gateway.records import DialectName

_ASSEMBLIES: dict[DialectName, Assembly] = {
    "messages": assemble_messages,
    "chat": assemble_chat,
    "responses": assemble_responses,
}


def assembly_named(name: DialectName) -> Assembly:
    """How streams of this dialect become whole answers."""
    return _ASSEMBLIES[name]
