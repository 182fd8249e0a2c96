"""A fake provider for tests, scripted in verbs.

`FakeUpstream` is in memory, `tests.fakes.server.serve_fake` the same on a socket.
"""

from tests.fakes.content import Content, Tokens, ToolCall
from tests.fakes.play import Asked
from tests.fakes.stage import Exchange
from tests.fakes.upstream import FakeUpstream
from tests.fakes.verbs import (
    Act,
    cut_after,
    error_in_200,
    error_midway,
    garbage,
    hang,
    hang_after,
    refuse,
    reply,
    slow_first,
    status,
    stream,
)

__all__ = [
    "Act",
    "Asked",
    "Content",
    "Exchange",
    "FakeUpstream",
    "Tokens",
    "ToolCall",
    "cut_after",
    "error_in_200",
    "error_midway",
    "garbage",
    "hang",
    "hang_after",
    "refuse",
    "reply",
    "slow_first",
    "status",
    "stream",
]
