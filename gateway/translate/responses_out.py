"""Writing a Responses stream: numbered events, items with their parts, the whole response at the end."""

from typing import Any

import msgspec
from msgspec import Struct, field

from gateway.dialects.envelope import failed_response_code
from gateway.dialects.responses_stream import COMMENT, failed_stream, keepalive_event
from gateway.errors import CallError
from gateway.records import Usage
from gateway.translate.base import Memo
from gateway.translate.ids import answer_id, suffix_of
from gateway.translate.pieces import Pieces
from gateway.translate.stream import Outlet
from gateway.translate.usage import responses_usage

_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "metadata": {},
}
_ITEM_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
    "web_search_call": "ws_",
}


class Item(Struct):
    """An output item while it is open. `said` is what its deltas have said so far, `part` the type of a message's open
    content part."""

    index: int
    id: str
    kind: str
    item: dict[str, Any]
    part: str = ""
    said: Pieces = field(default_factory=Pieces)

    @property
    def text(self) -> str:
        return self.said.joined()


def echoed_members(fields: dict[str, Any]) -> dict[str, Any]:
    """The members of a decoded request that its response repeats, for `Memo.echo`."""
    echo = {name: fields.get(name, default) for name, default in _ECHOED.items()}
    reasoning = fields.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    text = fields.get("text")
    if isinstance(text, dict):
        echo["text"] = {**_ECHOED["text"], **text}
    return {**echo, "reasoning": {"effort": effort, "summary": None}}


def response_id_of(memo: Memo, upstream_id: str) -> str:
    """A response's id: the upstream's with another prefix, or the call's own where the gateway will keep it.

    Not every server's ids are unique: of Ollama's Chat answers there are a thousand different ones.
    """
    context = memo.context
    return answer_id(context.call_id if context.is_kept else upstream_id or context.call_id, "responses")


def response_object(
    memo: Memo,
    response_id: str,
    status: str,
    output: list[dict[str, Any]],
    usage: Usage | None,
    *,
    reason: str | None = None,
    service_tier: str = "",
) -> dict[str, Any]:
    """A whole response. `reason` goes with the status `incomplete`."""
    context = memo.context
    response: dict[str, Any] = {
        "id": response_id,
        "object": "response",
        "created_at": context.now_s,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        **(memo.echo or echoed_members({})),
        "model": context.asked_model,
        "output": output,
        "usage": responses_usage(usage) if usage is not None else None,
    }
    if service_tier:
        response["service_tier"] = service_tier
    return response


