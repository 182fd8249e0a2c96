"""Schemas within what each vendor enforces."""

from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.translate.schemas import enforceable, fits_openai_strict, object_schema, strict_cost


def an_object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


@pytest.mark.parametrize("parameters", [None, {}, "x"])
def test_no_parameters_are_an_empty_object(parameters: Any):
    assert object_schema(parameters) == {"type": "object", "properties": {}}


def test_a_schema_without_type_is_an_object():
    assert object_schema({"properties": {"a": {}}}) == {"properties": {"a": {}}, "type": "object"}


def test_a_union_at_the_top_becomes_one_object():
    schema = object_schema({"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {}}}]})
    assert schema["properties"] == {"a": {"type": "string"}, "b": {}}
    assert "anyOf" not in schema
    assert schema["description"].startswith("{anyOf: ")


def test_limits_move_into_the_description():
    schema, moved = enforceable(an_object(n={"type": "integer", "minimum": 0, "maximum": 9, "description": "N"}), "s")
    assert schema["properties"]["n"] == {"type": "integer", "description": "N\n\n{minimum: 0, maximum: 9}"}
    assert moved == ["minimum", "maximum"]


def test_objects_are_closed_at_every_depth():
    schema, _ = enforceable(
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}, "s"
    )
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"]["items"]["additionalProperties"] is False


def test_a_member_called_like_a_keyword_is_a_member():
    schema, moved = enforceable(an_object(minimum={"type": "string"}, format={"type": "string"}), "s")
    assert list(schema["properties"]) == ["minimum", "format"]
    assert moved == []


@pytest.mark.parametrize(
    ("schema", "moved"),
    [
        ({"type": "array", "minItems": 1}, []),
        ({"type": "array", "minItems": 2}, ["minItems"]),
        ({"type": "string", "format": "email"}, []),
        ({"type": "string", "format": "regex"}, ["format"]),
        ({"type": "string", "pattern": "^[a-z]+$"}, []),
        ({"type": "string", "pattern": "^(?=x)"}, ["pattern"]),
    ],
)
def test_only_what_cannot_be_enforced_moves(schema: dict[str, Any], moved: list[str]):
    assert enforceable(an_object(a=schema), "s")[1] == moved


@pytest.mark.parametrize("reference", ["#", "#/$defs/node", "https://example.com/s.json"])
def test_recursion_and_other_documents_are_refused(reference: str):
    node = an_object(next={"$ref": "#/$defs/node"})
    with pytest.raises(BadRequest) as refused:
        enforceable({**an_object(a={"$ref": reference}), "$defs": {"node": node}}, "tools.0.parameters")
    assert refused.value.field == "tools.0.parameters"


def test_references_that_fan_out_are_followed_once_each():
    """Forty levels of two references each would be a trillion visits."""
    levels = {f"d{n}": an_object(a={"$ref": f"#/$defs/d{n + 1}"}, b={"$ref": f"#/$defs/d{n + 1}"}) for n in range(40)}
    schema = {**an_object(a={"$ref": "#/$defs/d0"}), "$defs": {**levels, "d40": {"type": "string"}}}
    assert enforceable(schema, "s")[1] == []


def test_openai_strict_wants_every_object_closed_and_complete():
    assert fits_openai_strict(an_object(a=an_object()))
    assert not fits_openai_strict({**an_object(a={}), "required": []})
    assert not fits_openai_strict(an_object(a={"type": "object", "properties": {}}))
    assert not fits_openai_strict(an_object(a={"anyOf": [{"type": "object", "properties": {}}]}))


def test_strict_schemas_are_weighed_by_options_and_unions():
    assert strict_cost({**an_object(a={"anyOf": []}, b={"type": ["string", "null"]}), "required": ["a"]}) == (1, 2)
