"""One gateway per database: an flock'd file that says who holds it. The kernel frees it when the process dies."""

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from gateway.clock import now_ms
from gateway.errors import NotPermitted, StoreUnavailable


class Holder(msgspec.Struct):
    """Who holds the lock, as its file says."""

    pid: int
    host: str
    since_at: int


class GatewayLock:
    """Held from `with` to its end. Raises StoreUnavailable naming the process that holds it already."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "gateway.lock"
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NotPermitted(f"Cannot open {self.path}: {error.strerror}. Check who owns the folder.") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            self._descriptor = -1
            raise StoreUnavailable(self._held_by()) from None
        holder = Holder(os.getpid(), socket.gethostname(), now_ms())
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, msgspec.json.encode(holder), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let a third process lock a file that a second one is still waiting on.
        os.close(self._descriptor)
        self._descriptor = -1

    def holder(self) -> Holder | None:
        """What the file says, whether or not that process still lives."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Holder)
        except (OSError, msgspec.MsgspecError):
            return None

    def _held_by(self) -> str:
        holder = self.holder()
        who = f"process {holder.pid} on {holder.host}" if holder else "another process"
        return f"Another gateway serves {self.path.parent}: {who}. Stop it first, or give this one its own --data-dir."
