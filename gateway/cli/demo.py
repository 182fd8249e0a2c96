"""`trigate demo`: the gateway at work without any credential, in a data folder of its own."""

import contextlib
import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.command import Command, Session, pass_session
from gateway.cli.output import talk
from gateway.errors import NotFound, UsageError
from gateway.how_to_call import Trial, curl, curl_get, exports

if TYPE_CHECKING:
    from gateway.store.database import Database

NAME = "demo"
FUNDS_MICRO = 5_000_000
LEAST_MICRO = 1_000_000
FIRST_PORT = 8000
_PORTS_TRIED = 100
# Dear enough that a few calls are seen in the balance.
_TRIALS = (Trial("messages", "sonnet"), Trial("chat", "gpt-5.5"), Trial("responses", "gpt-5.5"))

# The one tried first is quick and fails often enough that a second account is seen to step in.
_ACCOUNTS: dict[str, tuple[int, dict[str, str | int | float | bool]]] = {
    "swift": (
        10,
        {"seed": 1, "ttft_ms": 250, "tokens_per_second": 120, "error_rate": 0.15, "rate_limit_rate": 0.05},
    ),
    "steady": (0, {"seed": 2, "ttft_ms": 600, "tokens_per_second": 50}),
}


@click.command(cls=Command, json=False)
@click.option("--port", type=click.IntRange(1, 65_535), metavar="PORT", help="Port; else 8000 or the next free one.")
@click.option("--fresh", is_flag=True, help="Forget the demo's earlier data first.")
@click.option("--tui", is_flag=True, help="With the console in this terminal; the gateway ends with it.")
@pass_session
def demo(session: Session, port: int | None, fresh: bool, tui: bool) -> None:
    """Try it: simulated accounts, a funded key, curl lines to paste.

    Nothing leaves this machine. The data folder is `demo` in the usual one and is kept between runs.
    """
    from gateway.cli.running import run_gateway
    from gateway.settings import load_settings

    folder = session.data_dir / NAME
    own = Session()
    own.given["data_dir"] = folder
    port = free_port() if port is None else _free(port)
    # The folder above may become the operator's own data folder: made here, it is the owner's alone as well.
    session.make_data_dir()
    secret = _prepare(own, fresh=fresh)
    if tui:
        _with_console(own, secret, port)
        talk(f"The demo's data is kept in {folder}; `trigate demo --tui --fresh` begins anew.")
        return
    bind = f"127.0.0.1:{port}"
    # The operator's own settings are for the operator's own gateway.
    settings = load_settings({"bind": (bind,), "log_format": "console"}, {}, None, folder)

    def on_ready(addresses: list[str]) -> None:
        # Whoever read the lines may have gone, as `head` does: the gateway goes on.
        with contextlib.suppress(BrokenPipeError):
            _greet(addresses[0], secret)

    run_gateway(settings, on_ready)
    talk(f"The demo's data is kept in {folder}; `trigate demo --fresh` begins anew.")


def _with_console(session: Session, secret: str, port: int) -> None:
    """The gateway beside, the console in front. The lines to paste are the first thing it shows."""
    from admin_tui.widgets.secret import SecretDialog
    from gateway.cli.beside import gateway_beside
    from gateway.cli.tui import run_console

    url = f"http://127.0.0.1:{port}"
    lines = [
        (
            "Paste this in another terminal, close this, and watch:",
            curl(url, secret, _TRIALS[0], stream=True),
        ),
        ("For SDKs and agents:", "\n".join(_exports(url, secret))),
    ]
    welcome = SecretDialog("A key with play money", secret, lines, file_name="trigate-demo.key", replaceable=True)
    with gateway_beside(session.data_dir, "127.0.0.1", port):
        run_console(session, welcome=welcome)


def _prepare(session: Session, *, fresh: bool) -> str:
    """Database, accounts, a funded key; the key's secret, which is new each time."""
    from gateway.store.lock import GatewayLock
    from gateway.store.migrate import migrate

    session.make_data_dir()
    with GatewayLock(session.data_dir) as lock:
        if fresh:
            _empty(session.data_dir, spare=lock.path)
        migrate(session.database_path)
        with session.database() as database:
            _add_accounts(database, session.actor)
            secret = _new_secret(database, session.actor)
            _fund(database, session.actor)
            return secret


def _empty(folder: Path, spare: Path) -> None:
    """Only what a gateway makes: the folder may be one that the operator named."""
    for path in folder.iterdir():
        if path == spare:
            continue
        if not path.name.startswith("gateway.db") and path.name not in ("master.key", "gateway.log"):
            raise UsageError(f"{path} is nothing the demo made. Move it away, or empty {folder} yourself.")
    for path in folder.glob("gateway.db*"):
        path.unlink()
    for name in ("master.key", "gateway.log"):
        (folder / name).unlink(missing_ok=True)


def _add_accounts(database: "Database", actor: str) -> None:
    from gateway.store.operators import accounts

    for name, (priority, options) in _ACCOUNTS.items():
        changes = accounts.AccountChanges(priority=priority, options=options)
        try:
            accounts.find(database, name)
        except NotFound:
            accounts.add(database, actor, name, kind="simulated", fields=changes)


def _new_secret(database: "Database", actor: str) -> str:
    """Secrets are never stored, so the key of an earlier run gets a new one."""
    from gateway.store.operators import keys

    try:
        key = keys.find(database, NAME)
    except NotFound:
        key = None
    if key is None or key.revoked_at is not None:
        return keys.create(database, actor, NAME)[1]
    return keys.rotate(database, actor, NAME)[1]


def _fund(database: "Database", actor: str) -> None:
    """Up to the demo's funds where less than a dollar is left."""
    from gateway.store.operators import customers
    from gateway.store.queries.lookups import balance_of

    customer = customers.find(database, NAME)
    balance_micro = balance_of(database, customer.id) or 0
    if balance_micro < LEAST_MICRO:
        customers.topup(database, actor, NAME, FUNDS_MICRO - balance_micro, note="play money")


def free_port(first: int = FIRST_PORT) -> int:
    """`first`, or the next port that nobody on this machine listens on. Raises UsageError."""
    for port in range(first, first + _PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
    raise UsageError(f"Ports {first} to {first + _PORTS_TRIED - 1} are all in use. Name one with --port.")


def _free(port: int) -> int:
    """The port itself. Raises UsageError where somebody listens on it."""
    if free_port(port) != port:
        raise UsageError(f"Port {port} is in use by another program. Stop it, or name another with --port.")
    return port


def _greet(url: str, secret: str) -> None:
    """The lines to paste are data; what is said of them is talk."""
    talk(f"listening on {url}, with simulated accounts and a key that has credit. In another terminal:\n")
    for trial in _TRIALS:
        click.echo(curl(url, secret, trial))
        click.echo(curl(url, secret, trial, stream=True))
    for path in ("/v1/balance", "/v1/usage", "/v1/models"):
        click.echo(curl_get(url, secret, path))
    talk("\nOr point an SDK or an agent at it:\n")
    for line in _exports(url, secret):
        click.echo(line)
    talk("\nCtrl-C stops it. Calls appear here:")


def _exports(url: str, secret: str) -> list[str]:
    return [line for _, lines in exports(url, secret, (trial.dialect for trial in _TRIALS)) for line in lines]
