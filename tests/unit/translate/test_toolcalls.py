"""Arguments in pieces: when they are whole, and what text a wrapped freeform call holds."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.translate.toolcalls import (
    CustomInputDecoder,
    ObjectScanner,
    unwrapped,
    unwrapped_text,
    wrapped,
    wrapper_description,
)
from tests.unit.translate.kit import cut_into


def decoded(pieces: list[str]) -> str:
    decoder = CustomInputDecoder()
    text = "".join(decoder.feed(piece) for piece in pieces) + decoder.finish()
    assert decoder.text == text
    return text


def cut(text: str, cuts: set[int]) -> list[str]:
    """Pieces of a text of ASCII."""
    return [piece.decode() for piece in cut_into(text.encode(), cuts)]


@given(st.text(st.characters(codec="utf-8")), st.sets(st.integers(1, 200)), st.booleans())
def test_a_wrapped_text_comes_out_however_it_is_cut(text: str, cuts: set[int], spaced: bool):
    escaped = "".join(f"\\u{unit:04x}" for unit in _units(text)) if spaced else msgspec.json.encode(text).decode()[1:-1]
    edges = sorted(cut for cut in cuts if cut < len(escaped))
    parts = [escaped[start:end] for start, end in zip([0, *edges], [*edges, len(escaped)], strict=True)]
    assert decoded(['{"inp', 'ut": "', *parts, '"}']) == text


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2)]


def test_an_escape_that_is_not_whole_waits():
    decoder = CustomInputDecoder()
    assert [decoder.feed(piece) for piece in ['{"input":"a\\', "n\\u00", 'e9"']] == ["a", "\n", "é"]


def test_half_a_surrogate_pair_waits_for_the_other():
    decoder = CustomInputDecoder()
    assert [decoder.feed(piece) for piece in ['{"input":"\\ud83d', '\\ude00"}']] == ["", "😀"]


def test_a_lone_surrogate_is_a_replacement_character():
    assert CustomInputDecoder().feed('{"input":"\\ud83dx"}') == "\ufffdx"


def test_arguments_of_another_shape_come_out_as_they_are():
    assert decoded(['{"patch":', '"x"}']) == '{"patch":"x"}'


@given(
    st.dictionaries(
        st.text(), st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    )
)
def test_json_is_complete_at_its_last_byte_and_not_before(value: dict[str, object]):
    text = msgspec.json.encode(value).decode()
    scanner = ObjectScanner()
    states = []
    for character in text:
        scanner.feed(character)
        states.append(scanner.complete)
    assert states == [False] * (len(text) - 1) + [True]


def test_a_bracket_in_a_string_closes_nothing():
    scanner = ObjectScanner()
    scanner.feed('{"a":"}\\"}')
    assert not scanner.complete


def test_wrapping_is_undone():
    assert unwrapped_text(wrapped('a "b"\n')) == 'a "b"\n'
    assert unwrapped({"input": "x"}) == "x"


@pytest.mark.parametrize("arguments", [{"input": 1}, {"input": "x", "more": "y"}, {}])
def test_what_was_not_wrapped_is_json(arguments: dict[str, object]):
    assert msgspec.json.decode(unwrapped(arguments)) == arguments


def test_a_grammar_is_told_after_the_description():
    grammar = {"syntax": "lark", "definition": "start: /.+/"}
    told = "The input must match this lark grammar:\nstart: /.+/"
    assert wrapper_description("Run SQL", grammar) == f"Run SQL\n\n{told}"
    assert wrapper_description(None, grammar) == told
