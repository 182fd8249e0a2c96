"""The smallest value that a JSON schema takes: what a model would fill a tool's arguments or a form with."""

import re
from collections.abc import Callable
from typing import Any

_DEEPEST = 24
# A schema that refers to itself twice doubles with every level.
_MOST_VALUES = 2_000
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1M",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_PLACE_NAMES = {"location", "city", "place", "town", "country", "address"}
_QUESTION_NAMES = {"query", "question", "q", "text", "prompt", "input", "message", "topic", "search", "content"}
_PLACE = re.compile(r"\b(?:in|for|at|near|of|from)\s+([A-Z][\w.'-]*(?:\s+[A-Z][\w.'-]*)*)")


def instance(schema: Any, question: str = "") -> Any:
    """A minimal instance of `schema`: required members only, first choices, least numbers.

    Texts are taken from `question` where a member's name says that they belong there. Recursion ends in null or an
    empty list. Patterns and conditions (`if`, `not`) are not solved.
    """
    return _Filler(schema, question).fill(schema, "", _DEEPEST)


class _Filler:
    def __init__(self, root: Any, question: str) -> None:
        self._root = root
        self._question = question
        self._left = _MOST_VALUES
        self._by_type: dict[str, Callable[[dict[str, Any], str, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "integer": self._integer,
            "number": self._integer,
        }

    def fill(self, schema: Any, name: str, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, dict) or depth == 0 or self._left < 0:
            return None
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return schema["enum"][0]
        if isinstance(schema.get("$ref"), str):
            return self.fill(self._resolve(schema["$ref"]), name, depth - 1)
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                return self.fill(self._simplest(schema[word]), name, depth - 1)
        if isinstance(schema.get("allOf"), list):
            return self.fill(self._merge(schema), name, depth - 1)
        kind = _type(schema)
        if kind in ("boolean", "null"):
            return True if kind == "boolean" else None
        if kind in self._by_type:
            return self._by_type[kind](schema, name, depth)
        return self._string(schema, name, depth)

    def _resolve(self, reference: str) -> Any:
        found = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found

    def _simplest(self, choices: list[Any]) -> Any:
        """The first choice, unless it refers to another schema and a later one does not: that ends recursion."""
        return next((each for each in choices if isinstance(each, dict) and "$ref" not in each), choices[0])

    def _merge(self, schema: dict[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            if isinstance(part, dict) and isinstance(part.get("$ref"), str):
                part = self._resolve(part["$ref"])
            for key, value in part.items() if isinstance(part, dict) else ():
                before = merged.get(key)
                if isinstance(before, dict) and isinstance(value, dict):
                    merged[key] = {**before, **value}
                elif isinstance(before, list) and isinstance(value, list):
                    merged[key] = [*before, *value]
                else:
                    merged[key] = value
        return merged

    def _object(self, schema: dict[str, Any], _name: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        required = schema.get("required")
        names = [each for each in required if isinstance(each, str)] if isinstance(required, list) else []
        return {name: self.fill(properties.get(name, {}), name, depth - 1) for name in names}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        least = schema.get("minItems")
        count = min(least, 100) if isinstance(least, int) else 0
        return [self.fill(schema.get("items", {}), name, depth - 1) for _ in range(count)]

    def _string(self, schema: dict[str, Any], name: str, _depth: int) -> str:
        text = _FORMATS.get(str(schema.get("format"))) or self._text(name.lower())
        least, most = schema.get("minLength"), schema.get("maxLength")
        if isinstance(least, int):
            text = text.ljust(min(least, 10_000), ".")
        return text[:most] if isinstance(most, int) else text

    def _text(self, name: str) -> str:
        words = set(re.split(r"[^a-z]+", name))
        if words & _PLACE_NAMES and (place := _PLACE.search(self._question)):
            return place.group(1).rstrip(".'-")
        if words & _QUESTION_NAMES and self._question:
            return " ".join(self._question.split())[:120]
        return "simulated"

    def _integer(self, schema: dict[str, Any], _name: str, _depth: int) -> int | float:
        step = schema.get("multipleOf")
        value: int | float = 0
        if isinstance(least := schema.get("minimum"), int | float):
            value = max(value, least)
        if isinstance(above := schema.get("exclusiveMinimum"), int | float) and value <= above:
            value = above + 1
        if isinstance(most := schema.get("maximum"), int | float):
            value = min(value, most)
        if isinstance(below := schema.get("exclusiveMaximum"), int | float) and value >= below:
            value = below - 1
        if isinstance(step, int | float) and step > 0 and value % step:
            value = (value // step + 1) * step
        return value


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"
