"""Cutting text at a stop sequence that comes in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.translate.stops import StopScanner

letters = st.text("ab<", max_size=12)


def scan(pieces: list[str], sequences: tuple[str, ...]) -> tuple[str, str | None]:
    scanner = StopScanner(sequences)
    shown = "".join(scanner.feed(piece) for piece in pieces)
    return shown + scanner.flush(), scanner.matched


@given(st.lists(letters, max_size=6), st.lists(st.text("ab<", min_size=1, max_size=3), max_size=3))
def test_the_pieces_do_not_matter(pieces: list[str], sequences: list[str]):
    assert scan(pieces, tuple(sequences)) == scan(["".join(pieces)], tuple(sequences))


@given(st.lists(letters, max_size=6), st.lists(st.text("ab<", min_size=1, max_size=3), max_size=3))
def test_no_sequence_is_ever_shown(pieces: list[str], sequences: list[str]):
    shown, matched = scan(pieces, tuple(sequences))
    if matched is None:
        assert shown == "".join(pieces)
    assert not any(sequence in shown for sequence in sequences)


def test_what_may_begin_a_sequence_is_held_back():
    scanner = StopScanner(("</a>",))
    assert [scanner.feed(piece) for piece in ("yes</", "b> and </", "a> more")] == ["yes", "</b> and ", ""]
    assert scanner.matched == "</a>"
