"""The tools of a Responses request as Claude's, and which of them is to be called."""

from typing import Any

from gateway.errors import BadRequest, Unsupported
from gateway.translate.base import Context
from gateway.translate.claude_request import ClaudeTools
from gateway.translate.reading import a_list, an_object, kind_of, optional_text, text_member
from gateway.translate.responses_messages_input import flat_name
from gateway.translate.schemas import enforceable, object_schema
from gateway.translate.warnings import Warnings

SEARCHES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
_OWN = ("function", "custom", "namespace")
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


class ResponsesTools:
    """Reads the tools. `namespaces` tells of each flattened name what it was made of: (namespace, name)."""

    def __init__(self, context: Context, warnings: Warnings) -> None:
        self.claude = ClaudeTools(warnings)
        self.namespaces: dict[str, tuple[str, str]] = {}
        self.searches = False
        self._context = context
        self._warnings = warnings
        self._can_do_without = False
        """Whether hosted tools that coding clients offer beside their own may be left out: others are there."""

    def read(self, tools: Any) -> None:
        """Every tool in its order. Raises BadRequest for those that run at OpenAI."""
        found = [an_object(tool, f"tools.{position}") for position, tool in enumerate(a_list(tools, "tools"))]
        self._can_do_without = self._warnings.lenient or any(tool.get("type") in _OWN for tool in found)
        for position, tool in enumerate(found):
            self._tool(tool, f"tools.{position}")

    def choice(self, choice: Any) -> dict[str, Any] | None:
        """`tool_choice` in Claude's form. Where only some tools are allowed, the others are left out."""
        if choice is None or isinstance(choice, str):
            if choice is not None and choice not in _CHOICES:
                raise BadRequest(f"tool_choice: {choice!r} is not one of auto, none and required", field="tool_choice")
            return {"type": _CHOICES[choice]} if choice else None
        kind = kind_of(an_object(choice, "tool_choice"), "tool_choice")
        if kind in ("function", "custom"):
            return {"type": "tool", "name": self.claude.names.upstream(flat_name(choice, "tool_choice"))}
        if kind in SEARCHES and self.searches:
            return {"type": "tool", "name": "web_search"}
        if kind != "allowed_tools":
            raise Unsupported(f"tool_choice: type {kind!r} is not supported by this model", field="tool_choice.type")
        self._allow_only(a_list(choice.get("tools"), "tool_choice.tools"))
        return {"type": "any"} if choice.get("mode") == "required" else {"type": "auto"}

    def _allow_only(self, allowed: list[Any]) -> None:
        self._warnings.emulated("tool_choice.tools")
        names: list[str] = []
        for position, element in enumerate(allowed):
            path = f"tool_choice.tools.{position}"
            tool = an_object(element, path)
            kind = kind_of(tool, path)
            if kind == "namespace":
                space = text_member(tool, "name", path)
                names += [flat for flat, (namespace, _) in self.namespaces.items() if namespace == space]
            else:
                names.append("web_search" if kind in SEARCHES else flat_name(tool, path))
        self.claude.allow_only(names)

    def _tool(self, tool: dict[str, Any], path: str, namespace: str = "") -> None:
        kind = kind_of(tool, path)
        if kind == "function":
            self._function(tool, path, namespace)
        elif kind == "custom":
            self._custom(tool, path, namespace)
        elif kind == "namespace" and not namespace:
            self._namespace(tool, path)
        elif kind in SEARCHES and self._context.options.web_search and not namespace:
            self._search(tool, path)
        elif kind in (*SEARCHES, "tool_search") and self._can_do_without:
            # A tool search finds tools that are deferred, and here all are there from the beginning.
            self._warnings.dropped(f"{path}({kind})", field=path)
        else:
            raise Unsupported(f"{path}: type {kind!r} is not supported by {self._asked}", field=f"{path}.type")

    @property
    def _asked(self) -> str:
        return self._context.asked_model

    def _named(self, tool: dict[str, Any], path: str, namespace: str) -> str:
        if any(caller != "direct" for caller in tool.get("allowed_callers") or ()):
            raise Unsupported(f"{path}: only direct callers are supported", field=f"{path}.allowed_callers")
        name = text_member(tool, "name", path)
        if not namespace:
            return name
        flat = f"{namespace}__{name}"
        self.namespaces[flat] = (namespace, name)
        return flat

    def _function(self, tool: dict[str, Any], path: str, namespace: str) -> None:
        """A function is strict unless it says otherwise; where it says nothing, only as far as that can be."""
        strict = tool.get("strict")
        if strict is None:
            strict = _is_enforceable(tool.get("parameters"))
        self.claude.function(
            self._named(tool, path, namespace),
            optional_text(tool, "description", path),
            tool.get("parameters"),
            strict=strict is True,
            path=path,
        )

    def _custom(self, tool: dict[str, Any], path: str, namespace: str) -> None:
        form = tool.get("format")
        is_grammar = isinstance(form, dict) and form.get("type") == "grammar"
        self.claude.freeform(
            self._named(tool, path, namespace),
            optional_text(tool, "description", path),
            form if is_grammar else None,
            path=path,
            grammar_path=f"{path}.format",
        )

    def _namespace(self, tool: dict[str, Any], path: str) -> None:
        """Claude knows no namespaces: its tools bear their namespace's name in front of their own."""
        namespace = text_member(tool, "name", path)
        for position, inner in enumerate(a_list(tool.get("tools"), f"{path}.tools")):
            where = f"{path}.tools.{position}"
            self._tool(an_object(inner, where), where, namespace)

    def _search(self, tool: dict[str, Any], path: str) -> None:
        """Claude's own search."""
        members: dict[str, Any] = {}
        filters = tool.get("filters")
        domains = filters.get("allowed_domains") if isinstance(filters, dict) else None
        if domains:
            members["allowed_domains"] = a_list(domains, f"{path}.filters.allowed_domains")
        location = tool.get("user_location")
        if isinstance(location, dict):
            known = {name: value for name, value in location.items() if value is not None}
            if set(known) - {"type"}:
                members["user_location"] = {"type": "approximate", **known}
        if tool.get("search_context_size") not in (None, "medium"):
            self._warnings.dropped(f"{path}.search_context_size")
        if tool.get("external_web_access") is not None:
            self._warnings.dropped(f"{path}.external_web_access")
        self.searches = True
        self.claude.web_search(self._context.options.web_search, **members)


def _is_enforceable(parameters: Any) -> bool:
    try:
        enforceable(object_schema(parameters), "parameters")
    except BadRequest:
        return False
    return True
