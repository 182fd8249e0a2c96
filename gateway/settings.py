"""What the operator can set: flag, then `TRIGATE_*` environment, then the configuration file, then the default.

Settings in `CHANGEABLE` can also be changed while the gateway runs: what the database says of them wins over all these.

`Settings` is the one list: names, types, defaults and descriptions are its annotations, `FIELDS` is derived from it,
and the documentation and `trigate config show --origin` are derived from `FIELDS`. The file is flat TOML with these
names as keys. In the environment a list is written with commas.
"""

import difflib
import ipaddress
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta, Struct

from gateway.errors import ConfigurationError, NotPermitted

PREFIX = "TRIGATE_"
DATABASE = "gateway.db"
"""The database's name in the data folder."""

DATABASE_ORIGIN = "database"
"""Where a value comes from that was changed while the gateway ran."""

CHANGEABLE = (
    "hedge_share_percent",
    "hedge_least_per_minute",
    "hedge_day_cap_micro",
    "hedge_cost_cap_micro",
    "race_prompt_tokens",
    "race_width",
    "prune_days",
)
"""Settings that can be changed in the database, where they hold at once."""

RESERVED_ENVIRONMENT = frozenset({"TRIGATE_DATA_DIR", "TRIGATE_CONFIG", "TRIGATE_MASTER_KEY"})
"""Environment names that are no settings: where to look, and the vault's key."""

_CHECKOUT = Path(__file__).resolve().parent.parent
_LONGEST_S = 7 * 86_400


def _seconds(description: str) -> Meta:
    return Meta(gt=0, le=_LONGEST_S, description=description)


def _count(description: str, least: int = 0) -> Meta:
    return Meta(ge=least, le=2**53, description=description)


class Settings(Struct, frozen=True, kw_only=True):
    """Every setting, validated. `origins` says for each name where its value came from."""

    data_dir: Path
    config_path: Path | None = None
    origins: dict[str, str] = {}

    bind: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Addresses to listen on: host:port, [v6]:port or unix:/path")
    ] = ("127.0.0.1:8000",)
    tls_cert: Annotated[str | None, Meta(description="PEM file with the certificate chain; with tls_key")] = None
    tls_key: Annotated[str | None, Meta(description="PEM file with the certificate's private key")] = None
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$", description="Mode of Unix sockets, in octal")] = "0660"

    auth: Annotated[Literal["keys", "none"], Meta(description="none serves keyless callers as one customer")] = "keys"
    allow_open_auth: Annotated[bool, Meta(description="Permit auth = none beyond the loopback interface")] = False
    keyless_chat_dialect: Annotated[
        Literal["messages", "chat"],
        Meta(description="What /v1/chat/completions takes a keyless body for when the body does not tell"),
    ] = "messages"
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Networks, or unix, whose forwarding headers decide the client's address")
    ] = ()
    cors_origins: Annotated[tuple[str, ...], Meta(description="Origins that browsers may call from; * for any")] = ()
    docs_enabled: Annotated[bool, Meta(description="Serve /docs and /openapi.json")] = True

    max_body_bytes: Annotated[int, _count("Largest request body", 1)] = 33_554_432
    max_header_bytes: Annotated[int, _count("Largest request head", 1_024)] = 65_536
    max_connections: Annotated[int, _count("Client connections open at once", 1)] = 10_000
    header_timeout_s: Annotated[float, _seconds("Time for a request's head to arrive")] = 10
    body_timeout_s: Annotated[float, _seconds("Longest pause while a request's body arrives")] = 30
    idle_timeout_s: Annotated[float, _seconds("Time a connection may wait for its next request")] = 75
    write_timeout_s: Annotated[float, _seconds("Time a client may leave bytes unread before it is cut")] = 30
    drain_s: Annotated[float, Meta(ge=0, le=_LONGEST_S, description="Time open calls get after SIGTERM")] = 30

    connect_timeout_s: Annotated[float, _seconds("Time to connect to an upstream, TLS included")] = 10
    upstream_write_timeout_s: Annotated[float, _seconds("Longest pause while an upstream takes the request")] = 30
    first_byte_timeout_s: Annotated[float, _seconds("Time an upstream may take to begin its answer")] = 600
    chunk_timeout_s: Annotated[float, _seconds("Longest silence within an upstream's answer")] = 300
    call_timeout_s: Annotated[float, _seconds("Longest call, all attempts included")] = 3_600
    keepalive_after_s: Annotated[float, _seconds("Silence before a stream's first keep-alive")] = 10
    keepalive_every_s: Annotated[float, _seconds("Time between later keep-alives")] = 15

    commit_timeout_s: Annotated[float, _seconds("Time a receipt's commit may take before the call fails")] = 5
    checkpoint_every_s: Annotated[float, _seconds("Time between checkpoints of open calls")] = 1
    slice_tokens: Annotated[int, _count("Output tokens a stream holds credit for at a time", 1)] = 4_096
    default_output_tokens: Annotated[int, _count("Output limit of calls that set none", 1)] = 32_000
    family_fallback: Annotated[bool, Meta(description="Serve an unknown model id by the newest of its family")] = True
    prune_days: Annotated[int, _count("Days that calls are kept (0: for ever); the ledger always is")] = 0

    queue_limit: Annotated[int, _count("Calls of one key that may wait for a free slot")] = 16
    queue_timeout_s: Annotated[float, _seconds("Time a call may wait for a free slot")] = 10
    ip_rpm: Annotated[int, _count("Requests a minute of one address, for keyless callers", 1)] = 60
    ip_burst: Annotated[int, _count("Requests of one address on top of ip_rpm in a burst, for keyless callers")] = 10
    invalid_key_rpm: Annotated[int, _count("Requests a minute with invalid keys of one address", 1)] = 30

    hedge_share_percent: Annotated[
        float, Meta(ge=0, le=100, description="Calls a minute, of a hundred, that a second account may be asked for")
    ] = 5
    hedge_least_per_minute: Annotated[int, _count("Hedges a minute that are allowed however few calls there are")] = 2
    hedge_day_cap_micro: Annotated[int, _count("Micro-dollars that losing attempts may cost in a UTC day")] = 5_000_000
    hedge_cost_cap_micro: Annotated[int, _count("Micro-dollars that one call's losers may cost by estimate")] = 100_000
    race_prompt_tokens: Annotated[int, _count("Longest prompt that is raced at several accounts at once")] = 2_000
    race_width: Annotated[int, Meta(ge=2, le=16, description="Accounts that a race asks at once, at most")] = 3
    loser_drain_s: Annotated[float, _seconds("Time a loser that goes on billing is read, to know its cost")] = 60
    loser_drains: Annotated[int, _count("Losers that are read to their end at once")] = 32
    loser_drain_bytes: Annotated[int, _count("Bytes of a loser's answer that are read", 1)] = 16_777_216

    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level logged")] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"], Meta(description="auto: console on a terminal, otherwise json")
    ] = "auto"

    @property
    def socket_permissions(self) -> int:
        """`socket_mode`, as `os.chmod` takes it."""
        return int(self.socket_mode, 8)


