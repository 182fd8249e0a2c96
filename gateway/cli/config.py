"""`trigate config`: the settings, and where each comes from."""

import os

import click
import msgspec

from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Facts, show_json, talk
from gateway.settings import FIELDS, Settings, default_config_path, load_settings


@click.group(cls=Noun)
def config() -> None:
    """The settings and where they come from."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@pass_session
def show(session: Session, origin: bool) -> None:
    """Every setting as `serve` would take it now, as lines of the configuration file."""
    settings = _load(session)
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
    settings = _load(session)
    _check_tls(settings)
    changed = [name for name, origin in settings.origins.items() if origin != "default"]
    if session.json:
        show_json({"valid": True, "path": str(settings.config_path or ""), "changed": changed})
    else:
        click.echo(f"The configuration is sound. {len(changed)} of {len(FIELDS)} settings differ from the defaults.")


def _load(session: Session) -> Settings:
    return load_settings({}, os.environ, session.config_path, session.data_dir)


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
    }


def _toml_line(facts: Facts) -> str:
    """A line of the configuration file; a comment for what is not set."""
    value = facts["value"]
    if value is None:
        return f"# {facts['name']} is not set"
    # JSON's texts, numbers, switches and lists are TOML's, too.
    return f"{facts['name']} = {msgspec.json.encode(value).decode()}"
