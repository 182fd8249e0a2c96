"""Messages clients on Chat upstreams: what is mapped, dropped, emulated and refused."""

from typing import Any

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import translator
from gateway.translate.base import Context, Memo
from tests.golden.request_rules import check_chat_request
from tests.golden.sdk_types import check_request
from tests.unit.translate.kit import CHAT_DONE, chat_chunk, context, events_of, fields, fragment, named_event, watch

PAIR = translator("messages", "chat")
USER = {"role": "user", "content": "hi"}
GENERIC = {"flavour": "generic"}
REASONING = {"efforts": ("none", "low", "high"), "default_effort": "low", "sampling": False}


def ask(given: Context | None = None, **members: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The upstream's request, which its vendor would take, and the warnings."""
    members = {"model": "m", "max_tokens": 99, "messages": [USER]} | members
    translated = PAIR.translate_request(fields(**members), given or context())
    request = msgspec.json.decode(translated.body)
    check_request("chat", request, {}, "request")
    check_chat_request(request, "request")
    return request, translated.warnings


def refused(given: Context | None = None, **members: Any) -> str | None:
    """The field a refusal names."""
    members = {"model": "m", "max_tokens": 99, "messages": [USER]} | members
    with pytest.raises(BadRequest) as error:
        PAIR.translate_request(fields(**members), given or context())
    return error.value.field


def use(call_id: str = "t1", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": call_id, "name": "f", "input": {}, **more}]}


def result(call_id: str = "t1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **more}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"type": "web_fetch_20260318", "name": "web_fetch"}]}, "tools.0.type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management.edits"),
        ({"messages": [USER, use(), USER]}, "messages.1"),
        ({"messages": [USER, user(result())]}, "messages.1.content.0"),
        ({"messages": [user({"type": "container_upload", "file_id": "f"})]}, "messages.0.content.0.type"),
        (
            {"messages": [user({"type": "image", "source": {"type": "file", "file_id": "f"}})]},
            "messages.0.content.0.source.type",
        ),
        ({"messages": [USER, {"role": "assistant", "content": "("}]}, "messages.1"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(members: dict[str, Any], field: str):
    assert refused(**members) == field


@pytest.mark.parametrize(
    ("members", "codes"),
    [
        ({"inference_geo": "us"}, ("dropped:inference_geo",)),
        ({"speed": "fast"}, ("dropped:speed",)),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, ()),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, ("dropped:context_management",)),
        (
            {"tools": [{"name": "f", "input_schema": {"type": "object"}, "defer_loading": True}]},
            ("dropped:tools.0.defer_loading",),
        ),
        ({"something_new": 1}, ("dropped:something_new",)),
        ({"tools": [], "diagnostics": None, "speed": "standard"}, ()),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}]}, ()),
    ],
)
def test_hints_are_dropped_and_named(members: dict[str, Any], codes: tuple[str, ...]):
    assert ask(**members)[1] == codes


def test_lenient_leaves_out_a_search_nobody_can_make():
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    request, warnings = ask(context(policy="lenient"), tools=tools, tool_choice={"type": "tool", "name": "web_search"})
    assert not {"tools", "tool_choice"} & set(request)
    assert warnings == ("dropped:tools.0",)


def test_a_version_with_sampling_is_not_taken_for_a_later_one():
    given = context(headers={"anthropic-version": "bedrock-2023-05-31"})
    assert ask(given, temperature=0.5)[0]["temperature"] == 0.5


def test_compatible_servers_get_the_members_they_know():
    request, _ = ask(context(**GENERIC), metadata={"user_id": "u"}, service_tier="auto", system=[text("a"), text("b")])
    assert request["max_tokens"] == 99
    assert request["user"] == "u"
    assert "service_tier" not in request
    assert request["messages"][0] == {"role": "system", "content": "a\n\nb"}


def test_a_limit_is_never_above_the_models_or_the_calls():
    assert ask(context(can={"max_output_tokens": 50}))[0]["max_completion_tokens"] == 50
    assert ask(context(output_limit=20))[0]["max_completion_tokens"] == 20


