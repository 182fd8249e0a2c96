"""The Usage screen: its views, its periods, what it writes to a file."""

import stat
from pathlib import Path

import msgspec
import pytest

from gateway.store.rollups import HOUR_MS
from tests.store.making import NOW, make_attempt, make_call, settle
from tests.tui.making import SIZES, Console, Gateway, console_on, matches_snapshot
from tests.tui.typing_in import line_of

# Model, key, account, charge, hours ago.
_CALLS = (
    ("claude-sonnet-4-6", 1, 1, 2_500_000, 0),
    ("claude-sonnet-4-6", 1, 1, 1_200_000, 2),
    ("claude-sonnet-4-6", 2, 1, 800_000, 30),
    ("gpt-5.5", 2, 2, 400_000, 1),
    ("gpt-5.5", 2, 2, 300_000, 26),
    ("claude-haiku-4-5", 1, 1, 10_000, 50),
    ("claude-haiku-4-5", 1, 1, 20_000, 50),
    ("claude-haiku-4-5", 1, 1, 30_000, 24 * 20),
)


@pytest.fixture
def used(seeded: None, gateway_: Gateway) -> None:
    """Three models, two keys, two accounts; most of it in the last days, one call three weeks ago, one that raced."""
    gateway_.beat()
    jobs = []
    for number, (model, key_id, account_id, cost_micro, hours) in enumerate(_CALLS):
        call = make_call(
            number, at=NOW - hours * HOUR_MS, customer_id=key_id, key_id=key_id, account_id=account_id, model=model,
            cost_micro=cost_micro, upstream_cost_micro=cost_micro * 8 // 10,
            outcome="failed" if number == 4 else "completed",
        )  # fmt: skip
        jobs.append(settle(call, attempts=[make_attempt(call, account_id=account_id, cost_micro=cost_micro * 8 // 10)]))
    raced = make_call(99, model="gpt-5.5", key_id=2, customer_id=2, account_id=2, upstream_cost_micro=65_250)
    lost = make_attempt(raced, 2, account_id=1, outcome="lost", cost_micro=65_000)
    jobs.append(settle(raced, attempts=[make_attempt(raced, account_id=2), lost]))
    gateway_.write(*jobs)


def names(console: Console) -> list[str]:
    """The names of the rows, from the top."""
    return [row.name for row in console.app.screen.query_one("#table").rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", SIZES)
async def test_by_model(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("5")
        assert matches_snapshot(f"usage-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_by_hour_is_a_heat_map(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("5", "B")
        assert matches_snapshot(f"usage-hours-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_billed_says_since_when(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("5")
        assert "Nothing billed since 2026-02-03" in console.text
        assert matches_snapshot(f"usage-empty-{size}", console.text)


@pytest.mark.parametrize(
    ("presses", "shown"),
    [
        (0, ["claude-sonnet-4-6", "gpt-5.5", "claude-haiku-4-5"]),
        (1, ["alpha", "ci-bot"]),
        (2, ["main", "spare"]),
        (3, ["team-alpha", "ci"]),
        (4, ["2026-03-04", "2026-03-03", "2026-03-02", "2026-02-12"]),
        (5, ["all days", "2026-03-04", "2026-03-03", "2026-03-02", "2026-02-12"]),
        (6, ["claude-sonnet-4-6", "gpt-5.5", "claude-haiku-4-5"]),
    ],
)
async def test_b_goes_through_the_views(data_dir: Path, used: None, presses: int, shown: list[str]) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", *["b"] * presses)
        assert names(console) == shown


async def test_tab_goes_there_too_and_shift_tab_back(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", "tab", "tab", "shift+tab")
        assert names(console) == ["alpha", "ci-bot"]


@pytest.mark.parametrize(
    ("keys", "label", "calls"), [("pp", "today", 4), ("P", "7 days", 8), ("p", "90 days", 9), ("pppp", "30 days", 9)]
)
async def test_p_goes_through_the_periods(data_dir: Path, used: None, keys: str, label: str, calls: int) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", *keys)
        assert label in console.text.splitlines()[1]
        assert f"{calls} calls" in console.text


async def test_what_was_counted_by_estimate_wears_a_wave(data_dir: Path, used: None, gateway_: Gateway) -> None:
    call = make_call(50, account_id=2, model="gpt-5.5", usage_basis="estimated")
    gateway_.write(settle(call, attempts=[make_attempt(call, account_id=2)]))
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await console.press("5")
        assert line_of(console, "gpt-5.5").count("~$") == 2
        assert "~" not in line_of(console, "claude-sonnet-4-6")


async def test_one_day_is_drawn_by_the_hour(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", "p", "p")
        assert "charged an hour" in console.text


async def test_a_row_opens_into_its_exact_figures(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", "j", "enter")
        shown = " ".join(console.text.split())
        assert "gpt-5.5" in shown
        assert "charged $0.7003" in shown
        assert "of it lost races $0.065" in shown
        await console.press("escape")
        assert "claude-sonnet-4-6" in console.text


async def test_rows_are_filtered_and_sorted(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", "slash")
        await console.type("claude")
        assert names(console) == ["claude-sonnet-4-6", "claude-haiku-4-5"]
        await console.press("escape", "s", "s")
        assert names(console)[0] == "gpt-5.5"
        await console.press("S")
        assert names(console)[-1] == "gpt-5.5"


async def test_y_copies_the_name(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", "y")
        assert console.said[-1].startswith("claude-sonnet-4-6 sent")


async def test_a_call_that_ends_is_counted_without_a_key(data_dir: Path, used: None, gateway_: Gateway) -> None:
    async with console_on(data_dir) as console:
        await console.press("5")
        console.app.screen.REFRESH_S = 0  # type: ignore[attr-defined]
        gateway_.write(settle(make_call(200)))
        await console.look()
        assert "10 calls" in console.text


async def export_as(console: Console, path: Path) -> None:
    """Types the file's name over the one that is offered, and saves."""
    await console.press("w")
    console.app.screen.query_one("#field-path").focus()
    await console.press("end", "ctrl+u")
    await console.type(str(path))
    await console.press("ctrl+s")


async def test_what_is_shown_is_exported_as_csv_for_the_operator_alone(data_dir: Path, used: None) -> None:
    path = data_dir / "mine"
    async with console_on(data_dir) as console:
        await console.press("5", "slash")
        await console.type("claude")
        await console.press("enter")
        await export_as(console, path)
        written = path.with_name("mine.csv")
        assert console.said[-1] == f"2 rows written to {written}."
    lines = written.read_text().splitlines()
    assert lines[0].startswith("model,calls,failed_calls,estimated_calls,prompt_tokens,")
    assert lines[1].startswith("claude-sonnet-4-6,3,0,0,360,60,150,4500000,3600000,")
    assert len(lines) == 3
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


async def test_a_name_that_ends_in_json_is_json(data_dir: Path, used: None) -> None:
    path = data_dir / "mine.json"
    async with console_on(data_dir) as console:
        await console.press("5", "B")
        await export_as(console, path)
    found = msgspec.json.decode(path.read_bytes())
    assert found["what"] == "usage-by-hour-30d"
    assert {"day": "2026-03-04", "hour": 5, "calls": 2} in found["rows"]


async def test_a_file_that_is_there_is_not_written_over(data_dir: Path, used: None) -> None:
    path = data_dir / "mine.csv"
    path.write_text("old")
    async with console_on(data_dir) as console:
        await console.press("5")
        await export_as(console, path)
        assert "is there already" in " ".join(console.text.split())
    assert path.read_text() == "old"


async def test_nothing_is_not_exported(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await console.press("5", "w")
        assert "Nothing is shown" in console.said[-1]


async def test_a_read_only_console_exports_too(data_dir: Path, used: None) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("5")
        await export_as(console, data_dir / "mine.csv")
    assert (data_dir / "mine.csv").exists()
