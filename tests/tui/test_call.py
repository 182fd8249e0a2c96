"""A call's own page."""

from pathlib import Path

import msgspec
import pytest

from admin_tui.screens.call import CallScreen
from gateway.catalog import Price, Rates
from gateway.records import Call, Usage
from gateway.store.jobs import Checkpoint, RememberPrices
from tests.store.making import NOW, make_attempt, make_call, settle
from tests.tui.making import SIZES, Gateway, console_on, matches_snapshot

PRICE = Price("p_2026-01", 0, Rates(input=3_000_000, output=15_000_000, cache_read=300_000))


def hedged() -> Call:
    """Asked two accounts: the first failed, the second won, and a third lost to it."""
    return make_call(
        1,
        ttft_ms=1_900,
        duration_ms=4_200,
        usage=Usage(input_tokens=1_200, cache_read_tokens=18_000, output_tokens=640, reasoning_tokens=100),
        account_id=2,
        cost_micro=18_600,
        upstream_cost_micro=19_300,
        held_micro=90_000,
        price_version=PRICE.version,
        multiplier_bp=10_000,
        client_ip="203.0.113.7",
        warnings=("clamped:max_tokens",),
        upstream_response_id="msg_01",
    )


def write_hedged(gateway: Gateway) -> Call:
    call = hedged()
    attempts = [
        make_attempt(
            call, 1, outcome="failed", status=529, error_code="overloaded", duration_ms=600, usage=Usage(), cost_micro=0
        ),
        make_attempt(
            call, 2, account_id=2, reason="failover", first_frame_ms=1_200, duration_ms=3_580, cost_micro=18_600
        ),
        make_attempt(call, 3, reason="hedge", outcome="lost", status=0, duration_ms=900, cost_micro=700),
    ]
    attempts[1].started_at += 620
    attempts[1].upstream_request_id = "req_upstream_1"
    attempts[2].started_at += 1_000
    gateway.write(
        RememberPrices([(PRICE.version, call.model, msgspec.json.encode(PRICE))]), settle(call, attempts=attempts)
    )
    gateway.beat()
    return call


@pytest.mark.parametrize("size", SIZES)
async def test_a_call_looks_as_intended(data_dir: Path, seeded: None, gateway_: Gateway, size: str) -> None:
    write_hedged(gateway_)
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("enter")
        assert matches_snapshot(f"call-{size}", console.text)


async def test_it_says_who_asked_for_what_and_who_answered(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    write_hedged(gateway_)
    async with console_on(data_dir) as console:
        await console.press("enter")
        assert "alpha  of team-alpha, tier all" in console.text
        assert "sonnet → claude-sonnet-4-6" in console.text
        assert "answered by spare" in console.text
        assert "clamped:max_tokens" in console.text


async def test_tokens_are_priced_by_bucket(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    write_hedged(gateway_)
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("enter")
        lines = [line.split() for line in console.text.splitlines()]
        assert ["1,200", "input", "$3.00", "$0.0036"] in lines
        assert ["18,000", "cache", "read", "$0.30", "$0.0054"] in lines
        assert ["640", "output", "$15.00", "$0.0096"] in lines


async def test_an_unserved_call_says_that_nobody_was_asked(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    call = make_call(1, outcome="failed", status=402, error_code="insufficient_quota", usage=Usage(), cost_micro=0)
    gateway_.write(settle(call, charge_micro=None, attempts=[]))
    async with console_on(data_dir) as console:
        await console.press("enter")
        assert "None: it was refused before any account was asked." in console.text


async def test_a_price_that_was_not_kept_is_unknown(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(settle(make_call(1, price_version="p_gone")))
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("enter")
        assert ["100", "input", "–", "–"] in [line.split() for line in console.text.splitlines()]


async def test_the_page_moves_with_a_call_in_flight(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    call = make_call(1, at=NOW - 5_000, state="open", usage=Usage(input_tokens=10, output_tokens=20))
    gateway_.write(Checkpoint([call]))
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("tab", "enter")
        assert ["20", "output", "–", "–"] in [line.split() for line in console.text.splitlines()]
        call.usage = Usage(input_tokens=10, output_tokens=300)
        gateway_.write(Checkpoint([call]))
        await console.look()
        assert ["300", "output", "–", "–"] in [line.split() for line in console.text.splitlines()]


async def test_n_and_p_turn_to_its_neighbours(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(*[settle(make_call(number, at=NOW - 9_000 + number)) for number in range(1, 4)])
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("enter")
        assert "0000000000000003" in console.text
        await console.press("n")
        assert "0000000000000002" in console.text
        await console.press("p", "p")
        assert "0000000000000003" in console.text
        assert console.said[-1] == "This is the newest call in the list."


async def test_y_copies_its_id(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    call = write_hedged(gateway_)
    async with console_on(data_dir) as console:
        await console.press("enter", "y")
        assert console.said[-1].startswith(call.id)


async def test_it_scrolls_where_it_is_longer_than_the_screen(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    write_hedged(gateway_)
    async with console_on(data_dir) as console:
        await console.press("enter")
        assert "msg_01" not in console.text
        await console.press(*["j"] * 15)
        assert "msg_01" in console.text


async def test_what_a_client_named_cannot_move_the_cursor(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.write(settle(make_call(1, model_asked="evil\x1b[2J\nmodel", model="")))
    async with console_on(data_dir) as console:
        assert "evil·[2J·m" in console.text
        await console.press("enter")
        assert "\x1b" not in console.text
        assert "evil·[2J·model" in console.text


async def test_a_call_that_was_pruned_says_so(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        console.app.push_screen(CallScreen("req_gone"))
        await console.settle()
        assert "There is no call req_gone." in console.text
