"""`trigate accounts login`: the Claude CLI of an account signed in, in the account's own folder."""

import os
import subprocess
from pathlib import Path

import click

from gateway.cli.account_adding import vault_of
from gateway.cli.command import Command, Session, pass_session
from gateway.cli.output import can_ask, show_done, talk
from gateway.cli.secrets import read_secret, secret_options
from gateway.cli.states import facts_of_view
from gateway.errors import ConfigurationError, OperatorError, UsageError
from gateway.records import Account
from gateway.store.operators import accounts as operators
from gateway.store.queries.views import account_views

_TERMINAL = (
    "TERM",
    "COLORTERM",
    "BROWSER",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_CONNECTION",
)
"""What a program needs to draw on the terminal and to open a browser."""

_STATUS_S = 30.0


class LoginFailed(OperatorError):
    """The CLI says that nobody is signed in."""


@click.command(cls=Command)
@click.argument("name")
@click.option("--console", is_flag=True, help="Sign in to the Anthropic Console (billed by use) instead of a plan.")
@secret_options
@pass_session
def login(session: Session, name: str, console: bool, secret_stdin: bool, secret_env: str | None) -> None:
    """Sign the Claude CLI of an account in, or store a token that `claude setup-token` made."""
    with session.database() as database:
        account = operators.find(database, name)
        if account.kind != "claude-cli":
            raise UsageError(
                f"{name} is an account of kind {account.kind}: `trigate accounts rotate {name}` gives it a credential."
            )
        secret = read_secret(stdin=secret_stdin, variable=secret_env)
        if secret is None:
            _sign_in(session, account, console=console)
        # Either way what was learned of the account is forgotten, and after a sign-in an older token with it: the CLI
        # would go on using that.
        sealed = b"" if secret is None else vault_of(session).seal(secret)
        operators.rotate(database, session.actor, name, sealed)
        view = next(view for view in account_views(database) if view.id == account.id)
        facts = facts_of_view(view)
    done = "is signed in" if secret is None else "has its token"
    show_done(session, facts, f"Account {name} {done}. `trigate accounts test {name}` tries it.")


def _sign_in(session: Session, account: Account, *, console: bool) -> None:
    """Hand the terminal to `claude auth login`. Raises LoginFailed, ConfigurationError."""
    import trio

    from gateway.upstream.providers.claude_cli.folders import Folder, environment
    from gateway.upstream.providers.claude_cli.options import options_of
    from gateway.upstream.providers.claude_cli.program import Program

    options, folder = options_of(account), Folder(session.data_dir, account.id)
    if options.login == "operator":
        raise UsageError(
            f"{account.name} uses the login you have yourself: run `claude auth login`. "
            f"`trigate accounts set {account.name} --option login=own` gives it one of its own."
        )
    if not can_ask():
        raise UsageError(
            "Signing in needs a terminal. Without one, make a token with `claude setup-token` where there is one, and "
            "give it with --secret-stdin or --secret-env VARIABLE."
        )
    folder.prepare()
    program, given = Program(options), environment(account, options, folder, "")
    refusal = trio.run(program.check, given, folder.work)
    if refusal is not None:
        raise ConfigurationError(refusal.message.replace("NAME", account.name))
    given |= {name: os.environ[name] for name in _TERMINAL if name in os.environ}
    talk(f"The Claude CLI signs in for account {account.name} alone; a login of your own is not touched.")
    command = [program.path, "auth", "login", *(["--console"] if console else [])]
    subprocess.run(command, env=given, cwd=folder.work, check=False)
    if not _is_signed_in(program.path, given, folder.work):
        raise LoginFailed(f"The Claude CLI of {account.name} is not signed in. Nothing was changed.")


def _is_signed_in(program: str, environment: dict[str, str], folder: Path) -> bool:
    import msgspec

    command = [program, "auth", "status", "--json"]
    try:
        status = subprocess.run(
            command, env=environment, cwd=folder, check=False, capture_output=True, timeout=_STATUS_S
        )
    except subprocess.TimeoutExpired:
        return False
    try:
        return msgspec.json.decode(status.stdout).get("loggedIn") is True
    except (msgspec.DecodeError, AttributeError):
        return status.returncode == 0


def forget_login(session: Session, account: Account) -> None:
    """Delete the folder of an account that is gone, with the login in it."""
    import shutil

    from gateway.settings import program_folder

    if account.kind != "claude-cli":
        return
    folder = program_folder(session.data_dir, account.id)
    # Twice: a process of the gateway's may be writing to it, and ends within a second or two.
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        talk(f"The login of {account.name} is still there. Delete {folder} yourself.")


def login_hints(account: Account) -> list[str]:
    """What an account that is a program still lacks to answer."""
    if account.kind != "claude-cli" or account.sealed_secret or account.options.get("login") == "operator":
        return []
    return [f"It is not signed in yet: `trigate accounts login {account.name}`."]
