"""What the console remembers in its user's configuration folder: theme, own keys, filters, sort orders."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec
import platformdirs
from msgspec import Struct

NAME = "console.json"


class Preferences(Struct, omit_defaults=True):
    """`keys` gives commands other keys: `{"keys.revoke": "ctrl+d"}`. `filters` and `sorts` are by screen."""

    theme: str = ""
    keys: dict[str, str] = {}
    filters: dict[str, str] = {}
    sorts: dict[str, str] = {}


def default_folder() -> Path:
    return platformdirs.user_config_path("trigate", appauthor=False)


def load(folder: Path) -> tuple[Preferences, str]:
    """The preferences, and what is wrong with the file ("" if nothing is): then they are the defaults."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Preferences), ""
    except FileNotFoundError:
        return Preferences(), ""
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Preferences(), f"{path} cannot be used: {error}. The defaults hold; it is not overwritten."


def save(folder: Path, preferences: Preferences) -> None:
    """Written beside and renamed, so that two consoles never leave half a file. A folder that refuses is left alone."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{NAME}.{os.getpid()}"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(preferences)))
        new.replace(folder / NAME)
