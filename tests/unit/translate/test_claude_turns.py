"""Conversations as Claude takes them."""

from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.translate.claude_turns import ClaudeConversation
from gateway.translate.warnings import Warnings
from tests.unit.translate.kit import context


def talk(*, mid_system: bool = True, policy: Any = "normal", **options: Any) -> tuple[ClaudeConversation, Warnings]:
    warnings = Warnings(policy)
    return ClaudeConversation(context(can={"mid_system": mid_system}, options=options), warnings), warnings


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def use(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {}}


def roles(conversation: ClaudeConversation) -> list[str]:
    return [message["role"] for message in conversation.finish()[1]]


def test_leading_system_messages_are_the_system_prompt():
    conversation, _ = talk()
    conversation.system([text("a")], "messages.0")
    conversation.system([text("b")], "messages.1")
    conversation.user("hi", "messages.2")
    assert conversation.finish() == ([text("a"), text("b")], [{"role": "user", "content": "hi"}])


def test_a_later_system_message_stands_behind_the_user_turn_it_precedes():
    conversation, warnings = talk()
    conversation.user("q1", "messages.0")
    conversation.assistant("a1", "messages.1")
    conversation.system([text("s")], "messages.2")
    conversation.user("q2", "messages.3")
    assert roles(conversation) == ["user", "assistant", "user", "system"]
    assert warnings.codes == ()


def test_a_system_message_between_two_answers_becomes_a_user_turn():
    conversation, warnings = talk()
    conversation.user("q1", "messages.0")
    conversation.assistant("a1", "messages.1")
    conversation.system([text("s")], "messages.2")
    conversation.assistant("a2", "messages.3")
    conversation.user("q2", "messages.4")
    messages = conversation.finish()[1]
    assert messages[2] == {"role": "user", "content": [text("<system>\ns\n</system>")]}
    assert warnings.codes == ("emulated:messages.2(system)",)


def test_without_system_turns_it_is_told_in_the_user_turn_beside_it():
    conversation, _ = talk(mid_system=False)
    conversation.user("q1", "messages.0")
    conversation.system([text("s")], "messages.1")
    conversation.assistant("a1", "messages.2")
    conversation.user("q2", "messages.3")
    assert conversation.finish()[1][0]["content"] == [text("q1"), text("<system>\ns\n</system>")]


def test_a_system_message_does_not_part_calls_from_results():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    conversation.assistant([use("a")], "messages.1")
    conversation.system([text("s")], "messages.2")
    conversation.result("a", "1", "messages.3")
    assert roles(conversation) == ["user", "assistant", "user", "system"]


def test_results_come_first_in_the_order_of_the_calls():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    conversation.assistant([use("a"), use("b")], "messages.1")
    conversation.result("b", "2", "messages.2")
    conversation.result("a", "1", "messages.3")
    conversation.user("more", "messages.4")
    content = conversation.finish()[1][2]["content"]
    assert [block.get("tool_use_id", block.get("text")) for block in content] == ["a", "b", "more"]


def test_an_empty_result_has_no_content():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    conversation.assistant([use("a")], "messages.1")
    conversation.result("a", "", "messages.2")
    assert conversation.finish()[1][2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_a_missing_result_is_refused_where_the_call_was_made():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    conversation.assistant([use("a")], "messages.1")
    with pytest.raises(BadRequest) as refused:
        conversation.user("?", "messages.2")
    assert refused.value.field == "messages.1"


def test_a_missing_result_is_made_up_where_the_tier_is_lenient():
    conversation, _ = talk(policy="lenient")
    conversation.user("q", "messages.0")
    conversation.assistant([use("a")], "messages.1")
    conversation.user("?", "messages.2")
    block = conversation.finish()[1][2]["content"][0]
    assert (block["tool_use_id"], block["is_error"], block["content"]) == ("a", True, "no result was provided")


def test_a_result_nobody_asked_for_is_refused():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    with pytest.raises(BadRequest):
        conversation.result("a", "1", "messages.1")


def test_a_result_nobody_asked_for_is_told_where_the_tier_is_lenient():
    conversation, _ = talk(policy="lenient")
    conversation.user("q", "messages.0")
    conversation.assistant("a", "messages.1")
    conversation.result("x", "1", "messages.2")
    assert conversation.finish()[1][2] == {"role": "user", "content": [text("1")]}


def test_the_user_speaks_first():
    conversation, warnings = talk()
    conversation.assistant("a", "messages.0")
    conversation.user("q", "messages.1")
    assert conversation.finish()[1][0] == {"role": "user", "content": "(conversation continues)"}
    assert warnings.codes == ("emulated:messages.0",)


def test_the_user_speaks_last():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    conversation.assistant("a", "messages.1")
    with pytest.raises(BadRequest) as refused:
        conversation.finish()
    assert refused.value.field == "messages.1"


def test_an_account_may_have_the_user_say_something():
    conversation, _ = talk(append_user="Continue.")
    conversation.user("q", "messages.0")
    conversation.assistant("a", "messages.1")
    assert conversation.finish()[1][2] == {"role": "user", "content": "Continue."}


@pytest.mark.parametrize("content", ["", [], [text("")]])
def test_an_empty_user_turn_says_so(content: Any):
    conversation, _ = talk()
    conversation.user(content, "messages.0")
    assert conversation.finish()[1] == [{"role": "user", "content": "(empty)"}]


def test_an_empty_answer_is_left_out():
    conversation, _ = talk()
    conversation.user("q", "messages.0")
    conversation.assistant("", "messages.1")
    conversation.user("r", "messages.2")
    assert roles(conversation) == ["user", "user"]


def test_the_marker_of_an_empty_text_moves_to_the_block_before():
    conversation, _ = talk()
    marker = {"type": "ephemeral"}
    conversation.user([text("a"), text("", cache_control=marker)], "messages.0")
    assert conversation.finish()[1][0]["content"] == [text("a", cache_control=marker)]


def test_items_of_one_answer_are_one_turn():
    conversation, _ = talk()
    conversation.user("q", "input[0]")
    conversation.assistant("a", "input[1]", joined=True)
    conversation.assistant([use("x")], "input[2]", joined=True)
    conversation.result("x", "1", "input[3]")
    assert [len(message["content"]) for message in conversation.finish()[1]] == [1, 2, 1]
