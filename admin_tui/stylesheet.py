"""The console's style, parsed once."""

from textual.css.stylesheet import Stylesheet


class SteadyStylesheet(Stylesheet):
    """Parses again only what changed.

    Textual 8.2 parses everything anew whenever it refreshes the style: three times before the first screen and twice
    for every main screen that is gone to for the first time, 20 ms each, although no colour changed. Rules that were
    parsed with the same variables stay as they are; a source that came to them is parsed.
    """

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._known = dict(variables or {})
        self._other_variables = False

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._known:
            self._known = dict(variables)
            self._other_variables = True
            super().set_variables(variables)

    def reparse(self) -> None:
        if self._other_variables:
            super().reparse()
            self._other_variables = False
        else:
            # As a property it parses the sources that were added.
            _ = self.rules