class Field(Struct, frozen=True):
    """What the documentation and `config show` say of one setting. `type` is in words, `default` a Python value."""

    name: str
    type: str
    default: object
    description: str
    environment: str


def load_settings(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    config_path: Path | None,
    data_dir: Path,
) -> Settings:
    """Settings from all sources. Flags that are None or an empty tuple were not given.

    Without `config_path`, `data_dir/config.toml` is read if it is there. Raises ConfigurationError naming origin and
    expected type, NotPermitted for keyless service beyond loopback.
    """
    path = config_path or default_config_path(data_dir)
    if config_path is not None and not path.is_file():
        raise ConfigurationError(f"There is no configuration file {path}.")
    values: dict[str, Any] = {}
    origins = {field.name: "default" for field in FIELDS}
    for name, value, origin in (*_from_file(path), *_from_environment(environ), *_from_flags(flags)):
        values[name] = _convert(name, value, origin)
        origins[name] = origin
    settings = Settings(data_dir=data_dir, config_path=path if path.is_file() else None, origins=origins, **values)
    _check(settings)
    return settings


def with_changes(settings: Settings, changes: Mapping[str, str]) -> Settings:
    """The settings in force: `changes` is what the database says, name -> text.

    Raises ConfigurationError, which says how to take back what cannot be followed.
    """
    if not changes:
        return settings
    values: dict[str, Any] = {}
    for name, text in changes.items():
        try:
            values[name] = changed_value(name, text)
        except ConfigurationError as error:
            raise ConfigurationError(f"{error.message} `trigate config unset {name}` takes it back.") from error
    origins = settings.origins | dict.fromkeys(values, DATABASE_ORIGIN)
    return msgspec.structs.replace(settings, origins=origins, **values)


def changed_value(name: str, text: str) -> object:
    """`text` as the value of a setting that can be changed in the database. Raises ConfigurationError."""
    if name not in _BY_NAME:
        raise ConfigurationError(f"Unknown setting {name!r}.{_suggestion(name, _BY_NAME)}")
    if name not in CHANGEABLE:
        raise ConfigurationError(
            f"{name} is read at start: set it in the configuration file, or as {_BY_NAME[name].environment} in the "
            f"environment. Changed in the database are {', '.join(CHANGEABLE)}."
        )
    return _convert(name, text, DATABASE_ORIGIN)


def default_data_dir() -> Path:
    """`data` in the checkout the code runs from, otherwise the user's data folder."""
    if (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "Makefile").is_file():
        return _CHECKOUT / "data"
    return platformdirs.user_data_path("trigate", appauthor=False)


def program_folder(data_dir: Path, account_id: int) -> Path:
    """What an account that is a program (`claude-cli`) has to itself in the data folder, its own login included."""
    return data_dir / "claude-cli" / str(account_id)


