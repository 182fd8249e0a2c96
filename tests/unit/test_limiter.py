"""Limits per key and per address."""

from gateway.limits.limiter import FAILED_BURST, Limiter, network_of

NOW = 5_000.0


def test_a_key_without_limits_is_never_counted() -> None:
    limiter = Limiter()
    decision = limiter.check_key(1, rpm=None, tpm=None, tokens=10**9, now=NOW)
    assert (decision.allowed, decision.requests, decision.tokens, limiter.entries()) == (True, None, None, 0)


def test_requests_per_minute() -> None:
    limiter = Limiter()
    admitted = [limiter.check_key(1, rpm=3, tpm=None, tokens=0, now=NOW).allowed for _ in range(4)]
    assert admitted == [True, True, True, False]
    assert limiter.check_key(1, rpm=3, tpm=None, tokens=0, now=NOW + 20).allowed


def test_keys_do_not_share_a_bucket() -> None:
    limiter = Limiter()
    limiter.check_key(1, rpm=1, tpm=None, tokens=0, now=NOW)
    assert limiter.check_key(2, rpm=1, tpm=None, tokens=0, now=NOW).allowed


def test_a_call_refused_for_its_tokens_does_not_cost_a_request() -> None:
    limiter = Limiter()
    limiter.check_key(1, rpm=10, tpm=1000, tokens=900, now=NOW)
    refused = limiter.check_key(1, rpm=10, tpm=1000, tokens=200, now=NOW)
    assert not refused.allowed
    assert refused.requests is not None
    assert refused.requests.remaining == 9
    assert round(refused.retry_after_s) == 6
    small = limiter.check_key(1, rpm=10, tpm=1000, tokens=50, now=NOW)
    assert small.requests is not None
    assert small.requests.remaining == 8


def test_a_call_refused_for_its_requests_does_not_cost_tokens() -> None:
    limiter = Limiter()
    limiter.check_key(1, rpm=1, tpm=1000, tokens=100, now=NOW)
    refused = limiter.check_key(1, rpm=1, tpm=1000, tokens=100, now=NOW)
    assert refused.tokens is not None
    assert refused.tokens.remaining == 900


def test_an_estimate_that_was_too_high_is_given_back() -> None:
    limiter = Limiter()
    limiter.check_key(1, rpm=None, tpm=1000, tokens=1000, now=NOW)
    limiter.correct_tokens(1, tpm=1000, estimated=1000, actual=100, now=NOW)
    after = limiter.check_key(1, rpm=None, tpm=1000, tokens=0, now=NOW).tokens
    assert after is not None
    assert after.remaining == 900


def test_an_estimate_that_was_too_low_is_waited_for_by_the_next_call() -> None:
    limiter = Limiter()
    limiter.check_key(1, rpm=None, tpm=600, tokens=100, now=NOW)
    limiter.correct_tokens(1, tpm=600, estimated=100, actual=1200, now=NOW + 1)
    assert not limiter.check_key(1, rpm=None, tpm=600, tokens=1, now=NOW + 1).allowed
    assert limiter.check_key(1, rpm=None, tpm=600, tokens=1, now=NOW + 62).allowed


def test_a_keyless_address_has_sixty_a_minute_and_ten_more_in_a_burst() -> None:
    limiter = Limiter()
    assert sum(limiter.check_ip("192.0.2.1", now=NOW).allowed for _ in range(80)) == 70
    assert sum(limiter.check_ip("192.0.2.1", now=NOW + second).allowed for second in range(1, 61)) == 60
    assert limiter.check_ip("192.0.2.2", now=NOW).allowed


def test_asking_what_is_left_takes_nothing() -> None:
    limiter = Limiter()
    assert [limiter.check_ip("192.0.2.1", now=NOW, cost=0).remaining for _ in range(2)] == [70, 70]
    assert limiter.entries() == 0


def test_wrong_keys_are_throttled_by_address_and_forgotten_with_time() -> None:
    limiter = Limiter()
    tried = [limiter.failed_lookup("192.0.2.1", now=NOW).allowed for _ in range(FAILED_BURST + 1)]
    assert tried == [True] * FAILED_BURST + [False]
    assert limiter.failed_lookup("192.0.2.1", now=NOW + 6).allowed


def test_one_ipv6_subscriber_is_one_address() -> None:
    limiter = Limiter()
    for host in range(FAILED_BURST):
        limiter.failed_lookup(f"2001:db8:0:1::{host:x}", now=NOW)
    assert not limiter.failed_lookup("2001:db8:0:1:ffff::1", now=NOW).allowed
    assert limiter.failed_lookup("2001:db8:0:2::1", now=NOW).allowed


def test_addresses_in_other_clothes() -> None:
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("unix:") == "unix:"


def test_buckets_that_are_full_again_take_no_memory() -> None:
    limiter = Limiter()
    for client in range(10_000):
        limiter.check_ip(f"198.51.{client >> 8}.{client & 255}", now=NOW + client * 2)
    assert limiter.entries() <= 1025


def test_memory_is_bounded_under_a_flood_of_new_addresses() -> None:
    limiter = Limiter(most_entries=2_000)
    for client in range(20_000):
        limiter.check_ip(f"10.{client >> 16}.{client >> 8 & 255}.{client & 255}", now=NOW)
    assert limiter.entries() <= 2_000
    last = "10.0.78.31"
    assert limiter.check_ip(last, now=NOW).remaining == 68
