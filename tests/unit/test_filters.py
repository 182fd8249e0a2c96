"""The console's filter language: what is typed, what it means, and where it is wrong."""

import pytest

from admin_tui.filters import FIELDS, FilterError, FilterField, parse, parse_words, row_filter
from gateway.store.queries.call_filter import (
    CallFilter,
    CostIn,
    IdIn,
    Not,
    OutcomeIn,
    Pattern,
    StatusIn,
    TextIn,
    matches,
)
from gateway.store.queries.names import Names
from tests.store.making import make_call

NAMES = Names({1: "acme"}, {1: "team-alpha", 2: "ci-bot", 3: "ci"}, {1: "main", 2: "spare"})


def meant(text: str) -> CallFilter:
    return parse(text).resolve(NAMES)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("key:ci", IdIn("key_id", frozenset({2, 3}))),
        ('key:"ci"', IdIn("key_id", frozenset({3}))),
        ("key:*alpha", IdIn("key_id", frozenset({1}))),
        ("key:alpha,bot", IdIn("key_id", frozenset({1, 2}))),
        ("account:MAIN", IdIn("account_id", frozenset({1}))),
        ("customer:nobody", IdIn("customer_id", frozenset())),
        ("model:sonnet", TextIn("model", (Pattern("sonnet"),))),
        ("status:5xx", StatusIn(((500, 599),))),
        ("status:429,5XX", StatusIn(((429, 429), (500, 599)))),
        ("status:open", OutcomeIn(frozenset({"open"}))),
        ("outcome:fail", OutcomeIn(frozenset({"failed"}))),
        (">0.10", CostIn(least_micro=100_001)),
        ("<=$1,000", CostIn(most_micro=1_000_000_000)),
        ("!dialect:chat", Not(TextIn("dialect", (Pattern("chat"),)))),
    ],
)
def test_a_term(text: str, condition: object) -> None:
    assert meant(text).conditions == (condition,)


def test_terms_all_have_to_hold() -> None:
    call = make_call(key_id=2, status=529, cost_micro=200_000)
    assert matches(meant("key:ci status:5xx >0.10"), call)
    assert not matches(meant("key:ci status:5xx <0.10"), call)


def test_a_word_is_looked_for_in_names_too() -> None:
    call = make_call(key_id=1, account_id=2)
    assert matches(meant("ALPHA spare sonnet"), call)
    assert not matches(meant("!alpha"), call)


def test_a_call_in_flight_has_no_outcome_yet() -> None:
    call = make_call(outcome="failed")
    assert not matches(meant("outcome:failed"), call)
    assert matches(meant("outcome:open"), call)


@pytest.mark.parametrize(
    ("text", "position", "length", "said"),
    [
        ("key:", 4, 1, "key: needs a value, such as key:team-alpha."),
        ("ok modle:gpt", 3, 6, "Did you mean model:?"),
        ("status:500,abc", 11, 3, "'abc' is no status"),
        ("status:open,200", 7, 4, "status:open alone"),
        ("a >ten", 3, 3, "'ten' is no amount in dollars: write >0.10."),
        (">", 1, 1, "> needs an amount in dollars"),
        ("outcome:won", 8, 3, "open, completed, partial, failed, cancelled, lost"),
        ("dialect:grpc", 8, 4, "messages, chat, responses"),
        ('model:"gpt', 6, 4, "not closed"),
        ("a ! b", 2, 1, "nothing does"),
        ('""', 0, 1, "nothing between"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(text: str, position: int, length: int, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert (caught.value.position, caught.value.length) == (position, length)
    assert said in caught.value.message


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_example_of_the_help_is_understood(field: FilterField) -> None:
    parse(field.example)


def test_a_colon_is_text_where_there_are_no_fields() -> None:
    assert [word.pattern.text for word in parse_words("key:create ops")] == ["key:create", "ops"]


def test_rows_of_a_table_are_filtered_by_words() -> None:
    wanted = row_filter("ÄRZTE !disabled")
    assert wanted(["Ärzte", "active"])
    assert not wanted(["Ärzte", "disabled"])
    assert not wanted(["acme", "active"])
