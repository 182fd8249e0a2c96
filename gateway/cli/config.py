"""`trigate config`: the settings, and where each comes from."""

import os

import click
import msgspec

from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Facts, show_done, show_json, talk
from gateway.errors import StoreUnavailable
from gateway.settings import CHANGEABLE, FIELDS, Settings, default_config_path, load_settings, with_changes


@click.group(cls=Noun)
def config() -> None:
    """The settings and where they come from."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@pass_session
def show(session: Session, origin: bool) -> None:
    """Every setting as it is in force, or would be if `serve` began now, as lines of the configuration file."""
    settings = settings_in_force(session)
    facts = [_facts(settings, name) for name in (field.name for field in FIELDS)]
    if session.json:
        show_json(facts)
        return
    for each in facts:
        line = _toml_line(each)
        click.echo(f"{line:<48} # {each['origin']}" if origin else line)


@config.command()
@pass_session
def path(session: Session) -> None:
    """The configuration file that is read."""
    found = session.config_path or default_config_path(session.data_dir)
    if session.json:
        show_json({"path": str(found), "exists": found.is_file(), "data_dir": str(session.data_dir)})
        return
    click.echo(found)
    if not found.is_file():
        talk("There is no such file; the defaults hold.")


@config.command()
@pass_session
def validate(session: Session) -> None:
    """Check file and environment without starting anything."""
    settings = settings_in_force(session)
    _check_tls(settings)
    changed = [name for name, origin in settings.origins.items() if origin != "default"]
    if session.json:
        show_json({"valid": True, "path": str(settings.config_path or ""), "changed": changed})
    else:
        click.echo(f"The configuration is sound. {len(changed)} of {len(FIELDS)} settings differ from the defaults.")


@config.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("value")
@pass_session
def set_setting(session: Session, name: str, value: str) -> None:
    """Change a setting in the database: it holds at once, and outranks flag, environment and file.

    Only budgets of racing and `prune_days` can be changed so; everything else is read at start.
    """
    from gateway.store.operators import settings as operators

    with session.database() as database:
        operators.change(database, session.actor, name, value)
    facts = _facts(settings_in_force(session), name)
    show_done(session, facts, f"{_toml_line(facts)}. A running gateway follows within a quarter of a second.")


@config.command("unset")
@click.argument("name")
@pass_session
def unset_setting(session: Session, name: str) -> None:
    """Take back what `set` changed: flag, environment, file or default hold again."""
    from gateway.store.operators import settings as operators

    with session.database() as database:
        operators.take_back(database, session.actor, name)
    if name not in CHANGEABLE:
        show_done(session, {"name": name}, f"{name} is forgotten.")
        return
    facts = _facts(settings_in_force(session), name)
    show_done(session, facts, f"{_toml_line(facts)}, from {facts['origin']}.")


def settings_in_force(session: Session) -> Settings:
    """As `serve` would take them now, with what the database changes. Raises ConfigurationError."""
    settings = load_settings({}, os.environ, session.config_path, session.data_dir)
    return with_changes(settings, _changes(session))


def _changes(session: Session) -> dict[str, str]:
    """What the database changes, if there is one that can be read."""
    if not session.database_path.exists():
        return {}
    from gateway.store.snapshot import load_setting_overrides

    try:
        with session.database(read_only=True) as database:
            return load_setting_overrides(database)
    except StoreUnavailable as error:
        talk(f"Without what the database changes: {error.message}")
        return {}


def _check_tls(settings: Settings) -> None:
    """Raises ConfigurationError for TLS files that cannot be used."""
    import ssl

    from gateway.errors import ConfigurationError

    if settings.tls_cert is None or settings.tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise ConfigurationError(
            f"tls_cert {settings.tls_cert} and tls_key {settings.tls_key} cannot be used: {error}."
        ) from error


def _facts(settings: Settings, name: str) -> Facts:
    field = next(field for field in FIELDS if field.name == name)
    return {
        "name": name,
        "value": getattr(settings, name),
        "origin": settings.origins[name],
        "default": field.default,
        "type": field.type,
        "description": field.description,
        "environment": field.environment,
        "changeable": name in CHANGEABLE,
    }


def _toml_line(facts: Facts) -> str:
    """A line of the configuration file; a comment for what is not set."""
    value = facts["value"]
    if value is None:
        return f"# {facts['name']} is not set"
    # JSON's texts, numbers, switches and lists are TOML's, too.
    return f"{facts['name']} = {msgspec.json.encode(value).decode()}"
