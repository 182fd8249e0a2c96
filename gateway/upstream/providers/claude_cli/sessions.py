"""The processes of one account: a few at work, some waiting for results of tools, some kept warm.

    run                    until the account is closed and its last process has ended
    └ nursery              tend (memory, waiting too long) · one supervisor per process

At most `cap` processes work at once; a call waits for its turn. One that waits for results of tools is not at work:
there are at most `options.parked` of those, the oldest ends first.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
import trio

from gateway.records import Account
from gateway.upstream.providers.claude_cli.folders import Folder
from gateway.upstream.providers.claude_cli.options import CliOptions, processes_of
from gateway.upstream.providers.claude_cli.process import CliProcess
from gateway.upstream.providers.claude_cli.refusals import too_large
from gateway.upstream.providers.claude_cli.request import Shape, Turn
from gateway.upstream.providers.claude_cli.session import Session
from gateway.upstream.providers.claude_cli.tools import PREFIX, SERVER

TEND_S = 1.0
WARM_S = 600.0
MOST_WAITING = 256

logger = structlog.get_logger(__name__)


class Place:
    """One conversation's place among those at work: whose it is, and how far it is."""

    __slots__ = ("caller", "digest")

    def __init__(self, caller: str, digest: bytes) -> None:
        self.caller = caller
        self.digest = digest


