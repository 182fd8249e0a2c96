"""What an account of kind `claude-cli` can be told with `--option NAME=VALUE`. Pure."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.errors import ConfigurationError
from gateway.records import Account

DEFAULT_PROCESSES = 4


class CliOptions(Struct, frozen=True, kw_only=True):
    """`command` is the program's name or path. `login` says whose login it uses: one of the account's `own` folder, or
    the one that the `operator` already has. `any_version` switches the check of its version off.

    `wait_s` is how long a call may wait for a process, `start_s` how long a process may take to be ready and to read
    the history, `memory_mb` what it may come to use. `parked` processes at most wait for results of tools, each for
    `park_s`. `warm` processes are kept ready for calls like the last ones.
    """

    command: str = "claude"
    login: Literal["own", "operator"] = "own"
    any_version: bool = False
    wait_s: Annotated[float, Meta(gt=0, le=3_600)] = 120.0
    start_s: Annotated[float, Meta(gt=0, le=600)] = 30.0
    memory_mb: Annotated[int, Meta(ge=64)] = 1_024
    parked: Annotated[int, Meta(ge=0, le=64)] = 8
    park_s: Annotated[float, Meta(ge=0, le=3_600)] = 120.0
    warm: Annotated[int, Meta(ge=0, le=16)] = 0


def options_of(account: Account) -> CliOptions:
    """The account's options. Raises ConfigurationError for a value that means nothing."""
    try:
        return msgspec.convert(account.options, CliOptions, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The options of account {account.name!r} are wrong: {error}.") from None


def processes_of(account: Account) -> int:
    """How many processes may work at once."""
    return account.max_concurrency or DEFAULT_PROCESSES
