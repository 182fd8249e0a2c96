"""The filter language of the console. Pure.

    key:team-alpha model:sonnet status:5xx !account:spare >0.10 timeout

Terms stand side by side and all have to hold; `!` turns the one it stands before round; values with a comma between
them are alternatives. Text is looked for anywhere inside, whatever its case; with `*` or `?` the whole has to fit; in
quotes it is exact. Money is what the customer pays, in dollars.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, get_args

from msgspec import Struct

from gateway.billing.money import parse_usd
from gateway.errors import UsageError
from gateway.records import DialectName, Outcome
from gateway.store.queries.audit import AuditWord
from gateway.store.queries.call_filter import (
    CallFilter,
    Condition,
    CostIn,
    IdColumn,
    IdIn,
    Not,
    OutcomeIn,
    Pattern,
    Plain,
    StatusIn,
    TextIn,
    Word,
)
from gateway.store.queries.names import Names

OUTCOMES: tuple[str, ...] = ("open", *get_args(Outcome))
DIALECTS: tuple[str, ...] = get_args(DialectName)


class FilterError(UsageError):
    """What was typed cannot be read. `position` (from 0) and `length` say which part of it."""

    def __init__(self, message: str, position: int, length: int) -> None:
        super().__init__(message)
        self.position = position
        self.length = length


class FilterField(Struct, frozen=True):
    """One field of the language, for the help."""

    name: str
    example: str
    help: str


FIELDS = (
    FilterField("key", "key:team-alpha", "calls of keys with this in their name"),
    FilterField("customer", "customer:acme", "calls of customers with this in their name"),
    FilterField("account", "account:main", "calls that this account served"),
    FilterField("model", "model:sonnet", "calls of models with this in their id"),
    FilterField("status", "status:5xx", "an HTTP status, a class of them, or open"),
    FilterField("outcome", "outcome:failed", ", ".join(OUTCOMES)),
    FilterField("tier", "tier:claude", "calls of keys in this tier"),
    FilterField("dialect", "dialect:chat", ", ".join(DIALECTS)),
)
_NAMES = tuple(field.name for field in FIELDS)
_FIELD = re.compile(r"([A-Za-z_]+):")
_COMPARISON = re.compile(r"[<>]=?")
_STATUS = re.compile(r"[1-9]\d\d|[1-9]xx", re.IGNORECASE)


class Named(Struct, frozen=True):
    """Customers, keys or accounts by name."""

    kind: Literal["customer", "key", "account"]
    patterns: tuple[Pattern, ...]


class FreeWord(Struct, frozen=True):
    """Text anywhere in a call."""

    pattern: Pattern


class Term(Struct, frozen=True):
    """One term as typed. `inverse`: it must not hold."""

    meaning: Named | FreeWord | Plain
    inverse: bool = False


class Query(Struct, frozen=True):
    """What was typed, understood. All terms have to hold; without any, everything is wanted."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    def resolve(self, names: Names) -> CallFilter:
        """The calls it means, given what things are called now. Give it to `call_page` and to `matches`."""
        conditions: list[Condition] = []
        for term in self.terms:
            condition = _resolve(term.meaning, names)
            conditions.append(Not(condition) if term.inverse else condition)
        return CallFilter(conditions=tuple(conditions))


class _Piece(Struct, frozen=True):
    """One value between commas, and where it stands."""

    text: str
    quoted: bool
    position: int

    def pattern(self) -> Pattern:
        if self.quoted:
            return Pattern(self.text, "exact")
        return Pattern(self.text, "glob" if "*" in self.text or "?" in self.text else "inside")

    def fail(self, message: str) -> FilterError:
        return FilterError(message, self.position, max(1, len(self.text)))


class _Token(Struct, frozen=True):
    """`!field:value,value`. `field` is empty for a free word, `<`, `<=`, `>` or `>=` for an amount."""

    field: str
    pieces: tuple[_Piece, ...]
    inverse: bool
    position: int


def parse(text: str) -> Query:
    """Raises FilterError."""
    return Query(text, tuple(Term(_meaning(token), token.inverse) for token in _tokens(text)))


def parse_words(text: str) -> tuple[AuditWord, ...]:
    """Free words and `!` alone, for listings without fields; a colon is an ordinary character. Raises FilterError."""
    return tuple(AuditWord(_word(token).pattern, token.inverse) for token in _tokens(text, fields=False))


def row_filter(text: str) -> Callable[[Iterable[str]], bool]:
    """A predicate over the texts of a table's row, for listings that are in memory as a whole. Raises FilterError."""
    words = parse_words(text)

    def wanted(cells: Iterable[str]) -> bool:
        folded = [cell.casefold() for cell in cells]
        return all(any(_fits(word.pattern, cell) for cell in folded) is not word.inverse for word in words)

    return wanted


def _tokens(text: str, *, fields: bool = True) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        begin, inverse, field = at, text[at] == "!", ""
        at += inverse
        if inverse and (at == len(text) or text[at].isspace()):
            raise FilterError("! turns round what stands behind it, and nothing does.", begin, 1)
        found = (_FIELD.match(text, at) or _COMPARISON.match(text, at)) if fields else None
        if found is not None:
            field, at = found[0].removesuffix(":").lower(), found.end()
            _check_field(field, found.start())
        # A comma in an amount stands between thousands.
        pieces, at = _pieces(text, at, split=field in _NAMES)
        yield _Token(field, tuple(pieces), inverse, begin)


