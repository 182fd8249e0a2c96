"""One process of the CLI and the conversation in it: the history is told, the question asked, the answer read.

A turn's output goes through a channel that is closed after `message_stop`. Where that turn called tools, the process
stays: the CLI has asked for their results over MCP and waits. `resume` gives them, and the next turn begins.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog
import trio

from gateway.upstream.providers.claude_cli.history import Message, assistant_line, user_line
from gateway.upstream.providers.claude_cli.lines import Line, Output, Progress, Result, decode_line
from gateway.upstream.providers.claude_cli.process import CliProcess, LineTooLong
from gateway.upstream.providers.claude_cli.refusals import Refusal, crashed, garbage, refused
from gateway.upstream.providers.claude_cli.request import Shape
from gateway.upstream.providers.claude_cli.tools import SERVER, TOOL_USE_ID

OUTPUTS = 64
LAST_WORDS_S = 0.5
"""How long a process that has closed its output may take to say why."""

Outputs = trio.MemoryReceiveChannel[Output]

logger = structlog.get_logger(__name__)


class Session:
    """`run` supervises the process and must have been started before anything else is awaited.

    `on_parked` is asked when a turn ends in calls of tools whether the process may wait for their results; `on_ended`
    is called when nothing of the process is left.
    """

    def __init__(
        self,
        process: CliProcess,
        shape: Shape,
        prompt: Path,
        *,
        on_parked: Callable[["Session"], bool],
        on_ended: Callable[["Session"], None],
    ) -> None:
        self.process = process
        self.shape = shape
        self.since = trio.current_time()
        self.refusal: Refusal | None = None
        self.ended = trio.Event()
        self._prompt = prompt
        self._on_parked = on_parked
        self._on_ended = on_ended
        self._scope = trio.CancelScope()
        self._ready = trio.Event()
        self._told = trio.Event()
        self._sink: trio.MemorySendChannel[Output] | None = None
        self._progress = Progress(shape.tools)
        self._waiting: dict[str, tuple[str, Any]] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._resets_at_s: int | None = None
        self._parked = False

    @property
    def tool_ids(self) -> frozenset[str]:
        """The calls of tools that the last turn ended in."""
        return frozenset(self._progress.tool_ids)

    # Asking ---------------------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Return when it can be asked, or has ended."""
        if self.shape.tools:
            request = {"subtype": "initialize", "sdkMcpServers": [SERVER]}
            await self._write({"type": "control_request", "request_id": "initialize", "request": request})
            await self._ready.wait()

    async def ask(self, messages: list[Message]) -> Outputs:
        """Tell the history and ask the last message. The output closes after the answer, or early if it ends."""
        for number, message in enumerate(messages[:-1]):
            if message["role"] == "assistant":
                await self._send(assistant_line(message["content"], number, self.shape.model))
            else:
                self._told = trio.Event()
                await self._send(user_line(message["content"], query=False))
                await self._told.wait()
        outputs = self._begin()
        await self._send(user_line(messages[-1]["content"], query=True))
        return outputs

    async def resume(self, results: dict[str, dict[str, Any]]) -> Outputs:
        """Give the results of all tools that the last turn called, as MCP has them."""
        outputs = self._begin()
        self._results = results
        for tool_id in list(self._waiting):
            await self._answer_call(tool_id)
        return outputs

    def _begin(self) -> Outputs:
        self._sink, outputs = trio.open_memory_channel[Output](OUTPUTS)
        self._progress, self._parked = Progress(self.shape.tools), False
        if self.ended.is_set():
            self._sink.close()
        return outputs

    # Ending ---------------------------------------------------------------------------------------------------------

    def kill(self, refusal: Refusal | None = None) -> None:
        """End the process now; whoever reads its output finds it closed. Does not wait."""
        self.refusal = self.refusal or refusal
        self.process.stop()
        self._scope.cancel()

    def why(self) -> Refusal:
        """Why it ended before the answer did."""
        return self.refusal or crashed(self.process.status, self.process.words)

    # Supervision ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the process has ended or was killed. Whatever fails in here ends this session alone."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.process.read_words)
                    complete = await self._read()
                    nursery.cancel_scope.deadline = trio.current_time() + (0 if complete else LAST_WORDS_S)
        except* (LineTooLong, msgspec.DecodeError):
            self.refusal = self.refusal or garbage()
            logger.error("claude_cli_garbage", pid=self.process.pid)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            logger.info("claude_cli_broke_off", pid=self.process.pid)
        except* Exception:
            logger.exception("claude_cli_session_failed", pid=self.process.pid)
        finally:
            await self.process.end()
            self._prompt.unlink(missing_ok=True)
            self.ended.set()
            self._ready.set()
            self._told.set()
            if self._sink is not None:
                self._sink.close()
            self._on_ended(self)

    async def _read(self) -> bool:
        """Lines until the answer is complete and calls no tool; False if the process closes its output before."""
        while lines := await self.process.read_lines():
            self._prompt.unlink(missing_ok=True)
            for data in lines:
                if data.startswith(b"{") and await self._take(decode_line(data)):
                    return True
        return False

    async def _take(self, line: Line) -> bool:
        """True if nothing more is wanted of this process: read on, it would begin a turn that nobody asked for."""
        if line.type == "stream_event":
            return await self._take_event(line)
        if line.type == "result":
            return await self._take_result(line)
        if line.type == "control_request":
            await self._take_request(line)
        elif line.type == "rate_limit_event":
            resets_at = (line.rate_limit_info or {}).get("resetsAt")
            self._resets_at_s = resets_at if isinstance(resets_at, int) else self._resets_at_s
        return False

    async def _take_event(self, line: Line) -> bool:
        sink = self._sink
        if sink is None:
            # It began to answer while its tools were being run elsewhere: what it now tells the model is not theirs.
            return True
        event = self._progress.event(line.event)
        over = event.type == "message_stop"
        goes_on = over and self._progress.calls_tools and self._on_parked(self)
        if goes_on:
            self._parked, self._results = True, {}
        try:
            await sink.send(event)
        except trio.BrokenResourceError:
            return True
        if over:
            sink.close()
            # Its caller may have come back with the results before it had read this.
            self._sink = None if self._sink is sink else self._sink
        return over and not goes_on

    async def _take_result(self, line: Line) -> bool:
        """The acknowledgement of a line of history, or the error in place of an answer."""
        result = Result(line.is_error, line.api_error_status, line.result or "", self._resets_at_s)
        if self._sink is None:
            if line.is_error:
                self.refusal = refused(result)
            self._told.set()
            return line.is_error or self._parked
        try:
            await self._sink.send(result)
        except trio.BrokenResourceError:
            return True
        return True

    # The bridge for tools -------------------------------------------------------------------------------------------

    async def _take_request(self, line: Line) -> None:
        request = line.request or {}
        message = request.get("message")
        if request.get("subtype") != "mcp_message" or not isinstance(message, dict):
            refusal = {"subtype": "error", "request_id": line.request_id, "error": "The gateway does not serve this."}
            await self._write({"type": "control_response", "response": refusal})
            return
        answer = self.shape.tools.answer(message)
        if answer is not None:
            await self._reply(line.request_id, message.get("id"), answer)
            if message.get("method") == "tools/list":
                self._ready.set()
            return
        meta = (message.get("params") or {}).get("_meta") or {}
        tool_id = str(meta.get(TOOL_USE_ID))
        self._waiting[tool_id] = (line.request_id, message.get("id"))
        await self._answer_call(tool_id)

    async def _answer_call(self, tool_id: str) -> None:
        """Give the CLI the result of this call, if it is there: it asks for the next one only then."""
        result = self._results.get(tool_id)
        if result is not None and (waiting := self._waiting.pop(tool_id, None)) is not None:
            await self._reply(*waiting, result)

    async def _reply(self, request_id: str, message_id: Any, result: dict[str, Any]) -> None:
        # A notification has no id, but the CLI waits for an answer to the request that carries it.
        message = {"jsonrpc": "2.0", "id": 0 if message_id is None else message_id, "result": result}
        response = {"subtype": "success", "request_id": request_id, "response": {"mcp_response": message}}
        await self._write({"type": "control_response", "response": response})

    async def _write(self, line: dict[str, Any]) -> None:
        await self._send(msgspec.json.encode(line) + b"\n")

    async def _send(self, line: bytes) -> None:
        """That it no longer reads is noticed where its output ends."""
        try:
            await self.process.write(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()
