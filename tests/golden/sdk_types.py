"""What the vendors' SDKs say of a body: request TypedDicts, response models, event unions.

An unknown member would be dropped by validation, so what comes out is compared to what went in.
"""

import collections.abc
from functools import cache
from typing import Any

from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from anthropic.types.shared.error_object import ErrorObject as AnthropicError
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from openai.types.responses.response_item_list import ResponseItemList
from openai.types.shared.error_object import ErrorObject as OpenAIError
from pydantic import BaseModel, TypeAdapter, ValidationError

Case = dict[str, Any]

_REQUESTS = {
    ("messages", False): MessageCreateParamsNonStreaming,
    ("messages", True): MessageCreateParamsStreaming,
    ("chat", False): CompletionCreateParamsNonStreaming,
    ("chat", True): CompletionCreateParamsStreaming,
    ("responses", False): ResponseCreateParamsNonStreaming,
    ("responses", True): ResponseCreateParamsStreaming,
    ("count_tokens", False): MessageCountTokensParams,
}
ANSWERS: dict[str, type[BaseModel]] = {
    "messages": Message,
    "chat": ChatCompletion,
    "responses": Response,
    "count_tokens": MessageTokensCount,
    "input_items": ResponseItemList,
}
_EVENTS = {"messages": RawMessageStreamEvent, "chat": ChatCompletionChunk, "responses": ResponseStreamEvent}


class Bad(AssertionError):
    """A body or a stream that the vendor's own code would not have."""


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check_request(dialect: str, body: dict[str, Any], case: Case, where: str) -> None:
    """A request body. `legacy_fields` are those that only the older API version of Anthropic has."""
    kept_out = {*case.get("legacy_fields", ()), *case.get("extension_request_fields", ())}
    body = {name: value for name, value in body.items() if name not in kept_out}
    streamed = bool(body.get("stream")) and dialect != "count_tokens"
    try:
        # Arrays are Iterable in these types, which pydantic validates as they are read: here, by `dumped`.
        seen = dumped(adapter(_REQUESTS[dialect, streamed]).validate_python(body))
    except ValidationError as error:
        raise Bad(f"{where}: {dialect} request invalid: {error.errors()[:4]}") from None
    lost = differences(body, seen)
    if lost:
        raise Bad(f"{where}: {dialect} request: {lost[:4]}")


def check_answer(dialect: str, body: dict[str, Any], case: Case, where: str) -> BaseModel:
    """A whole answer; members the SDK does not know have to be in the case's `extension_fields`."""
    kind = ANSWERS[dialect]
    try:
        found = kind.model_validate(body)
    except ValidationError as error:
        raise Bad(f"{where}: {kind.__name__} invalid: {error.errors()[:4]}") from None
    _no_extras(found, case, where)
    return found


def check_event(dialect: str, data: Any, case: Case, where: str) -> None:
    """One stream event's data."""
    if data == "[DONE]" or (dialect == "chat" and "error" in data):
        return
    if dialect == "messages" and data["type"] in ("ping", "error"):
        if data["type"] == "error":
            adapter(AnthropicError).validate_python(data["error"])
        return
    try:
        found = adapter(_EVENTS[dialect]).validate_python(data)
    except ValidationError as error:
        raise Bad(f"{where}: {error.errors()[:3]}") from None
    _no_extras(found, case, where)


def check_error_object(dialect: str, error: dict[str, Any]) -> None:
    """The inner object of an error answer."""
    if dialect in ("messages", "count_tokens"):
        if error["type"] != "request_too_large":  # documented (413, edge), but not in the SDK's union
            adapter(AnthropicError).validate_python(error)
    else:
        OpenAIError.model_validate(error)


def dumped(value: Any) -> Any:
    """What validation kept, as plain values."""
    if isinstance(value, BaseModel):
        members = value.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
        return {name: dumped(member) for name, member in members.items()}
    if isinstance(value, dict):
        return {name: dumped(member) for name, member in value.items()}
    if isinstance(value, list | tuple | collections.abc.Iterator):
        return [dumped(member) for member in value]
    return value


def differences(given: Any, kept: Any, path: str = "") -> list[str]:
    """Where `given` did not survive in `kept`."""
    if isinstance(given, dict) and isinstance(kept, dict):
        unknown = [f"{path}.{name} unknown to the schema" for name in given if name not in kept]
        common = [name for name in given if name in kept]
        return unknown + [found for name in common for found in differences(given[name], kept[name], f"{path}.{name}")]
    if isinstance(given, list) and isinstance(kept, list):
        if len(given) != len(kept):
            return [f"{path} length"]
        pairs = enumerate(zip(given, kept, strict=True))
        return [found for n, (one, other) in pairs for found in differences(one, other, f"{path}[{n}]")]
    return [] if given == kept else [f"{path}: {given!r} != {kept!r}"]


def missing_in(expected: Any, got: Any, path: str = "") -> list[str]:
    """Where `expected` is not contained in `got`: members may be more, elements may not."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return [
            found
            for name, value in expected.items()
            for found in (missing_in(value, got[name], f"{path}.{name}") if name in got else [f"{path}.{name} missing"])
        ]
    if isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return [f"{path}: length {len(got)}, expected {len(expected)}"]
        pairs = enumerate(zip(expected, got, strict=True))
        return [found for n, (one, other) in pairs for found in missing_in(one, other, f"{path}[{n}]")]
    return [] if expected == got else [f"{path}: {got!r}, expected {expected!r}"]


def without_nulls(value: Any) -> Any:
    """Without nulls and what the SDKs add of their own."""
    added = ("parsed", "parsed_output", "parsed_arguments")
    if isinstance(value, dict):
        return {name: without_nulls(found) for name, found in value.items() if found is not None and name not in added}
    return [without_nulls(found) for found in value] if isinstance(value, list) else value


def _no_extras(found: Any, case: Case, where: str) -> None:
    allowed = set(case.get("extension_fields", ()))
    unknown = [path for path in _extras(found) if path.rsplit(".", 1)[-1] not in allowed]
    if unknown:
        raise Bad(f"{where}: unknown members {unknown[:5]}")


def _extras(value: Any, path: str = "") -> list[str]:
    if isinstance(value, BaseModel):
        own = [f"{path}.{name}" for name in value.model_extra or ()]
        return own + [
            found for name in type(value).model_fields for found in _extras(getattr(value, name), f"{path}.{name}")
        ]
    if isinstance(value, list):
        return [found for n, member in enumerate(value) for found in _extras(member, f"{path}[{n}]")]
    return []
