"""Transports whose upstream is a program of this machine: their tasks live in a nursery above the calls."""

from abc import abstractmethod

import httpx
import trio


class SupervisedTransport(httpx.AsyncBaseTransport):
    """Takes requests once `run` has started. `aclose` ends `run`, when the answers under way have ended."""

    @abstractmethod
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Supervise until closed. Cancelled, nothing that was started is left when it returns."""
