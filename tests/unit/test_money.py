"""Dollars in, dollars out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.money import LARGEST_MICRO, format_usd, parse_usd
from gateway.errors import UsageError


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("12.34", 12_340_000),
        ("$5", 5_000_000),
        (" 0.000001 ", 1),
        ("1,234.50", 1_234_500_000),
        ("-2.5", -2_500_000),
        ("-$2.5", -2_500_000),
        ("0", 0),
    ],
)
def test_amounts_people_write(text: str, micro: int) -> None:
    assert parse_usd(text) == micro


@pytest.mark.parametrize(
    "text", ["", "five", "1.2.3", "1e3", "0.0000001", "1_000", "nan", "inf", ".5", "1,23", "٣", "--1", "1000000001"]
)
def test_anything_else_is_refused_rather_than_guessed(text: str) -> None:
    with pytest.raises(UsageError):
        parse_usd(text)


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (12_400_000, "$12.40"),
        (13_200, "$0.0132"),
        (0, "$0.00"),
        (-500_000, "-$0.50"),
        (1_234_567_890_000, "$1,234,567.89"),
    ],
)
def test_amounts_people_read(micro: int, text: str) -> None:
    assert format_usd(micro) == text


@given(st.integers(-LARGEST_MICRO, LARGEST_MICRO))
def test_nothing_is_lost_on_the_way_there_and_back(micro: int) -> None:
    assert parse_usd(format_usd(micro)) == micro
