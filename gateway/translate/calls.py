"""Which tool call a streamed fragment belongs to, on servers that number them well and on those that do not."""

from msgspec import Struct, field

from gateway.translate.chat_chunks import Fragment
from gateway.translate.pieces import Pieces
from gateway.translate.toolcalls import ObjectScanner


class Call(Struct, eq=False):
    """A tool call as far as it has come."""

    number: int
    name: str = ""
    given_id: str = ""
    custom: bool = False
    scanner: ObjectScanner = field(default_factory=ObjectScanner)
    _said: Pieces = field(default_factory=Pieces)
    _waiting: Pieces = field(default_factory=Pieces)

    @property
    def id(self) -> str:
        """The upstream's id; where it gave none, one that is unlike the others of this answer."""
        return self.given_id or f"call_{self.number}"

    @property
    def arguments(self) -> str:
        """All of its JSON so far."""
        return self._said.joined()

    def add(self, piece: str) -> None:
        """Another piece of its JSON."""
        self.scanner.feed(piece)
        self._said.add(piece)
        self._waiting.add(piece)

    def unsent(self) -> str:
        """The arguments that have not gone out yet, which now count as sent."""
        return self._waiting.take()


class Calls:
    """The calls of one answer, in the order they first appeared."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._by_index: dict[int, Call] = {}

    def take(self, fragment: Fragment) -> Call:
        """The call a fragment belongs to, with the fragment added to it.

        Without an index the id decides, and without either it is the last call. An index that comes again with
        another id is another call: some servers number every call 0.
        """
        call = self._find(fragment)
        if call is None:
            call = Call(len(self.all))
            self.all.append(call)
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        call.name = call.name or fragment.name
        call.given_id = call.given_id or fragment.id
        call.custom = call.custom or fragment.custom
        call.add(fragment.arguments)
        return call

    def _find(self, fragment: Fragment) -> Call | None:
        if fragment.index is None:
            if fragment.id:
                return next((call for call in self.all if call.given_id == fragment.id), None)
            if fragment.name and self.all and self.all[-1].name:
                return None
            return self.all[-1] if self.all else None
        call = self._by_index.get(fragment.index)
        if call is None or (fragment.id and call.given_id and fragment.id != call.given_id):
            return None
        begins_again = bool(fragment.name and call.name and fragment.arguments) and call.scanner.complete
        return None if begins_again and not fragment.id else call
