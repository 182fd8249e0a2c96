"""A Chat completion as a response, and what the streamed answer has in common with it."""

from typing import Any

import msgspec

from gateway.dialects.base import Answer
from gateway.dialects.envelope import wrong_answer
from gateway.dialects.peek import DECODE_ERRORS
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.calls import Call, Calls
from gateway.translate.chat_chunks import Chunk, UsageReport, read_message
from gateway.translate.claude_answer import strip_fence
from gateway.translate.envelope import CHAT_REASONING
from gateway.translate.ids import call_id_for
from gateway.translate.responses_chat_request import NAMESPACES
from gateway.translate.responses_out import (
    call_item,
    custom_item,
    item_id,
    message_item,
    reasoning_item,
    refusal_part,
    response_id_of,
    response_object,
    text_part,
)
from gateway.translate.toolcalls import unwrapped_text

_NOT_A_COMPLETION = "The upstream's answer is not a chat completion."


def is_cut(call: Call) -> bool:
    """Whether a call's JSON stops before its end. No arguments at all are a whole object to many servers."""
    return not call.custom and bool(call.arguments.strip()) and not call.scanner.complete


def status_of(finish_reason: str, calls: list[Call]) -> tuple[str, str | None]:
    """`status` and the reason in `incomplete_details`. A call that was cut off says more than the finish reason."""
    if finish_reason == "content_filter":
        return "incomplete", "content_filter"
    if finish_reason == "length" or any(is_cut(call) for call in calls if call.name):
        return "incomplete", "max_output_tokens"
    return "completed", None


def namespace_of(client_name: str, memo: Memo) -> tuple[str, str]:
    """Namespace and name of a tool; no namespace for most."""
    found: dict[str, tuple[str, str]] = memo.facts.get(NAMESPACES, {})
    return found.get(client_name, ("", client_name))


def flat_citation(annotation: dict[str, Any], offset: int) -> dict[str, Any] | None:
    """A citation as Responses has it, its place counted from `offset`; None for those it does not know."""
    cited = annotation.get("url_citation")
    if annotation.get("type") != "url_citation" or not isinstance(cited, dict):
        return None
    start, end = cited.get("start_index"), cited.get("end_index")
    if not isinstance(start, int) or not isinstance(end, int) or start < offset:
        return None
    texts = {name: str(cited.get(name) or "") for name in ("url", "title")}
    return {"type": "url_citation", "start_index": start - offset, "end_index": end - offset, **texts}


def translate_answer(body: bytes, memo: Memo) -> Answer:
    """A completion as a response. One that is none is an error."""
    try:
        found: Any = msgspec.json.decode(body)
        choice = found["choices"][0]
        chunk = read_message(choice["message"])
    except (*DECODE_ERRORS, LookupError, TypeError, AttributeError):
        return Answer(body=body, usage=None, error=wrong_answer(body, _NOT_A_COMPLETION))
    if found.get("error"):
        return Answer(body=body, usage=None, error=wrong_answer(body, _NOT_A_COMPLETION))
    report = UsageReport()
    report.read(found)
    calls = Calls()
    for fragment in chunk.fragments:
        # Whole calls are not fragments of each other, whatever numbers they bear.
        fragment.index = len(calls.all)
        calls.take(fragment)
    finish = choice.get("finish_reason")
    status, reason = status_of(finish if isinstance(finish, str) else "", calls.all)
    upstream_id = found.get("id") if isinstance(found.get("id"), str) else ""
    response_id = response_id_of(memo, upstream_id)
    output = _output(chunk, calls.all, response_id, status, memo)
    usage = report.usage
    delivered = usage.output_tokens if usage else -(-len(msgspec.json.encode(output)) * 2 // 7)
    reported = usage or Usage(input_tokens=memo.context.input_tokens, output_tokens=delivered)
    response = response_object(
        memo, response_id, status, output, reported, reason=reason, service_tier=report.service_tier
    )
    return Answer(msgspec.json.encode(response), usage, response_id=upstream_id, delivered_tokens=delivered)


def _output(chunk: Chunk, calls: list[Call], response_id: str, status: str, memo: Memo) -> list[dict[str, Any]]:
    """The items: reasoning, the message, the calls. Of an answer that was cut off the last one is incomplete."""
    output: list[dict[str, Any]] = []
    named = [call for call in calls if call.name]
    if chunk.reasoning:
        sealed = memo.context.signer.seal(CHAT_REASONING) if memo.include_encrypted else None
        output.append(reasoning_item(item_id("reasoning", response_id, 0), chunk.reasoning, sealed))
    parts = _parts(chunk, memo)
    if parts:
        ends_it = status == "incomplete" and not named
        new_id = item_id("message", response_id, len(output))
        output.append(message_item(new_id, parts, "incomplete" if ends_it else "completed"))
    for call in named:
        output.append(_call(call, response_id, len(output), memo))
    return output


def _parts(chunk: Chunk, memo: Memo) -> list[dict[str, Any]]:
    parts = []
    text = strip_fence(chunk.content) if memo.json_object else chunk.content
    if text:
        citations = [flat_citation(annotation, 0) for annotation in chunk.annotations]
        parts.append(text_part(text, [citation for citation in citations if citation]))
    if chunk.refusal:
        parts.append(refusal_part(chunk.refusal))
    return parts


def _call(call: Call, response_id: str, index: int, memo: Memo) -> dict[str, Any]:
    client_name = memo.client_name(call.name)
    namespace, name = namespace_of(client_name, memo)
    family = {"namespace": namespace} if namespace else {}
    call_id = call_id_for("responses", call.id)
    if call.custom or client_name in memo.custom_tools:
        text = call.arguments if call.custom else unwrapped_text(call.arguments)
        return {**custom_item(item_id("custom_tool_call", response_id, index), call_id, name, text), **family}
    status = "incomplete" if is_cut(call) else "completed"
    new_id = item_id("function_call", response_id, index)
    return {**call_item(new_id, call_id, name, call.arguments or "{}", status), **family}
