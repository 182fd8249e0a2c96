"""Tools that a Responses request declares among its input, in items of type `additional_tools`.

Codex CLI declares all of its tools so with OpenAI's newer models, and none in `tools`.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from gateway.translate.reading import a_list

ADDED_TOOLS = "additional_tools"


def declared_tools(decoded: dict[str, Any], history: Iterable[dict[str, Any]]) -> list[Any]:
    """Every tool of a request: those of `tools`, then those that history and input add to them.

    Other dialects declare tools in one place only. What was declared before in the same words is left out, for stored
    history and input may hold the same item. Raises BadRequest.
    """
    tools = list(a_list(decoded.get("tools", []), "tools"))
    given = decoded.get("input")
    for item in chain(history, given if isinstance(given, list) else ()):
        if isinstance(item, dict) and item.get("type") == ADDED_TOOLS:
            tools += [tool for tool in a_list(item.get("tools"), "input.tools") if tool not in tools]
    return tools
