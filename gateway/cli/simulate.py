"""`trigate simulate`: what the race policies do to waiting, load and cost, before a customer feels it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

import click
from msgspec.structs import replace

from gateway.cli import words
from gateway.cli.command import Command, Session, pass_session
from gateway.cli.config import settings_in_force
from gateway.cli.output import Column, Facts, show_json, show_table, talk, with_usd
from gateway.cli.values import as_usd
from gateway.errors import NotFound
from gateway.records import RacePolicy
from gateway.simulation.weather import SCENARIOS, Scenario, Shape

if TYPE_CHECKING:
    from gateway.catalog import Rates
    from gateway.simulation.figures import Outcome
    from gateway.simulation.play import Traffic
    from gateway.upstream.hedging import Rules

POLICIES: tuple[RacePolicy, ...] = get_args(RacePolicy)
# More than any simulation costs: the cap of a day would end most races after a few hundred calls.
_NO_CAP_MICRO = 10**15

_COLUMNS = (
    Column("SCENARIO", lambda each: each["scenario"]),
    Column("POLICY", lambda each: each["policy"]),
    Column("P50", lambda each: _seconds(each["p50_ms"]), right=True),
    Column("P95", lambda each: _seconds(each["p95_ms"]), right=True),
    Column("P99", lambda each: _seconds(each["p99_ms"]), right=True),
    Column("SLOWEST", lambda each: _seconds(each["slowest_ms"]), right=True),
    Column("FAILED", lambda each: words.limit(each["failed"]), right=True),
    Column("RETRIES", lambda each: words.limit(each["retries"]), right=True),
    Column("EXTRA CALLS", lambda each: f"{each['extra_calls_percent']:.2f} %", right=True),
    Column("EXTRA COST", lambda each: f"{each['extra_cost_percent']:.2f} %", right=True),
    Column("DENIED", lambda each: words.pairs(each["denied"])),
)


def _options(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def _number(name: str, help_text: str, least: float, most: float = 1e6) -> Callable[..., Any]:
    return click.option(name, type=click.FloatRange(least, most), metavar="N", help=help_text)


def _count(name: str, help_text: str, default: int | None, most: int = 1_000_000) -> Callable[..., Any]:
    kind = click.IntRange(1, most)
    return click.option(name, type=kind, default=default, show_default=default is not None, metavar="N", help=help_text)


_TRAFFIC = _options(
    _count("--calls", "Calls under each policy.", 2_000),
    click.option(
        "--rate",
        type=click.FloatRange(0.001, 1e4),
        default=2.0,
        show_default=True,
        metavar="N",
        help="Calls a second, on average.",
    ),
    click.option(
        "--seed", "seeds", type=int, multiple=True, default=(1,), show_default=True, help="Repeat it to pool several."
    ),
    _count("--accounts", "Accounts that serve the model.", 4, 100),
    _count("--concurrency", "Calls at once of each account; else without limit.", None),
    click.option(
        "--on-cancel",
        type=click.Choice(("stops", "continues", "unknown")),
        default="unknown",
        show_default=True,
        help="What the accounts' upstream does when a loser is cancelled.",
    ),
    click.option("--model", default="claude-sonnet-4-6", show_default=True, metavar="ID", help="Whose prices count."),
    _count("--input-tokens", "Length of a prompt.", 1_500),
    _count("--output-tokens", "Length of an answer.", 400),
)
_SHAPE = _options(
    _number("--median", "Median time to first token, in seconds.", 0.001),
    _number("--sigma", "Spread of the lognormal body.", 0, 5),
    _number("--tail-percent", "Calls of a hundred that are drawn from the Pareto tail.", 0, 100),
    _number("--tail-alpha", "Its exponent: the smaller, the heavier.", 0.1, 100),
    _number("--tail-from", "Where it begins, in seconds.", 0.001),
)
_RULES = _options(
    _number("--share", "hedge_share_percent, in place of the setting.", 0, 100),
    click.option("--least", type=click.IntRange(0), metavar="N", help="hedge_least_per_minute, likewise."),
    click.option("--width", type=click.IntRange(2, 16), metavar="N", help="race_width, likewise."),
    click.option("--race-prompt", type=click.IntRange(0), metavar="N", help="race_prompt_tokens, likewise."),
    click.option("--cost-cap", type=as_usd, metavar="USD", help="hedge_cost_cap_micro, likewise."),
    click.option("--day-cap", type=as_usd, metavar="USD", help="A cap for the whole simulation; else without."),
)


@click.command(cls=Command)
@click.argument("scenarios", nargs=-1, type=click.Choice(tuple(SCENARIOS)), metavar="[SCENARIO]...")
@_TRAFFIC
@_SHAPE
@_RULES
@pass_session
def simulate(session: Session, /, scenarios: tuple[str, ...], **given: Any) -> None:
    """Replay made-up traffic through the three race policies, on a virtual clock.

    Scenarios: healthy, heavy-tail, brown-out-one, brown-out, rate-limits, overload; all of them unless some are named.
    Pool, race, delays and budgets are the gateway's own, with the settings in force; only the accounts are made up.
    """
    traffic, rules = _traffic(given), _rules(session, given)
    facts = []
    for name in scenarios or tuple(SCENARIOS):
        scenario = _shaped(SCENARIOS[name], given)
        talk(f"{name}: {scenario.words}; {_distribution(scenario.shape)}")
        facts += [_facts(name, _play(scenario, policy, traffic, rules, given["seeds"])) for policy in POLICIES]
    if session.json:
        show_json(with_usd(facts))
        return
    show_table(_COLUMNS, facts)
    talk(
        "Times to first token. Extra calls are attempts beside another, of a hundred calls; extra cost is what losers "
        "cost, of a hundred dollars of answers."
    )


def _play(
    scenario: Scenario, policy: RacePolicy, traffic: "Traffic", rules: "Rules", seeds: tuple[int, ...]
) -> "Outcome":
    from gateway.simulation import play

    pooled, *others = [play.simulate(scenario, policy, replace(traffic, seed=seed), rules) for seed in seeds]
    for other in others:
        pooled.add(other)
    return pooled


def _traffic(given: dict[str, Any]) -> "Traffic":
    from gateway.simulation.play import Traffic

    same = ("calls", "rate", "accounts", "concurrency", "on_cancel", "input_tokens", "output_tokens")
    return Traffic(**{name: given[name] for name in same}, rates=_rates(given["model"]))


def _rates(asked: str) -> "Rates":
    """The list price of a model. Raises NotFound."""
    from gateway.catalog.load import shipped_catalog
    from gateway.catalog.resolve import price_at, resolve
    from gateway.clock import now_ms

    model = resolve(shipped_catalog(), asked, family_fallback=False)
    price = None if model is None else price_at(model, now_ms())
    if price is None:
        raise NotFound(f"The catalog has no price of {asked!r}. `trigate models list` shows the models.")
    return price.rates


def _rules(session: Session, given: dict[str, Any]) -> "Rules":
    """The operator's bounds, but for what was said here."""
    from gateway.upstream.hedging import rules_of

    names = {
        "share": "share_percent",
        "least": "least_per_minute",
        "width": "race_width",
        "race_prompt": "race_prompt_tokens",
        "cost_cap": "cost_cap_micro",
        "day_cap": "day_cap_micro",
    }
    changes = {field: given[option] for option, field in names.items() if given[option] is not None}
    return replace(rules_of(settings_in_force(session)), **{"day_cap_micro": _NO_CAP_MICRO, **changes})


