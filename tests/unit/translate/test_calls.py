"""Fragments of tool calls, from servers that number them well and from those that do not."""

from gateway.translate.calls import Calls
from gateway.translate.chat_chunks import Fragment


def gathered(*fragments: Fragment) -> list[tuple[str, str, str]]:
    calls = Calls()
    for fragment in fragments:
        calls.take(fragment)
    return [(call.id, call.name, call.arguments) for call in calls.all]


def test_fragments_go_by_their_index():
    assert gathered(
        Fragment(0, "a", "f"), Fragment(1, "b", "g"), Fragment(1, arguments="{}"), Fragment(0, arguments='{"x":1}')
    ) == [("a", "f", '{"x":1}'), ("b", "g", "{}")]


def test_an_index_that_comes_again_with_another_id_is_another_call():
    assert gathered(Fragment(0, "a", "f", "{}"), Fragment(0, "b", "f", "{}")) == [("a", "f", "{}"), ("b", "f", "{}")]


def test_an_index_that_comes_again_with_a_name_after_a_whole_call_is_another_call():
    assert gathered(Fragment(0, "", "f", "{}"), Fragment(0, "", "f", "{}")) == [
        ("call_0", "f", "{}"),
        ("call_1", "f", "{}"),
    ]


def test_an_id_and_a_name_may_be_repeated():
    assert gathered(Fragment(0, "a", "f", '{"x":'), Fragment(0, "a", "f", "1}")) == [("a", "f", '{"x":1}')]


def test_without_an_index_the_id_decides():
    assert gathered(Fragment(None, "a", "f"), Fragment(None, "b", "g"), Fragment(None, "a", arguments="{}")) == [
        ("a", "f", "{}"),
        ("b", "g", ""),
    ]


def test_without_anything_it_is_the_last_call():
    assert gathered(Fragment(None, "a", "f", "{"), Fragment(None, arguments="}")) == [("a", "f", "{}")]


def test_a_name_may_come_late():
    assert gathered(Fragment(0, "a"), Fragment(0, name="f")) == [("a", "f", "")]
