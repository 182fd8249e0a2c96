"""Plays a worked case through the translators: what the gateway would send, and what its client would read."""

from pathlib import Path
from typing import Any

import msgspec

from gateway.catalog import Model
from gateway.catalog.load import shipped_catalog
from gateway.catalog.models import Capabilities
from gateway.catalog.resolve import resolve
from gateway.dialects import dialect_named
from gateway.dialects.base import UpstreamError
from gateway.dialects.peek import read_fields
from gateway.errors import CallError
from gateway.translate import PAIRS, translator
from gateway.translate.base import Context, Memo, Options, TranslatingReader, Translator
from gateway.upstream.cooldown import Failure
from gateway.upstream.failures import classify_error
from gateway.upstream.verdict import broken_stream, client_error, no_answer
from tests.golden.sdk_clients import sse_bytes
from tests.unit.translate.kit import DEFAULTS, NOW_S, DictMemory, PlainSigner, events_of, model

REQUEST_ID = "req_gw_1"

_CATALOG = shipped_catalog()
_THINKING: dict[str, dict[str, Any]] = {
    "always_on": {"thinking": ("adaptive",), "thinking_default": "always"},
    "adaptive_on": {"thinking": ("adaptive", "disabled"), "thinking_default": "on"},
    "adaptive": {"thinking": ("adaptive", "disabled"), "thinking_default": "off"},
    "between_tools": {"thinking": ("adaptive", "between_tools"), "thinking_default": "on"},
    "budget": {"thinking": ("enabled", "disabled"), "thinking_default": "off"},
    "none": {"thinking": (), "thinking_default": "off"},
}
_NAMES = {
    "mid_conversation_system": "mid_system",
    "prompt_cache_breakpoint": "cache_breakpoints",
    "forced_tool_use": "forced_tools",
    "forced_tool_choice": "forced_tools",
    "sampling_params": "sampling",
    "assistant_prefill": "prefill",
    "developer": "developer_role",
}
"""Capabilities as the cases call them -> as the catalog does."""