def test_a_reasoning_model_samples_only_while_it_does_not_reason():
    request, warnings = ask(context(can=REASONING), temperature=0.5)
    assert "temperature" not in request
    assert warnings == ("dropped:temperature",)
    request, warnings = ask(context(can=REASONING), temperature=0.5, thinking={"type": "disabled"})
    assert (request["temperature"], request["reasoning_effort"], warnings) == (0.5, "none", ())


def test_a_model_that_calls_no_tools_while_it_reasons_does_not_reason():
    can = {**REASONING, "chat_tools_with_reasoning": False}
    request, warnings = ask(context(can=can), tools=[{"name": "f", "input_schema": {"type": "object"}}])
    assert request["reasoning_effort"] == "none"
    assert warnings == ("clamped:output_config.effort",)


def test_stop_sequences_the_upstream_would_not_watch_for_are_ours():
    stops = ["1", "2", "3", "4", "5"]
    translated = PAIR.translate_request(
        fields(model="m", max_tokens=9, messages=[USER], stop_sequences=stops), context()
    )
    assert "stop" not in msgspec.json.decode(translated.body)
    assert translated.memo.stop_sequences == tuple(stops)
    assert translated.warnings == ("emulated:stop_sequences",)


def test_a_billing_header_is_left_out_and_what_follows_it_stays():
    request, _ = ask(system="x-anthropic-billing-header: cc_version=1\n\nBe brief.")
    assert request["messages"][0]["content"] == "Be brief."


def test_a_pdf_is_a_file_where_files_are_read():
    request, _ = ask(messages=[user({**PDF, "title": "a.pdf"})])
    assert request["messages"][0]["content"][0]["file"]["filename"] == "a.pdf"
    assert refused(context(**GENERIC), messages=[user(PDF)]) == "messages.0.content.0.source.type"


def test_a_document_of_words_is_told():
    source = {"type": "text", "media_type": "text/plain", "data": "words"}
    request, warnings = ask(messages=[user({"type": "document", "title": "T", "source": source})])
    assert request["messages"][0]["content"] == '<document title="T">\nwords\n</document>'
    assert warnings == ("emulated:messages.0.content.0(document)",)


def test_images_of_results_and_words_of_the_user_follow_all_results():
    image = {"type": "image", "source": {"type": "url", "url": "https://e.com/x.png"}}
    calls = {"role": "assistant", "content": [*use("a")["content"], *use("b")["content"]]}
    request, _ = ask(
        messages=[USER, calls, user(result("a", content=[image]), result("b", content="4C"), text("And?"))]
    )
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    kinds = [part["type"] for part in request["messages"][-1]["content"]]
    assert kinds == ["text", "image_url", "text"]


def test_a_result_that_was_marked_is_marked():
    given = context(can={"cache_breakpoints": True})
    marked = result(content="x", cache_control={"type": "ephemeral"})
    request, _ = ask(given, messages=[USER, use(), user(marked)])
    assert request["messages"][2]["content"] == [text("x", prompt_cache_breakpoint={"mode": "explicit"})]
    assert request["prompt_cache_options"] == {"mode": "explicit"}


def test_a_search_of_claudes_servers_is_left_out_of_the_history():
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        text("Found."),
    ]
    request, warnings = ask(messages=[USER, {"role": "assistant", "content": blocks}, USER])
    assert request["messages"][1] == {"role": "assistant", "content": "Found."}
    assert len(warnings) == 2


def test_a_server_gets_its_own_reasoning_back_where_it_wants_it():
    given = context(**GENERIC, options={"replay_reasoning": True})
    thinking = {"type": "thinking", "thinking": "hm", "signature": 'gwr1:{"v":"chat"}'}
    translated = PAIR.translate_request(
        fields(model="m", max_tokens=9, messages=[USER, {"role": "assistant", "content": [thinking, text("a")]}, USER]),
        given,
    )
    assert msgspec.json.decode(translated.body)["messages"][1]["reasoning_content"] == "hm"
    assert translated.warnings == ()


