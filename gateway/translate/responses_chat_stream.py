"""A Chat stream as a Responses stream."""

from msgspec import Struct

from gateway.dialects.base import UpstreamError
from gateway.dialects.stream import CUT
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.calls import Call, Calls
from gateway.translate.chat_chunks import Chunk, UsageReport, read_chunk
from gateway.translate.envelope import CHAT_REASONING
from gateway.translate.ids import call_id_for
from gateway.translate.responses_chat_answer import flat_citation, namespace_of, status_of
from gateway.translate.responses_out import Item, ResponsesWriter, response_id_of
from gateway.translate.stream import Broken, StreamTranslator
from gateway.translate.toolcalls import CustomInputDecoder


class _OpenCall(Struct, eq=False):
    """A call whose item is open. `decoder` takes the text out of a wrapped freeform call."""

    call: Call
    item: Item
    decoder: CustomInputDecoder | None = None


class ResponsesFromChat(StreamTranslator):
    """Calls are open side by side until the end, as their fragments come; text and reasoning close each other."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._writer = ResponsesWriter(memo, self.out)
        self._report = UsageReport()
        self._calls = Calls()
        self._open: dict[int, _OpenCall] = {}
        self._finish_reason = ""
        self._earlier = 0
        self._length = 0

    def usage(self) -> Usage | None:
        return self._report.usage

    def keepalive(self) -> bytes:
        return self._writer.keepalive()

    def error_frame(self, error: CallError, request_id: str) -> bytes:
        return self._writer.failed(error, request_id)

    def _take(self, event: bytes, data: bytes) -> None:
        if data.startswith(b"[DONE]"):
            if not self._finish_reason and not self.out.semantic:
                raise Broken(UpstreamError(502, "invalid_answer", "The answer is done before it said anything."))
            self._complete()
            return
        chunk = read_chunk(data, self._report)
        self.response_id = self.response_id or chunk.id
        if chunk.id or chunk.content or chunk.reasoning or chunk.refusal or chunk.fragments or chunk.finish_reason:
            self._start()
        self._take_chunk(chunk)

    def _at_end(self) -> None:
        """Several servers close without `[DONE]`; with a finish reason the answer is whole."""
        if not self._finish_reason:
            raise Broken(CUT)
        self._complete()

    def _start(self) -> None:
        self._writer.start(response_id_of(self.memo, self.response_id))

    def _take_chunk(self, chunk: Chunk) -> None:
        if chunk.reasoning:
            self._end_text()
            self._writer.reasoning(chunk.reasoning)
        if chunk.content or chunk.refusal:
            self._writer.close_reasoning(CHAT_REASONING)
        if chunk.content:
            self._length += len(chunk.content)
            self._writer.text(chunk.content)
        if chunk.refusal:
            self._writer.refusal(chunk.refusal)
        for fragment in chunk.fragments:
            self._take_call(self._calls.take(fragment))
        for annotation in chunk.annotations:
            citation = flat_citation(annotation, self._earlier)
            if citation is not None:
                self._writer.annotation(citation)
        self._finish_reason = chunk.finish_reason or self._finish_reason

    def _take_call(self, call: Call) -> None:
        """Open a call once its id and name are known; without an id, once it says something."""
        open_call = self._open.get(call.number)
        if open_call is None and call.name and (call.given_id or call.arguments):
            open_call = self._open_call(call)
        if open_call is not None:
            self._say(open_call)

    def _open_call(self, call: Call) -> _OpenCall:
        self._writer.close_reasoning(CHAT_REASONING)
        self._end_text()
        client_name = self.memo.client_name(call.name)
        namespace, name = namespace_of(client_name, self.memo)
        wrapped = client_name in self.memo.custom_tools
        call_id = call_id_for("responses", call.id)
        item = self._writer.open_call(call_id, name, custom=call.custom or wrapped, namespace=namespace)
        opened = _OpenCall(call, item, CustomInputDecoder() if wrapped and not call.custom else None)
        self._open[call.number] = opened
        return opened

    def _end_text(self) -> None:
        """Places of citations are counted from the beginning of the text that is open."""
        self._earlier = self._length

    def _say(self, opened: _OpenCall) -> None:
        piece = opened.call.unsent()
        self._writer.arguments(opened.item, opened.decoder.feed(piece) if opened.decoder is not None else piece)

    def _complete(self) -> None:
        """Close the calls in their order, then the answer: usage came after everything else."""
        self._start()
        for call in self._calls.all:
            if call.name and call.number not in self._open:
                self._say(self._open_call(call))
        self._writer.close_reasoning(CHAT_REASONING)
        status, reason = status_of(self._finish_reason, self._calls.all)
        opened = [self._open[call.number] for call in self._calls.all if call.number in self._open]
        if status == "completed":
            self._writer.close_message()
        for each in opened:
            if each.decoder is not None:
                self._writer.arguments(each.item, each.decoder.finish())
            if status == "completed" or each.call.custom or each.call.scanner.complete:
                self._writer.close_call(each.item)
        usage = self._report.usage
        if usage is None:
            usage = Usage(input_tokens=self.memo.context.input_tokens, output_tokens=self.delivered_tokens())
        self._finish(self._writer.ending(status, usage, reason=reason, service_tier=self._report.service_tier))
