"""The simulated provider's Responses protocol, the request: items, their state, what is asked."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.upstream.providers.simulated.chat import effort_of, is_breakpoint, named_tool, tokens_of_part
from gateway.upstream.providers.simulated.memory import Part, Stored
from gateway.upstream.providers.simulated.script import Ask, Tool, question_in, tokens_in
from gateway.upstream.providers.simulated.wire import (
    Identifiers,
    Refusal,
    elements,
    members,
    model_of,
    text_of,
    whole_number,
)

_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "compaction": "cmp_",
}
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_OUTPUTS = tuple(_CALLS.values())
_LEAST_OUTPUT_TOKENS = 16


class Reading(Struct, frozen=True):
    """A request read: what is asked, and the whole conversation as items with ids, earlier responses included."""

    ask: Ask
    items: list[dict[str, Any]]


def read(
    body: Mapping[str, Any],
    ids: Identifiers,
    stored: Callable[[str], Stored | None],
    item: Callable[[str], dict[str, Any] | None],
    *,
    counting: bool = False,
) -> Reading:
    """The request with the state it refers to. Raises Refusal as the vendor does; `counting` is input_tokens."""
    model = model_of(body)
    if body.get("background") is True:
        raise Refusal("Background responses are not simulated.", param="background", code="unsupported_parameter")
    if (conversation := body.get("conversation")) is not None:
        name = members(conversation).get("id", conversation)
        raise Refusal(f"Conversation with id '{name}' not found.", status=404, param="conversation")
    limit = None if counting else whole_number(body, "max_output_tokens", _LEAST_OUTPUT_TOKENS)
    items = [*_earlier(body, stored), *(_resolved(each, ids, item) for each in _input(body))]
    _check_calls(items)
    asked: dict[str, Any] = next((each for each in reversed(items) if each.get("role") == "user"), {})
    ask = Ask(
        model=model,
        question=question_in(text_of(asked.get("content"))),
        parts=tuple(_parts(body, items)),
        tool_results=tuple(reversed([_output_text(each) for each in _trailing_outputs(items)])),
        tools=tuple(_tools(elements(body.get("tools")))),
        tool_choice=named_tool(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body),
        effort=effort_of(members(body.get("reasoning")).get("effort")),
        output_limit=limit,
    )
    return Reading(ask, items)


def _earlier(body: Mapping[str, Any], stored: Callable[[str], Stored | None]) -> list[dict[str, Any]]:
    previous = body.get("previous_response_id")
    if previous is None:
        return []
    found = stored(str(previous))
    if found is None:
        raise Refusal(
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return [*found.input_items, *found.response["output"]]


def _input(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if isinstance(given, list) and (given or body.get("previous_response_id")) and len(elements(given)) == len(given):
        return given
    raise Refusal("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")


def _resolved(given: dict[str, Any], ids: Identifiers, item: Callable[[str], dict[str, Any] | None]) -> dict[str, Any]:
    """An input item as the provider keeps it: typed, with an id, texts as parts, references replaced."""
    kind = given.get("type") or ("message" if "role" in given else None)
    if kind == "item_reference" or (kind is None and "id" in given):
        found = item(str(given.get("id")))
        if found is None:
            raise Refusal(
                f"Item with id '{given.get('id')}' not found. Items are not persisted when `store` is set to false.",
                status=404,
                param="input",
            )
        return found
    if not isinstance(kind, str):
        raise Refusal("Missing required parameter: 'input[].type'.", param="input", code="missing_required_parameter")
    made = {**given, "type": kind}
    if not made.get("id"):
        made["id"] = ids.hexadecimal(_PREFIXES.get(kind, "item_"))
    if kind == "message":
        made["content"] = _content(made)
        made.setdefault("status", "completed")
    elif kind in _CALLS or kind in _OUTPUTS:
        made["status"] = made.get("status") or "completed"
    return made


def _content(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if not isinstance(content, str):
        return elements(content)
    if message.get("role") == "assistant":
        return [{"type": "output_text", "text": content, "annotations": [], "logprobs": []}]
    return [{"type": "input_text", "text": content}]


def _check_calls(items: list[dict[str, Any]]) -> None:
    for call_kind, output_kind in _CALLS.items():
        called = [str(each.get("call_id")) for each in items if each.get("type") == call_kind]
        answered = [str(each.get("call_id")) for each in items if each.get("type") == output_kind]
        word = call_kind.replace("_", " ")
        for call_id in called:
            if call_id not in answered:
                raise Refusal(f"No tool output found for {word} {call_id}.", param="input")
        for call_id in answered:
            if call_id not in called:
                raise Refusal(f"No tool call found for {word} output with call_id {call_id}.", param="input")


def _trailing_outputs(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in reversed(items):
        if each["type"] not in _OUTPUTS:
            return
        yield each


def _output_text(item: Mapping[str, Any]) -> str:
    return text_of(item.get("output"))


def _tools(tools: list[dict[str, Any]], namespace: str = "") -> Iterator[Tool]:
    for tool in tools:
        kind, name = tool.get("type"), tool.get("name")
        if not isinstance(name, str):
            continue
        if kind == "function":
            yield Tool(name, tool.get("parameters"), namespace=namespace)
        elif kind == "custom":
            yield Tool(name, kind="custom", namespace=namespace)
        elif kind == "namespace" and not namespace:
            yield from _tools(elements(tool.get("tools")), name)


def _schema(body: Mapping[str, Any]) -> Any:
    form = members(members(body.get("text")).get("format"))
    if form.get("type") == "json_schema":
        return form.get("schema")
    return {"type": "object"} if form.get("type") == "json_object" else None


def _parts(body: Mapping[str, Any], items: list[dict[str, Any]]) -> Iterator[Part]:
    """The prompt: tools, instructions, items. With a cache key, or after a breakpoint, every part is worth keeping."""
    keyed = isinstance(body.get("prompt_cache_key"), str)
    for tool in elements(body.get("tools")):
        data = msgspec.json.encode(tool)
        yield Part(data, tokens_in(data), "30m" if keyed else None)
    if isinstance(instructions := body.get("instructions"), str):
        yield Part(instructions.encode(), tokens_in(instructions), "30m" if keyed else None)
    for each in items:
        # Ids are made anew for items that came without one, and would make every prompt a new one.
        bare = {key: value for key, value in each.items() if key not in ("id", "status")}
        content = each.get("content")
        tokens = 4 + (
            sum(tokens_of_part(part) for part in elements(content))
            if each["type"] == "message"
            else tokens_in(msgspec.json.encode(bare))
        )
        yield Part(msgspec.json.encode(bare), tokens, "30m" if keyed or is_breakpoint(content) else None)
