"""Which calls are wanted: said once, as SQL for the history and as a predicate for rows that are here already.

Both give the same answer for every call. Upper and lower case of ASCII letters are alike, except in exact text.
"""

import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gateway.records import Call

IdColumn = Literal["customer_id", "key_id", "account_id"]
TextColumn = Literal["model", "tier", "dialect"]
MOST_STATUS = 999
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
# Where a word is looked for, besides the names of customer, key and account.
_WORD_COLUMNS = ("id", "model", "model_asked", "error_code", "client_ip")
_OUTCOME = "CASE state WHEN 'open' THEN 'open' ELSE outcome END"

Sql = tuple[str, list[Any]]


def ascii_lower(text: str) -> str:
    """Lower case as SQLite's `lower` has it."""
    return text.translate(_ASCII_LOWER)


class Pattern(Struct, frozen=True):
    """Text to look for: somewhere inside, the whole of it, or the whole with `*` and `?` for anything."""

    text: str
    how: Literal["inside", "exact", "glob"] = "inside"

    def fits(self, value: str) -> bool:
        if self.how == "exact":
            return value == self.text
        text, value = ascii_lower(self.text), ascii_lower(value)
        if self.how == "inside":
            return text in value
        pieces = {"*": ".*", "?": "."}
        expression = "".join(pieces.get(character) or re.escape(character) for character in text)
        return re.fullmatch(expression, value, re.DOTALL) is not None

    def sql(self, column: str) -> Sql:
        if self.how == "exact":
            return f"{column} = ?", [self.text]
        text = ascii_lower(self.text)
        if self.how == "inside":
            return f"instr(lower({column}), ?) > 0", [text]
        return f"lower({column}) GLOB ?", [text.replace("[", "[[]")]


class IdIn(Struct, frozen=True, tag=True):
    """The customer, key or account is one of these; 0 stands for none."""

    column: IdColumn
    ids: frozenset[int]


class TextIn(Struct, frozen=True, tag=True):
    """One of the patterns fits."""

    column: TextColumn
    patterns: tuple[Pattern, ...]


class StatusIn(Struct, frozen=True, tag=True):
    """The status lies in one of these ranges, both ends included."""

    ranges: tuple[tuple[int, int], ...]


class OutcomeIn(Struct, frozen=True, tag=True):
    """The outcome is one of these; a call in flight has the outcome `open`."""

    outcomes: frozenset[str]


class CostIn(Struct, frozen=True, tag=True):
    """The customer's cost in micro-dollars, both ends included; None leaves an end open."""

    least_micro: int | None = None
    most_micro: int | None = None


class Word(Struct, frozen=True, tag=True):
    """Text in the call's id, models, error code or address, or in the names of those it belongs to: these."""

    pattern: Pattern
    customer_ids: frozenset[int] = frozenset()
    key_ids: frozenset[int] = frozenset()
    account_ids: frozenset[int] = frozenset()


class Not(Struct, frozen=True, tag=True):
    """Everything the condition does not hold for."""

    condition: "Plain"


Plain = IdIn | TextIn | StatusIn | OutcomeIn | CostIn | Word
Condition = Plain | Not


class CallFilter(Struct, frozen=True, kw_only=True):
    """Which calls; what is None does not matter. `since_at` is included, `until_at` is not."""

    customer_id: int | None = None
    key_id: int | None = None
    account_id: int | None = None
    model: str | None = None
    state: Literal["open", "settled"] | None = None
    outcome: str | None = None
    status: int | None = None
    least_status: int | None = None
    least_cost_micro: int | None = None
    since_at: int | None = None
    until_at: int | None = None
    conditions: tuple[Condition, ...] = ()

    def all_conditions(self) -> list[Condition]:
        """Every field as a condition, but for the two instants."""
        found: list[Condition] = []
        if self.customer_id is not None:
            found.append(IdIn("customer_id", frozenset((self.customer_id,))))
        if self.key_id is not None:
            found.append(IdIn("key_id", frozenset((self.key_id,))))
        if self.account_id is not None:
            found.append(IdIn("account_id", frozenset((self.account_id,))))
        if self.model is not None:
            found.append(TextIn("model", (Pattern(self.model, "exact"),)))
        if self.state is not None:
            is_open = OutcomeIn(frozenset(("open",)))
            found.append(is_open if self.state == "open" else Not(is_open))
        if self.outcome is not None:
            found.append(OutcomeIn(frozenset((self.outcome,))))
        if self.status is not None:
            found.append(StatusIn(((self.status, self.status),)))
        if self.least_status is not None:
            found.append(StatusIn(((self.least_status, MOST_STATUS),)))
        if self.least_cost_micro is not None:
            found.append(CostIn(self.least_cost_micro))
        return [*found, *self.conditions]

    def only_open(self) -> bool:
        """Whether nothing but calls in flight can match."""
        return any(isinstance(each, OutcomeIn) and each.outcomes <= {"open"} for each in self.all_conditions())


