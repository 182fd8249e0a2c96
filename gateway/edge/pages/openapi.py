"""GET /openapi.json: the routes in OpenAPI 3.1.

Request bodies are the vendors' own and pass through or are translated whole, so only what the gateway itself reads of
them is described.
"""

from typing import Any

import gateway
from gateway.edge.pages.page import Asked, Page, json_page

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_SWITCH = {"type": "boolean"}


async def show_openapi(_: Asked) -> Page:
    """The description."""
    return json_page(DOCUMENT)


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object that may have more members than these."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": True}


def _schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: str | None = None, *, streams: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _schema(schema) if schema else {"type": "object"}}}
    if streams:
        content["text/event-stream"] = {"schema": _TEXT}
    return {
        "200": {"description": description, "content": content},
        "default": {"description": "An error", "content": {"application/json": {"schema": _schema("Error")}}},
    }


def _call(summary: str, body: str, *, streams: bool = True) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": _schema(body)}}},
            "responses": _answer("The answer, or with `stream` its events", streams=streams),
        }
    }


def _read(summary: str, schema: str | None = None, *parameters: dict[str, Any], method: str = "get") -> dict[str, Any]:
    return {method: {"summary": summary, "parameters": list(parameters), "responses": _answer(summary, schema)}}


def _open(summary: str, kind: str = "application/json") -> dict[str, Any]:
    """A page that needs no key."""
    answers = {"200": {"description": summary, "content": {kind: {}}}}
    return {"get": {"summary": summary, "security": [], "responses": answers}}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _in_query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_PAGING = (
    _in_query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many; all if absent"),
    _in_query("after_id", _TEXT, "Only what comes after this model"),
    _in_query("before_id", _TEXT, "Only what comes before this model"),
)
_DAYS = _in_query("days", {"type": "integer", "minimum": 1, "maximum": 400, "default": 30}, "UTC days, with today's")
_RESPONSE_ID = _in_path("response_id")

_PATHS: dict[str, Any] = {
    "/v1/messages": _call("Anthropic Messages", "Messages"),
    "/v1/messages/count_tokens": _call("Count a prompt's tokens; free", "CountTokens", streams=False),
    "/v1/chat/completions": _call("OpenAI Chat Completions; a Messages body is understood, too", "Chat"),
    "/openai/v1/chat/completions": _call("OpenAI Chat Completions", "Chat"),
    "/v1/responses": _call("OpenAI Responses", "Responses"),
    "/v1/responses/input_tokens": _call("Count a prompt's tokens; free", "Responses", streams=False),
    "/v1/responses/compact": _call("Shorten a conversation", "Responses", streams=False),
    "/v1/responses/{response_id}": _read("A stored response", None, _RESPONSE_ID)
    | _read("Delete a stored response", None, _RESPONSE_ID, method="delete"),
    "/v1/responses/{response_id}/input_items": _read("What a stored response was made from", None, _RESPONSE_ID),
    "/v1/responses/{response_id}/cancel": _read("Cancel a stored response", None, _RESPONSE_ID, method="post"),
    "/v1/models": _read("The models this key can call now", "Models", *_PAGING),
    "/v1/models/info": _read("The same with limits, capabilities and prices", "Models", *_PAGING),
    "/v1/models/{model_id}": _read("One model, under any spelling", "Model", _in_path("model_id")),
    "/v1/usage": _read("Calls, tokens and cost by day and model", "UsageSummary", _DAYS),
    "/v1/usage/{request_id}": _read("The receipt of one call", "Usage", _in_path("request_id")),
    "/v1/balance": _read("What is left, held and spent, and the limits", "Balance"),
    "/": _open("Name, version and links"),
    "/health": _open("Whether the process answers"),
    "/healthz": _open("Whether the process answers"),
    "/readyz": _open("Whether new calls are taken: 200 or 503 with the reasons"),
    "/metrics": _open("Metrics for Prometheus", "text/plain"),
    "/openapi.json": _open("This document"),
    "/docs": _open("The documentation for people", "text/html"),
}

