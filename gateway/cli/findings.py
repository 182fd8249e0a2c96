"""What `trigate doctor` finds: one line a check."""

from typing import Literal

from msgspec import Struct

State = Literal["ok", "note", "broken"]


class Finding(Struct, frozen=True):
    """The outcome of one check. `fix` says what to do where it is not well; a `note` can be lived with."""

    check: str
    state: State
    said: str
    fix: str = ""


def well(check: str, said: str) -> Finding:
    return Finding(check, "ok", said)


def noted(check: str, said: str, fix: str = "") -> Finding:
    return Finding(check, "note", said, fix)


def broken(check: str, said: str, fix: str) -> Finding:
    return Finding(check, "broken", said, fix)