def _check_field(field: str, position: int) -> None:
    if field in _NAMES or field[0] in "<>":
        return
    close = difflib.get_close_matches(field, _NAMES, n=1)
    hint = f"Did you mean {close[0]}:?" if close else f"There are {', '.join(f'{name}:' for name in _NAMES)}."
    raise FilterError(f"There is no {field}: to filter by. {hint} In quotes it is text.", position, len(field) + 1)


def _pieces(text: str, at: int, *, split: bool) -> tuple[list[_Piece], int]:
    """The values from `at` to the next space, and where they end."""
    pieces: list[_Piece] = []
    while True:
        if text[at : at + 1] == '"':
            end = text.find('"', at + 1)
            if end < 0:
                raise FilterError("This quote is not closed.", at, len(text) - at)
            pieces.append(_Piece(text[at + 1 : end], True, at))
            at = end + 1
        else:
            end = at
            while end < len(text) and not text[end].isspace() and not (split and text[end] == ","):
                end += 1
            pieces.append(_Piece(text[at:end], False, at))
            at = end
        if not (split and text[at : at + 1] == ","):
            return pieces, at
        at += 1


def _meaning(token: _Token) -> Named | FreeWord | Plain:
    field = token.field
    if not field:
        return _word(token)
    for piece in token.pieces:
        if not piece.text:
            raise _nothing(field, piece.position)
    patterns = tuple(piece.pattern() for piece in token.pieces)
    match field:
        case "customer" | "key" | "account":
            return Named(field, patterns)
        case "model" | "tier":
            return TextIn(field, patterns)
        case "dialect":
            for piece in token.pieces:
                if not any(piece.pattern().fits(dialect) for dialect in DIALECTS):
                    raise piece.fail(f"A dialect is one of {', '.join(DIALECTS)}.")
            return TextIn("dialect", patterns)
        case "status":
            return _status(token.pieces)
        case "outcome":
            return OutcomeIn(frozenset(outcome for piece in token.pieces for outcome in _outcomes(piece)))
        case _:
            return _cost(token)


def _nothing(field: str, position: int) -> FilterError:
    if field[0] in "<>":
        return FilterError(f"{field} needs an amount in dollars, such as {field}0.10.", position, 1)
    example = next(each.example for each in FIELDS if each.name == field)
    return FilterError(f"{field}: needs a value, such as {example}.", position, 1)


def _word(token: _Token) -> FreeWord:
    piece = token.pieces[0]
    if not piece.text:
        raise piece.fail("There is nothing between these quotes.")
    # Quotes keep a phrase together; a word is looked for inside all the same.
    return FreeWord(Pattern(piece.text) if piece.quoted else piece.pattern())


def _status(pieces: tuple[_Piece, ...]) -> StatusIn | OutcomeIn:
    if any(piece.text.lower() == "open" for piece in pieces):
        if len(pieces) > 1:
            raise pieces[0].fail("A call in flight has no status yet: write status:open alone.")
        return OutcomeIn(frozenset(("open",)))
    ranges = []
    for piece in pieces:
        if not _STATUS.fullmatch(piece.text):
            raise piece.fail(f"{piece.text!r} is no status: write a number such as 429, or a class such as 5xx.")
        low = piece.text.lower()
        ranges.append((int(low.replace("x", "0")), int(low.replace("x", "9"))))
    return StatusIn(tuple(ranges))


def _outcomes(piece: _Piece) -> list[str]:
    """Those that begin so: `outcome:fail` is understood while it is typed."""
    found = [outcome for outcome in OUTCOMES if outcome.startswith(piece.text.lower())]
    if not found:
        raise piece.fail(f"An outcome is one of {', '.join(OUTCOMES)}.")
    return found


def _cost(token: _Token) -> CostIn:
    piece = token.pieces[0]
    try:
        micro = parse_usd(piece.text)
    except UsageError:
        raise piece.fail(f"{piece.text!r} is no amount in dollars: write {token.field}0.10.") from None
    match token.field:
        case ">":
            return CostIn(least_micro=micro + 1)
        case ">=":
            return CostIn(least_micro=micro)
        case "<":
            return CostIn(most_micro=micro - 1)
        case _:
            return CostIn(most_micro=micro)


def _resolve(meaning: Named | FreeWord | Plain, names: Names) -> Plain:
    if isinstance(meaning, Named):
        column, called = _by_name(meaning.kind, names)
        return IdIn(column, _ids(called, meaning.patterns))
    if isinstance(meaning, FreeWord):
        pattern = (meaning.pattern,)
        return Word(
            meaning.pattern,
            _ids(names.customers, pattern),
            _ids(names.keys, pattern),
            _ids(names.accounts, pattern),
        )
    return meaning


def _by_name(kind: Literal["customer", "key", "account"], names: Names) -> tuple[IdColumn, dict[int, str]]:
    match kind:
        case "customer":
            return "customer_id", names.customers
        case "key":
            return "key_id", names.keys
        case "account":
            return "account_id", names.accounts


def _ids(called: dict[int, str], patterns: tuple[Pattern, ...]) -> frozenset[int]:
    return frozenset(
        number
        for number, name in called.items()
        if any(
            name == pattern.text if pattern.how == "exact" else _fits(pattern, name.casefold()) for pattern in patterns
        )
    )


def _fits(pattern: Pattern, folded: str) -> bool:
    """Names are any text: their case is folded as Unicode has it, unlike that of SQL's columns."""
    return Pattern(pattern.text.casefold(), pattern.how).fits(folded)
