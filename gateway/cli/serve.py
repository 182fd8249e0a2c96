"""`trigate serve`: run the gateway. Every setting is an option."""

import os
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import Command, Session, pass_session
from gateway.cli.output import talk
from gateway.settings import FIELDS, Field, load_settings

if TYPE_CHECKING:
    from gateway.store.database import Database


class Serve(Command):
    """With an option for each setting, derived from the list of settings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params[:0] = [_option(field) for field in FIELDS]


def _option(field: Field) -> click.Option:
    flag = field.name.replace("_", "-")
    shown = _default(field.default)
    help_text = f"{field.description}{f' [{shown}]' if shown else ''}"
    if field.type == "true or false":
        return click.Option([f"--{flag}/--no-{flag}"], default=None, help=help_text)
    if field.type == "list of text":
        return click.Option([f"--{flag}"], multiple=True, metavar="TEXT", help=f"{help_text} (repeatable)")
    metavar = field.type.replace(" or ", "|") if " or " in field.type else field.type.split()[-1].upper()
    return click.Option([f"--{flag}"], metavar=metavar, help=help_text)


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


@click.command(cls=Serve, json=False)
@pass_session
def serve(session: Session, /, **flags: Any) -> None:
    """Run the gateway.

    Settings come from these options, then from TRIGATE_* variables, then from the configuration file. SIGTERM and
    Ctrl-C let open calls finish; a second one stops at once.
    """
    from gateway.cli.running import run_gateway

    settings = load_settings(flags, os.environ, session.config_path, session.data_dir)
    keyless = settings.auth == "none"
    _prepare(session, keyless=keyless)

    def on_ready(addresses: list[str]) -> None:
        for address in addresses:
            talk(f"listening on {address}")

    run_gateway(settings, on_ready)
    talk("stopped")


def _prepare(session: Session, *, keyless: bool) -> None:
    """The database, and who pays for keyless calls. Raises StoreUnavailable where another gateway holds it."""
    from gateway.store.lock import GatewayLock
    from gateway.store.migrate import migrate

    session.make_data_dir()
    with GatewayLock(session.data_dir):
        for name in migrate(session.database_path):
            talk(f"migrated: {name}")
        with session.database() as database:
            if keyless:
                _make_keyless_customer(database, session.actor)
            for line in warnings(database, keyless=keyless):
                talk(line)


def _make_keyless_customer(database: "Database", actor: str) -> None:
    from gateway.edge.auth import KEYLESS_CUSTOMER
    from gateway.errors import NotFound
    from gateway.store.operators import customers

    try:
        customers.find(database, KEYLESS_CUSTOMER)
    except NotFound:
        customers.create(database, actor, KEYLESS_CUSTOMER, unlimited=True)


def warnings(database: "Database", *, keyless: bool) -> list[str]:
    """What is still missing for a call to be answered, and what to type."""
    from gateway.clock import now_ms
    from gateway.store.queries.views import account_views, key_views

    lines = []
    if not any(account.enabled for account in account_views(database)):
        lines.append("No account answers calls yet: trigate accounts add NAME --kind KIND --secret-stdin")
    if not keyless and not any(view.key.revoked_at is None for view in key_views(database, now_ms())):
        lines.append("Nobody has a key yet: trigate keys create NAME --balance USD")
    return lines