_TOKENS: dict[str, Any] = {
    "input_tokens": _NUMBER,
    "output_tokens": _NUMBER,
    "reasoning_tokens": _NUMBER,
    "cache_read_input_tokens": _NUMBER,
    "cache_creation": _object(
        {f"ephemeral_{life}_input_tokens": _NUMBER for life in ("5m", "1h", "30m", "12h")},
    ),
    "web_search_requests": _NUMBER,
    "cost_micro": {"type": "integer", "description": "Millionths of a US dollar"},
}
_MODEL = {
    "id": _TEXT,
    "object": {"const": "model"},
    "type": {"const": "model"},
    "display_name": _TEXT,
    "created": _NUMBER,
    "created_at": {"type": "string", "format": "date-time"},
    "owned_by": _TEXT,
    "lifecycle": {"enum": ["active", "deprecated", "retired"]},
    "max_input_tokens": {"type": ["integer", "null"]},
    "max_tokens": {"type": ["integer", "null"]},
}
_SCHEMAS: dict[str, Any] = {
    "Messages": _object(
        {"model": _TEXT, "max_tokens": _NUMBER, "messages": {"type": "array"}, "stream": _SWITCH},
        ("model", "max_tokens", "messages"),
    ),
    "CountTokens": _object({"model": _TEXT, "messages": {"type": "array"}}, ("model", "messages")),
    "Chat": _object(
        {"model": _TEXT, "messages": {"type": "array"}, "max_completion_tokens": _NUMBER, "stream": _SWITCH},
        ("model", "messages"),
    ),
    "Responses": _object(
        {"model": _TEXT, "input": {"type": ["string", "array"]}, "max_output_tokens": _NUMBER, "stream": _SWITCH},
        ("model",),
    ),
    "Model": _object(_MODEL, tuple(_MODEL)),
    "Models": _object(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": _schema("Model")},
            "has_more": _SWITCH,
            "first_id": {"type": ["string", "null"]},
            "last_id": {"type": ["string", "null"]},
        },
        ("object", "data", "has_more"),
    ),
    "Usage": _object(
        {
            "request_id": _TEXT,
            "model": _TEXT,
            **_TOKENS,
            "price_version": _TEXT,
            "multiplier_bp": _NUMBER,
            "usage_basis": {"enum": ["reported", "estimated", "none"]},
            "outcome": {"enum": ["completed", "partial", "failed", "cancelled", "lost", None]},
            "attempts": _NUMBER,
            "started_at": {"type": "string", "format": "date-time"},
        },
        ("request_id", "model", *_TOKENS),
    ),
    "UsageSummary": _object(
        {
            "from": {"type": "string", "format": "date"},
            "to": {"type": "string", "format": "date"},
            "total": _object(_TOKENS),
            "data": {"type": "array", "items": _object({"date": _TEXT, "model": _TEXT, **_TOKENS})},
        },
        ("from", "to", "total", "data"),
    ),
    "Balance": _object(
        {
            "unlimited": _SWITCH,
            "balance_micro": {"type": ["integer", "null"]},
            "held_micro": _NUMBER,
            "available_micro": {"type": ["integer", "null"]},
            "spent_today_micro": _NUMBER,
            "spent_this_month_micro": _NUMBER,
        },
        ("unlimited", "held_micro"),
    ),
    "Error": _object(
        {
            "type": {"const": "error"},
            "error": _object(
                {
                    "type": _TEXT,
                    "message": _TEXT,
                    "code": _TEXT,
                    "param": {"type": ["string", "null"]},
                    "details": {"type": "object"},
                },
                ("type", "message", "code"),
            ),
            "request_id": _TEXT,
        },
        ("type", "error", "request_id"),
    ),
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Trigate",
        "version": gateway.__version__,
        "description": "Anthropic Messages, OpenAI Chat Completions and Responses, with keys and prepaid balances.",
    },
    "security": [{"key": []}, {"bearer": []}],
    "paths": _PATHS,
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        },
        "schemas": _SCHEMAS,
    },
}
