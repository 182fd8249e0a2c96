"""The state of an account in a word, and why."""

from typing import NamedTuple

from gateway.cli import words
from gateway.cli.output import Facts, facts_of
from gateway.clock import now_ms
from gateway.store.jobs import AccountState
from gateway.store.queries.views import AccountView

_REASONS = {
    "rate_limited": "rate limited",
    "quota": "out of quota",
    "credentials": "the upstream refuses its credential",
    "model_missing": "the upstream does not have the model",
    "overloaded": "overloaded",
    "server_error": "the upstream fails",
    "network": "the upstream cannot be reached",
    "garbage": "the upstream does not answer as it should",
    "timeout": "the upstream does not answer in time",
}
# Causes that waiting alone does not mend have a word of their own.
_WORDS = {"quota": "out of quota", "credentials": "refused"}


class State(NamedTuple):
    """`why` is empty where the word says it all."""

    word: str
    why: str


def account_state(view: AccountView, now_at: int) -> State:
    """ready, disabled, draining, cooling, out of quota, refused, or trying (one call at a time after a cool-down)."""
    if not view.enabled:
        return State("disabled", f"trigate accounts enable {view.name}")
    whole = next((state for state in view.states if not state.model), None)
    if whole is not None and whole.until_at > now_at:
        return State(_WORDS.get(whole.reason, "cooling"), _cooling(whole, now_at))
    if view.draining:
        return State("draining", "takes no new conversations")
    if whole is not None and whole.half_open:
        return State("trying", f"after {_reason(whole)}")
    return State("ready", words.listed(_models(view, now_at)))


def facts_of_view(view: AccountView) -> Facts:
    """An account's fields, its state in a word, and why."""
    state = account_state(view, now_ms())
    return {**facts_of(view), "state": state.word, "why": state.why}


def _models(view: AccountView, now_at: int) -> list[str]:
    """The models that are cooling while the account itself is not."""
    cooling = [state for state in view.states if state.model and state.until_at > now_at]
    return [f"{state.model} cooling: {_cooling(state, now_at)}" for state in cooling]


def _cooling(state: AccountState, now_at: int) -> str:
    return f"{_reason(state)}, {words.span(state.until_at - now_at)} left"


def _reason(state: AccountState) -> str:
    return _REASONS.get(state.reason, state.reason)
