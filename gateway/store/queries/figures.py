"""Keys and accounts with what they did in the last 24 hours."""

from msgspec import Struct

from gateway.store.database import Database
from gateway.store.queries.account_states import Standing, standing
from gateway.store.queries.usage import Dimension, UsageSum, summarize
from gateway.store.queries.views import AccountView, KeyView, account_views, key_views
from gateway.store.rollups import HOUR_MS


class KeyFigures(Struct, frozen=True):
    """A key, and its calls and charges in the last 24 hours (whole UTC hours)."""

    view: KeyView
    calls_24h: int
    failed_24h: int
    charged_24h_micro: int


class AccountFigures(Struct, frozen=True):
    """An account, its state in a word and why, and its last 24 hours (whole UTC hours).

    `ttft_p50_ms` and `ttft_p95_ms` are what the running gateway measures, None while it has too few samples or does not
    run. `success_24h` is the share of attempts that did not fail, None where there were none.
    """

    view: AccountView
    standing: Standing
    in_flight: int
    ttft_p50_ms: int | None
    ttft_p95_ms: int | None
    calls_24h: int
    attempts_24h: int
    failed_attempts_24h: int
    upstream_24h_micro: int
    overhead_24h_micro: int

    @property
    def success_24h(self) -> float | None:
        return 1 - self.failed_attempts_24h / self.attempts_24h if self.attempts_24h else None


def key_figures(database: Database, now_at: int) -> list[KeyFigures]:
    """Every key, by name, revoked ones last."""
    sums = _last_day(database, now_at, "key")
    found = []
    for view in key_views(database, now_at):
        sum_ = sums.get(view.key.id)
        figures = (sum_.calls, sum_.failed_calls, sum_.charged_micro) if sum_ else (0, 0, 0)
        found.append(KeyFigures(view, *figures))
    return found


def account_figures(database: Database, now_at: int) -> list[AccountFigures]:
    """Every account, first tried first."""
    sums = _last_day(database, now_at, "account")
    return [_account_figures(view, sums.get(view.id), now_at) for view in account_views(database)]


def _account_figures(view: AccountView, sum_: UsageSum | None, now_at: int) -> AccountFigures:
    return AccountFigures(
        view,
        standing(view, now_at),
        in_flight=view.gauges.get("in_flight", 0),
        ttft_p50_ms=view.gauges.get("ttft_p50_ms"),
        ttft_p95_ms=view.gauges.get("ttft_p95_ms"),
        calls_24h=sum_.calls if sum_ else 0,
        attempts_24h=sum_.attempts if sum_ else 0,
        failed_attempts_24h=sum_.failed_attempts if sum_ else 0,
        upstream_24h_micro=sum_.upstream_micro if sum_ else 0,
        overhead_24h_micro=sum_.overhead_micro if sum_ else 0,
    )


def _last_day(database: Database, now_at: int, by: Dimension) -> dict[int, UsageSum]:
    first_at = now_at - now_at % HOUR_MS - 23 * HOUR_MS
    found = summarize(database, since_at=first_at, until_at=now_at, by=(by,))
    return {each.group[by]: each for each in found}
