"""`trigate tui`: the operator's console."""

import sys
from typing import TYPE_CHECKING

import click

from gateway.cli.command import Command, Session, pass_session

if TYPE_CHECKING:
    from admin_tui.widgets.secret import SecretDialog


@click.command(cls=Command, json=False)
@click.option("--read-only", is_flag=True, help="Look, change nothing.")
@click.option("--ascii", is_flag=True, help="Draw with ASCII alone.")
@click.option(
    "--theme", metavar="NAME", help="Colours, kept for next time: trigate-dark, trigate-light, ansi-dark, nord …"
)
@pass_session
def tui(session: Session, read_only: bool, ascii: bool, theme: str | None) -> None:
    """The console: live calls, keys, balances, accounts, in this terminal.

    Works whether a gateway runs or not, and several at once. `?` shows what the keys do, ctrl+q ends it.
    """
    with session.database(read_only=read_only, create=not read_only):
        pass
    run_console(session, read_only=read_only, ascii=ascii, theme=theme or "")


def run_console(
    session: Session,
    *,
    read_only: bool = False,
    ascii: bool = False,
    theme: str = "",
    welcome: "SecretDialog | None" = None,
) -> None:
    """The console on this session's database, until its user ends it. `welcome` is what it shows first.

    Raises UsageError for an unknown theme and where there is no terminal to draw on.
    """
    from admin_tui import pauses
    from admin_tui.app import ConsoleApp
    from gateway.errors import UsageError

    console = ConsoleApp(
        session.data_dir,
        read_only=read_only,
        ascii=ascii,
        theme=theme,
        welcome=welcome,
        offer_setup=welcome is None,
    )
    if theme and theme not in console.available_themes:
        raise UsageError(f"There is no theme {theme!r}. There are {', '.join(sorted(console.available_themes))}.")
    # It draws on standard error, so that standard output stays free.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("The console needs a terminal. Over ssh, give -t; `trigate status` answers without one.")
    pauses.shorten()
    console.run()
    if console.return_code:
        raise click.exceptions.Exit(console.return_code)