class Sessions:
    """Made closed; `run` opens it. `close` ends what waits and lets answers under way finish."""

    def __init__(self, account: Account, options: CliOptions, folder: Folder) -> None:
        self.cap = processes_of(account)
        self._options = options
        self._folder = folder
        self._slots = trio.CapacityLimiter(self.cap)
        self._working: dict[Session, Place] = {}
        self._parked: dict[Session, Place] = {}
        self._warm: dict[Session, float] = {}
        self._nursery: trio.Nursery | None = None
        self._changed = trio.Event()
        self._calls = 0
        self._closed = False

    # Lifetime -------------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Cancelled, it kills every process before it returns."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                while not (self._closed and self._idle):
                    self._tend()
                    with trio.move_on_after(TEND_S if self._every() else math.inf):
                        await self._changed.wait()
                    self._changed = trio.Event()
        finally:
            self._nursery = None

    def close(self) -> None:
        self._closed = True
        for session in (*self._parked, *self._warm):
            session.kill()
        self._changed.set()

    @contextmanager
    def call(self) -> Iterator[None]:
        """A call that may take a process in here: closed meanwhile, it is answered all the same."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._changed.set()

    @property
    def _idle(self) -> bool:
        return not (self._calls or self._every())

    def _every(self) -> list[Session]:
        return [*self._working, *self._parked, *self._warm]

    def _tend(self) -> None:
        """End what has grown too large or waited too long."""
        now, limit = trio.current_time(), self._options.memory_mb
        for session in self._every():
            if session.process.memory_bytes() > limit * 1024 * 1024:
                session.kill(too_large(limit))
        for session in self._parked:
            if now - session.since > self._options.park_s:
                session.kill()
        for session, since in self._warm.items():
            if now - since > WARM_S:
                session.kill()

    # Taking one -----------------------------------------------------------------------------------------------------

    async def resumed(self, turn: Turn, caller: str) -> Session | None:
        """The process that waits for exactly these results of this caller's tools, in exactly this conversation."""
        session = next((each for each, place in self._parked.items() if _matches(each, place, turn, caller)), None)
        if session is None:
            return None
        place = self._parked.pop(session)
        place.digest = turn.digest
        try:
            entered = await self._enter(place)
        except BaseException:
            session.kill()
            raise
        if not entered or session.ended.is_set():
            session.kill()
            if entered:
                self._leave(place)
            return None
        self._working[session] = place
        return session

    async def fresh(self, turn: Turn, caller: str, command: str, environment: Mapping[str, str]) -> Session | None:
        """A process that has read nothing yet and may not be ready; None if none came free. Raises OSError."""
        place = Place(caller, turn.digest)
        if not await self._enter(place):
            return None
        try:
            session = self._take_warm(turn.shape) or self._start(turn.shape, command, environment)
        except BaseException:
            self._leave(place)
            raise
        self._working[session] = place
        return session

    async def _enter(self, place: Place) -> bool:
        """Wait for a turn, bounded in time and number."""
        if self._nursery is None or self._slots.statistics().tasks_waiting >= MOST_WAITING:
            return False
        with trio.move_on_after(self._options.wait_s):
            await self._slots.acquire_on_behalf_of(place)
            return True
        return False

    def _leave(self, place: Place) -> None:
        self._slots.release_on_behalf_of(place)
        self._changed.set()

    def keep_warm(self, shape: Shape, command: str, environment: Mapping[str, str]) -> None:
        """Have a process ready for the next call of this shape, if the account is to have such."""
        if self._closed or not self._options.warm or any(each.shape.key == shape.key for each in self._warm):
            return
        while len(self._warm) >= self._options.warm:
            oldest = next(iter(self._warm))
            del self._warm[oldest]
            oldest.kill()
        try:
            self._warm[self._start(shape, command, environment)] = trio.current_time()
        except OSError as error:
            logger.warning("claude_cli_not_warm", error=str(error))

    def _take_warm(self, shape: Shape) -> Session | None:
        for session in self._warm:
            if session.shape.key == shape.key and not session.ended.is_set():
                del self._warm[session]
                return session
        return None

    def _start(self, shape: Shape, command: str, environment: Mapping[str, str]) -> Session:
        assert self._nursery is not None
        prompt = self._folder.keep_prompt(shape.system)
        try:
            process = CliProcess(
                [command, *arguments(shape, str(prompt))],
                {**environment, **shape.environment()},
                self._folder.work,
            )
        except BaseException:
            prompt.unlink(missing_ok=True)
            raise
        session = Session(process, shape, prompt, on_parked=self._park, on_ended=self._forget)
        self._nursery.start_soon(session.run)
        self._changed.set()
        return session

    # What becomes of them -------------------------------------------------------------------------------------------

    def _park(self, session: Session) -> bool:
        """Its turn has ended in calls of tools: it waits for their results, and others may work."""
        if self._closed or self._options.parked == 0 or session not in self._working:
            return False
        place = self._working.pop(session)
        self._leave(place)
        session.since = trio.current_time()
        self._parked[session] = place
        while len(self._parked) > self._options.parked:
            oldest = next(iter(self._parked))
            del self._parked[oldest]
            oldest.kill()
        return True

    def _forget(self, session: Session) -> None:
        """Nothing of it is left."""
        if (place := self._working.pop(session, None)) is not None:
            self._leave(place)
        self._parked.pop(session, None)
        self._warm.pop(session, None)
        self._changed.set()

    def __repr__(self) -> str:
        return f"Sessions(working={len(self._working)}, parked={len(self._parked)}, warm={len(self._warm)})"


def _matches(session: Session, place: Place, turn: Turn, caller: str) -> bool:
    return (
        place.caller == caller
        and place.digest == turn.earlier
        and session.tool_ids == turn.results.keys()
        and not session.ended.is_set()
    )


def arguments(shape: Shape, prompt: str) -> list[str]:
    """The options the CLI is started with: no settings, plugins, commands or tools but the client's own."""
    options = ["-p", "--input-format", "stream-json", "--output-format", "stream-json"]
    options += ["--verbose", "--include-partial-messages", "--no-session-persistence"]
    options += ["--tools", "", "--strict-mcp-config", "--setting-sources", "", "--disable-slash-commands"]
    options += [f"--model={shape.model}", "--system-prompt-file", prompt]
    if shape.effort:
        options += ["--effort", shape.effort]
    if shape.tools:
        options += ["--mcp-config", f'{{"mcpServers":{{"{SERVER}":{{"type":"sdk","name":"{SERVER}"}}}}}}']
        options += ["--allowedTools", PREFIX.removesuffix("__")]
    return options
