"""Running the gateway in this process: what `serve` and `demo` have in common."""

import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from gateway.errors import OperatorError
from gateway.settings import Settings


def run_gateway(settings: Settings, on_ready: Callable[[list[str]], None]) -> None:
    """Serve until a signal ends it. `on_ready` gets the addresses. Raises OperatorError."""
    import trio

    from gateway.app import run
    from gateway.observe.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format)
    raise_descriptor_limit()

    def ready(addresses: list[str]) -> None:
        leave_garbage_alone()
        on_ready(addresses)
        notify("READY=1")
        _tell_of_stopping()

    failure: OperatorError | None = None
    interrupted = False
    try:
        trio.run(partial(run, settings, on_ready=ready))
    except* OperatorError as group:
        failure = _first(group)
    except* KeyboardInterrupt:
        interrupted = True
    if failure is not None:
        raise failure
    if interrupted:
        raise KeyboardInterrupt


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)): one datagram to the socket it names, if there is one. Never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        sender.connect("\0" + address[1:] if address[0] == "@" else address)
        sender.send(state.encode())


def leave_garbage_alone() -> None:
    """Have the collector skip what lives as long as the process, and look at the rest less often.

    What a call allocates dies with it, by its reference count. Looking for cycles all the time took some 15 % of the
    CPU of short calls at 32 connections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 20)


def raise_descriptor_limit() -> None:
    """A connection is a file descriptor, and the usual soft limit is 1,024 of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tell_of_stopping() -> None:
    """Put a notice before the handlers that the gateway has set; trio restores the ones before them at its end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_stopping, signal.getsignal(number)))


def _stopping(before: Any, number: int, frame: FrameType | None) -> None:
    notify("STOPPING=1")
    if callable(before):
        before(number, frame)


def _first(group: BaseExceptionGroup[OperatorError]) -> OperatorError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, OperatorError)
    return error
