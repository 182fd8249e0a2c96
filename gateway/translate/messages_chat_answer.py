"""A Chat server's answers for Messages clients, whole and streamed."""

from typing import Any

import msgspec

from gateway.dialects.base import Answer, UpstreamError
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.messages_stream import error_event
from gateway.dialects.peek import DECODE_ERRORS
from gateway.dialects.stream import CUT
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Blocks, Memo
from gateway.translate.calls import Call, Calls
from gateway.translate.chat_chunks import Chunk, UsageReport, read_chunk, read_message
from gateway.translate.claude_answer import strip_fence
from gateway.translate.envelope import CHAT_REASONING
from gateway.translate.ids import answer_id, call_id_for
from gateway.translate.messages_out import MessagesWriter, message_body
from gateway.translate.pieces import Pieces
from gateway.translate.reading import read_arguments
from gateway.translate.stops import StopScanner
from gateway.translate.stream import Broken, StreamTranslator
from gateway.translate.usage import messages_usage

_NOT_A_COMPLETION = "The upstream's answer is not a chat completion."


def stop_reason(finish_reason: str, calls: list[Call], *, refused: bool) -> str:
    """A `finish_reason` in Claude's words. A call that was made outweighs it, unless the call was cut off.

    Servers that end with `stop`, or with nothing, after a call are common.
    """
    if any(is_cut(call) for call in calls):
        return "refusal" if finish_reason == "content_filter" else "max_tokens"
    if calls:
        return "tool_use"
    if refused or finish_reason == "content_filter":
        return "refusal"
    return "max_tokens" if finish_reason == "length" else "end_turn"


def is_cut(call: Call) -> bool:
    """Whether a call's JSON stops before its end. No arguments at all are a whole object to many servers."""
    return bool(call.arguments.strip()) and not call.scanner.complete


def client_usage(report: UsageReport, memo: Memo, delivered_tokens: int) -> dict[str, Any]:
    """What was reported, in the client's shape; the estimate of both sides where nothing was."""
    usage = report.usage or Usage(input_tokens=memo.context.input_tokens, output_tokens=delivered_tokens)
    return messages_usage(usage, reasoning_reported=report.reasoning_reported)


def citations_of(annotations: list[dict[str, Any]], text: str) -> Blocks:
    """Web pages an answer cites, as Claude's citations. What they cite is a stretch of the answer itself."""
    found: Blocks = []
    for annotation in annotations:
        cited = annotation.get("url_citation")
        if annotation.get("type") != "url_citation" or not isinstance(cited, dict):
            continue
        start, end = cited.get("start_index"), cited.get("end_index")
        whole = isinstance(start, int) and isinstance(end, int)
        found.append(
            {
                "type": "web_search_result_location",
                "url": str(cited.get("url") or ""),
                "title": str(cited.get("title") or ""),
                "cited_text": text[start:end] if whole else "",
                "encrypted_index": "",
            }
        )
    return found


