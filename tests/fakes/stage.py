"""The script of a fake provider and the record of what was asked of it, whichever way the requests came."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import msgspec
import trio

from tests.fakes.play import Asked, Performance, Send, perform
from tests.fakes.verbs import Act

Answer = Act | Callable[[Asked], Act]


@dataclass
class Exchange:
    """One request and what became of its answer. Instants are `trio.current_time()`, virtual under a mock clock.

    `closed_at` is when the provider's side of it was over: the client closed the response (or its socket), or the
    provider cut it. `finished` says that every byte of the answer had gone out before.
    """

    asked: Asked
    url: str
    opened_at: float
    head_at: float | None = None
    closed_at: float | None = None
    finished: bool = False
    sent_bytes: int = 0
    _over: trio.Event = field(default_factory=trio.Event, repr=False)

    @property
    def open(self) -> bool:
        return self.closed_at is None

    def close(self) -> None:
        """The first close counts."""
        if self.closed_at is None:
            self.closed_at = trio.current_time()
            self._over.set()

    async def wait_closed(self) -> float:
        """Waits for the close and gives its instant."""
        await self._over.wait()
        assert self.closed_at is not None
        return self.closed_at


class Stage:
    """Takes one act of the script per request for an answer; what is not an answer it serves by itself.

    `models` is what `/models` lists. With `always` set, requests beyond the script get that act; otherwise they are a
    mistake of the test: they are counted in `unscripted` and answered with status 599, which no provider sends.
    `recording` off keeps nothing of past exchanges, for long measurements.
    """

    def __init__(
        self,
        *acts: Answer,
        name: str = "fake",
        models: tuple[str, ...] = (),
        always: Answer | None = None,
        recording: bool = True,
    ) -> None:
        self.name = name
        self.models = models
        self.exchanges: list[Exchange] = []
        self.unscripted = 0
        self.answers_started = 0
        self.answers_finished = 0
        self.open_exchanges = 0
        self.most_open_exchanges = 0
        self._always = always
        self._recording = recording
        self._queue: deque[Answer] = deque(acts)
        self._numbers = count(1)
        self._stored: dict[str, bytes] = {}
        self._arrival = trio.Event()

    def script(self, *acts: Answer) -> None:
        """Adds acts for the next requests, in order. A function is called with the request and gives its act."""
        self._queue.extend(acts)

    def always(self, act: Answer | None) -> None:
        """What every request beyond the script gets."""
        self._always = act

    @property
    def requests(self) -> list[Asked]:
        """Every request so far, in the order of arrival."""
        return [exchange.asked for exchange in self.exchanges]

    @property
    def open(self) -> list[Exchange]:
        """The exchanges that are not over: upstream sockets a gateway still holds."""
        return [exchange for exchange in self.exchanges if exchange.open]

    async def wait_requests(self, number: int) -> list[Exchange]:
        """Waits until so many requests have come in all, and gives their exchanges."""
        while len(self.exchanges) < number:
            self._arrival = trio.Event()
            await self._arrival.wait()
        return self.exchanges

    def begin(self, asked: Asked, url: str) -> Exchange:
        """Opens the record of one request."""
        exchange = Exchange(asked, url, trio.current_time())
        if self._recording:
            self.exchanges.append(exchange)
        self.open_exchanges += 1
        self.most_open_exchanges = max(self.most_open_exchanges, self.open_exchanges)
        self._arrival.set()
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Closes it; closing twice is closing once."""
        if exchange.open:
            exchange.close()
            self.open_exchanges -= 1
            self.answers_finished += exchange.finished

    def performance(self, asked: Asked) -> Performance:
        """What is to be done with this request: the next act, or a page the provider always has."""
        if not asked.generates:
            return self._page(asked)
        self.answers_started += 1
        answer = self._queue.popleft() if self._queue else self._always
        if answer is None:
            self.unscripted += 1
            return _json(599, {"error": {"message": "The test scripted no answer for this request."}})
        act = answer if isinstance(answer, Act) else answer(asked)
        performance = perform(act, asked, f"{self.name}{next(self._numbers)}")
        if self._recording and asked.dialect == "responses" and performance.status == 200:
            self._store(performance)
        return performance

    def _store(self, performance: Performance) -> None:
        """Remembers a complete response, so that it can be fetched by its id."""
        body = b"".join(step.data for step in performance.steps if isinstance(step, Send))
        _, _, last_event = body.rpartition(b"data: ")
        with suppress(msgspec.DecodeError):
            response = msgspec.json.decode(last_event)
            response = response.get("response", response)
            if response.get("object") == "response":
                self._stored[response["id"]] = msgspec.json.encode(response)

    def _page(self, asked: Asked) -> Performance:
        """Listings, token counts and stored responses."""
        tail = asked.path.rpartition("/")[2]
        if tail == "models":
            return _json(200, {"object": "list", "data": [_model(name) for name in self.models], "has_more": False})
        if tail == "count_tokens":
            return _json(200, {"input_tokens": len(asked.body) // 4})
        if tail == "input_tokens":
            return _json(200, {"object": "response.input_tokens", "input_tokens": len(asked.body) // 4})
        return self._stored_response(asked)

    def _stored_response(self, asked: Asked) -> Performance:
        _, _, rest = asked.path.partition("/responses/")
        response_id, _, operation = rest.partition("/")
        body = self._stored.get(response_id)
        if body is None:
            return _json(
                404, {"error": {"message": "Not found", "type": "invalid_request_error", "param": None, "code": None}}
            )
        if operation == "input_items":
            return _json(200, {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False})
        if asked.method == "DELETE":
            del self._stored[response_id]
            return _json(200, {"id": response_id, "object": "response", "deleted": True})
        return _json(200, msgspec.json.decode(body))


def _json(status: int, value: object) -> Performance:
    body = msgspec.json.encode(value)
    headers = (("content-type", "application/json"), ("content-length", str(len(body))))
    return Performance(status, headers, (Send(body),))


def _model(name: str) -> dict[str, object]:
    return {
        "id": name,
        "type": "model",
        "object": "model",
        "created": 1_795_000_000,
        "created_at": "2026-11-18T00:00:00Z",
        "display_name": name,
        "owned_by": "fake",
    }