def matches(wanted: CallFilter, call: Call) -> bool:
    """Whether this call is wanted."""
    if wanted.since_at is not None and call.started_at < wanted.since_at:
        return False
    if wanted.until_at is not None and call.started_at >= wanted.until_at:
        return False
    return all(holds(condition, call) for condition in wanted.all_conditions())


def holds(condition: Condition, call: Call) -> bool:
    """Whether one condition holds for this call."""
    match condition:
        case Not(condition=inner):
            return not holds(inner, call)
        case IdIn(column=column, ids=ids):
            return (getattr(call, column) or 0) in ids
        case TextIn(column=column, patterns=patterns):
            return any(pattern.fits(getattr(call, column)) for pattern in patterns)
        case StatusIn(ranges=ranges):
            return any(least <= call.status <= most for least, most in ranges)
        case OutcomeIn(outcomes=outcomes):
            return ("open" if call.state == "open" else call.outcome) in outcomes
        case CostIn(least_micro=least, most_micro=most):
            return (least is None or call.cost_micro >= least) and (most is None or call.cost_micro <= most)
        case Word():
            return _has_word(condition, call)


def _has_word(word: Word, call: Call) -> bool:
    return (
        any(word.pattern.fits(getattr(call, column)) for column in _WORD_COLUMNS)
        or call.customer_id in word.customer_ids
        or (call.key_id or 0) in word.key_ids
        or (call.account_id or 0) in word.account_ids
    )


def sql_of(condition: Condition) -> Sql:
    """The condition over the columns of `calls`, never NULL, and what it binds. Ids and models fit `rollups` too."""
    match condition:
        case Not(condition=inner):
            sql, parameters = sql_of(inner)
            return f"NOT {sql}", parameters
        case IdIn(column=column, ids=ids):
            return _one_of(f"coalesce({column}, 0)", ids)
        case TextIn(column=column, patterns=patterns):
            return _any([pattern.sql(column) for pattern in patterns])
        case StatusIn(ranges=ranges):
            return _any([("status BETWEEN ? AND ?", list(each)) for each in ranges])
        case OutcomeIn(outcomes=outcomes):
            return _one_of(_OUTCOME, outcomes)
        case CostIn(least_micro=least, most_micro=most):
            return "(cost_micro BETWEEN ? AND ?)", [
                -(1 << 62) if least is None else least,
                (1 << 62) if most is None else most,
            ]
        case Word(pattern=pattern, customer_ids=customers, key_ids=keys, account_ids=accounts):
            named = (("customer_id", customers), ("key_id", keys), ("account_id", accounts))
            return _any(
                [pattern.sql(column) for column in _WORD_COLUMNS]
                + [_one_of(f"coalesce({column}, 0)", ids) for column, ids in named if ids]
            )


def _one_of(expression: str, values: frozenset[int] | frozenset[str]) -> Sql:
    """One parameter however many values there are."""
    return f"({expression} IN (SELECT value FROM json_each(?)))", [msgspec.json.encode(values, order="sorted").decode()]


def _any(alternatives: list[Sql]) -> Sql:
    """At least one of them holds; none can where there are none."""
    if not alternatives:
        return "(false)", []
    sql = " OR ".join(each[0] for each in alternatives)
    return f"({sql})", [parameter for each in alternatives for parameter in each[1]]
