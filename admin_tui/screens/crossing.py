"""From one main screen to another that shows what belongs to a name."""

from typing import TYPE_CHECKING, cast

from admin_tui.screens.lists import ListScreen

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp


def to_calls(console: "ConsoleApp", field: str, name: str) -> None:
    """Live, filtered by a `customer` or a `key`."""
    _go(console, "live", f"{field}:{_quoted(name)}")


def to_keys(console: "ConsoleApp", customer: str) -> None:
    """The keys of a customer."""
    _go(console, "keys", _quoted(customer))


def _go(console: "ConsoleApp", mode: str, text: str) -> None:
    # A screen that was never shown takes its filter from the preferences.
    console.remember("filters", mode, text)
    console.go(mode)

    def filter_it() -> None:
        screen = console.screen
        if isinstance(screen, ListScreen) and mode == screen.NAME and screen.is_mounted:
            cast("ListScreen[object]", screen).set_filter(text)

    console.call_after_refresh(filter_it)


def _quoted(name: str) -> str:
    plain = name.replace('"', "*")
    return f'"{plain}"'
