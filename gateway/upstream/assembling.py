"""A call that is answered whole, fetched as a stream: so it can race, which is decided by the first frame of an answer.

reader = assembler_for(exchange)              meters the attempt from its first frame on
answer = await open_answer(exchange, reader)  it has won: its first semantic frame is here
await answer.rest()                           the whole answer, as `fetch` would have given it
await answer.aclose()
"""

import msgspec
import structlog

from gateway.dialects.assemble import CANNOT_ASSEMBLE, Assembler
from gateway.dialects.assembly import assembly_named
from gateway.dialects.base import Answer, Dialect, StreamReader, UpstreamError
from gateway.records import Usage
from gateway.upstream.attempt import MAX_ANSWER_BYTES, Exchange, OpenStream, Passage, fetch

logger = structlog.get_logger(__name__)


def assembler_for(exchange: Exchange) -> Assembler:
    """A reader for this attempt's stream. It asks a paused answer to go on, as often as the passage lets it."""
    passage = exchange.passage
    assembly = assembly_named(passage.dialect.name)

    def paused(body: bytes) -> bytes | None:
        resumed = passage.resume(body)
        return None if resumed is None else assembly.streaming_body(resumed)

    return Assembler(assembly, MAX_ANSWER_BYTES, paused)


class OpenAnswer:
    """An answer that has begun to arrive: enough of it to win a race. Closing it twice is harmless.

    `stream` is read like any other, for its losers' drains as well; it forwards nothing, and its terminal is the
    upstream's whole answer. `refetched` is what a stream cost that was given up for the same call without one.
    """

    def __init__(self, exchange: Exchange, stream: OpenStream, reader: Assembler) -> None:
        self.stream = stream
        self.upstream_request_id = stream.upstream_request_id
        self.refetched: Usage | None = None
        self._exchange = exchange
        self._reader = reader

    async def rest(self) -> Answer:
        """Read to the end. Raises AttemptFailed.

        A stream that is sound but not understood is closed, and the same account asked again without one: a vendor's
        new kind of event must not make every call of a raced tier fail.
        """
        batch = self.stream.newest
        while not batch.terminal:
            if batch.error is not None:
                return await self._without(batch.error)
            batch = await self.stream.next()
        self.upstream_request_id = self.stream.upstream_request_id
        answer = self._exchange.passage.read(batch.terminal)
        if answer.error is not None:
            raise self._exchange.failed(answer.error, self.stream.response)
        return answer

    async def aclose(self) -> None:
        """Close the connection, or give it back if the answer was read to its end. Never hangs."""
        await self.stream.aclose()

    async def _without(self, error: UpstreamError) -> Answer:
        if error.code != CANNOT_ASSEMBLE or self._reader.pauses:
            # What paused is remembered as said already: from its beginning, the call cannot be asked again.
            raise self._exchange.failed(error, self.stream.response)
        account = self._exchange.upstream.account.name
        logger.warning("answer_not_assembled", account=account, reason=error.message)
        self.refetched = self._reader.usage()
        await self.stream.aclose()
        answer, self.upstream_request_id = await fetch(self._exchange)
        return answer


async def open_answer(exchange: Exchange, reader: Assembler) -> OpenAnswer:
    """Send a call as a stream and read up to its first semantic frame. Raises AttemptFailed.

    What is sound but not understood is an answer too: `rest` asks for it without a stream.
    """
    streamed = msgspec.structs.replace(exchange, passage=_Streamed(exchange.passage))
    opened = OpenStream(streamed, await streamed.send(streamed.passage.body), reader)
    try:
        while True:
            batch = await opened.next()
            if batch.error is not None and batch.error.code != CANNOT_ASSEMBLE:
                raise streamed.failed(batch.error, opened.response)
            if batch.semantic or batch.error is not None:
                return OpenAnswer(exchange, opened, reader)
    except BaseException:
        await opened.aclose()
        raise


class _Streamed:
    """A passage whose request asks for a stream."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self.dialect: Dialect = passage.dialect
        self.path = passage.path
        self.warnings = passage.warnings
        self.body = assembly_named(passage.dialect.name).streaming_body(passage.body)

    def reader(self) -> StreamReader:
        return self._passage.reader()

    def read(self, body: bytes) -> Answer:
        return self._passage.read(body)

    def resume(self, body: bytes) -> bytes | None:
        return self._passage.resume(body)
