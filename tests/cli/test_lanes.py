"""A call's attempts as lanes."""

from gateway.cli.lanes import WIDTH, lanes, story
from gateway.records import Attempt, Call
from tests.store.making import make_attempt, make_call

ACCOUNTS = {1: "main", 2: "spare"}
CALL = make_call(1, duration_ms=10_000)


def attempt(call: Call, number: int, begins_ms: int, **fields: object) -> Attempt:
    made = make_attempt(call, number, **{"account_id": number, **fields})
    made.started_at = call.started_at + begins_ms
    return made


def drawn(*attempts: Attempt, call: Call = CALL) -> list[str]:
    """The lanes alone, without labels and words."""
    lines = lanes(call, attempts, ACCOUNTS)[:-1]
    margin = lines[0].index("0 ms")
    return [line[margin : margin + WIDTH].rstrip() for line in lines]


def test_a_hedge_that_won_is_seen_to_have_begun_later_and_answered_first() -> None:
    slow = attempt(CALL, 1, 0, outcome="lost", duration_ms=5_000, usage_basis="upper_bound")
    quick = attempt(CALL, 2, 4_000, reason="hedge", first_frame_ms=1_000, duration_ms=6_000)
    assert drawn(slow, quick) == [
        "0 ms     2 s       4 s       6 s       8 s       10 s"[:WIDTH].rstrip(),
        "[.......................x",
        "                   [....>========================]",
    ]


def test_an_attempt_that_failed_ends_where_it_failed() -> None:
    failed = attempt(CALL, 1, 0, outcome="failed", duration_ms=2_000, status=529, error_code="overloaded")
    assert drawn(failed)[1] == "[........x"
    assert story(failed) == "failed after 2.0 s: 529, overloaded; $0.00025"


def test_an_attempt_that_drains_has_no_end_yet() -> None:
    draining = attempt(CALL, 1, 0, outcome="draining", duration_ms=5_000, usage_basis="upper_bound")
    assert drawn(draining)[1] == "[" + "." * (WIDTH - 2) + "~"
    assert story(draining).endswith("$0.00025 at most (upper bound)")


def test_an_open_call_is_drawn_up_to_its_last_checkpoint() -> None:
    going = attempt(CALL, 1, 0, outcome="open", first_frame_ms=1_000)
    assert drawn(going)[1] == "[...>" + "=" * (WIDTH - 5)


def test_what_nobody_reported_is_called_an_estimate() -> None:
    left = attempt(CALL, 1, 0, outcome="cancelled", duration_ms=900, usage_basis="estimated")
    assert story(left) == "cancelled after 900 ms, before its first token; $0.00025 (estimated)"


def test_a_call_too_short_to_measure_is_drawn_all_the_same() -> None:
    call = make_call(1, duration_ms=0)
    assert drawn(attempt(call, 1, 0, first_frame_ms=0, duration_ms=0), call=call)[1] == "[>"


def test_an_hour_has_an_axis_too() -> None:
    call = make_call(1, duration_ms=3_600_000)
    assert drawn(attempt(call, 1, 0, duration_ms=3_600_000), call=call)[0].startswith("0 ms     12 m 00 s")


def test_the_signs_are_explained() -> None:
    assert "x failed or given up" in lanes(CALL, [attempt(CALL, 1, 0)], ACCOUNTS)[-1]