@pytest.mark.parametrize("late_system", ["keep", "user_wrap"])
def test_a_late_system_message(late_system: str):
    given = context(**GENERIC, options={"late_system": late_system})
    request, _ = ask(given, messages=[USER, {"role": "system", "content": "s"}])
    wrapped = {"role": "user", "content": "<system>\ns\n</system>"}
    assert request["messages"][1] == (wrapped if late_system == "user_wrap" else {"role": "system", "content": "s"})


def test_a_tool_name_openai_refuses_comes_back_as_it_was():
    tools = [{"name": "a.b", "input_schema": {"type": "object"}}]
    translated = PAIR.translate_request(fields(model="m", max_tokens=9, messages=[USER], tools=tools), context())
    sent = msgspec.json.decode(translated.body)["tools"][0]["function"]["name"]
    call = {"id": "c", "type": "function", "function": {"name": sent, "arguments": "{}"}}
    found = whole({"tool_calls": [call]}, memo=translated.memo)
    assert found["content"][0]["name"] == "a.b"


def whole(message: dict[str, Any], finish_reason: str = "stop", memo: Memo | None = None) -> dict[str, Any]:
    body = {"id": "chatcmpl-1", "choices": [{"message": message, "finish_reason": finish_reason}]}
    return msgspec.json.decode(PAIR.translate_answer(msgspec.json.encode(body), memo or Memo(context())).body)


def call(arguments: str, call_id: str = "c") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def test_a_call_that_was_cut_off_is_left_out_of_a_whole_answer():
    found = whole({"content": "Ok.", "tool_calls": [call('{"a":')]}, "length")
    assert [block["type"] for block in found["content"]] == ["text"]
    assert found["stop_reason"] == "max_tokens"


def test_calls_that_are_all_numbered_alike_are_as_many_as_they_are():
    found = whole({"tool_calls": [{**call("{}", "a"), "index": 0}, {**call("{}", "b"), "index": 0}]})
    assert [block["id"] for block in found["content"]] == ["a", "b"]


def test_a_stop_sequence_cuts_a_whole_answer():
    found = whole({"content": "yes</a> and more"}, memo=Memo(context(), stop_sequences=("</a>",)))
    assert (found["content"], found["stop_reason"], found["stop_sequence"]) == ([text("yes")], "stop_sequence", "</a>")


