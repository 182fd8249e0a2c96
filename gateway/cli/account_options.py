"""The options that `accounts add` and `accounts set` share."""

import difflib
from collections.abc import Callable
from typing import Any, Literal

import click
import msgspec
from msgspec import UNSET, UnsetType

from gateway.catalog import Rates
from gateway.cli.secrets import from_environment, refuse_private_headers
from gateway.cli.values import (
    NoLimit,
    as_limit,
    as_usd,
    given,
    limit_given,
    list_option,
    merged,
    pair_option,
    scalar,
)
from gateway.errors import UsageError
from gateway.records import Account, AccountKind, DialectName
from gateway.store.operators.accounts import AccountChanges

_OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option("--base-url", metavar="URL", help="Where it is; the vendor's own endpoint if not given."),
    list_option("--models", "Upstream models to use; every one of its vendor if not given.", "GLOB"),
    pair_option("--model-map", "What the upstream calls models, such as claude-*=anthropic/claude-*.", "GLOB=UPSTREAM"),
    list_option("--dialects", "Protocols to use of those it speaks: messages, chat, responses.", "DIALECT"),
    click.option("--priority", type=int, metavar="N", help="Higher is tried first (0 if not given)."),
    click.option("--weight", type=int, metavar="N", help="Share of the calls among equal priorities (1)."),
    click.option("--max-concurrency", type=as_limit, metavar="N|none", help="Calls at once."),
    click.option("--free/--priced", default=None, help="Its models cost nothing, on purpose."),
    pair_option(
        "--cost",
        "What it costs you in USD per million tokens, where that is not the list price: input and output, then cache "
        "reads and writes (else as input), such as claude-*=1.50/7.50/0.15. GLOB= takes one back.",
        "GLOB=IN/OUT[/READ[/WRITE]]",
    ),
    click.option("--proxy", metavar="URL", help="http, https or socks5 proxy; '' for none."),
    click.option("--proxy-env", metavar="VARIABLE", help="Variable that holds a proxy URL with a password."),
    pair_option("--header", "Header to send with every call.", "NAME=VALUE"),
    pair_option("--header-env", "Header whose value is in a variable.", "NAME=VARIABLE"),
    pair_option("--option", "Switch of its kind, such as auth=bearer or ttft_ms=200.", "NAME=VALUE"),
    click.option(
        "--on-cancel",
        type=click.Choice(("stops", "continues", "unknown")),
        help="Whether the upstream stops billing an answer that is cancelled.",
    ),
)


# Of accounts that are reached over the network; `ca_file` and `tls_verify` where that is with TLS.
_REACHED = ("auth", "flavour", "unix_socket", "ca_file", "tls_verify")


def account_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them all to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def changes_from(
    kind: AccountKind,
    before: Account | None = None,
    *,
    new_name: str | None = None,
    base_url: str | None,
    models: tuple[str, ...] | None,
    model_map: dict[str, str],
    dialects: tuple[DialectName, ...] | None,
    priority: int | None,
    weight: int | None,
    max_concurrency: int | NoLimit | None,
    free: bool | None,
    cost: dict[str, str],
    proxy: str | None,
    proxy_env: str | None,
    header: dict[str, str],
    header_env: dict[str, str],
    option: dict[str, str],
    on_cancel: Literal["stops", "continues", "unknown"] | None,
) -> AccountChanges:
    """What was given. Pairs are laid over those the account has. Raises UsageError for a credential in the open, and
    for an option that accounts of this kind do not have."""
    refuse_private_headers(header)
    secret_headers = {name: from_environment(variable, "--header-env") for name, variable in header_env.items()}
    headers = {name.lower(): value for name, value in {**header, **secret_headers}.items()}
    scalars = {name: scalar(text) for name, text in option.items()}
    _refuse_unknown(kind, [name for name, value in scalars.items() if value != ""])
    return AccountChanges(
        name=given(new_name),
        base_url=given(base_url),
        models=given(models),
        model_map=merged(before.model_map if before else {}, model_map) if model_map else UNSET,
        dialects=given(dialects),
        priority=given(priority),
        weight=given(weight),
        max_concurrency=limit_given(max_concurrency),
        free=given(free),
        cost_prices=_costs(before.cost_prices if before else {}, cost) if cost else UNSET,
        proxy=_proxy(proxy, proxy_env),
        extra_headers=merged(before.extra_headers if before else {}, headers) if headers else UNSET,
        on_cancel=given(on_cancel),
        options=_checked(merged(before.options if before else {}, scalars), kind, before) if scalars else UNSET,
    )


def _refuse_unknown(kind: AccountKind, names: list[str]) -> None:
    """Raises UsageError for a name that would be passed over in silence."""
    known = option_names(kind)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"Did you mean {near[0]}?" if near else "docs/operations.md and docs/translation.md list them."
            raise UsageError(f"--option: accounts of kind {kind} have no option {name!r}. {advice}")


def option_names(kind: AccountKind) -> tuple[str, ...]:
    """What can be said with `--option` of an account: how it is translated for, and how it is reached."""
    from gateway.translate.base import Options

    names = Options.__struct_fields__
    if kind == "simulated":
        from gateway.upstream.providers.simulated.wire import Options as Simulated

        return (*names, "flavour", *Simulated.__struct_fields__)
    if kind == "claude-cli":
        from gateway.upstream.providers.claude_cli.options import CliOptions

        return (*names, "ca_file", *CliOptions.__struct_fields__)
    return (*names, *_REACHED)


def _checked(options: dict[str, Any], kind: AccountKind, before: Account | None) -> dict[str, Any]:
    """Options whose values the translation of calls, and the account's kind, understand. Raises OperatorError."""
    from gateway.translate.base import options_from

    if before is not None and before.kind == "claude-cli":
        from gateway.upstream.providers.claude_cli.options import options_of

        options_of(msgspec.structs.replace(before, options=options))

    try:
        options_from(options)
        if kind == "simulated":
            from gateway.upstream.providers.simulated.wire import Options as Simulated

            msgspec.convert(options, Simulated, strict=False)
    except msgspec.ValidationError as error:
        page = "operations" if kind == "simulated" else "translation"
        raise UsageError(f"--option: {error}. docs/{page}.md lists the options and their values.") from None
    return options


def _costs(before: dict[str, Rates], given: dict[str, str]) -> dict[str, Rates]:
    """Costs laid over those the account has; an empty one takes its entry out."""
    return merged(before, {glob: _rates(text) if text else "" for glob, text in given.items()})


def _rates(text: str) -> Rates:
    """`IN/OUT`, `IN/OUT/READ` or `IN/OUT/READ/WRITE` in dollars."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 4:
        raise UsageError(f"--cost: {text!r} is not IN/OUT, IN/OUT/READ or IN/OUT/READ/WRITE, such as 1.50/7.50.")
    amounts: list[int | None] = [as_usd(part.strip()) for part in parts]
    input_, output, read, write = (*amounts, None, None)[:4]
    assert input_ is not None
    assert output is not None
    return Rates(input_, output, read, write, write, write, write)


def _proxy(url: str | None, variable: str | None) -> str | UnsetType | None:
    if variable is not None:
        return from_environment(variable, "--proxy-env")
    if url and "@" in url:
        raise UsageError("A proxy's password is not given on the command line. Use --proxy-env VARIABLE.")
    return UNSET if url is None else url or None
