"""The simulated provider as a server without a clock or a socket: a request in, frames and how they end out."""

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct

from gateway.catalog import Catalog, Model
from gateway.catalog.resolve import resolve
from gateway.records import Account
from gateway.upstream.providers.simulated import chat, messages, responses
from gateway.upstream.providers.simulated.faults import Fault, Headroom, cut, draw_fault, refusal_of
from gateway.upstream.providers.simulated.listing import list_models, model_entry
from gateway.upstream.providers.simulated.memory import PromptCache, Responses
from gateway.upstream.providers.simulated.responses_request import read as read_response_request
from gateway.upstream.providers.simulated.script import Ask, compose
from gateway.upstream.providers.simulated.state import StoredResponses
from gateway.upstream.providers.simulated.wire import Beat, Frame, Identifiers, Refusal, read_options

Ending = Literal["whole", "reset", "silence"]

_RESOURCES = ("messages", "chat", "responses", "models")
_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_REFUSAL_SHARE = 0.2


class Request(Struct, frozen=True):
    """An HTTP request to the provider. `path` may carry any prefix and a query; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Outcome(Struct, frozen=True):
    """An HTTP answer. A streamed one has its head at once; another its head with its first frame.

    After the frames the answer is `whole`, or the connection resets, or nothing more ever comes.
    """

    status: int
    headers: dict[str, str]
    frames: Iterator[Frame]
    streamed: bool = False
    ending: Ending = "whole"


class Service:
    """One account's simulated upstream. Not thread-bound, holds no task; its memory is bounded.

    What is answered and which faults strike follow from `Account.options["seed"]`; ids are drawn from `entropy`,
    because they must never come again, not even after a restart.
    """

    def __init__(self, account: Account, catalog: Catalog, entropy: random.Random | None = None) -> None:
        """Raises ConfigurationError if the account's options are wrong."""
        self._account = account
        self._catalog = catalog
        self._options = read_options(account)
        self._ids = Identifiers(entropy or random.SystemRandom())
        self._cache = PromptCache()
        self._headroom = Headroom()
        self._responses = Responses()
        self._state = StoredResponses(self._responses)
        self._served = 0

    def answer(self, request: Request, *, now_s: float, now_ms: int) -> Outcome:
        """Answer a request. `now_s` is any monotonic clock, `now_ms` wall time. Never raises for what is in it."""
        path, _, query = request.path.partition("?")
        segments = [unquote(each) for each in path.split("/") if each]
        start = next((number for number, each in enumerate(segments) if each in _RESOURCES), len(segments))
        resource, rest = "/".join(segments[start : start + 1]), segments[start + 1 :]
        anthropic = resource == "messages" or "anthropic-version" in request.headers
        request_id = self._ids.new("req_")
        headers = {"request-id" if anthropic else "x-request-id": request_id}
        exchange = _Exchange(request, headers, request_id, anthropic, now_s, now_ms)
        try:
            return self._route(exchange, (request.method, resource, *rest), dict(parse_qsl(query)))
        except Refusal as refusal:
            return self._refused(exchange, refusal)

    def _route(self, exchange: "_Exchange", route: tuple[str, ...], query: dict[str, str]) -> Outcome:
        match route:
            case ("POST", "messages"):
                return self._messages(exchange)
            case ("POST", "messages", "count_tokens"):
                ask = self._read_messages(exchange, counting=True)
                return self._json(exchange, {"input_tokens": _prompt_tokens(ask)})
            case ("POST", "chat", "completions"):
                return self._chat(exchange)
            case ("POST", "responses"):
                return self._respond(exchange)
            case ("POST", "responses", "input_tokens"):
                ask = self._read_responses(exchange, counting=True)[0]
                return self._json(exchange, {"object": "response.input_tokens", "input_tokens": _prompt_tokens(ask)})
            case ("POST", "responses", "compact"):
                return self._compact(exchange)
            case ("GET" | "DELETE" | "POST", "responses", response_id, *rest):
                return self._json(exchange, self._state.answer(route[0], response_id, rest, query))
            case ("GET", "models"):
                return self._json(exchange, list_models(self._account, self._catalog))
            case ("GET", "models", *parts) if parts:
                return self._json(exchange, model_entry(self._account, self._catalog, "/".join(parts)))
        raise Refusal("Not Found", status=404, kind=_not_found(exchange), code="not_found")

    def _messages(self, exchange: "_Exchange") -> Outcome:
        body = exchange.decoded()
        ask = self._read_messages(exchange)
        fault, source = self._begin(exchange, ask)
        usage = self._cache.read(ask.model, ask.parts, exchange.now_s)
        script = compose(ask, self._options.seed)
        turn = messages.Turn(ask, script, usage, messages.omits_thinking(body), self._ids.new("msg_01", 22))
        beat = Beat(self._options, source)
        exchange.headers.update(self._headroom.anthropic(usage.prompt_tokens, exchange.now_s, exchange.now_ms))
        if not body.get("stream"):
            return self._whole(exchange, messages.answer(turn, self._ids), script.output_tokens, beat, fault, source)
        return self._streamed(
            exchange,
            messages.stream(turn, self._ids, beat),
            fault,
            source,
            lambda refusal, _sent: messages.error_event(refusal, exchange.request_id),
        )

    def _chat(self, exchange: "_Exchange") -> Outcome:
        body = exchange.decoded()
        ask = chat.read(body)
        count = chat.choices(body)
        self._check_size(exchange, ask)
        fault, source = self._begin(exchange, ask)
        usage = self._cache.read(chat.cache_scope(body), ask.parts, exchange.now_s)
        scripts = tuple(compose(ask, self._options.seed, choice) for choice in range(count))
        options = body.get("stream_options")
        turn = chat.Turn(
            ask,
            scripts,
            usage,
            isinstance(options, dict) and options.get("include_usage") is True,
            self._ids.new("chatcmpl-"),
            exchange.now_ms // 1_000,
        )
        beat = Beat(self._options, source)
        exchange.headers.update(self._headroom.openai(usage.prompt_tokens, exchange.now_s))
        if not body.get("stream"):
            tokens = max(script.output_tokens for script in scripts)
            return self._whole(exchange, chat.answer(turn, self._ids), tokens, beat, fault, source)
        return self._streamed(
            exchange,
            chat.stream(turn, self._ids, beat),
            fault,
            source,
            lambda refusal, _sent: chat.error_chunk(refusal),
        )

    def _respond(self, exchange: "_Exchange") -> Outcome:
        body = exchange.decoded()
        ask, items = self._read_responses(exchange)
        fault, source = self._begin(exchange, ask)
        usage = self._cache.read(chat.cache_scope(body), ask.parts, exchange.now_s)
        script = compose(ask, self._options.seed)
        turn = responses.build(
            body,
            script,
            usage,
            self._ids,
            response_id=self._ids.hexadecimal("resp_"),
            created_s=exchange.now_ms // 1_000,
        )
        beat = Beat(self._options, source)
        exchange.headers.update(self._headroom.openai(usage.prompt_tokens, exchange.now_s))
        final = responses.final(turn)
        if not body.get("stream"):
            if fault is None and final["store"]:
                self._state.keep(final, items)
            data = msgspec.json.encode(final)
            return self._whole(exchange, data, script.output_tokens, beat, fault, source)
        return self._streamed(
            exchange,
            self._state.keeping(responses.stream(turn, beat), final, items),
            fault,
            source,
            lambda refusal, sent: responses.failed_event(turn, refusal, sent),
        )

    def _compact(self, exchange: "_Exchange") -> Outcome:
        ask, items = self._read_responses(exchange, counting=True)
        usage = self._cache.read(ask.model, ask.parts, exchange.now_s)
        text = msgspec.json.encode(items).decode()
        compaction = {
            "id": self._ids.hexadecimal("cmp_"),
            "type": "compaction",
            "encrypted_content": responses.encrypted(text),
        }
        return self._json(
            exchange,
            {
                "id": self._ids.hexadecimal("resp_"),
                "object": "response.compaction",
                "created_at": exchange.now_ms // 1_000,
                "output": [compaction],
                "usage": responses.usage_of(usage, 16, 0),
            },
        )

    def _read_messages(self, exchange: "_Exchange", *, counting: bool = False) -> Ask:
        body = exchange.decoded()
        model = self._known(body.get("model"))
        ask = messages.read(
            body,
            version=exchange.request.headers.get("anthropic-version", ""),
            prefill=model is None or model.capabilities.prefill,
            counting=counting,
        )
        if not counting:
            self._check_size(exchange, ask)
        return ask

    def _read_responses(self, exchange: "_Exchange", *, counting: bool = False) -> tuple[Ask, list[dict[str, Any]]]:
        reading = read_response_request(
            exchange.decoded(), self._ids, self._responses.get, self._state.item, counting=counting
        )
        if not counting:
            self._check_size(exchange, reading.ask)
        return reading.ask, reading.items

    def _known(self, model: Any) -> Model | None:
        return resolve(self._catalog, model, family_fallback=False) if isinstance(model, str) else None

    def _check_size(self, exchange: "_Exchange", ask: Ask) -> None:
        """The limits of a model of the catalog, in the words that agents look for. Other models have none."""
        if self._options.refuses(ask.model):
            raise Refusal(
                f"model: {ask.model}" if exchange.anthropic else f"The model `{ask.model}` does not exist.",
                status=404,
                kind=_not_found(exchange),
                code="model_not_found",
                param="model",
            )
        model = self._known(ask.model)
        if model is None:
            return
        tokens = _prompt_tokens(ask)
        if 0 < model.context_tokens < tokens:
            raise Refusal(
                f"prompt is too long: {tokens} tokens > {model.context_tokens} maximum",
                code="context_length_exceeded",
                param=None if exchange.anthropic else "messages",
            )
        if ask.output_limit is not None and 0 < model.max_output_tokens < ask.output_limit:
            raise Refusal(
                f"max_tokens: {ask.output_limit} > {model.max_output_tokens}, which is the maximum allowed number of "
                f"output tokens for {ask.model}",
                code="invalid_value",
            )

    def _begin(self, exchange: "_Exchange", ask: Ask) -> tuple[Fault | None, random.Random]:
        """Count a generation in and see what befalls it. Raises Refusal for what is refused at the door."""
        self._served += 1
        source = random.Random(f"{self._options.seed}:{self._served}")
        fault = draw_fault(self._options, source)
        refusal = refusal_of(fault, anthropic=exchange.anthropic, source=source)
        if refusal is not None:
            raise refusal
        return fault, source

    def _whole(
        self,
        exchange: "_Exchange",
        data: bytes,
        tokens: int,
        beat: Beat,
        fault: Fault | None,
        source: random.Random,
    ) -> Outcome:
        exchange.headers["content-type"] = "application/json"
        exchange.headers["content-length"] = str(len(data))
        if fault == "hang":
            return Outcome(200, exchange.headers, iter(()), ending="silence")
        delay = beat.first() + beat.tokens(tokens)
        if fault == "cut":
            part = data[: source.randrange(1, len(data))]
            return Outcome(200, exchange.headers, iter([(delay, part)]), ending="reset")
        return Outcome(200, exchange.headers, iter([(delay, data)]))

    def _streamed(
        self,
        exchange: "_Exchange",
        frames: Iterator[Frame],
        fault: Fault | None,
        source: random.Random,
        error: Callable[[Refusal, int], bytes],
    ) -> Outcome:
        headers = {**exchange.headers, **_EVENT_STREAM}
        if fault == "hang":
            return Outcome(200, headers, islice(frames, 1), streamed=True, ending="silence")
        if fault == "cut":
            kept, ending = cut(list(frames), source, error)
            return Outcome(200, headers, iter(kept), streamed=True, ending=ending)
        return Outcome(200, headers, frames, streamed=True)

    def _json(self, exchange: "_Exchange", value: Any) -> Outcome:
        data = msgspec.json.encode(value)
        headers = {**exchange.headers, "content-type": "application/json", "content-length": str(len(data))}
        return Outcome(200, headers, iter([(0.0, data)]))

    def _refused(self, exchange: "_Exchange", refusal: Refusal) -> Outcome:
        data = messages.error_body(refusal, exchange.request_id) if exchange.anthropic else chat.error_body(refusal)
        headers = {**exchange.headers, "content-type": "application/json", "content-length": str(len(data))}
        if refusal.status == 429:
            headers.update(
                self._headroom.anthropic(0, exchange.now_s, exchange.now_ms, spent=True)
                if exchange.anthropic
                else self._headroom.openai(0, exchange.now_s, spent=True)
            )
        headers.update(refusal.headers)
        delay = self._options.ttft_ms / 1_000 * _REFUSAL_SHARE
        return Outcome(refusal.status, headers, iter([(delay, data)]))


class _Exchange:
    """A request on its way through the service, with the headers its answer has so far."""

    def __init__(
        self,
        request: Request,
        headers: dict[str, str],
        request_id: str,
        anthropic: bool,
        now_s: float,
        now_ms: int,
    ) -> None:
        self.request = request
        self.headers = headers
        self.request_id = request_id
        self.anthropic = anthropic
        self.now_s = now_s
        self.now_ms = now_ms
        self._decoded: dict[str, Any] | None = None

    def decoded(self) -> dict[str, Any]:
        """The body, an object. Raises Refusal."""
        if self._decoded is None:
            try:
                value = msgspec.json.decode(self.request.body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Refusal(f"The request body is not valid JSON: {error}") from None
            if not isinstance(value, dict):
                raise Refusal("The request body is not a JSON object.")
            self._decoded = value
        return self._decoded


def _prompt_tokens(ask: Ask) -> int:
    return sum(part.tokens for part in ask.parts)


def _not_found(exchange: _Exchange) -> str:
    return "not_found_error" if exchange.anthropic else "invalid_request_error"