def _shaped(scenario: Scenario, given: dict[str, Any]) -> Scenario:
    names = {
        "median": "median_s",
        "sigma": "sigma",
        "tail_percent": "tail_percent",
        "tail_alpha": "tail_alpha",
        "tail_from": "tail_from_s",
    }
    changes = {field: given[option] for option, field in names.items() if given[option] is not None}
    return replace(scenario, shape=replace(scenario.shape, **changes))


def _distribution(shape: Shape) -> str:
    body = f"lognormal, median {shape.median_s:g} s, sigma {shape.sigma:g}"
    if not shape.tail_percent:
        return body
    return f"{body}; {shape.tail_percent:g} % Pareto, alpha {shape.tail_alpha:g}, from {shape.tail_from_s:g} s"


def _facts(name: str, outcome: "Outcome") -> Facts:
    return {
        "scenario": name,
        "policy": outcome.policy,
        "calls": outcome.calls,
        "failed": outcome.failed,
        **{f"p{percent}_ms": round(1000 * outcome.quantile_s(percent / 100)) for percent in (50, 95, 99)},
        "slowest_ms": round(1000 * outcome.quantile_s(1)),
        "extra": outcome.extra,
        "extra_won": outcome.extra_won,
        "retries": outcome.retries,
        "extra_calls_percent": round(outcome.extra_calls_percent, 3),
        "extra_cost_percent": round(outcome.extra_cost_percent, 3),
        "answers_micro": outcome.won_micro,
        "losers_micro": outcome.lost_micro,
        "denied": outcome.denied,
    }


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.2f} s"
