"""The tools of a Responses request as a Chat request has them, and the choice among them."""

from typing import Any

from gateway.errors import BadRequest, Unsupported
from gateway.translate.added_tools import declared_tools
from gateway.translate.base import Context
from gateway.translate.reading import a_flag, a_list, an_object, kind_of, member, optional_text, text_member
from gateway.translate.responses_chat_items import ItemNames
from gateway.translate.schemas import fits_openai_strict, object_schema
from gateway.translate.toolcalls import WRAPPER_SCHEMA, wrapper_description
from gateway.translate.warnings import Warnings

_SEARCHES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
_OPTIONAL = (*_SEARCHES, "tool_search")
"""Hosted tools that coding clients always offer beside their own. Where others are left, a model can do without."""


class ResponsesTools:
    """Reads `tools`. `tools` are Chat's, `search` its `web_search_options`, `custom` the names of wrapped tools."""

    def __init__(self, decoded: dict[str, Any], names: ItemNames, context: Context, warnings: Warnings) -> None:
        self.tools: list[dict[str, Any]] = []
        self.search: dict[str, Any] | None = None
        self.custom: set[str] = set()
        self._decoded = decoded
        self._names = names
        self._context = context
        self._warnings = warnings
        found = declared_tools(decoded, context.history)
        tools = [(an_object(tool, f"tools[{n}]"), f"tools[{n}]") for n, tool in enumerate(found)]
        own = any(tool.get("type") in ("function", "custom", "namespace") for tool, _ in tools)
        for position, (tool, path) in enumerate(tools):
            self._tool(tool, path, f"tools.{position}", others=own)

    def choice(self) -> Any:
        """`tool_choice`; None: leave it out."""
        choice = self._decoded.get("tool_choice")
        if choice is None or not self.tools:
            return None
        if isinstance(choice, str):
            if choice not in ("auto", "none", "required"):
                raise BadRequest(f"tool_choice: {choice!r} is not one of auto, none and required", field="tool_choice")
            return choice
        if kind_of(an_object(choice, "tool_choice"), "tool_choice") != "allowed_tools":
            return self._named(choice, "tool_choice")
        listed = a_list(member(choice, "tools", "tool_choice"), "tool_choice.tools")
        mode = choice.get("mode", "auto")
        tools = [
            self._named(an_object(tool, f"tool_choice.tools[{n}]"), f"tool_choice.tools[{n}]")
            for n, tool in enumerate(listed)
        ]
        if self._context.flavour == "openai":
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
        self._warnings.emulated("tool_choice.allowed_tools")
        kept = [_name_of(tool) for tool in tools]
        self.tools = [tool for tool in self.tools if _name_of(tool) in kept]
        return mode

    def parallel(self) -> bool | None:
        """`parallel_tool_calls`, which is refused where there are no tools."""
        found = self._decoded.get("parallel_tool_calls")
        return None if found is None or not self.tools else a_flag(found, "parallel_tool_calls")

    def _named(self, tool: dict[str, Any], path: str) -> dict[str, Any]:
        kind = kind_of(tool, path)
        if kind not in ("function", "custom"):
            raise Unsupported(
                f"{path}: type {kind!r} is not supported by {self._context.asked_model}", field=f"{path}.type"
            )
        name = self._names.upstream(text_member(tool, "name", path), optional_text(tool, "namespace", path))
        kind = "function" if self._names.wrap else kind
        return {"type": kind, kind: {"name": name}}

    def _tool(self, tool: dict[str, Any], path: str, warned: str, *, others: bool) -> None:
        kind = kind_of(tool, path)
        if kind == "function":
            self._function(tool, path, None)
        elif kind == "custom":
            self._freeform(tool, path, warned, None)
        elif kind == "namespace":
            self._namespace(tool, path, warned)
        elif kind in _SEARCHES and self._context.options.chat_web_search:
            self._web_search(tool, warned)
        elif kind in _OPTIONAL and (others or self._warnings.lenient):
            self._warnings.dropped(f"{warned}({kind})", field=f"{path}.type")
        else:
            raise Unsupported(
                f"{path}: type {kind!r} is not supported by {self._context.asked_model}", field=f"{path}.type"
            )

    def _namespace(self, tool: dict[str, Any], path: str, warned: str) -> None:
        """Tools with a family name, which Chat tools have not."""
        namespace = text_member(tool, "name", path)
        for number, inner in enumerate(a_list(member(tool, "tools", path), f"{path}.tools")):
            where = f"{path}.tools[{number}]"
            kind = kind_of(an_object(inner, where), where)
            if kind == "function":
                self._function(inner, where, namespace)
            elif kind == "custom":
                self._freeform(inner, where, f"{warned}.tools.{number}", namespace)
            else:
                raise Unsupported(
                    f"{where}: type {kind!r} is not supported by {self._context.asked_model}", field=f"{where}.type"
                )

    def _function(self, tool: dict[str, Any], path: str, namespace: str | None) -> None:
        """A function. Where `strict` is not said, OpenAI takes the schema for strict if it can."""
        parameters = tool.get("parameters")
        schema = object_schema(None) if parameters is None else an_object(parameters, f"{path}.parameters")
        strict = tool.get("strict")
        function: dict[str, Any] = {"name": self._names.upstream(text_member(tool, "name", path), namespace)}
        description = optional_text(tool, "description", path)
        if description:
            function["description"] = description
        function["parameters"] = schema
        function["strict"] = fits_openai_strict(schema) if strict is None else a_flag(strict, f"{path}.strict")
        self.tools.append({"type": "function", "function": function})

    def _freeform(self, tool: dict[str, Any], path: str, warned: str, namespace: str | None) -> None:
        name = text_member(tool, "name", path)
        description = optional_text(tool, "description", path)
        form = tool.get("format")
        grammar = form if isinstance(form, dict) and form.get("type") == "grammar" else None
        made: dict[str, Any] = {"name": self._names.upstream(name, namespace)}
        if not self._names.wrap:
            custom = {**made, **({"description": description} if description else {})}
            if grammar is not None:
                told = {member: value for member, value in grammar.items() if member != "type"}
                custom["format"] = {"type": "grammar", "grammar": told}
            elif form is not None:
                custom["format"] = form
            self.tools.append({"type": "custom", "custom": custom})
            return
        self.custom.add(name if namespace is None else f"{namespace}__{name}")
        self._warnings.emulated(f"{warned}(custom)")
        if grammar is not None:
            self._warnings.dropped(f"{warned}.format", field=f"{path}.format")
        description = wrapper_description(description, grammar)
        told = {**made, **({"description": description} if description else {}), "parameters": WRAPPER_SCHEMA}
        self.tools.append({"type": "function", "function": told})

    def _web_search(self, tool: dict[str, Any], warned: str) -> None:
        """OpenAI's search: in Responses a tool, in Chat a member of the request."""
        self.search = {}
        if tool.get("search_context_size") is not None:
            self.search["search_context_size"] = tool["search_context_size"]
        location = tool.get("user_location")
        if isinstance(location, dict):
            near = {name: value for name, value in location.items() if name != "type" and value is not None}
            self.search["user_location"] = {"type": "approximate", "approximate": near}
        if tool.get("filters"):
            self._warnings.dropped(f"{warned}.filters")


def _name_of(tool: dict[str, Any]) -> str:
    return str(tool[tool["type"]]["name"])
