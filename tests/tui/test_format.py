"""Figures, instants and states as the screens write them."""

import pytest

from admin_tui import format
from admin_tui.ascii import plain
from tests.store.making import NOW


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (None, "–"),
        (0, "$0"),
        (50, "<$0.0001"),
        (13_200, "$0.0132"),
        (410_000, "$0.410"),
        (12_400_000, "$12.40"),
        (1_234_500_000, "$1,234"),
        (-12_400_000, "-$12.40"),
        (25_000_000_000_000, "$25.0M"),
    ],
)
def test_money(micro: int | None, text: str) -> None:
    assert format.usd(micro) == text


def test_an_estimate_wears_its_mark() -> None:
    assert format.usd(410_000, estimated=True) == "~$0.410"
    assert format.tokens(640, estimated=True) == "~640"


@pytest.mark.parametrize(
    ("count", "text"), [(None, "–"), (0, "0"), (640, "640"), (1_240, "1.2k"), (18_000, "18k"), (1_200_000, "1.2M")]
)
def test_tokens(count: int | None, text: str) -> None:
    assert format.tokens(count) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "–"), (740, "0.7s"), (12_300, "12s"), (185_000, "3m05s"), (11_040_000, "3h04m"), (273_600_000, "3d04h")],
)
def test_durations(ms: int | None, text: str) -> None:
    assert format.seconds(ms) == text


@pytest.mark.parametrize(
    ("share", "text"), [(None, "–"), (0.0, "0%"), (0.0001, "<0.1%"), (0.006, "0.6%"), (0.12, "12%")]
)
def test_shares(share: float | None, text: str) -> None:
    assert format.percent(share) == text


def test_how_long_ago() -> None:
    assert format.ago(None, NOW) == "never"
    assert format.ago(NOW - 500, NOW) == "now"
    assert format.ago(NOW - 185_000, NOW) == "3m ago"


def test_a_state_reads_without_colour() -> None:
    assert format.state("ready") == ("● ready", "good")
    assert format.state("cooling") == ("◌ cooling", "warn")
    assert format.state("revoked") == ("✕ revoked", "bad")


def test_a_sparkline_ends_with_the_newest() -> None:
    assert format.sparkline([0, 1, 8], 3) == "▁▁█"
    assert len(format.sparkline(list(range(100)), 10)) == 10


def test_what_is_cut_says_so_and_wide_characters_count_twice() -> None:
    assert format.cut("claude-sonnet", 8) == "claude-…"
    assert format.cut("価格表", 5) == "価格…"


def test_nothing_a_terminal_acts_on_gets_through() -> None:
    assert format.clean("a\x1b[31m\nb\u202e") == "a·[31m·b·"


def test_ascii_keeps_the_width() -> None:
    assert plain("● ready ╭─╮ …") == "* ready +-+ ."
    assert plain("团队-ключ") == "????-????"
