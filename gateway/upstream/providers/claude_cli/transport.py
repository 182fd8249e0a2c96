"""The CLI behind httpx: a request of the Messages API is a turn of one of its processes, the answer is Anthropic's own.

So the rest of the gateway - race, relay, meter, translation - sees an Anthropic account.
"""

import math
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import httpx
import trio

from gateway.dialects.assemble import CannotAssemble
from gateway.dialects.assemble_messages import MessagesDraft
from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import Account
from gateway.upstream.providers.claude_cli.folders import Folder, environment
from gateway.upstream.providers.claude_cli.lines import Event, Output, Result
from gateway.upstream.providers.claude_cli.options import options_of
from gateway.upstream.providers.claude_cli.program import Program
from gateway.upstream.providers.claude_cli.refusals import NOT_SERVED, Refusal, busy, hung, not_started, refused
from gateway.upstream.providers.claude_cli.request import Turn, read_turn
from gateway.upstream.providers.claude_cli.session import Outputs, Session
from gateway.upstream.providers.claude_cli.sessions import Sessions
from gateway.upstream.providers.claude_cli.tools import mcp_result
from gateway.upstream.supervised import SupervisedTransport

PATH = "/v1/messages"
CALLER = "caller"
SECRET_HEADER = "x-api-key"
_STREAM_HEADERS = [("content-type", "text/event-stream; charset=utf-8")]
_JSON_HEADERS = [("content-type", "application/json")]


class Broken(Exception):
    """The process ended, or told of an error, before its answer was complete."""

    def __init__(self, refusal: Refusal, *, said: bool) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.said = said


