"""The table says medians, and where a figure stands to what is asked of it."""

import pytest

from tests.bench.figures import DIRECT, GATEWAY, Figure, table
from tests.bench.measure import quantile


def figure_of(*values: float, must: float | None = 100, aim: float | None = 50) -> Figure:
    return Figure("figure", "us", must, aim, {GATEWAY: list(values)})


@pytest.mark.parametrize(("median", "verdict"), [(101, "over"), (100, "ok"), (51, "ok"), (50, "aim")])
def test_verdict_compares_the_median(median: float, verdict: str) -> None:
    assert figure_of(0, median, 1000).verdict == verdict


def test_figure_nothing_is_asked_of_has_no_verdict() -> None:
    assert figure_of(1, must=None, aim=None).verdict == ""


def test_table_shows_every_target_measured() -> None:
    figure = figure_of(40, 60, 50)
    figure.add(DIRECT, 12.5)
    header, _, row = table([figure]).splitlines()

    assert header.split() == ["figure", "unit", "trigate", "rounds", "must", "aim", "direct"]
    assert row.split() == ["figure", "us", "50.0", "40.0", "-", "60.0", "100", "50.0", "aim", "12.5"]


def test_quantile_is_a_measured_value() -> None:
    assert [quantile(range(100), share) for share in (0, 0.5, 0.99, 1)] == [0, 50, 99, 99]
