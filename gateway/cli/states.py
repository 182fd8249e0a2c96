"""The state of an account in a word, and why, as the command line says it."""

from typing import NamedTuple

from gateway.cli import words
from gateway.cli.output import Facts, facts_of
from gateway.clock import now_ms
from gateway.store.queries.account_states import standing
from gateway.store.queries.views import AccountView


class State(NamedTuple):
    """`why` is empty where the word says it all."""

    word: str
    why: str


def account_state(view: AccountView, now_at: int) -> State:
    """The word of `standing`, why with what is left of it, and the command that ends it."""
    found = standing(view, now_at)
    if found.word == "disabled":
        return State(found.word, f"trigate accounts enable {view.name}")
    if found.until_at is not None:
        return State(found.word, _left(found.why, found.until_at, now_at))
    if found.word == "ready":
        cooling = [f"{each.model} cooling: {_left(each.why, each.until_at, now_at)}" for each in found.models]
        return State(found.word, words.listed(cooling))
    return State(found.word, found.why)


def facts_of_view(view: AccountView) -> Facts:
    """An account's fields, its state in a word, and why."""
    state = account_state(view, now_ms())
    return {**facts_of(view), "state": state.word, "why": state.why}


def _left(why: str, until_at: int, now_at: int) -> str:
    return f"{why}, {words.span(until_at - now_at)} left"
