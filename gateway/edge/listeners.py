"""Listening sockets and TLS for the binds of the settings.

Everything wrong with a bind is a ConfigurationError that names it. hypercorn's Config makes the TLS context; its
`create_sockets` is not used: it takes a Unix socket away from a live server and leaks the socket whose bind fails.
"""

import contextlib
import errno
import logging
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from types import TracebackType

import trio
from hypercorn.config import Config

from gateway.edge.server_settings import ServerSettings
from gateway.errors import ConfigurationError

_LIFESPAN_TIMEOUT_S = 30.0

Listener = trio.SocketListener | trio.SSLListener[trio.SocketStream]


def hypercorn_config(settings: ServerSettings) -> Config:
    """hypercorn's view of our settings; its log goes to the standard library's `gateway.edge` logger."""
    config = Config()
    config.errorlog = logging.getLogger("gateway.edge")
    config.accesslog = None
    config.startup_timeout = config.shutdown_timeout = _LIFESPAN_TIMEOUT_S
    config.backlog = settings.backlog
    config.alpn_protocols = ["http/1.1"]
    config.certfile = settings.tls_cert
    config.keyfile = settings.tls_key
    return config


class BoundSockets:
    """The bound sockets of all binds, closed and unlinked on exit. They listen from `listeners` on.

    `addresses` are where clients reach them, with real ports: "http://127.0.0.1:8000", "unix:/run/trigate.sock".
    """

    def __init__(self, settings: ServerSettings, config: Config) -> None:
        self.addresses: list[str] = []
        self._settings = settings
        self._sockets: list[socket.socket] = []
        self._unix_files: list[tuple[str, int]] = []
        self._tls = _tls_context(settings, config)
        try:
            for bind in settings.binds:
                self._bind(bind)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "BoundSockets":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def listeners(self) -> list[Listener]:
        """Start to listen. The sockets belong to the listeners from now on."""
        return list(self._listeners())

    def close(self) -> None:
        for path, inode in self._unix_files:
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
        for bound in self._sockets:
            bound.close()

    def _listeners(self) -> Iterator[Listener]:
        for bound in self._sockets:
            try:
                bound.listen(self._settings.backlog)
            except OSError as error:
                raise ConfigurationError(f"Cannot listen: {error.strerror}.") from error
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(bound))
            if self._tls is None or bound.family == socket.AF_UNIX:
                yield listener
            else:
                yield trio.SSLListener(listener, self._tls, https_compatible=True)

    def _bind(self, bind: str) -> None:
        try:
            if bind.startswith("unix:"):
                path = bind.removeprefix("unix:")
                _check_unix_path(path)
                self._sockets.append(_bind_unix(path, self._settings.unix_mode))
                self._unix_files.append((path, os.stat(path).st_ino))
                self.addresses.append(bind)
            else:
                host, port = _host_and_port(bind)
                bound = _bind_tcp(host, port)
                self._sockets.append(bound)
                scheme = "http" if self._tls is None else "https"
                shown = f"[{host}]" if ":" in host else host
                self.addresses.append(f"{scheme}://{shown}:{bound.getsockname()[1]}")
        except OSError as error:
            raise ConfigurationError(_why_not(bind, error)) from error


def _bind_tcp(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _bind_unix(path: str, mode: int) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    bound = socket.socket(socket.AF_UNIX)
    # The mode is there from the start: a socket that is open to all for a moment can be connected to in that moment.
    umask = os.umask(0o777 & ~mode)
    try:
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(umask)
    return bound


def _host_and_port(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not bracketed) or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigurationError(f"{bind!r} is no bind: use host:port, [ipv6]:port or unix:/path.")
    return (host[1:-1] if bracketed else host), int(port)


def _check_unix_path(path: str) -> None:
    """Leave a stale socket to be replaced; refuse one that answers, and whatever is not a socket."""
    if not path:
        raise ConfigurationError("unix: needs a path: unix:/run/trigate.sock.")
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"Cannot listen on unix:{path}: there is a file of that name that is not a socket.")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            # EAGAIN is a server whose backlog is full.
            if error.errno != errno.EAGAIN:
                raise ConfigurationError(_why_not(f"unix:{path}", error)) from error
    raise ConfigurationError(f"Cannot listen on unix:{path}: another server is listening there.")


def _why_not(bind: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Cannot listen on {bind}: the port is in use by another program. Stop it, or choose another with --bind."
        )
    if error.errno == errno.EACCES:
        return f"Cannot listen on {bind}: not permitted (ports below 1024 and other users' folders need privileges)."
    return f"Cannot listen on {bind}: {error.strerror or error}."


def _tls_context(settings: ServerSettings, config: Config) -> ssl.SSLContext | None:
    """TLS 1.2 or later, HTTP/1.1 by ALPN."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigurationError("TLS needs both a certificate and a key.")
    try:
        return config.create_ssl_context()
    except OSError as error:  # SSLError is one
        raise ConfigurationError(
            f"Cannot use the TLS certificate {settings.tls_cert} with the key {settings.tls_key}: {error}."
        ) from error
