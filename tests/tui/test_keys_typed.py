"""Instants, durations and addresses as they are typed, and the lines to paste for a new key."""

import pytest

from admin_tui.screens.forms import typed
from admin_tui.screens.forms.how_to_call import Way, lines_for, way_to_call
from gateway.errors import UsageError
from gateway.how_to_call import Trial
from gateway.store.database import Database
from gateway.store.operators import accounts
from gateway.store.rollups import DAY_MS
from tests.store.making import NOW
from tests.tui.making import Gateway

SECRET = "cc_user_NOTAREALSECRET"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-31", 1_798_675_200_000),
        ("2026-12-31T18:00", 1_798_740_000_000),
        ("2026-12-31T18:00+02:00", 1_798_732_800_000),
        ("30d", NOW + 30 * DAY_MS),
        (" 2w ", NOW + 14 * DAY_MS),
    ],
)
def test_an_instant_is_a_utc_date_or_how_far_from_now(text: str, at: int) -> None:
    assert typed.instant_at(text, NOW) == at


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "30", "9999999999d", "0000-01-01", "999999999d"])
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises(UsageError):
        typed.future_at(text, NOW)


@pytest.mark.parametrize("at", [NOW, NOW - NOW % 1000, NOW - NOW % 60_000, NOW - NOW % DAY_MS])
def test_an_instant_that_was_written_is_read_back_the_same(at: int) -> None:
    assert typed.instant_at(typed.written_instant(at), NOW) == at


@pytest.mark.parametrize(("text", "seconds"), [("", 0), ("0", 0), ("90s", 90), ("15m", 900), ("24h", 86_400)])
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: int) -> None:
    assert typed.span_s(text) == seconds


@pytest.mark.parametrize("text", ["2026-13", "2026", "march", "2026-03-04"])
def test_a_month_has_a_year_and_a_number(text: str) -> None:
    with pytest.raises(UsageError):
        typed.month_at(text)


def test_the_lines_name_where_the_gateway_last_served(database: Database, seeded: None, gateway_: Gateway) -> None:
    gateway_.beat()
    assert way_to_call(database, "all", (), NOW).url == "http://127.0.0.1:8000"


def test_the_line_to_try_asks_for_a_model_that_the_key_may_use(database: Database, seeded: None) -> None:
    trial = way_to_call(database, "all", ("claude-opus-*",), NOW).trial
    assert trial is not None
    assert trial.model.startswith("claude-opus-")


def test_without_an_account_that_serves_it_the_line_lists_models(database: Database, seeded: None) -> None:
    for name in ("main", "spare"):
        accounts.disable(database, "cli:op", name)
    way = way_to_call(database, "all", (), NOW)
    assert way.trial is None
    assert f"{way.url}/v1/models" in lines_for(way, SECRET)[-1][1]


def test_a_line_for_the_chat_dialect_carries_the_key_as_a_bearer() -> None:
    way = Way("http://127.0.0.1:8000", ("chat", "responses"), Trial("chat", "gpt-5.5"))
    lines = dict(lines_for(way, SECRET))
    assert "Anthropic SDK, Claude Code" not in lines
    assert f"-H 'Authorization: Bearer {SECRET}'" in lines["Try it"]
