"""Which account a conversation stays at. The clock is set by hand; accounts are called by their ids."""

import pytest

from gateway.records import Account
from gateway.upstream.affinity import HOUR_MS, KEPT_MS, WARM_MS, Affinity, is_transient
from gateway.upstream.cooldown import Cause, Failure

MODEL = "claude-opus-5-5"
TALK = b"conversation"
THREAD = b"thread"
MINUTE_MS = 60_000


class Clock:
    """Milliseconds since the epoch, as told."""

    def __init__(self) -> None:
        self.now = 1_795_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_by(self, ms: int) -> None:
        self.now += ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def affinity(clock: Clock) -> Affinity:
    """One conversation, bound to account 1."""
    affinity = Affinity(clock)
    affinity.answered(TALK, MODEL, 1)
    return affinity


def account(number: int, *, enabled: bool = True, draining: bool = False, reset_at: int = 0) -> Account:
    return Account(number, f"account {number}", "simulated", "", enabled=enabled, draining=draining, reset_at=reset_at)


def test_the_first_account_to_answer_keeps_the_conversation(affinity: Affinity) -> None:
    assert affinity.bound(TALK, MODEL) == 1


def test_another_model_of_the_conversation_is_bound_by_itself(affinity: Affinity) -> None:
    assert affinity.bound(TALK, "claude-haiku-5-5") is None


def test_a_request_that_names_no_conversation_is_bound_to_nothing(affinity: Affinity) -> None:
    affinity.answered(None, MODEL, 1)
    affinity.failed(None, MODEL, 1, transient=False)
    assert affinity.bound(None, MODEL) is None
    assert not affinity.warm(None, MODEL, 1)


def test_every_answer_begins_the_hour_anew(affinity: Affinity, clock: Clock) -> None:
    clock.pass_by(HOUR_MS - 1)
    affinity.answered(TALK, MODEL, 1)
    clock.pass_by(HOUR_MS - 1)
    assert affinity.bound(TALK, MODEL) == 1


def test_after_a_silent_hour_the_conversation_is_free(affinity: Affinity, clock: Clock) -> None:
    clock.pass_by(HOUR_MS)
    assert affinity.bound(TALK, MODEL) is None
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 2


def test_a_passing_failure_borrows_another_account_and_keeps_the_binding(affinity: Affinity) -> None:
    affinity.failed(TALK, MODEL, 1, transient=True)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1
    assert affinity.borrowed(TALK, MODEL) == 2


def test_an_answer_of_a_borrowed_account_refreshes_the_hour(affinity: Affinity, clock: Clock) -> None:
    clock.pass_by(HOUR_MS - 1)
    affinity.answered(TALK, MODEL, 2)
    clock.pass_by(HOUR_MS - 1)
    assert affinity.bound(TALK, MODEL) == 1


def test_a_failure_for_good_gives_the_conversation_to_who_answers_next(affinity: Affinity) -> None:
    affinity.failed(TALK, MODEL, 1, transient=False)
    assert (affinity.bound(TALK, MODEL), affinity.avoided(TALK, MODEL)) == (None, 1)
    affinity.answered(TALK, MODEL, 2)
    assert (affinity.bound(TALK, MODEL), affinity.avoided(TALK, MODEL)) == (2, None)


def test_an_account_that_is_out_and_answers_all_the_same_is_back(affinity: Affinity) -> None:
    affinity.failed(TALK, MODEL, 1, transient=False)
    affinity.answered(TALK, MODEL, 1)
    assert affinity.bound(TALK, MODEL) == 1


def test_an_account_late_three_times_in_a_row_is_out(affinity: Affinity) -> None:
    for _ in range(3):
        assert affinity.bound(TALK, MODEL) == 1
        affinity.answered(TALK, MODEL, 1, late=True)
    assert affinity.avoided(TALK, MODEL) == 1


def test_an_answer_in_time_forgives_those_that_were_late(affinity: Affinity) -> None:
    for _ in range(5):
        affinity.answered(TALK, MODEL, 1, late=True)
        affinity.answered(TALK, MODEL, 1)
    assert affinity.bound(TALK, MODEL) == 1


def test_three_passing_failures_in_a_row_put_the_account_out(affinity: Affinity) -> None:
    for _ in range(3):
        affinity.failed(TALK, MODEL, 1, transient=True)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 2


def test_an_answer_in_between_forgives_the_failures_before_it(affinity: Affinity) -> None:
    for _ in range(5):
        affinity.failed(TALK, MODEL, 1, transient=True)
        affinity.answered(TALK, MODEL, 1)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1


def test_failures_far_apart_do_not_add_up(affinity: Affinity, clock: Clock) -> None:
    for _ in range(3):
        affinity.failed(TALK, MODEL, 1, transient=True)
        clock.pass_by(16 * MINUTE_MS)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1


def test_a_hedge_that_wins_once_borrows_only(affinity: Affinity) -> None:
    affinity.slow(TALK, MODEL, 1)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1


def test_an_account_too_slow_three_times_in_a_row_is_left(affinity: Affinity) -> None:
    for _ in range(3):
        affinity.slow(TALK, MODEL, 1)
        affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 2


def test_failures_of_others_are_not_held_against_the_bound_account(affinity: Affinity) -> None:
    affinity.failed(TALK, MODEL, 2, transient=False)
    affinity.answered(TALK, MODEL, 3)
    assert affinity.bound(TALK, MODEL) == 1


def test_what_is_borrowed_for_five_minutes_is_kept(affinity: Affinity, clock: Clock) -> None:
    affinity.answered(TALK, MODEL, 2)
    clock.pass_by(5 * MINUTE_MS - 1)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1
    clock.pass_by(1)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 2


