"""The tasks the clients are given, and the provider that leads them through.

SHOUT: a note lies in the working folder. The provider asks for two commands at once, one that reads the note and one
that writes a file, then for a third that reads what was written, and ends with a sentence that quotes what came back.
So the sentence is right only if tools ran and their results reached the provider, and the file is there only if the
arguments arrived as they were sent.
"""

import re
from typing import Any

from tests.fakes.content import Tokens, ToolCall
from tests.fakes.play import Asked
from tests.fakes.verbs import Act, cut_after, stream

SHOUT = "Shout the note in this folder."
LOOK = "Look at the picture"
PATCH = "Patch the note in this folder."
SCRIPT = "Read the note with a script."
STUMBLE = "Say that you have arrived."

NOTE = "the heron stands in the reeds"
SHOUTED = NOTE.upper()
PATCHED = "the heron has flown"
SHOUTED_FILE = 'shouted "ä".txt'
THINKING = ("I should look ", "before I shout.")
TOKENS = Tokens(input=1_000, cache_read=200, output=50)

_COMMANDS = (("cat note.txt", f"tr a-z A-Z < note.txt > '{SHOUTED_FILE}'"), (f"cat '{SHOUTED_FILE}'",))
_SHELLS = {"Bash": "command", "exec_command": "cmd"}
_VIEWERS = {"Read": "file_path", "view_image": "path"}
_PATCH = f"*** Begin Patch\n*** Update File: note.txt\n@@\n-{NOTE}\n+{PATCHED}\n*** End Patch\n"
_SCRIPT = "const { output } = await tools.exec_command({ cmd: 'cat note.txt' });\ntext(output);\n"


class Provider:
    """What every request of the clients gets, by the task it speaks of and by how far the task is.

    The first stream of every path that a client is told to STUMBLE on breaks off in the middle.
    """

    def __init__(self) -> None:
        self._stumbled: set[tuple[str, str]] = set()

    def act(self, asked: Asked) -> Act:
        results = tool_results(asked)
        if SHOUT.encode() in asked.body:
            return _shout(asked, results)
        if LOOK.encode() in asked.body:
            return _say("I see it.") if results else _look(asked)
        if PATCH.encode() in asked.body:
            return _say("Patched.") if results else _call("apply_patch", "input", _PATCH)
        if SCRIPT.encode() in asked.body:
            return _say("Read: ", _line(results[-1])) if results else _call("functions__exec", "input", _SCRIPT)
        who = re.search(STUMBLE + r" I am (\w+)", asked.body.decode())
        if who is not None and (asked.path, who[1]) not in self._stumbled:
            self._stumbled.add((asked.path, who[1]))
            return cut_after(2, gap=0.02, text=("I have ", "arr", "ived."))
        return _say("I have ", "arrived.")


def tool_results(asked: Asked) -> list[str]:
    """The texts that tools have answered so far, in order, whichever dialect says it."""
    if asked.dialect == "responses":
        items = asked.json.get("input", [])
        return [_text(item["output"]) for item in items if str(item.get("type")).endswith("_call_output")]
    messages = asked.json.get("messages", [])
    if asked.dialect == "chat":
        return [_text(message["content"]) for message in messages if message["role"] == "tool"]
    blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    return [_text(block["content"]) for block in blocks if block["type"] == "tool_result"]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _shout(asked: Asked, results: list[str]) -> Act:
    shell, argument = _declared(asked, _SHELLS)
    if not results:
        calls = tuple(_tool(shell, argument, command) for command in _COMMANDS[0])
        return stream("I look at the note.", thinking=THINKING, tools=calls, tokens=TOKENS)
    if len(results) == len(_COMMANDS[0]):
        return stream(thinking=THINKING, tools=(_tool(shell, argument, _COMMANDS[1][0]),), tokens=TOKENS)
    return _say("It says: ", _line(results[-1]))


def _look(asked: Asked) -> Act:
    found = re.search(LOOK + r" (/\S+\.png)", asked.body.decode())
    assert found is not None
    return _call(*_declared(asked, _VIEWERS), found[1])


def _line(result: str) -> str:
    """What a command has printed of the note; clients write lines of their own around it."""
    return next((line for line in result.splitlines() if line.lower() == NOTE), "nothing")


def _say(*text: str) -> Act:
    return stream(*text, tokens=TOKENS)


def _call(name: str, argument: str, value: str) -> Act:
    return stream(tools=(_tool(name, argument, value),), tokens=TOKENS)


def _tool(name: str, argument: str, value: str) -> ToolCall:
    """A call with one argument, in pieces as short as a stream's."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    pieces = tuple(escaped[at : at + 5] for at in range(0, len(escaped), 5))
    return ToolCall(name, (f'{{"{argument}": "', *pieces, '"}'))


def _declared(asked: Asked, known: dict[str, str]) -> tuple[str, str]:
    """Of these tools the one this request declares, and its argument."""
    declared = {tool.get("name") or tool.get("function", {}).get("name") for tool in asked.json["tools"]}
    return next((name, argument) for name, argument in known.items() if name in declared)
