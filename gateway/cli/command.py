"""click's classes with the options every command has, and what those options say of this run."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.errors import ConfigurationError, NotPermitted, StoreUnavailable

if TYPE_CHECKING:
    from gateway.store.database import Database


class Session:
    """What the common options say: where the data lives, and whether to answer in JSON."""

    def __init__(self) -> None:
        self.json = False
        self.given: dict[str, Path] = {}

    @property
    def data_dir(self) -> Path:
        """`--data-dir`, `TRIGATE_DATA_DIR`, or the default."""
        named = self.given.get("data_dir") or os.environ.get("TRIGATE_DATA_DIR")
        if named:
            return Path(named).expanduser().absolute()
        from gateway.settings import default_data_dir

        return default_data_dir()

    @property
    def config_path(self) -> Path | None:
        """`--config` or `TRIGATE_CONFIG`; None leaves it to the data folder."""
        named = self.given.get("config") or os.environ.get("TRIGATE_CONFIG")
        return Path(named).expanduser().absolute() if named else None

    @property
    def database_path(self) -> Path:
        from gateway.settings import DATABASE

        return self.data_dir / DATABASE

    @property
    def actor(self) -> str:
        """Who an audit row names."""
        try:
            return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
        except KeyError:
            return f"cli:{os.getuid()}"

    def make_data_dir(self) -> None:
        """The data folder, its owner's alone, where there is none. Raises ConfigurationError, NotPermitted."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            kind = NotPermitted if isinstance(error, PermissionError) else ConfigurationError
            raise kind(
                f"The data folder {self.data_dir} cannot be made: {error.strerror}. Name one that can be written with "
                "--data-dir or TRIGATE_DATA_DIR."
            ) from error

    @contextmanager
    def database(self, *, read_only: bool = False, create: bool = False) -> "Iterator[Database]":
        """The database, open. With `create` it is made where there is none. Raises StoreUnavailable."""
        from gateway.cli.output import talk
        from gateway.store.database import open_database
        from gateway.store.migrate import migrate, pending

        path = self.database_path
        if create and not path.exists():
            self.make_data_dir()
            migrate(path)
            talk(f"Made a new database: {path}")
        if path.exists() and pending(path):
            raise StoreUnavailable(f"The database {path} is of an older release. Run `trigate db migrate`.")
        database = open_database(path, read_only=read_only)
        try:
            yield database
        finally:
            database.close()


_SENTENCE = 200

pass_session = click.make_pass_decorator(Session, ensure=True)


def common_options(*, json: bool) -> list[click.Parameter]:
    """Options that may stand before or after the command; the last one said wins."""
    options: list[click.Parameter] = [
        click.Option(
            ["--data-dir"],
            type=click.Path(file_okay=False, path_type=Path),
            expose_value=False,
            callback=_remember_path,
            help="Folder of the database and the master key.",
        ),
        click.Option(
            ["--config"],
            type=click.Path(dir_okay=False, path_type=Path),
            expose_value=False,
            callback=_remember_path,
            help="Configuration file (default: config.toml in the data folder).",
        ),
    ]
    if json:
        options.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_remember_json,
                help="Answer in JSON.",
            )
        )
    return options


def _remember_path(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    session = context.ensure_object(Session)
    if value is not None and parameter.name:
        session.given[parameter.name] = value


def _remember_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    session = context.ensure_object(Session)
    session.json = session.json or value


class Command(click.Command):
    """A command with the common options; `json` False for those that answer nothing."""

    def __init__(self, *args: Any, json: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options(json=json)


class Noun(click.Group):
    """A group of such commands."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options(json=True)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each with the whole first sentence of its help: click cuts it at the line's end."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None:
                rows.append((name, command.get_short_help_str(limit=_SENTENCE)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