class Playback:
    """One case. Its steps are to be taken in order: `request`, then one of `answer`, `stream`, `error`."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.memory = DictMemory({name.removeprefix("tool:"): value for name, value in _tool_state(case).items()})
        self.context = _context(case, self.memory)
        self.translator: Translator = translator(case["client"], case["upstream"])
        self.memo = Memo(self.context)
        self.warnings: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """The upstream's request. Raises CallError."""
        translated = self.translator.translate_request(
            read_fields(msgspec.json.encode(self.case["client_request"])), self.context
        )
        self.memo = translated.memo
        self.warnings = translated.warnings
        return msgspec.json.decode(translated.body)

    def answer(self) -> tuple[dict[str, Any], list[dict[str, Any]], Any]:
        """The client's answer, the requests that made a paused turn go on, and the usage that was metered."""
        resumed: list[dict[str, Any]] = []
        body = msgspec.json.encode(self.case["upstream_response"])
        while (again := self.translator.resume(body, self.memo)) is not None:
            resumed.append(msgspec.json.decode(again))
            body = msgspec.json.encode(self.case[f"upstream_response_{len(resumed) + 1}"])
        answer = self.translator.translate_answer(body, self.memo)
        assert answer.error is None, answer.error
        return msgspec.json.decode(answer.body), resumed, answer.usage

    def stream(self, cut: int | None = None) -> list[dict[str, Any]]:
        """The client's events, pings and comments left out. `cut`: bytes of each read, all at once by default."""
        reader = self.translator.reader(self.memo)
        data = sse_bytes(self.case["upstream_stream"])
        size = cut or len(data)
        frames = b""
        for start in range(0, len(data), size):
            batch = reader.feed(data[start : start + size])
            frames += batch.forward + batch.terminal
            if batch.error is not None:
                return read_events(frames + _error_frame(reader, batch.error))
        batch = reader.end()
        frames += batch.forward + batch.terminal
        if batch.error is not None:
            frames += _error_frame(reader, batch.error)
        return read_events(frames)

    def error(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and headers of the client's error for the upstream's.

        The gateway words errors of its own accounts itself; here the upstream's words stand in their place, as in the
        cases.
        """
        given = self.case["upstream_error"]
        headers = given.get("headers", {})
        upstream, client = dialect_named(self.case["upstream"]), dialect_named(self.case["client"])
        refusal = upstream.read_error(given["status"], msgspec.json.encode(given["body"]))
        failure = classify_error(given["status"], headers, refusal)
        error = _worded(_call_error(failure), refusal.message)
        status, body = client.error_body(error, REQUEST_ID)
        sent = {} if error.retry_after_s is None else {"retry-after": f"{error.retry_after_s:g}"}
        return status, msgspec.json.decode(body), sent

    def refused(self, error: CallError) -> tuple[int, dict[str, Any]]:
        """Status and body for a request that was refused."""
        status, body = dialect_named(self.case["client"]).error_body(error, REQUEST_ID)
        return status, msgspec.json.decode(body)


def load_cases(folder: Path) -> list[dict[str, Any]]:
    """The cases of a folder whose pair of dialects can be translated."""
    found = [msgspec.json.decode(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]
    return [case for case in found if (case.get("client"), case.get("upstream")) in PAIRS]


def read_events(frames: bytes) -> list[dict[str, Any]]:
    """A stream as a case writes it; pings and keep-alives are left out."""
    return [event for event in events_of(frames) if event["event"] not in ("ping", "keepalive")]


def _context(case: dict[str, Any], memory: DictMemory) -> Context:
    config = case.get("config", {})
    asked = case["client_request"]["model"]
    upstream_model = config.get("upstream_model", asked)
    generic = "anthropic" if case["upstream"] == "messages" else "openai"
    policy = next((name for name in ("strict", "lenient") if config.get(name)), config.get("policy", "normal"))
    return Context(
        headers=case.get("client_headers", {}),
        model=_model(upstream_model, config.get("caps", {})),
        upstream_model=upstream_model,
        asked_model=asked,
        flavour=config.get("upstream_dialect", generic),
        signer=PlainSigner(),
        memory=memory,
        options=_options(config),
        policy=policy,
        now_s=NOW_S,
        call_id=REQUEST_ID,
        history=_history(case),
    )


def _options(config: dict[str, Any]) -> Options:
    named = {name: value for name, value in config.items() if name in Options.__struct_fields__}
    return msgspec.structs.replace(DEFAULTS, **{"remember_reasoning": bool(config.get("thinking_cache")), **named})


def _model(model_id: str, named: dict[str, Any]) -> Model:
    """A model of the catalog, or one nobody knows, with what the case says of it."""
    found = resolve(_CATALOG, model_id, family_fallback=False) or model(model_id)
    changes: dict[str, Any] = dict(_THINKING.get(named.get("thinking", ""), {}))
    for name, value in named.items():
        field = _NAMES.get(name, name)
        if field in Capabilities.__struct_fields__ and field != "thinking":
            changes[field] = tuple(value) if isinstance(value, list) else value
    return msgspec.structs.replace(found, capabilities=msgspec.structs.replace(found.capabilities, **changes))


def _tool_state(case: dict[str, Any]) -> dict[str, Any]:
    state = case.get("state_read", {})
    return {name: value for name, value in state.items() if name.startswith("tool:")}


def _history(case: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The stored items of the response that the request goes on from."""
    stored = case.get("state_read", {}).get(case["client_request"].get("previous_response_id"), {})
    return (*stored.get("input", ()), *stored.get("output", ()))


def _call_error(failure: Failure) -> CallError:
    return client_error(failure) if failure.client_fault else no_answer(failure)


def _error_frame(reader: TranslatingReader, error: UpstreamError) -> bytes:
    return reader.error_frame(_worded(broken_stream(error), error.message), REQUEST_ID)


def _worded(error: CallError, message: str) -> CallError:
    return type(error)(message, field=error.field, retry_after_s=error.retry_after_s)
