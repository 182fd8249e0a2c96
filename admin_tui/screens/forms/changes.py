"""Changes made from a form or to several rows at once, and how they are taken back."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from admin_tui.actions import Change, Undo
from gateway.errors import OperatorError, UsageError
from gateway.store.database import Database

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

Result = TypeVar("Result")


def for_each(names: Sequence[str], change: Callable[[Database, str, str], object]) -> Change[int]:
    """`change` for every name, each in a transaction of its own with its own audit row; how many there were.

    Where one is refused, the refusal says how many were done before it.
    """

    def all_of_them(database: Database, actor: str) -> int:
        for done, name in enumerate(names):
            try:
                change(database, actor, name)
            except OperatorError as error:
                if done == 0:
                    raise
                raise UsageError(f"{done} of {len(names)} done. Then: {error.message}") from error
        return len(names)

    return all_of_them


def several(names: Sequence[str], noun: str) -> str:
    """The one name, or how many there are."""
    return names[0] if len(names) == 1 else f"{len(names)} {noun}s"


def tell_done(console: "ConsoleApp", text: str, undo: Undo | None = None) -> None:
    """What `Actions.run` says and does after a change, for forms, which write by themselves."""
    console.actions.last = undo
    console.say(f"{text}  u undoes" if undo else text)
    console.read_again()