class ClaudeCliTransport(SupervisedTransport):
    """One account's processes. Raises ConfigurationError if its options or its folder are wrong."""

    def __init__(self, account: Account, data_dir: Path) -> None:
        self._account = account
        self._options = options_of(account)
        self._folder = Folder(data_dir, account.id)
        self._program = Program(self._options)
        self._sessions = Sessions(account, self._options, self._folder)
        self._folder.prepare()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self._sessions.run(task_status=task_status)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises BadRequest for what the CLI cannot be asked, httpx.ReadTimeout as a connection would."""
        if request.url.path != PATH:
            return _refusal(NOT_SERVED)
        turn = read_turn(await request.aread())
        timeouts = request.extensions.get("timeout", {})
        read_s = _seconds(timeouts.get("read"))
        first_s = _seconds(timeouts.get("first_byte", timeouts.get("read")))
        with self._sessions.call(), trio.move_on_after(first_s):
            try:
                stream = await self._answer(turn, request, read_s)
                if turn.streamed:
                    return httpx.Response(200, headers=_STREAM_HEADERS, stream=stream)
                return httpx.Response(200, headers=_JSON_HEADERS, stream=httpx.ByteStream(await stream.whole()))
            except Broken as broken:
                return _refusal(broken.refusal)
        raise httpx.ReadTimeout("The CLI did not answer in time.")

    async def _answer(self, turn: Turn, request: httpx.Request, read_s: float) -> "CliStream":
        """The answer, its first event read. Raises Broken."""
        caller = str(request.extensions.get(CALLER, ""))
        given = environment(self._account, self._options, self._folder, request.headers.get(SECRET_HEADER, ""))
        results = {tool_id: mcp_result(block) for tool_id, block in turn.results.items()}
        known = {tool_id: result for tool_id, result in results.items() if result is not None}
        if known and len(known) == len(results):
            session = await self._sessions.resumed(turn, caller)
            if session is not None:
                try:
                    return await _opened(session, await _guarded(session, session.resume(known)), read_s)
                except Broken as broken:
                    # A process that was lost while it waited: the whole conversation is here, so another is told it.
                    if broken.said:
                        raise
        refusal = await self._program.check(given, self._folder.work)
        if refusal is not None:
            raise Broken(refusal, said=True)
        return await self._begin(turn, caller, given, read_s)

    async def _begin(self, turn: Turn, caller: str, given: dict[str, str], read_s: float) -> "CliStream":
        try:
            session = await self._sessions.fresh(turn, caller, self._program.path, given)
        except OSError as error:
            raise Broken(not_started(error), said=True) from error
        if session is None:
            raise Broken(busy(self._sessions.cap), said=True)
        outputs = await _guarded(session, self._ask(session, turn))
        stream = await _opened(session, outputs, read_s)
        self._sessions.keep_warm(turn.shape, self._program.path, given)
        return stream

    async def _ask(self, session: Session, turn: Turn) -> Outputs:
        start_s = self._options.start_s
        with trio.move_on_after(start_s):
            await session.ready()
            return await session.ask(turn.messages)
        raise Broken(hung(start_s), said=True)

    async def aclose(self) -> None:
        """End what waits. Answers under way go on."""
        self._sessions.close()

    def __repr__(self) -> str:
        return f"ClaudeCliTransport({self._account.name!r}, {self._sessions!r})"


class CliStream(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """The events of one turn as the API's stream. Closed before its end, it ends the process."""

    def __init__(self, session: Session, outputs: Outputs, first: Event, read_s: float) -> None:
        self._session = session
        self._outputs = outputs
        self._next: Event | None = first
        self._read_s = read_s
        self._over = False
        self._broken: Broken | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """What has come, at least one event. Raises httpx.ReadTimeout, and httpx.RemoteProtocolError if the process
        ended; an error it told of is an event of the API's."""
        if self._over:
            raise StopAsyncIteration
        event, self._next = self._next, None
        frames = []
        try:
            if self._broken is not None:
                raise self._broken
            frames.append(self._frame(event or await self._take()))
            while not self._over:
                frames.append(self._frame(_event(self._outputs.receive_nowait())))
        except (trio.WouldBlock, trio.EndOfChannel):
            return b"".join(frames)
        except Broken as broken:
            if not frames:
                return self._ended_by(broken)
            # What came before it is delivered first.
            self._broken = broken
        return b"".join(frames)

    def _ended_by(self, broken: Broken) -> bytes:
        self._over = True
        if not broken.said:
            raise httpx.RemoteProtocolError(broken.refusal.message) from None
        return Event("error", broken.refusal.body).frame

    def _frame(self, event: Event) -> bytes:
        self._over = event.type == "message_stop"
        return event.frame

    async def _take(self) -> Event:
        with trio.move_on_after(self._read_s):
            return await _received(self._session, self._outputs)
        raise httpx.ReadTimeout("The CLI fell silent.")

    async def whole(self) -> bytes:
        """The message, when it is complete. Raises Broken."""
        draft = MessagesDraft()
        try:
            event, self._next = self._next, None
            while event is not None:
                draft.take(event.type, event.data)
                self._over = event.type == "message_stop"
                event = None if self._over else await _received(self._session, self._outputs)
            return draft.body()
        except (CannotAssemble, KeyError, *DECODE_ERRORS) as error:
            raise Broken(Refusal(502, "api_error", f"The CLI's answer is no message: {error}"), said=True) from None
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        self._outputs.close()
        if not self._over:
            self._over = True
            self._session.kill()


async def _guarded(session: Session, asking: Awaitable[Outputs]) -> Outputs:
    """What is asked of a process is asked to the end, or the process ends."""
    try:
        return await asking
    except BaseException:
        session.kill()
        raise


async def _opened(session: Session, outputs: Outputs, read_s: float) -> CliStream:
    try:
        first = await _received(session, outputs)
    except BaseException:
        session.kill()
        raise
    return CliStream(session, outputs, first, read_s)


async def _received(session: Session, outputs: Outputs) -> Event:
    try:
        return _event(await outputs.receive())
    except trio.EndOfChannel:
        raise Broken(session.why(), said=session.refusal is not None) from None


def _event(output: Output) -> Event:
    if isinstance(output, Result):
        raise Broken(refused(output), said=True)
    return output


def _refusal(refusal: Refusal) -> httpx.Response:
    return httpx.Response(refusal.status, headers=refusal.headers, stream=httpx.ByteStream(refusal.body))


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout
