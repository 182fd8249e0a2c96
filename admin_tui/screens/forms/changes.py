"""Changes made from a form or to several rows at once, and how they are taken back."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from admin_tui.actions import Change, Undo
from admin_tui.widgets.form import Values
from gateway.errors import OperatorError, UsageError
from gateway.store.database import Database

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

Result = TypeVar("Result")


class Edit:
    """Other values for some fields of one thing, and how that is taken back.

    Neither is done where somebody else has changed one of these fields meanwhile: what they wrote would be lost.
    `handle` finds the thing whatever its name becomes; without one it is found by its name.
    """

    def __init__(
        self,
        name: str,
        was: Values,
        given: Values,
        *,
        find: Callable[[Database, str], object],
        change: Callable[[Database, str, str, Values], object],
        handle: str = "",
    ) -> None:
        self._name, self._was, self._given = name, was, given
        self._find, self._change, self._handle = find, change, handle
        self._written: Values = given

    def make(self, database: Database, actor: str) -> None:
        """Raises OperatorError."""
        at = self._handle or self._name
        _refuse_unless(self._find(database, at), self._was, self._name)
        made = self._change(database, actor, at, self._given)
        # As it was stored, which may be in another spelling.
        self._written = {field: getattr(made, field) for field in self._given}

    def take_back(self, database: Database, actor: str) -> None:
        """Raises OperatorError."""
        at = self._handle or self._written.get("name", self._name)
        _refuse_unless(self._find(database, at), self._written, self._name)
        self._change(database, actor, at, self._was)


def _refuse_unless(found: object, expected: Values, name: str) -> None:
    others = [field for field, value in expected.items() if getattr(found, field) != value]
    if others:
        fields = ", ".join(field.removesuffix("_micro").replace("_", " ") for field in others)
        raise UsageError(f"Somebody else has changed {name} meanwhile ({fields}). Nothing was written; look again.")


async def save_edit(
    console: "ConsoleApp",
    name: str,
    before: Values,
    after: Values,
    *,
    find: Callable[[Database, str], object],
    change: Callable[[Database, str, str, Values], object],
    handle: str = "",
) -> None:
    """What a form does with its values: only those that differ are written, and `u` takes them back."""
    given = {field: value for field, value in after.items() if _differs(value, before[field])}
    if not given:
        console.say("Nothing was changed.")
        return
    edit = Edit(name, {field: before[field] for field in given}, given, find=find, change=change, handle=handle)
    await console.actions.write(edit.make)
    tell_done(console, f"{given.get('name', name)} is changed.", Undo(edit.take_back, f"{name} is as it was."))


def _differs(value: Any, before: Any) -> bool:
    """Of patterns the first that fits decides, and equal dicts may differ in their order."""
    return bool(value != before or (isinstance(value, dict) and list(value) != list(before)))


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


async def switch(
    console: "ConsoleApp",
    noun: str,
    names: Sequence[str],
    there: Callable[[Database, str, str], object],
    back: Callable[[Database, str, str], object],
    words: tuple[str, str],
    handles: Sequence[str] = (),
) -> None:
    """Turn things over, and say so in `words`: what they are then, and what they are once that is taken back.

    `handles` are what they are found by, where that is not their names.
    """
    subject, verb = several(names, noun), "is" if len(names) == 1 else "are"
    found_by = handles or names
    undo = Undo(for_each(found_by, back), f"{subject} {verb} {words[1]}.")
    await console.actions.run(for_each(found_by, there), done=f"{subject} {verb} {words[0]}.", undo=undo)


def several(names: Sequence[str], noun: str) -> str:
    """The one name, or how many there are."""
    return names[0] if len(names) == 1 else f"{len(names)} {noun}s"


def tell_done(console: "ConsoleApp", text: str, undo: Undo | None = None) -> None:
    """What `Actions.run` says and does after a change, for forms, which write by themselves."""
    console.actions.last = undo
    console.say(f"{text}  u undoes" if undo else text)
    console.read_again()
