"""Tools of Anthropic's that the client runs: for other vendors a function with the schema the model was trained on.

The call comes back under the same name and with the same input, so the client does not notice. Schemas are those of
https://platform.claude.com/docs/en/agents-and-tools/tool-use (October 2026).
"""

from typing import Any


def _string(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


_BASH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "command": _string("The command to run"),
        "restart": {"type": "boolean", "description": "Restart the session"},
    },
}

_RANGE: dict[str, Any] = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "First and last line to view, counted from 1; -1 is the last of the file",
}


def _editor(*, undo: bool) -> dict[str, Any]:
    commands = ["view", "create", "str_replace", "insert", *(["undo_edit"] if undo else [])]
    return {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": commands, "description": "The command to run"},
            "path": _string("Path of the file or directory"),
            "file_text": _string("Content of the file to create"),
            "old_str": _string("Text to replace; it must occur exactly once"),
            "new_str": _string("Text to put in its place, or to insert"),
            "insert_line": {"type": "integer", "description": "Line after which to insert; 0 is the beginning"},
            "insert_text": _string("Text to insert"),
            "view_range": _RANGE,
        },
        "required": ["command", "path"],
    }


_MEMORY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "command": {
            "type": "string",
            "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
            "description": "The command to run",
        },
        "path": _string("Path below /memories"),
        "view_range": _RANGE,
        "file_text": _string("Content of the file to create"),
        "old_str": _string("Text to replace"),
        "new_str": _string("Text to put in its place"),
        "insert_line": {"type": "integer", "description": "Line at which to insert"},
        "insert_text": _string("Text to insert"),
        "old_path": _string("Path of the file to rename"),
        "new_path": _string("Its new path"),
    },
    "required": ["command"],
}

_EDIT_FILES = "View, create and edit text files."

CLIENT_TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "bash_20250124": ("Run a command in a persistent bash session.", _BASH),
    "text_editor_20250124": (_EDIT_FILES, _editor(undo=True)),
    "text_editor_20250429": (_EDIT_FILES, _editor(undo=False)),
    "text_editor_20250728": (_EDIT_FILES, _editor(undo=False)),
    "memory_20250818": ("Read and write files that last beyond this conversation.", _MEMORY),
}
"""Type on the wire -> description and parameters of the function that stands for it."""
