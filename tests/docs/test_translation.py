"""What docs/translation.md says of members that are not simply mapped, tried on the translators."""

from typing import Any

import msgspec
import pytest

from gateway.catalog.load import shipped_catalog
from gateway.errors import Unsupported
from gateway.records import DialectName
from gateway.translate import translator
from gateway.translate.base import Blocks, Context, Flavour, Options, Policy
from gateway.translate.envelope import HmacSigner
from tests.docs.generated import docstrings_of

Pair = tuple[DialectName, DialectName]

MODELS = shipped_catalog().models
CLAUDE, OPENAI = "claude-sonnet-4-6", "gpt-5.5"
HI = [{"role": "user", "content": "Hi"}]
BASES: dict[str, dict[str, Any]] = {
    "messages": {"max_tokens": 2_000, "messages": HI},
    "chat": {"messages": HI},
    "responses": {"input": "Hi"},
}
FUNCTION = {"type": "function", "function": {"name": "look"}}
FLAT_FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
CLAUDE_TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
FREEFORM = {"type": "custom", "custom": {"name": "write"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "blocked_domains": ["a.example"]}
EDITOR = {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}
MID_SYSTEM = [*HI, {"role": "system", "content": "Be brief."}, *HI]
PREFILLED = [*HI, {"role": "assistant", "content": "It"}]
JSON_OBJECT = {"type": "json_object"}


class NoMemory:
    def get(self, call_id: str) -> Blocks | None:
        return None

    def put(self, call_id: str, blocks: Blocks) -> None:
        return


def translate(
    pair: Pair,
    body: dict[str, Any],
    flavour: Flavour = "openai",
    policy: Policy = "normal",
    model: str = "",
    **options: Any,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The upstream's request and the warnings."""
    client, upstream = pair
    context = Context(
        headers={},
        model=MODELS[model or (CLAUDE if upstream == "messages" else OPENAI)],
        upstream_model="m",
        asked_model="m",
        flavour="anthropic" if upstream == "messages" else flavour,
        signer=HmacSigner({"k": bytes(32)}),
        memory=NoMemory(),
        options=Options(**options),
        policy=policy,
    )
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in {**BASES[client], **body}.items()}
    translated = translator(client, upstream).translate_request(fields, context)
    return msgspec.json.decode(translated.body), translated.warnings


MESSAGES_RESPONSES: Pair = ("messages", "responses")
MESSAGES_CHAT: Pair = ("messages", "chat")
CHAT_MESSAGES: Pair = ("chat", "messages")
CHAT_RESPONSES: Pair = ("chat", "responses")
RESPONSES_MESSAGES: Pair = ("responses", "messages")
RESPONSES_CHAT: Pair = ("responses", "chat")

WARNED: list[tuple[Pair, dict[str, Any], str]] = [
    (MESSAGES_RESPONSES, {"top_k": 4}, "dropped:top_k"),
    (MESSAGES_CHAT, {"top_k": 4}, "dropped:top_k"),
    (MESSAGES_RESPONSES, {"temperature": 0.5}, "dropped:temperature"),
    (MESSAGES_RESPONSES, {"max_tokens": 5}, "clamped:max_tokens"),
    (MESSAGES_RESPONSES, {"stop_sequences": ["END"]}, "emulated:stop_sequences"),
    (MESSAGES_RESPONSES, {"tools": [SEARCH]}, "emulated:tools.0.max_uses"),
    (MESSAGES_RESPONSES, {"tools": [SEARCH]}, "dropped:tools.0.blocked_domains"),
    (MESSAGES_CHAT, {"tools": [EDITOR]}, "emulated:tools.0(text_editor_20250728)"),
    (MESSAGES_CHAT, {"context_management": {"edits": [{"type": "clear"}]}}, "dropped:context_management"),
    (MESSAGES_CHAT, {"speed": "fast"}, "dropped:speed"),
    (MESSAGES_CHAT, {"inference_geo": "us"}, "dropped:inference_geo"),
    (MESSAGES_CHAT, {"thinking": {"type": "adaptive"}, "tools": [CLAUDE_TOOL]}, "clamped:thinking"),
    (CHAT_MESSAGES, {"messages": MID_SYSTEM}, "emulated:messages.1(system)"),
    (CHAT_MESSAGES, {"temperature": 1.5}, "clamped:temperature"),
    (CHAT_MESSAGES, {"temperature": 0.5, "top_p": 0.5}, "dropped:top_p"),
    (CHAT_MESSAGES, {"stop": ["END", " "]}, "dropped:stop"),
    (CHAT_MESSAGES, {"seed": 4}, "dropped:seed"),
    (CHAT_MESSAGES, {"metadata": {"a": "b"}}, "dropped:metadata"),
    (CHAT_MESSAGES, {"store": True}, "dropped:store"),
    (CHAT_MESSAGES, {"verbosity": "low"}, "dropped:verbosity"),
    (CHAT_MESSAGES, {"reasoning_effort": "minimal"}, "clamped:reasoning_effort"),
    (CHAT_MESSAGES, {"response_format": JSON_OBJECT}, "emulated:response_format"),
    (CHAT_MESSAGES, {"tools": [FREEFORM]}, "emulated:tools.0(custom)"),
    (CHAT_MESSAGES, {"service_tier": "priority"}, "clamped:service_tier"),
    (CHAT_RESPONSES, {"stop": "END"}, "emulated:stop"),
    (CHAT_RESPONSES, {"top_k": 4}, "dropped:top_k"),
    (CHAT_RESPONSES, {"seed": 4}, "dropped:seed"),
    (CHAT_RESPONSES, {"max_tokens": 5}, "clamped:max_tokens"),
    (RESPONSES_MESSAGES, {"max_tool_calls": 2}, "dropped:max_tool_calls"),
    (RESPONSES_MESSAGES, {"truncation": "auto"}, "dropped:truncation"),
    (RESPONSES_MESSAGES, {"metadata": {"a": "b"}}, "dropped:metadata"),
    (RESPONSES_MESSAGES, {"text": {"verbosity": "low"}}, "dropped:text.verbosity"),
    (RESPONSES_MESSAGES, {"reasoning": {"mode": "pro"}}, "dropped:reasoning.mode"),
    (RESPONSES_MESSAGES, {"tools": [FLAT_FUNCTION, {"type": "tool_search"}]}, "dropped:tools.1(tool_search)"),
    (RESPONSES_CHAT, {"tools": [FLAT_FUNCTION, {"type": "web_search"}]}, "dropped:tools.1(web_search)"),
    (RESPONSES_CHAT, {"tools": [FLAT_FUNCTION], "reasoning": {"effort": "high"}}, "clamped:reasoning.effort"),
    (RESPONSES_CHAT, {"truncation": "auto"}, "dropped:truncation"),
]

REFUSED: list[tuple[Pair, dict[str, Any]]] = [
    (MESSAGES_RESPONSES, {"messages": PREFILLED}),
    (MESSAGES_CHAT, {"messages": PREFILLED}),
    (MESSAGES_CHAT, {"max_tokens": 0}),
    (MESSAGES_CHAT, {"tools": [SEARCH]}),
    (MESSAGES_CHAT, {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}),
    (MESSAGES_RESPONSES, {"mcp_servers": [{"name": "a"}]}),
    (MESSAGES_RESPONSES, {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
    (CHAT_MESSAGES, {"messages": PREFILLED}),
    (CHAT_MESSAGES, {"n": 2}),
    (CHAT_MESSAGES, {"logprobs": True}),
    (CHAT_MESSAGES, {"tools": [FREEFORM], "stream": True}),
    (CHAT_RESPONSES, {"n": 2}),
    (CHAT_RESPONSES, {"logit_bias": {"1": 1}}),
    (CHAT_RESPONSES, {"tools": [FREEFORM], "stream": True}),
    (RESPONSES_MESSAGES, {"input": [{"type": "item_reference", "id": "msg_1"}]}),
    (RESPONSES_MESSAGES, {"tools": [{"type": "file_search"}]}),
    (RESPONSES_MESSAGES, {"tools": [{"type": "tool_search"}]}),
    (RESPONSES_MESSAGES, {"background": True}),
    (RESPONSES_CHAT, {"tools": [{"type": "web_search"}]}),
    (RESPONSES_CHAT, {"conversation": "conv_1"}),
    (RESPONSES_CHAT, {"prompt_cache_options": {"prewarm": True}}),
]

SILENT: list[tuple[Pair, dict[str, Any], str]] = [
    (CHAT_MESSAGES, {"top_k": 4}, "top_k"),
    (CHAT_MESSAGES, {"user": "u"}, "metadata"),
    (CHAT_MESSAGES, {"tools": [FUNCTION]}, "cache_control"),
    (CHAT_RESPONSES, {"metadata": {"a": "b"}}, "metadata"),
    (CHAT_RESPONSES, {"verbosity": "low"}, "text"),
    (CHAT_RESPONSES, {"messages": PREFILLED}, "input"),
    (CHAT_RESPONSES, {"response_format": JSON_OBJECT}, "text"),
    (MESSAGES_RESPONSES, {"metadata": {"user_id": "u"}}, "safety_identifier"),
    (MESSAGES_CHAT, {"service_tier": "auto"}, "service_tier"),
    (RESPONSES_MESSAGES, {"instructions": "Be brief."}, "system"),
    (RESPONSES_CHAT, {"text": {"verbosity": "low"}}, "verbosity"),
]

LENIENT: list[tuple[Pair, dict[str, Any]]] = [
    (CHAT_MESSAGES, {"messages": PREFILLED}),
    (CHAT_MESSAGES, {"tools": [FREEFORM], "stream": True}),
    (MESSAGES_CHAT, {"tools": [SEARCH]}),
    (RESPONSES_CHAT, {"tools": [{"type": "web_search"}]}),
]


@pytest.mark.parametrize(("pair", "members", "warning"), WARNED)
def test_a_member_has_the_warning_the_page_gives_it(pair: Pair, members: dict[str, Any], warning: str) -> None:
    assert warning in translate(pair, members)[1]


@pytest.mark.parametrize(("pair", "members"), REFUSED)
def test_a_member_is_refused_where_the_page_says_so(pair: Pair, members: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as caught:
        translate(pair, members)
    assert caught.value.field


@pytest.mark.parametrize(("pair", "members", "arrives_as"), SILENT)
def test_a_member_arrives_without_a_word(pair: Pair, members: dict[str, Any], arrives_as: str) -> None:
    request, warnings = translate(pair, members)
    assert arrives_as in request
    assert warnings == ()


@pytest.mark.parametrize(("pair", "members"), LENIENT)
def test_lenient_falls_back(pair: Pair, members: dict[str, Any]) -> None:
    translate(pair, members, policy="lenient")


@pytest.mark.parametrize(
    ("pair", "members"), [(pair, members) for pair, members, warning in WARNED if warning.startswith("dropped")]
)
def test_strict_refuses_whatever_would_be_dropped(pair: Pair, members: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        translate(pair, members, policy="strict")


@pytest.mark.parametrize(("budget", "effort"), [(2_048, "low"), (8_192, "medium"), (24_576, "high"), (24_577, "xhigh")])
def test_budgets_become_the_efforts_of_the_page(budget: int, effort: str) -> None:
    asked = {"max_tokens": 60_000, "thinking": {"type": "enabled", "budget_tokens": budget}}
    assert translate(MESSAGES_RESPONSES, asked)[0]["reasoning"]["effort"] == effort


def test_a_model_that_cannot_be_forced_is_not_asked_to_be() -> None:
    members = {"tools": [FUNCTION], "tool_choice": "required"}
    with pytest.raises(Unsupported):
        translate(CHAT_MESSAGES, members, model="claude-sonnet-5-5")
    allowed = translate(CHAT_MESSAGES, members, model="claude-sonnet-5-5", forced_tool_choice="auto")
    assert "clamped:tool_choice" in allowed[1]


def test_every_option_says_what_it_does() -> None:
    assert set(docstrings_of(Options)) == set(Options.__struct_fields__)
