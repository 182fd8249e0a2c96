"""Credentials come from standard input, the environment or a hidden prompt; never from the command line, which every
user of the machine can read and the shell writes down."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gateway.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PRIVATE_HEADER = re.compile(r"authorization|key|token|secret|cookie|password|credential", re.IGNORECASE)
_LONGEST = 16_384


def secret_options(command: Command) -> Command:
    """`--secret-stdin` and `--secret-env`, and a refusal for whoever tries `--secret`."""
    for option in (
        click.option("--secret", hidden=True, expose_value=False, callback=_refuse),
        click.option("--secret-env", metavar="VARIABLE", help="Environment variable that holds the credential."),
        click.option("--secret-stdin", is_flag=True, help="Read the credential from standard input."),
    ):
        command = option(command)
    return command


def read_secret(*, stdin: bool, variable: str | None) -> str | None:
    """The credential, from where the options say; None if they say nothing. Raises UsageError."""
    if stdin and variable is not None:
        raise UsageError("Give --secret-stdin or --secret-env, not both.")
    if variable is not None:
        return from_environment(variable, "--secret-env")
    if not stdin:
        return None
    secret = sys.stdin.read(_LONGEST).strip()
    if not secret:
        raise UsageError("Standard input holds no credential.")
    return secret


def from_environment(variable: str, option: str) -> str:
    """The value of an environment variable. Raises UsageError; it never repeats what might be a credential."""
    if not _VARIABLE.fullmatch(variable):
        raise UsageError(f"{option} takes the name of an environment variable, not the value itself.")
    value = os.environ.get(variable, "").strip()
    if not value:
        raise UsageError(f"The environment variable {variable} is not set. Is it exported?")
    return value


def ask_secret(name: str) -> str:
    """Prompt for it, unseen."""
    secret: str = click.prompt(f"Credential of {name} (not shown)", hide_input=True, err=True)
    return secret.strip()


def refuse_private_headers(headers: dict[str, str]) -> None:
    """Raises UsageError for a header that by its name carries a credential."""
    for name, value in headers.items():
        if value and _PRIVATE_HEADER.search(name):
            raise UsageError(
                f"The header {name} looks like a credential, which is not given on the command line. Put it into an "
                f"environment variable and write --header-env {name}=VARIABLE."
            )


def _refuse(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(
            "A credential is not given on the command line: others can read it there. Use --secret-stdin or "
            "--secret-env VARIABLE. Treat the one you just typed as known to others."
        )
