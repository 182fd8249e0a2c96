"""The program itself: its commands by name, loaded when called, and what their failures look like."""

import difflib
import errno
import importlib
import os
import sys
from typing import Any, NoReturn

import click

from gateway import __version__
from gateway.cli.command import Noun
from gateway.cli.output import talk
from gateway.errors import ConfigurationError, NotPermitted, StoreUnavailable, TrigateError

INTERRUPTED = 130

# The first line of each command's help stands here as well, so that `trigate --help` need import none of them.
COMMANDS = {
    "demo": "Try it: simulated accounts, a funded key, curl lines to paste.",
    "init": "Set up step by step: data folder, first account, first key.",
    "serve": "Run the gateway.",
    "tui": "The console: live calls, keys, balances, accounts, in this terminal.",
    "status": "Whether the gateway runs, and how it is doing.",
    "customers": "Who pays, and their prepaid balances.",
    "keys": "API keys to hand out.",
    "accounts": "Upstream accounts that calls are sent to.",
    "tiers": "What the keys of a tier may do.",
    "models": "The catalog: models, aliases and prices.",
    "usage": "What was called and what it cost.",
    "ledger": "Every movement of money.",
    "simulate": "Replay made-up traffic through the three race policies, on a virtual clock.",
    "config": "The settings and where they come from.",
    "db": "Care of the database.",
    "doctor": "Whether everything is as it should be, and what to do where it is not.",
    "backup": "Copy the database into FILE, as it is at this instant; the gateway goes on meanwhile.",
    "completion": "Print what makes SHELL complete commands and options.",
}


class Root(Noun):
    """Commands are modules of this package with a command of the module's own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"gateway.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named. Raises click's UsageError, with the nearest one that there is."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run, and end the process with the exit code that fits."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
            sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except TrigateError as error:
            talk(f"trigate: {error.message}")
            code = getattr(error, "exit_code", 1)
        except (click.Abort, KeyboardInterrupt):
            talk("")
            code = INTERRUPTED
        except OSError as error:
            if error.errno != errno.EPIPE:
                sys.exit(_say_of_a_file(error))
            # Whoever read the output has gone; the interpreter must not try to flush it again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 1
        except Exception as error:
            if not _is_database_error(error):
                raise
            talk(f"trigate: The database failed: {error}. `trigate db check` examines it.")
            code = StoreUnavailable.exit_code
        sys.exit(code if isinstance(code, int) else 0)


def _say_of_a_file(error: OSError) -> int:
    """What the system says of a file, and the exit code; an error that names none goes on."""
    if error.filename is None:
        raise error
    talk(f"trigate: {os.fsdecode(error.filename)}: {error.strerror}.")
    return NotPermitted.exit_code if isinstance(error, PermissionError) else ConfigurationError.exit_code


def _is_database_error(error: Exception) -> bool:
    """Without importing the libraries: an error of theirs means that they are imported."""
    return type(error).__module__.partition(".")[0] in ("apsw", "peewee")


@click.group(cls=Root)
@click.version_option(__version__, prog_name="trigate", message="%(prog)s %(version)s")
def trigate() -> None:
    """A self-hosted LLM gateway: API keys with prepaid balances over your upstream accounts.

    New here? `trigate demo` shows it at work, `trigate init` sets it up.

    Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong use,
    3 bad configuration, 4 not permitted, 5 not found, 6 database busy, held by another gateway, or to be migrated.
    """