def test_usage_nobody_reported_is_estimated_and_not_metered():
    body = msgspec.json.encode({"id": "x", "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]})
    answer = PAIR.translate_answer(body, Memo(context(input_tokens=7)))
    assert answer.usage is None
    assert msgspec.json.decode(answer.body)["usage"]["input_tokens"] == 7


@pytest.mark.parametrize("body", [b"", b"[]", b'{"choices":[]}', b'{"error":{"message":"no"}}', b'{"choices":[1]}'])
def test_what_is_no_completion_is_an_error(body: bytes):
    assert PAIR.translate_answer(body, Memo(context())).error is not None


def stream(*frames: bytes, memo: Memo | None = None) -> list[dict[str, Any]]:
    return [event["data"] for event in events_of(watch(PAIR.reader(memo or Memo(context())), list(frames)).frames)]


def shapes(events: list[dict[str, Any]]) -> list[str]:
    """Events in short: kinds of blocks and deltas, the stop reason."""
    found = []
    for event in events:
        inner = event.get("content_block") or event.get("delta") or {}
        found.append(inner.get("stop_reason") or inner.get("type") or event["type"])
    return found


def test_reasoning_after_text_is_a_block_of_its_own():
    events = stream(chat_chunk({"content": "a"}), chat_chunk({"reasoning": "b"}), chat_chunk({}, "stop"), CHAT_DONE)
    assert shapes(events) == [
        "message_start", "text", "text_delta", "content_block_stop", "thinking", "thinking_delta", "signature_delta",
        "content_block_stop", "end_turn", "message_stop",
    ]  # fmt: skip


def test_calls_between_each_other_come_one_after_the_other():
    events = stream(
        chat_chunk(fragment(0, call_id="a", name="f")),
        chat_chunk(fragment(1, call_id="b", name="g", arguments="{}")),
        chat_chunk(fragment(0, arguments='{"x":1}')),
        chat_chunk({}, "tool_calls"),
        CHAT_DONE,
    )
    names = [event["content_block"]["name"] for event in events if event["type"] == "content_block_start"]
    assert names == ["f", "g"]
    assert shapes(events).count("content_block_stop") == 2


def test_a_stream_that_closes_after_its_finish_reason_is_whole():
    assert shapes(stream(chat_chunk({"content": "a"}), chat_chunk({}, "stop")))[-2:] == ["end_turn", "message_stop"]


def test_a_stream_that_closes_before_is_cut():
    assert watch(PAIR.reader(Memo(context())), [chat_chunk({"content": "a"})]).error == "stream_cut"


def test_done_without_a_word_is_an_error():
    assert watch(PAIR.reader(Memo(context())), [CHAT_DONE]).terminal == b""


def test_a_provider_that_failed_behind_a_router_is_an_error():
    seen = watch(PAIR.reader(Memo(context())), [chat_chunk({"content": "a"}), chat_chunk({}, "error"), CHAT_DONE])
    assert seen.terminal == b""


def test_a_call_that_was_cut_off_ends_with_the_limit():
    events = stream(
        chat_chunk(fragment(0, call_id="a", name="f", arguments='{"x":')), chat_chunk({}, "length"), CHAT_DONE
    )
    assert shapes(events)[-2:] == ["max_tokens", "message_stop"]


def test_a_stop_sequence_ends_the_stream_where_it_begins():
    memo = Memo(context(), stop_sequences=("</a>",))
    reader = PAIR.reader(memo)
    batch = reader.feed(chat_chunk({"content": "yes</"}) + chat_chunk({"content": "a> and more"}))
    events = events_of(batch.forward + batch.terminal)
    shown = "".join(event["data"].get("delta", {}).get("text", "") for event in events)
    assert shown == "yes"
    assert events[-2]["data"]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "</a>"}


def test_usage_split_over_two_chunks_is_the_fullest_of_both():
    events = stream(
        chat_chunk({"content": "a"}),
        chat_chunk({}, "stop", usage={"prompt_tokens": 10, "completion_tokens": 2}),
        chat_chunk(usage={"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}}),
        CHAT_DONE,
    )
    usage = events[-2]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (6, 4, 2)


def test_a_first_chunk_without_id_does_not_name_the_answer():
    """Azure sends its filter's verdict before anything else."""
    first = b'data: {"id":"","choices":[],"prompt_filter_results":[]}\n\n'
    events = stream(first, chat_chunk({"content": "a"}), chat_chunk({}, "stop"), CHAT_DONE)
    assert events[0]["message"]["id"] == "msg_1"


def test_a_server_without_ids_gets_the_calls():
    events = stream(b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n', CHAT_DONE)
    assert events[0]["message"]["id"] == "msg_test"


def test_while_the_model_thinks_in_silence_a_block_is_open():
    """Claude Code's watchdog takes only an empty delta in an open block for life."""
    reader = PAIR.reader(Memo(context()))
    start = reader.feed(chat_chunk({"role": "assistant", "content": ""}))
    kept = events_of(reader.keepalive() + reader.keepalive())
    rest = reader.feed(chat_chunk({"content": "a"}) + chat_chunk({}, "stop") + CHAT_DONE)
    assert shapes([event["data"] for event in kept]) == ["thinking", "thinking_delta", "thinking_delta"]
    events = [*events_of(start.forward), *kept, *events_of(rest.forward + rest.terminal)]
    assert shapes([event["data"] for event in events])[4:8] == [
        "signature_delta",
        "content_block_stop",
        "text",
        "text_delta",
    ]


def test_before_the_first_chunk_there_is_a_ping():
    assert PAIR.reader(Memo(context())).keepalive() == named_event("ping")


def test_nothing_follows_the_end_even_in_the_same_read():
    """Clients act on stray deltas after `message_stop`."""
    whole_stream = chat_chunk({"content": "a"}) + chat_chunk({}, "stop") + CHAT_DONE
    alone = watch(PAIR.reader(Memo(context())), [whole_stream])
    with_more = watch(PAIR.reader(Memo(context())), [whole_stream + chat_chunk({"content": "late"}) + CHAT_DONE])
    assert with_more == alone
