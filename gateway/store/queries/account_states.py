"""The state of an account in a word, and why. Pure: how long it lasts is left to whoever shows it."""

from msgspec import Struct

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


class CoolingModel(Struct, frozen=True):
    """A model that is cooling at an account which itself is not."""

    model: str
    why: str
    until_at: int


class Standing(Struct, frozen=True):
    """`word`: ready, disabled, draining, cooling, out of quota, refused, or trying (one call at a time after a
    cool-down). `why` is empty where the word says it all; `until_at` is when the state ends by itself, if it does.
    """

    word: str
    why: str = ""
    until_at: int | None = None
    models: tuple[CoolingModel, ...] = ()


def standing(view: AccountView, now_at: int) -> Standing:
    """What an operator is to know first."""
    if not view.enabled:
        return Standing("disabled")
    models = tuple(
        CoolingModel(state.model, reason_text(state), state.until_at)
        for state in view.states
        if state.model and state.until_at > now_at
    )
    whole = next((state for state in view.states if not state.model), None)
    if whole is not None and whole.until_at > now_at:
        return Standing(_WORDS.get(whole.reason, "cooling"), reason_text(whole), whole.until_at, models)
    if view.draining:
        return Standing("draining", "takes no new conversations", None, models)
    if whole is not None and whole.half_open:
        return Standing("trying", f"after {reason_text(whole)}", None, models)
    return Standing("ready", "", None, models)


def reason_text(state: AccountState) -> str:
    """Why an account cools down, in words."""
    return _REASONS.get(state.reason, state.reason)