def translate_answer(body: bytes, memo: Memo) -> Answer:
    """A whole completion as a message."""
    report = UsageReport()
    try:
        found: Any = msgspec.json.decode(body)
        choice = found["choices"][0]
        chunk = read_message(choice["message"])
    except (*DECODE_ERRORS, LookupError, TypeError, AttributeError):
        return Answer(body=body, usage=None, error=wrong_answer(body, _NOT_A_COMPLETION))
    if found.get("error") or choice.get("finish_reason") == "error":
        return Answer(body=body, usage=None, error=wrong_answer(body, _NOT_A_COMPLETION))
    report.read(found)
    calls = Calls()
    for fragment in chunk.fragments:
        # Whole calls are not fragments of each other, whatever numbers they bear.
        fragment.index = len(calls.all)
        calls.take(fragment)
    content, matched = _content(chunk, calls.all, memo)
    finish = choice.get("finish_reason")
    reason = stop_reason(finish if isinstance(finish, str) else "", calls.all, refused=bool(chunk.refusal))
    upstream_id = found.get("id") if isinstance(found.get("id"), str) else ""
    usage = report.usage
    delivered = usage.output_tokens if usage else -(-len(body) * 2 // 7)
    message = message_body(
        answer_id(upstream_id or memo.context.call_id, "messages"),
        memo.context.asked_model,
        content,
        "stop_sequence" if matched else reason,
        client_usage(report, memo, delivered),
        stop_sequence=matched,
        refusal=chunk.refusal,
    )
    return Answer(msgspec.json.encode(message), usage, response_id=upstream_id, delivered_tokens=delivered)


def _content(chunk: Chunk, calls: list[Call], memo: Memo) -> tuple[Blocks, str | None]:
    """The blocks of a whole answer, and the stop sequence at which it had to be cut."""
    blocks: Blocks = []
    if chunk.reasoning:
        signature = memo.context.signer.seal(CHAT_REASONING)
        blocks.append({"type": "thinking", "thinking": chunk.reasoning, "signature": signature})
    scanner = StopScanner(memo.stop_sequences)
    text = scanner.feed(strip_fence(chunk.content) if memo.json_object else chunk.content) + scanner.flush()
    if text:
        citations = citations_of(chunk.annotations, text)
        blocks.append({"type": "text", "text": text, **({"citations": citations} if citations else {})})
    if scanner.matched is not None:
        return blocks, scanner.matched
    if chunk.refusal:
        blocks.append({"type": "text", "text": chunk.refusal})
    for call in calls:
        if call.name and not is_cut(call):
            arguments = read_arguments(call.arguments)
            given = {"_raw": call.arguments} if arguments is None else arguments
            call_id = call_id_for("messages", call.id)
            blocks.append({"type": "tool_use", "id": call_id, "name": memo.client_name(call.name), "input": given})
    return blocks, None


class MessagesFromChat(StreamTranslator):
    """A Chat stream as a Messages stream.

    One block is open at a time. While a call's JSON is not whole nothing else is shown: text and reasoning wait until
    the end, other calls until it is their turn.
    """

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._writer = MessagesWriter(memo, self.out)
        self._report = UsageReport()
        self._calls = Calls()
        self._live: Call | None = None
        self._opened = 0
        self._held = Pieces()
        self._scanner = StopScanner(memo.stop_sequences)
        self._finish_reason = ""
        self._refusal = ""
        self._text = Pieces()

    def usage(self) -> Usage | None:
        return self._report.usage

    def keepalive(self) -> bytes:
        return self._writer.keepalive()

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return error_event(error, request_id)

    def _take(self, event: bytes, data: bytes) -> None:
        if data.startswith(b"[DONE]"):
            if not self._finish_reason and not self.out.semantic:
                raise Broken(UpstreamError(502, "invalid_answer", "The answer is done before it said anything."))
            self._complete()
            return
        chunk = read_chunk(data, self._report)
        self.response_id = self.response_id or chunk.id
        if chunk.id or chunk.content or chunk.reasoning or chunk.refusal or chunk.fragments or chunk.finish_reason:
            self._writer.start(answer_id(self.response_id or self.memo.context.call_id, "messages"))
        self._take_chunk(chunk)

    def _at_end(self) -> None:
        """Several servers close without `[DONE]`; with a finish reason the answer is whole."""
        if not self._finish_reason:
            raise Broken(CUT)
        self._complete()

    def _take_chunk(self, chunk: Chunk) -> None:
        if chunk.reasoning and not self._is_mid_call:
            self._close_live()
            self._writer.thinking(chunk.reasoning)
        if chunk.content or chunk.refusal:
            self._refusal += chunk.refusal
            self._say(chunk.content + chunk.refusal)
        for fragment in chunk.fragments if not self._done else ():
            self._call(self._calls.take(fragment))
        if chunk.annotations and not self._done:
            for citation in citations_of(chunk.annotations, self._text.joined()):
                self._writer.citation(citation)
        self._finish_reason = chunk.finish_reason or self._finish_reason

    @property
    def _is_mid_call(self) -> bool:
        return self._live is not None and not self._live.scanner.complete

    def _say(self, text: str) -> None:
        if self._is_mid_call:
            self._held.add(text)
        elif self._writer.block != "tool_use" or text.strip():
            self._close_live()
            self._show(self._held.take() + text)

    def _show(self, text: str) -> None:
        """Text for the client, up to a stop sequence that only the gateway looks for: there the answer is over."""
        shown = self._scanner.feed(text)
        if shown:
            self._text.add(shown)
            self._writer.text(shown)
        if self._scanner.matched is not None:
            self._end("stop_sequence", stop_sequence=self._scanner.matched)

    def _call(self, call: Call) -> None:
        if call is self._live:
            self._writer.arguments(call.unsent())
        if not self._is_mid_call:
            self._open_waiting()

    def _open_waiting(self) -> None:
        """Open the calls that wait, in their order, each as soon as the one before it is whole."""
        while self._opened < len(self._calls.all) and not self._is_mid_call:
            call = self._calls.all[self._opened]
            if not call.name:
                return
            self._open(call)

    def _open(self, call: Call) -> None:
        self._opened += 1
        self._flush_text()
        self._live = call
        self._writer.open_tool(call_id_for("messages", call.id), self.memo.client_name(call.name))
        self._writer.arguments(call.unsent())

    def _close_live(self) -> None:
        if self._live is not None:
            self._writer.close()
            self._live = None

    def _flush_text(self) -> None:
        """Text held back for a stop sequence that can no longer follow."""
        rest = self._scanner.flush()
        if rest:
            self._text.add(rest)
            self._writer.text(rest)

    def _complete(self) -> None:
        """Everything that waits, then the end. The reason and the totals come last and together."""
        self._writer.start(answer_id(self.response_id or self.memo.context.call_id, "messages"))
        for call in self._calls.all[self._opened :]:
            if call.name:
                self._open(call)
        self._close_live()
        held = self._held.take()
        if held.strip():
            self._show(held)
        if self._done:
            return
        self._flush_text()
        shown = [call for call in self._calls.all if call.name]
        self._end(stop_reason(self._finish_reason, shown, refused=bool(self._refusal)))

    def _end(self, reason: str, *, stop_sequence: str | None = None) -> None:
        usage = client_usage(self._report, self.memo, self.delivered_tokens())
        self._finish(self._writer.ending(reason, usage, stop_sequence=stop_sequence, refusal=self._refusal))