def message_item(item_id: str, parts: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": parts}


def text_part(text: str, annotations: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": []}


def refusal_part(text: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


def reasoning_item(item_id: str, text: str, encrypted: str | None = None) -> dict[str, Any]:
    """`encrypted` goes out only to clients that asked for it: the caller decides."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    item = {"id": item_id, "type": "reasoning", "summary": summary}
    return {**item, "encrypted_content": encrypted} if encrypted is not None else item


def call_item(item_id: str, call_id: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def custom_item(item_id: str, call_id: str, name: str, text: str) -> dict[str, Any]:
    return {"id": item_id, "type": "custom_tool_call", "call_id": call_id, "name": name, "input": text}


def search_item(item_id: str, query: str, sources: list[str], status: str = "completed") -> dict[str, Any]:
    """A web search that ran at the provider. `sources` are the URLs it found."""
    found = [{"type": "url", "url": url} for url in sources]
    action = {"type": "search", "query": query, "sources": found}
    return {"id": item_id, "type": "web_search_call", "status": status, "action": action}


def item_id(kind: str, response_id: str, index: int) -> str:
    """`msg_X_0`, `fc_X_1`, `rs_X_2`, `ctc_X_3`: the prefix a replay has to have, the response, the place in it."""
    return f"{_ITEM_PREFIXES[kind]}{suffix_of(response_id)}_{index}"


class ResponsesWriter:
    """The events of one answer to a Responses client.

    At most one message and one reasoning item are open at a time, and each closes the other; any number of calls may
    be. What is open at `ending` is closed there, with the status of the response. `output` are the finished items, in
    the order of their index.
    """

    def __init__(self, memo: Memo, out: Outlet) -> None:
        self._memo = memo
        self._out = out
        self._number = 0
        self._finished: dict[int, dict[str, Any]] = {}
        self._open: dict[int, Item] = {}
        self._next_index = 0
        self._message: Item | None = None
        self._reasoning: Item | None = None
        self.response_id = ""
        self.calls = 0

    @property
    def started(self) -> bool:
        return bool(self.response_id)

    @property
    def output(self) -> list[dict[str, Any]]:
        return [self._finished[index] for index in sorted(self._finished)]

    def start(self, response_id: str) -> None:
        """`response.created` and `response.in_progress`, once."""
        if self.started:
            return
        self.response_id = response_id
        response = response_object(self._memo, response_id, "in_progress", [], None)
        self._put("response.created", response=response)
        self._put("response.in_progress", response=response)

    def text(self, text: str) -> None:
        """A piece of text, in the open message or a new one. Text after text is one part."""
        item = self._message_with("output_text")
        if text:
            item.said.add(text)
            self._deliver(
                text, "response.output_text.delta", **_of(item), content_index=_last(item), delta=text, logprobs=[]
            )

    def refusal(self, text: str) -> None:
        """A piece of a refusal, in a part of its own."""
        item = self._message_with("refusal")
        item.said.add(text)
        self._deliver(text, "response.refusal.delta", **_of(item), content_index=_last(item), delta=text)

    def annotation(self, annotation: dict[str, Any]) -> None:
        """An annotation of the open text part; without one there is nothing to annotate."""
        item = self._message
        if item is None or item.part != "output_text":
            return
        annotations = item.item["content"][-1]["annotations"]
        annotations.append(annotation)
        self._put(
            "response.output_text.annotation.added",
            **_of(item),
            content_index=_last(item),
            annotation_index=len(annotations) - 1,
            annotation=annotation,
        )

    def open_reasoning(self) -> None:
        """A reasoning item, also where no text of it will come. An open message is closed."""
        if self._reasoning is None:
            self.close_message()
            self._reasoning = self._add("reasoning", {"summary": []})

    def reasoning(self, text: str) -> None:
        """A piece of reasoning, as a summary."""
        self.open_reasoning()
        item = self._reasoning
        if item is None or not text:
            return
        if not item.said:
            part = {"type": "summary_text", "text": ""}
            self._put("response.reasoning_summary_part.added", **_of(item), summary_index=0, part=part)
        item.said.add(text)
        self._deliver(text, "response.reasoning_summary_text.delta", **_of(item), summary_index=0, delta=text)

    def close_reasoning(self, payload: dict[str, str] | None = None) -> None:
        """Close the reasoning item; the payload is sealed into it if the client asked for encrypted content."""
        item = self._reasoning
        if item is None:
            return
        self._reasoning = None
        if item.said:
            part = {"type": "summary_text", "text": item.text}
            self._put("response.reasoning_summary_text.done", **_of(item), summary_index=0, text=item.text)
            self._put("response.reasoning_summary_part.done", **_of(item), summary_index=0, part=part)
        sealed = None
        if payload is not None and self._memo.include_encrypted:
            sealed = self._memo.context.signer.seal(payload)
        self._done(item, reasoning_item(item.id, item.text, sealed))

    def close_message(self, status: str = "completed") -> None:
        """Close the message item."""
        item = self._message
        if item is None:
            return
        self._message = None
        self._close_part(item)
        self._done(item, {**item.item, "status": status})

    def open_call(self, call_id: str, name: str, *, custom: bool = False, namespace: str = "") -> Item:
        """A call's item; message and reasoning are closed. Its pieces go to `arguments`, its end to `close_call`."""
        self.close_message()
        self.close_reasoning()
        self.calls += 1
        within = {"namespace": namespace} if namespace else {}
        if custom:
            return self._add("custom_tool_call", {"call_id": call_id, "name": name, "input": "", **within})
        members = {"status": "in_progress", "call_id": call_id, "name": name, "arguments": "", **within}
        return self._add("function_call", members)

    def open_search(self) -> Item:
        """A web search that runs at the provider; message and reasoning are closed. `close_search` says what it was."""
        self.close_message()
        self.close_reasoning()
        item = self._add("web_search_call", search_item("", "", [], "in_progress"))
        self._put("response.web_search_call.in_progress", **_of(item))
        self._put("response.web_search_call.searching", **_of(item))
        return item

    def close_search(self, item: Item, query: str, sources: list[str], status: str = "completed") -> None:
        """The end of a web search."""
        if item.index in self._open:
            self._put("response.web_search_call.completed", **_of(item))
            self._done(item, search_item(item.id, query, sources, status))

    def arguments(self, item: Item, piece: str) -> None:
        """A piece of a call's arguments, or of the plain text of a freeform call."""
        if not piece:
            return
        item.said.add(piece)
        custom = item.kind == "custom_tool_call"
        kind = "response.custom_tool_call_input.delta" if custom else "response.function_call_arguments.delta"
        self._deliver(piece, kind, **_of(item), delta=piece)

    def close_call(self, item: Item, status: str = "completed") -> None:
        """Close a call. One that said nothing has no arguments, which is `{}`."""
        if item.index not in self._open:
            return
        if item.kind == "custom_tool_call":
            self._put("response.custom_tool_call_input.done", **_of(item), input=item.text)
            self._done(item, {**item.item, "input": item.text})
            return
        if not item.said and status == "completed":
            self.arguments(item, "{}")
        self._put("response.function_call_arguments.done", **_of(item), arguments=item.text)
        self._done(item, {**item.item, "status": status, "arguments": item.text})

    def ending(self, status: str, usage: Usage, *, reason: str | None = None, service_tier: str = "") -> bytes:
        """Close what is open and return the event that ends the answer well: it is the caller's to send.

        `status` is `completed` or `incomplete`; the item that was open last is then incomplete too.
        """
        self._close_all("completed" if status == "completed" else "incomplete")
        response = response_object(
            self._memo, self.response_id, status, self.output, usage, reason=reason, service_tier=service_tier
        )
        return self._event(f"response.{status}", response=response)

    def failed(self, error: CallError, request_id: str) -> bytes:
        """`response.failed` with everything that was finished and, as incomplete, what was open.

        What was open is not announced as done: Codex asks again after a failure and would show it twice.
        """
        if not self.started:
            return failed_stream(error, request_id)
        pending, number = self._out.take(), self._number
        self._close_all("incomplete")
        self._out.take()
        self._number = number
        response = response_object(self._memo, self.response_id, "failed", self.output, None)
        response["error"] = {"code": failed_response_code(error), "message": error.message}
        return pending + self._event("response.failed", response=response)

    def keepalive(self) -> bytes:
        """Any event keeps Codex waiting, a comment does not; but nothing may come before the response was created."""
        return keepalive_event(self._number - 1) if self.started else COMMENT

    def _close_all(self, status: str) -> None:
        self.close_reasoning()
        for index in sorted(self._open):
            item = self._open[index]
            if item.kind == "message":
                self.close_message(status)
            elif item.kind == "web_search_call":
                self.close_search(item, "", [], status)
            else:
                self.close_call(item, status)

    def _message_with(self, part: str) -> Item:
        self.close_reasoning()
        if self._message is None:
            self._message = self._add("message", {"status": "in_progress", "role": "assistant", "content": []})
        item = self._message
        if item.part != part:
            self._close_part(item)
            item.part = part
            empty = text_part("") if part == "output_text" else refusal_part("")
            item.item = {**item.item, "content": [*item.item["content"], empty]}
            self._put("response.content_part.added", **_of(item), content_index=_last(item), part=empty)
        return item

    def _close_part(self, item: Item) -> None:
        if not item.part:
            return
        place = {**_of(item), "content_index": _last(item)}
        if item.part == "refusal":
            part = refusal_part(item.text)
            self._put("response.refusal.done", **place, refusal=item.text)
        else:
            part = text_part(item.text, item.item["content"][-1]["annotations"])
            self._put("response.output_text.done", **place, text=item.text, logprobs=[])
        self._put("response.content_part.done", **place, part=part)
        item.item = {**item.item, "content": [*item.item["content"][:-1], part]}
        item.part = ""
        item.said.take()

    def _add(self, kind: str, members: dict[str, Any]) -> Item:
        index = self._next_index
        self._next_index += 1
        new_id = item_id(kind, self.response_id, index) if kind in _ITEM_PREFIXES else str(members["id"])
        item = Item(index, new_id, kind, {**members, "id": new_id, "type": kind})
        self._open[index] = item
        self._put("response.output_item.added", output_index=index, item=item.item)
        self._out.semantic = True
        return item

    def _done(self, item: Item, done: dict[str, Any]) -> None:
        del self._open[item.index]
        self._finished[item.index] = done
        self._put("response.output_item.done", output_index=item.index, item=done)

    def _put(self, kind: str, **members: Any) -> None:
        self._out.put(self._event(kind, **members))

    def _deliver(self, text: str, kind: str, **members: Any) -> None:
        self._out.deliver(self._event(kind, **members), text)

    def _event(self, kind: str, **members: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **members})
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


def _of(item: Item) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index}


def _last(item: Item) -> int:
    return len(item.item["content"]) - 1
