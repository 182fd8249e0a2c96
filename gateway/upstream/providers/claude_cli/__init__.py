"""An account that is a program: the operator's own `claude`, run without a terminal, a process for each conversation.

A request is read by `request.py`, `history.py` and `tools.py`; `sessions.py` has the processes of an account,
`session.py` one conversation, `process.py` its supervision; `lines.py` reads what it prints and `refusals.py` why it
gave no answer; `transport.py` makes an answer of the Messages API of it. docs/claude-cli.md has the operator's side.
"""

from gateway.upstream.providers.claude_cli.provider import PROVIDER
from gateway.upstream.providers.claude_cli.transport import ClaudeCliTransport

__all__ = ["PROVIDER", "ClaudeCliTransport"]