def test_helpers_of_a_session_at_other_accounts_do_not_move_it(affinity: Affinity, clock: Clock) -> None:
    for _ in range(20):
        clock.pass_by(MINUTE_MS)
        affinity.answered(TALK, MODEL, 2)
        affinity.answered(TALK, MODEL, 1)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1


def test_a_thread_of_sealed_reasoning_follows_every_answer(affinity: Affinity) -> None:
    affinity.answered(THREAD, MODEL, 1)
    affinity.answered(THREAD, MODEL, 2)
    assert affinity.bound(THREAD, MODEL) == 2


def test_where_a_thread_was_is_known_for_longer_than_an_hour(affinity: Affinity, clock: Clock) -> None:
    affinity.answered(THREAD, MODEL, 1)
    clock.pass_by(KEPT_MS - 1)
    assert (affinity.bound(THREAD, MODEL), affinity.origin(THREAD, MODEL)) == (None, 1)
    clock.pass_by(1)
    assert affinity.origin(THREAD, MODEL) is None


def test_an_account_is_warm_for_a_conversation_that_it_answered_lately(affinity: Affinity, clock: Clock) -> None:
    assert (affinity.warm(TALK, MODEL, 1), affinity.warm(TALK, MODEL, 2)) == (True, False)
    clock.pass_by(WARM_MS)
    assert not affinity.warm(TALK, MODEL, 1)


def test_a_borrowed_account_is_warm_too_and_the_bound_one_stays_so(affinity: Affinity) -> None:
    affinity.answered(TALK, MODEL, 2)
    assert (affinity.warm(TALK, MODEL, 1), affinity.warm(TALK, MODEL, 2)) == (True, True)


def test_an_account_that_lost_a_conversation_is_still_warm_for_it(affinity: Affinity) -> None:
    affinity.failed(TALK, MODEL, 1, transient=False)
    affinity.answered(TALK, MODEL, 2)
    assert affinity.warm(TALK, MODEL, 1)


@pytest.mark.parametrize(
    ("failure", "transient"),
    [
        (Failure(Cause.OVERLOADED), True),
        (Failure(Cause.RATE_LIMITED, retry_after_s=30), True),
        (Failure(Cause.RATE_LIMITED, retry_after_s=3600), False),
        (Failure(Cause.QUOTA), False),
        (Failure(Cause.CREDENTIALS), False),
        (Failure(Cause.NETWORK), True),
    ],
    ids=lambda value: value.cause.value if isinstance(value, Failure) else str(value),
)
def test_a_failure_passes_if_the_cache_outlives_it(failure: Failure, transient: bool) -> None:
    assert is_transient(failure) is transient


def test_conversations_of_an_account_that_is_gone_are_free(affinity: Affinity) -> None:
    affinity.adopt([account(2)])
    assert affinity.bound(TALK, MODEL) is None


def test_whoever_answers_for_a_disabled_account_keeps_the_conversation(affinity: Affinity) -> None:
    affinity.adopt([account(1, enabled=False), account(2)])
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 2


def test_an_account_enabled_again_before_anybody_answered_has_its_conversations_still(affinity: Affinity) -> None:
    affinity.adopt([account(1, enabled=False), account(2)])
    affinity.adopt([account(1), account(2)])
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1


def test_conversations_of_a_draining_account_stay(affinity: Affinity) -> None:
    affinity.adopt([account(1, draining=True)])
    assert affinity.bound(TALK, MODEL) == 1


def test_a_reset_forgives_what_was_held_against_the_account(affinity: Affinity, clock: Clock) -> None:
    affinity.failed(TALK, MODEL, 1, transient=False)
    affinity.adopt([account(1, reset_at=clock.now), account(2)])
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 1


def test_an_old_reset_forgives_nothing_newer(affinity: Affinity, clock: Clock) -> None:
    affinity.failed(TALK, MODEL, 1, transient=False)
    affinity.adopt([account(1, reset_at=clock.now - 1), account(2)])
    affinity.answered(TALK, MODEL, 2)
    assert affinity.bound(TALK, MODEL) == 2


def test_what_changed_is_told_once(affinity: Affinity, clock: Clock) -> None:
    assert affinity.take_changed() == [(TALK, MODEL, 1, clock.now)]
    affinity.answered(TALK, MODEL, 1)
    assert affinity.take_changed() == []


def test_a_binding_that_is_merely_used_is_told_once_a_minute(affinity: Affinity, clock: Clock) -> None:
    affinity.take_changed()
    told = 0
    for _ in range(120):
        clock.pass_by(1_000)
        affinity.answered(TALK, MODEL, 1)
        told += len(affinity.take_changed())
    assert told == 2


def test_the_next_process_goes_on_where_this_one_was(affinity: Affinity, clock: Clock) -> None:
    rows = affinity.take_changed()
    clock.pass_by(MINUTE_MS)
    after = Affinity(clock)
    after.restore(rows)
    assert after.bound(TALK, MODEL) == 1
    assert after.warm(TALK, MODEL, 1)
    assert after.take_changed() == []


def test_the_least_used_conversations_go_first(clock: Clock) -> None:
    affinity = Affinity(clock, most=2)
    for name in (b"first", b"second"):
        affinity.answered(name, MODEL, 1)
    affinity.answered(b"first", MODEL, 1)
    affinity.answered(b"third", MODEL, 1)
    assert [affinity.bound(name, MODEL) for name in (b"first", b"second", b"third")] == [1, None, 1]
    assert len(affinity) == 2