def default_config_path(data_dir: Path) -> Path:
    """Where the configuration file is looked for when none is named."""
    return data_dir / "config.toml"


def is_loopback(bind: str) -> bool:
    """True if only this machine can reach the bind: a loopback address, `localhost` or a Unix socket."""
    if bind.startswith("unix:"):
        return True
    host, _ = _host_and_port(bind)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _from_file(path: Path) -> Iterator[tuple[str, object, str]]:
    if not path.is_file():
        return
    origin = f"file {path}"
    try:
        table = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration file {path} is not valid TOML: {error}.") from error
    for name, value in table.items():
        if name not in _BY_NAME:
            raise ConfigurationError(f"Unknown setting {name!r} in {path}.{_suggestion(name, _BY_NAME)}")
        yield name, value, origin


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    by_environment = {field.environment: field.name for field in FIELDS}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in RESERVED_ENVIRONMENT:
            continue
        name = by_environment.get(variable)
        if name is None:
            known = {**by_environment, **dict.fromkeys(RESERVED_ENVIRONMENT, "")}
            raise ConfigurationError(f"Unknown setting {variable} in the environment.{_suggestion(variable, known)}")
        value = _split(text) if _is_tuple(name) else text
        yield name, value, f"environment {variable}"


def _from_flags(flags: Mapping[str, object]) -> Iterator[tuple[str, object, str]]:
    for name, value in flags.items():
        if name not in _BY_NAME:
            raise ConfigurationError(f"Unknown setting {name!r}.{_suggestion(name, _BY_NAME)}")
        if value is not None and value != ():
            yield name, value, f"flag --{name.replace('_', '-')}"


def _split(text: str) -> list[str]:
    return [part for part in (each.strip() for each in text.split(",")) if part]


def _convert(name: str, value: object, origin: str) -> object:
    """`value` as the setting's type. Only text from the environment or a flag is read as a number or a switch."""
    try:
        return msgspec.convert(value, _HINTS[name], strict=origin.startswith("file"))
    except msgspec.ValidationError as error:
        reason = str(error).replace("`", "")
        raise ConfigurationError(
            f"{name} ({_BY_NAME[name].type}) cannot be {value!r}, from {origin}: {reason}."
        ) from None


def _check(settings: Settings) -> None:
    for bind in settings.bind:
        _check_bind(bind, settings.origins["bind"])
    for text in settings.trusted_proxies:
        if text == "unix":
            continue
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            origin = settings.origins["trusted_proxies"]
            raise ConfigurationError(
                f"trusted_proxies from {origin}: {text!r} is not a network such as 10.0.0.0/8, nor `unix`."
            ) from None
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "tls_key" if settings.tls_key is None else "tls_cert"
        raise ConfigurationError(f"TLS needs both tls_cert and tls_key; {missing} is not set.")
    if settings.auth == "none" and not settings.allow_open_auth:
        for bind in settings.bind:
            if not is_loopback(bind):
                raise NotPermitted(
                    f"auth = none on {bind} would serve anyone who can reach it. Bind to 127.0.0.1, "
                    "use keys, or set allow_open_auth = true if that is what you want."
                )


def _check_bind(bind: str, origin: str) -> None:
    if bind.startswith("unix:"):
        if not bind.removeprefix("unix:"):
            raise ConfigurationError(f"bind from {origin}: {bind!r} names no path; write unix:/run/trigate.sock.")
        return
    host, port = _host_and_port(bind)
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ConfigurationError(
            f"bind from {origin}: {bind!r} is not an address; write 127.0.0.1:8000, [::1]:8000 or unix:/path."
        )


def _host_and_port(bind: str) -> tuple[str, str]:
    host, _, port = bind.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    return ("", port) if ":" in host else (host, port)


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else " `trigate config show` lists them all."


def _is_tuple(name: str) -> bool:
    return get_origin(get_args(_HINTS[name])[0]) is tuple


def _in_words(hint: Any) -> str:
    """The type of an annotation, as a reader of the documentation wants it."""
    if get_origin(hint) is Annotated:
        return _in_words(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return _in_words(next(each for each in get_args(hint) if each is not type(None)))
    if get_origin(hint) is tuple:
        return "list of text"
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}[hint]


def _field(name: str, default: object) -> Field:
    meta = next(each for each in get_args(_HINTS[name]) if isinstance(each, Meta))
    return Field(
        name=name,
        type=_in_words(_HINTS[name]),
        default=default,
        description=str(meta.description),
        environment=PREFIX + name.upper(),
    )


_HINTS = get_type_hints(Settings, include_extras=True)
FIELDS: tuple[Field, ...] = tuple(
    _field(each.name, each.default)
    for each in msgspec.structs.fields(Settings)
    if each.name not in ("data_dir", "config_path", "origins")
)
"""Every setting, in the order of the documentation."""
_BY_NAME = {field.name: field for field in FIELDS}
