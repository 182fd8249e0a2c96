"""Stop sequences for upstreams that know none: the gateway cuts the text itself."""


class StopScanner:
    """Finds the first stop sequence in a text that comes in pieces.

    What could be the beginning of one is held back until it is clear that it is not.
    """

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences = tuple(sequence for sequence in sequences if sequence)
        self._held = ""
        self.matched: str | None = None

    def feed(self, piece: str) -> str:
        """The text that may be shown now. Once a sequence has matched there is none."""
        if self.matched is not None:
            return ""
        if not self._sequences:
            return piece
        text = self._held + piece
        found = [(place, sequence) for sequence in self._sequences if (place := text.find(sequence)) != -1]
        if found:
            # The one that is complete first, however the text was cut into pieces.
            place, self.matched = min(found, key=lambda pair: (pair[0] + len(pair[1]), pair[0]))
            self._held = ""
            return text[:place]
        kept = self._held_back(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """The text held back, once no more is coming."""
        held, self._held = self._held, ""
        return held

    def _held_back(self, text: str) -> int:
        """The length of the longest end of the text that begins a sequence."""
        longest = max(map(len, self._sequences)) - 1
        for length in range(min(longest, len(text)), 0, -1):
            end = text[-length:]
            if any(sequence.startswith(end) for sequence in self._sequences):
                return length
        return 0
