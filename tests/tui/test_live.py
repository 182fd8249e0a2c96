"""Live: what is in flight, what ended, following, pausing, filtering, opening."""

from pathlib import Path
from typing import Any

import pytest

from admin_tui.screens.live import KEPT, LiveScreen
from gateway.records import Call, Usage
from gateway.store.jobs import Checkpoint, Settle
from tests.store.making import NOW, make_attempt, make_call, settle
from tests.tui.making import SIZES, Console, Gateway, console_on, matches_snapshot


def ended(number: int, **fields: Any) -> Settle:
    """A call of the key alpha that ended `number` seconds into the last minute."""
    at = NOW - 60_000 + number * 1_000
    values: dict[str, Any] = {"ttft_ms": 700, "duration_ms": 0, "cost_micro": 13_200, "client_ip": "203.0.113.7"}
    return settle(make_call(number, at=at, **{**values, **fields}))


def in_flight(**fields: Any) -> Call:
    """A call of the key ci-bot that has been going on for twelve seconds."""
    values: dict[str, Any] = {
        "key_id": 2,
        "customer_id": 2,
        "model": "gpt-5.5",
        "state": "open",
        "outcome": "failed",
        "status": 0,
        "usage": Usage(input_tokens=18_000),
        "cost_micro": 410_000,
        "held_micro": 500_000,
        "ttft_ms": 1_100,
    }
    return make_call(900, at=NOW - 12_300, **{**values, **fields})


def race(call: Call) -> Checkpoint:
    """The call asks both accounts."""
    asked = [
        make_attempt(call, 1, account_id=1, outcome="open", status=0, first_frame_ms=1_100),
        make_attempt(call, 2, account_id=2, outcome="open", status=0, reason="hedge"),
    ]
    return Checkpoint([call], asked)


def a_minute(gateway: Gateway) -> None:
    """Twenty calls that ended, of every outcome, and one in flight."""
    failed = {"outcome": "failed", "status": 529, "error_code": "overloaded", "usage": Usage(), "usage_basis": "none"}
    jobs: list[Settle | Checkpoint] = [ended(number) for number in range(1, 18)]
    jobs.append(ended(18, **failed, cost_micro=0, ttft_ms=None))
    jobs.append(ended(19, outcome="cancelled", usage_basis="estimated"))
    jobs.append(ended(20, outcome="partial", key_id=2, customer_id=2, model="gpt-5.5", account_id=2))
    gateway.write(*jobs, race(in_flight()))
    gateway.beat(open_calls=1)


def banner(console: Console) -> str:
    return next((line.strip() for line in console.text.splitlines() if "paused" in line or "rows/s" in line), "")


def shown(console: Console) -> list[str]:
    """The ids in the list of ended calls."""
    screen = console.app.screen
    assert isinstance(screen, LiveScreen)
    return [row.call.id for row in screen.table.rows]


