"""An account's state in a word, and why."""

from typing import Any

import pytest

from gateway.cli.states import account_state
from gateway.store.jobs import AccountState
from gateway.store.queries.views import AccountView

NOW = 1_000_000_000


def view(*states: AccountState, **fields: Any) -> AccountView:
    values: dict[str, Any] = {
        "kind": "anthropic", "base_url": "", "has_secret": True, "models": (), "discovered": (), "model_map": {},
        "dialects": (), "priority": 0, "weight": 1, "max_concurrency": None, "enabled": True, "draining": False,
        "free": False, "options": {}, "gauges": {},
    }  # fmt: skip
    return AccountView(id=1, name="main", states=list(states), **{**values, **fields})


def state(reason: str, *, left_s: int, model: str = "", half_open: bool = True) -> AccountState:
    return AccountState(1, model, NOW + left_s * 1000, reason, 1, half_open, NOW - 1)


@pytest.mark.parametrize(
    ("account", "word", "why"),
    [
        (view(), "ready", ""),
        (view(enabled=False), "disabled", "trigate accounts enable main"),
        (view(draining=True), "draining", "takes no new conversations"),
        (view(state("rate_limited", left_s=41)), "cooling", "rate limited, 41 s left"),
        (view(state("quota", left_s=900)), "out of quota", "out of quota, 15 m 00 s left"),
        (view(state("credentials", left_s=60)), "refused", "the upstream refuses its credential, 1 m 00 s left"),
        (view(state("overloaded", left_s=-1)), "trying", "after overloaded"),
        (view(state("overloaded", left_s=-1, half_open=False)), "ready", ""),
        (
            view(state("rate_limited", left_s=5, model="claude-opus-5-5")),
            "ready",
            "claude-opus-5-5 cooling: rate limited, 5.0 s left",
        ),
    ],
)
def test_state(account: AccountView, word: str, why: str) -> None:
    assert account_state(account, NOW) == (word, why)
