"""Text that comes in pieces."""


class Pieces:
    """A text under way. Adding to a string would copy all of it for every piece: 3 s over an answer of 128k tokens."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)

    def joined(self) -> str:
        """The text so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def take(self) -> str:
        """The text so far, which is then gone from here."""
        text = self.joined()
        self._pieces = []
        return text