@pytest.mark.parametrize("size", SIZES)
async def test_live_looks_as_intended(data_dir: Path, seeded: None, gateway_: Gateway, size: str) -> None:
    a_minute(gateway_)
    async with console_on(data_dir, SIZES[size]) as console:
        assert matches_snapshot(f"live-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_an_empty_live_says_how_to_make_a_call(data_dir: Path, gateway_: Gateway, size: str) -> None:
    gateway_.beat()
    async with console_on(data_dir, SIZES[size]) as console:
        assert "curl http://127.0.0.1:8000/v1/messages" in console.text
        assert matches_snapshot(f"live-empty-{size}", console.text)


async def test_a_call_that_ends_appears_at_the_foot(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(*[ended(number) for number in range(1, 30)])
    async with console_on(data_dir) as console:
        new = ended(40, model="claude-haiku-4-5")
        gateway_.write(new)
        await console.look()
        assert shown(console)[-1] == new.settlement.call.id
        assert "claude-haiku-4-5" in console.text


async def test_a_call_in_flight_shows_age_estimate_and_the_accounts_it_asks(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    gateway_.write(race(in_flight()))
    async with console_on(data_dir) as console:
        line = next(line for line in console.text.splitlines() if "gpt-5.5" in line)
        assert line.split() == ["12s", "ci-bot", "gpt-5.5", "18k", "…", "1.1s", "~$0.410", "◌", "main+spare"]


async def test_the_top_line_and_the_line_between_agree_on_what_is_in_flight(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    gateway_.write(race(in_flight()))
    gateway_.beat(open_calls=7)
    async with console_on(data_dir) as console:
        assert "7 open" in console.text
        assert "7 in flight, 1 for a second or more" in console.text
        gateway_.beat(open_calls=1, at=NOW + 1_000)
        console.app.feed._clock = lambda: NOW + 1_000
        await console.look()
        assert "1 open" in console.text
        assert " 1 in flight ─" in console.text


async def test_calls_of_a_gateway_that_is_gone_are_not_said_to_be_in_flight(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    gateway_.write(race(in_flight()))
    gateway_.beat(at=NOW - 60_000, open_calls=1)
    async with console_on(data_dir) as console:
        assert "1 in flight when last heard of" in console.text


async def test_a_call_in_flight_settles_into_the_list(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    call = in_flight()
    gateway_.write(race(call))
    async with console_on(data_dir) as console:
        assert shown(console) == []
        call.state, call.outcome, call.status, call.duration_ms = "settled", "completed", 200, 12_500
        gateway_.write(settle(call))
        await console.look()
        assert shown(console) == [call.id]
        assert "nothing in flight" in console.text


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize("opened", [True, False])
async def test_the_list_takes_over_from_a_call_in_flight_that_ends(
    data_dir: Path, seeded: None, gateway_: Gateway, opened: bool, others: int
) -> None:
    call = in_flight()
    gateway_.write(race(call), *[ended(number) for number in range(others)])
    async with console_on(data_dir, SIZES["120x36"]) as console:
        screen = console.app.screen
        assert isinstance(screen, LiveScreen)
        if others:
            await console.press("tab")
        if opened:
            await console.press("enter")
        call.state, call.outcome, call.status, call.duration_ms = "settled", "completed", 200, 12_500
        gateway_.write(settle(call))
        await console.look()
        if opened:
            await console.press("escape")
            await console.look()
        assert screen.selected is not None
        assert screen.selected.call.id == call.id
        assert screen.table.has_focus
        assert "key ci-bot" in " ".join(console.text.split())


async def test_moving_up_pauses_and_counts_what_waits(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(*[ended(number) for number in range(1, 30)])
    async with console_on(data_dir) as console:
        await console.press("k")
        gateway_.write(ended(40), ended(41))
        await console.look()
        assert banner(console) == "paused · 2 new rows · press f to follow"
        assert len(shown(console)) == 29


@pytest.mark.parametrize("key", ["f", "G"])
async def test_following_again_shows_what_waited(data_dir: Path, seeded: None, gateway_: Gateway, key: str) -> None:
    gateway_.write(*[ended(number) for number in range(1, 30)])
    async with console_on(data_dir) as console:
        await console.press("k")
        gateway_.write(ended(40))
        await console.look()
        await console.press(key)
        assert len(shown(console)) == 30
        assert banner(console) == ""


async def test_f_pauses_as_well(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    async with console_on(data_dir) as console:
        await console.press("f")
        assert banner(console) == "paused · press f to follow"


async def test_following_keeps_a_bounded_number_of_rows(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    async with console_on(data_dir) as console:
        for batch in range(0, 600, 75):
            gateway_.write(*[_numbered(batch + n) for n in range(75)])
            await console.look()
        assert len(shown(console)) == KEPT


def _numbered(number: int) -> Settle:
    return settle(make_call(number, at=NOW - 60_000 + number))


async def test_too_many_calls_for_a_look_are_sampled_and_it_says_so(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    async with console_on(data_dir) as console:
        gateway_.write(*[_numbered(number) for number in range(300)])
        await console.look()
        assert "rows/s, sampling" in banner(console)
        assert len(shown(console)) == 100


async def test_who_comes_back_sees_the_newest_without_a_hole(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(*[_numbered(number) for number in range(50)])
    async with console_on(data_dir) as console:
        live = console.app.screen
        assert isinstance(live, LiveScreen)
        await console.press("5")
        gateway_.write(*[_numbered(number) for number in range(50, 400)])
        live._looked_at -= 60
        await console.press("1")
        assert shown(console) == [_numbered(number).settlement.call.id for number in range(300, 400)]


async def test_following_after_more_than_can_wait_begins_with_the_newest(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    gateway_.write(*[_numbered(number) for number in range(50)])
    async with console_on(data_dir) as console:
        await console.press("k")
        gateway_.write(*[_numbered(number) for number in range(50, 400)])
        await console.look()
        assert "350 new rows" in banner(console)
        await console.press("f")
        assert shown(console) == [_numbered(number).settlement.call.id for number in range(300, 400)]


async def test_the_top_reads_further_back(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(*[_numbered(number) for number in range(350)])
    async with console_on(data_dir) as console:
        assert len(shown(console)) == 100
        await console.press("home")
        assert len(shown(console)) == 200
        await console.press("home", "home")
        assert shown(console)[0] == _numbered(0).settlement.call.id


async def test_the_filter_reads_history_and_holds_for_what_comes(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    a_minute(gateway_)
    async with console_on(data_dir) as console:
        await console.press("slash")
        await console.type("status:5xx")
        await console.press("enter")
        assert len(shown(console)) == 1
        assert "/status:5xx" in console.text
        gateway_.write(ended(40), ended(41, status=503, outcome="failed", error_code="unavailable"))
        await console.look()
        assert len(shown(console)) == 2


async def test_the_filter_holds_for_calls_in_flight(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(race(in_flight()))
    async with console_on(data_dir) as console:
        await console.press("slash")
        await console.type("!key:ci")
        await console.press("enter")
        assert "gpt-5.5" not in console.text


async def test_a_filter_that_cannot_be_read_says_why_and_the_list_stays(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    a_minute(gateway_)
    async with console_on(data_dir) as console:
        await console.press("slash")
        await console.type("stat:5xx")
        assert "Did you mean status:?" in console.text


async def test_escape_clears_the_filter(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    a_minute(gateway_)
    async with console_on(data_dir) as console:
        await console.press("slash")
        await console.type("key:ci")
        await console.press("enter", "escape")
        assert len(shown(console)) == 20
        assert "/key" not in console.text


async def test_a_filter_is_remembered(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    a_minute(gateway_)
    async with console_on(data_dir) as console:
        await console.press("slash")
        await console.type("key:ci")
    async with console_on(data_dir) as console:
        assert len(shown(console)) == 1


async def test_y_copies_the_id(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(ended(1))
    async with console_on(data_dir) as console:
        await console.press("y")
        assert console.said[-1].startswith(shown(console)[-1])


async def test_enter_opens_the_story_of_a_call_in_flight(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    a_minute(gateway_)
    async with console_on(data_dir) as console:
        await console.press("tab", "enter")
        assert "◌ open" in console.text
        assert "hedge" in console.text
        await console.press("q")
        assert isinstance(console.app.screen, LiveScreen)


async def test_works_without_a_gateway(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    a_minute(gateway_)
    async with console_on(data_dir, at=NOW + 3_600_000) as console:
        assert "gateway not running - data as of 05:06" in console.text
        assert len(shown(console)) == 20


async def test_a_call_in_flight_is_no_emptiness_and_is_told_beside_the_list(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    async with console_on(data_dir, SIZES["120x36"]) as console:
        assert "No calls yet." in console.text
        gateway_.write(race(in_flight()))
        await console.look()
        assert "None has ended yet." in console.text
        assert "◌ open" in console.text
