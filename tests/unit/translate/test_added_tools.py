"""Tools that come in the input join those of the request, for dialects that have one place for them."""

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.translate import responses_chat, responses_messages
from gateway.translate.added_tools import declared_tools
from tests.unit.translate.kit import context, fields

SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}}
SCRIPTS = {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}


def added(*tools: object) -> dict[str, object]:
    return {"type": "additional_tools", "role": "developer", "tools": list(tools)}


def test_tools_of_the_input_follow_those_of_the_request():
    assert declared_tools({"tools": [SHELL], "input": [added(SCRIPTS)]}, ()) == [SHELL, SCRIPTS]


def test_what_history_and_input_both_declare_is_declared_once():
    assert declared_tools({"input": [added(SHELL, SCRIPTS)]}, [added(SHELL)]) == [SHELL, SCRIPTS]


def test_an_input_that_is_a_text_adds_nothing():
    assert declared_tools({"input": "additional_tools"}, ()) == []


def test_tools_that_are_no_array_are_refused():
    with pytest.raises(BadRequest):
        declared_tools({"input": [{"type": "additional_tools"}]}, ())


@pytest.mark.parametrize(("pair", "flavour"), [(responses_chat, "generic"), (responses_messages, "anthropic")])
def test_an_upstream_is_told_of_them_as_of_any_tool_and_sees_nothing_of_the_item(pair, flavour):
    body = fields(model="m", input=[added(SHELL, SCRIPTS), {"role": "user", "content": "Hi"}])
    request = msgspec.json.decode(pair.translate_request(body, context(flavour=flavour)).body)
    names = [tool.get("name") or tool["function"]["name"] for tool in request["tools"]]
    assert names == ["shell", "functions__exec"]
    assert [turn["role"] for turn in request["messages"]] == ["user"]
