"""Keys in the order they were pressed, however fast they come: over ssh a sentence arrives at once."""

from typing import Protocol, runtime_checkable

from textual import events
from textual.app import App
from textual.widgets import Input, OptionList

Typed = events.Key | events.Paste

_QUIT = "ctrl+q"


@runtime_checkable
class Opening(Protocol):
    """A page that cannot be typed into before it was drawn, or before it has read what its keys are about.

    `held` is what was typed until then; None once that was dealt with.
    """

    held: list[Typed] | None


class InOrder(App[None]):
    """Deals with a key wholly before it takes the next.

    Textual hands a key to the widget that has the focus, from where it finds its way up to whoever has a binding for
    it. Keys behind it overtake it there: `/x` disabled the selected key, `25`, enter, `5` topped up by 255 dollars, and
    what was typed after `n` went nowhere.
    """

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, Typed) and not event.is_forwarded:
            self.app_focus = True
            await self._take(event)
        else:
            await super().on_event(event)

    async def _take(self, event: Typed) -> None:
        screen = self.screen
        if isinstance(screen, Opening) and screen.held is not None and _key(event) != _QUIT:
            screen.held.append(event)
        elif not await self._dealt_with(event):
            await super().on_event(event)

    async def _dealt_with(self, event: Typed) -> bool:
        """False leaves it to Textual: nobody has a binding for it."""
        focused = self.focused
        if isinstance(event, events.Paste):
            if isinstance(focused, Input):
                focused._on_paste(event)
            return isinstance(focused, Input)
        if await self._check_bindings(event.key, priority=True):
            return True
        if event.is_printable and isinstance(focused, Input):
            await focused._on_key(event)
            return True
        if event.is_printable and isinstance(focused, OptionList):
            # It looks for the option that begins so.
            return False
        return await self._check_bindings(event.key)

    async def release(self, screen: Opening) -> None:
        """The page is ready: what was typed for it, in its order. A page that this opens holds the rest of it."""
        held, screen.held = screen.held, None
        if self.is_running:
            for event in held or ():
                await self._take(event)


def _key(event: Typed) -> str:
    return event.key if isinstance(event, events.Key) else ""
