"""A whole completion of its chunks."""

import msgspec
import pytest

from gateway.dialects.assemble import CANNOT_ASSEMBLE
from gateway.dialects.assembly import assembly_named
from tests.unit.assemblies import assembled, can_assemble, refused
from tests.unit.dialect_streams import CHAT_STREAM, CHAT_USAGE, DONE, choice, chunk


def delta(finish_reason: str | None = None, index: int = 0, **members: object) -> bytes:
    return chunk(choices=[choice(finish_reason, index, **members)])


def message_of(*deltas: dict[str, object], finish_reason: str = "stop") -> dict[str, object]:
    """The message of one choice, as it comes out."""
    frames = [delta(**members) for members in deltas]
    return assembled("chat", *frames, delta(finish_reason), DONE)["choices"][0]["message"]


def call(index: int | None = 0, **members: object) -> dict[str, object]:
    return {"tool_calls": [({} if index is None else {"index": index}) | members]}


def calls_of(*fragments: dict[str, object]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of the calls that come out."""
    message = message_of(*fragments, finish_reason="tool_calls")
    return [(each["id"], each["function"]["name"], each["function"]["arguments"]) for each in message["tool_calls"]]


def test_a_completion_as_it_is_streamed():
    completion = assembled("chat", *CHAT_STREAM, CHAT_USAGE, DONE)
    assert (completion["id"], completion["object"], completion["created"]) == (
        "chatcmpl-1",
        "chat.completion",
        1700000000,
    )
    assert completion["service_tier"] == "default"
    assert completion["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": 'Grüße {"error": "no", "model": "in text"}',
                "refusal": None,
                "reasoning_content": "thinking …",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "look", "arguments": '{"place":"Zürich"}'},
                    }
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ]
    assert completion["usage"]["prompt_tokens_details"] == {"cached_tokens": 80, "cache_write_tokens": 15}


def test_padding_is_left_out():
    assert "obfuscation" not in assembled("chat", *CHAT_STREAM, DONE)


def test_a_server_that_closes_without_done_has_answered():
    assert assembled("chat", delta(content="a"), delta("stop"))["choices"][0]["message"]["content"] == "a"


def test_several_choices_are_kept_apart():
    completion = assembled(
        "chat", delta(index=1, content="b"), delta(content="a"), delta("stop"), delta("length", index=1), DONE
    )
    said = [(each["index"], each["message"]["content"], each["finish_reason"]) for each in completion["choices"]]
    assert said == [(0, "a", "stop"), (1, "b", "length")]


def test_a_call_without_text_has_null_content():
    message = message_of({"role": "assistant", "content": ""}, call(id="call_1", function={"name": "now"}))
    assert message["content"] is None


def test_a_call_whose_arguments_never_come_has_the_empty_string():
    assert calls_of(call(id="call_1", function={"name": "now"})) == [("call_1", "now", "")]


def test_parallel_calls_are_placed_by_their_index():
    fragments = [
        call(1, id="call_b", function={"name": "b", "arguments": ""}),
        call(0, id="call_a", function={"name": "a", "arguments": ""}),
        call(1, function={"arguments": '{"x":'}),
        call(0, function={"arguments": "{}"}),
        call(1, function={"arguments": "1}"}),
    ]
    assert calls_of(*fragments) == [("call_a", "a", "{}"), ("call_b", "b", '{"x":1}')]


def test_another_id_under_the_same_index_is_another_call():
    fragments = [
        call(0, id="call_a", function={"name": "a", "arguments": "{}"}),
        call(0, id="call_b", function={"name": "b", "arguments": "{}"}),
    ]
    assert calls_of(*fragments) == [("call_a", "a", "{}"), ("call_b", "b", "{}")]


def test_a_fragment_without_an_index_belongs_to_the_last_call():
    fragments = [
        call(None, id="call_a", function={"name": "a", "arguments": "{"}),
        call(None, function={"arguments": "}"}),
        call(None, id="call_b", function={"name": "b", "arguments": "{}"}),
    ]
    assert calls_of(*fragments) == [("call_a", "a", "{}"), ("call_b", "b", "{}")]


def test_an_id_that_comes_late_is_that_of_the_call():
    fragments = [call(0, function={"name": "a"}), call(0, id="call_a", function={"arguments": "{}"})]
    assert calls_of(*fragments) == [("call_a", "a", "{}")]


@pytest.mark.parametrize("second", ["look_up", "", None])
def test_a_name_said_again_is_one_name(second: str | None):
    fragments = [
        call(0, id="call_a", function={"name": "look_up", "arguments": "{"}),
        call(0, id="call_a", function={"name": second, "arguments": "}"}),
    ]
    assert calls_of(*fragments) == [("call_a", "look_up", "{}")]


def test_a_name_in_pieces_is_put_together():
    assert calls_of(call(0, id="a", function={"name": "look"}), call(0, function={"name": "_up"})) == [
        ("a", "look_up", "")
    ]


def test_a_vendors_own_members_of_a_call_stay():
    extra = {"google": {"thought_signature": "c2ln"}}
    message = message_of(call(0, id="a", function={"name": "f", "arguments": "{}"}, extra_content=extra))
    assert message["tool_calls"][0]["extra_content"] == extra


def test_a_legacy_function_call_is_put_together():
    message = message_of(
        {"function_call": {"name": "look", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        finish_reason="function_call",
    )
    assert message["function_call"] == {"name": "look", "arguments": "{}"}


def test_a_refusal_is_put_together():
    message = message_of({"refusal": "I "}, {"refusal": "won't"})
    assert (message["content"], message["refusal"]) == (None, "I won't")


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning", "thoughts_of_next_year"])
def test_vendors_texts_are_put_together(member: str):
    assert message_of({member: "a"}, {member: "b", "content": "c"})[member] == "ab"


def test_reasoning_details_go_on_by_index_and_type():
    def detail(**members: object) -> dict[str, object]:
        return {"reasoning_details": [{"index": 0, "format": "anthropic-claude-v1"} | members]}

    message = message_of(
        detail(type="reasoning.text", text="a"),
        detail(type="reasoning.text", text="b"),
        detail(type="reasoning.text", signature="c2ln"),
        detail(type="reasoning.encrypted", data="eA=="),
    )
    base = {"index": 0, "format": "anthropic-claude-v1"}
    assert message["reasoning_details"] == [
        base | {"type": "reasoning.text", "text": "ab", "signature": "c2ln"},
        base | {"type": "reasoning.encrypted", "data": "eA=="},
    ]


def test_content_in_parts_stays_in_parts():
    def thinking(text: str) -> dict[str, object]:
        return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}

    message = message_of({"content": ""}, thinking("a"), thinking("b"), {"content": "c"}, {"content": "d"})
    assert message["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]},
        {"type": "text", "text": "cd"},
    ]


def test_citations_of_one_kind_stay_apart():
    def cited(url: str) -> dict[str, object]:
        return {"annotations": [{"type": "url_citation", "url_citation": {"url": url}}]}

    message = message_of(cited("https://a.example"), cited("https://b.example"))
    assert [each["url_citation"]["url"] for each in message["annotations"]] == [
        "https://a.example",
        "https://b.example",
    ]


def test_log_probabilities_are_put_together_as_they_are_spelled():
    def token(text: str) -> dict[str, object]:
        probabilities = {"content": [{"token": text, "logprob": -1.5e-7, "top_logprobs": []}], "refusal": None}
        return {"index": 0, "delta": {"content": text}, "logprobs": probabilities, "finish_reason": None}

    frames = [chunk(choices=[token("a")]), chunk(choices=[token("b")])]
    logprobs = assembled("chat", *frames, delta("stop"), DONE)["choices"][0]["logprobs"]
    assert [each["token"] for each in logprobs["content"]] == ["a", "b"]
    assert logprobs["refusal"] is None


def test_lists_of_a_choice_become_longer():
    frames = [chunk(choices=[choice(content="a") | {"token_ids": [number]}]) for number in (1, 2)]
    assert assembled("chat", *frames, delta("stop"), DONE)["choices"][0]["token_ids"] == [1, 2]


def test_azures_empty_first_chunk_names_nothing():
    first = chunk(id="", model="", created=0, choices=[], prompt_filter_results=[{"prompt_index": 0}])
    completion = assembled("chat", first, delta(content="a"), delta("stop"), DONE)
    assert (completion["id"], completion["created"]) == ("chatcmpl-1", 1700000000)
    assert completion["prompt_filter_results"] == [{"prompt_index": 0}]


def test_a_fuller_usage_after_a_thin_one_is_the_answers():
    thin = chunk(choices=[choice("stop")], usage={"prompt_tokens": 120, "completion_tokens": 30})
    usage = assembled("chat", delta(content="a"), thin, CHAT_USAGE, DONE)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 80


def test_a_null_usage_after_the_usage_wipes_nothing():
    last = chunk(choices=[], usage=None)
    assert assembled("chat", delta(content="a"), delta("stop"), CHAT_USAGE, last, DONE)["usage"]["total_tokens"] == 150


def test_audio_is_refused():
    assert refused("chat", delta(audio={"id": "audio_1", "data": "eA=="}), delta("stop"), DONE).code == CANNOT_ASSEMBLE


def test_usage_is_asked_for():
    body = assembly_named("chat").streaming_body(
        b'{"model":"m","messages":[],"stream_options":{"include_obfuscation":false}}'
    )
    assert msgspec.json.decode(body)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2, "logprobs": True},
        {"tools": [{"type": "function", "function": {"name": "look"}}]},
        {"stream_options": None, "metadata": None, "modalities": ["text"]},
    ],
)
def test_most_requests_can_be_asked_as_a_stream(body: dict[str, object]):
    assert can_assemble("chat", body)


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "custom", "custom": {"name": "shell"}}]},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"web_search_options": {}},
        {"metadata": {"run": "1"}},
    ],
)
def test_what_chunks_cannot_say_is_not_asked_as_a_stream(body: dict[str, object]):
    assert not can_assemble("chat", body)
