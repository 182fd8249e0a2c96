"""The tables of the documentation that follow from the code. `python -m tests.docs.generated` writes them."""

import ast
import inspect
from collections.abc import Iterable
from itertools import pairwise
from typing import cast, get_args

import msgspec

from admin_tui.filters import FIELDS as FILTERS
from admin_tui.keymap import COMMANDS, CONTEXTS, written
from gateway import errors
from gateway.cli.root import INTERRUPTED
from gateway.dialects.base import ERROR_TYPES
from gateway.dialects.envelope import code_of, status_of
from gateway.edge.pages.openapi import DOCUMENT
from gateway.errors import CallError, OperatorError
from gateway.observe.metrics import METRICS
from gateway.records import DialectName
from gateway.settings import FIELDS
from gateway.translate import base as translation
from gateway.upstream.providers.simulated.wire import Options
from tests.docs.pages import PAGES, with_tables


def tables() -> dict[str, str]:
    """Name of the generated part -> its text."""
    return {
        "settings": settings_table(),
        "metrics": metrics_table(),
        "errors": errors_table(),
        "exit-codes": exit_codes_table(),
        "routes": routes_table(),
        "simulated": simulated_table(),
        "translation-options": translation_options_table(),
        "console-keys": console_keys_table(),
        "console-filters": console_filters_table(),
    }


def settings_table() -> str:
    return _table(
        ("setting", "type", "default", "what it does"),
        ((f"`{field.name}`", field.type, _default(field.default), _sentence(field.description)) for field in FIELDS),
    )


def metrics_table() -> str:
    return _table(
        ("metric", "kind", "labels", "what it counts"),
        (
            (f"`{each.name}`", each.kind, ", ".join(f"`{label}`" for label in each.labels) or "-", each.help)
            for each in METRICS
        ),
    )


def errors_table() -> str:
    """One line per error, with its status and type in each family of dialects."""
    return _table(
        ("code", "Messages", "Chat", "Responses", "retry", "what it means"),
        (
            (
                f"`{error.code}`",
                _rendered("messages", error),
                _rendered("chat", error),
                _rendered("responses", error),
                "yes" if error.retryable else "no",
                ERRORS[error.code],
            )
            for error in error_classes()
        ),
    )


def exit_codes_table() -> str:
    return _table(
        ("exit code", "meaning"),
        (
            (str(code), EXIT_CODES[code])
            for code in sorted({0, 1, INTERRUPTED} | {each.exit_code for each in operator_errors()})
        ),
    )


def routes_table() -> str:
    paths = cast(dict[str, dict[str, dict[str, str]]], DOCUMENT["paths"])
    return _table(
        ("method", "path", "what it answers"),
        (
            (method.upper(), f"`{path}`", operation["summary"].replace(" with `stream` its events", " its events"))
            for path, methods in paths.items()
            for method, operation in methods.items()
        ),
    )


def simulated_table() -> str:
    options = msgspec.structs.fields(Options)
    return _table(
        ("option", "default", "what it does"),
        (
            (f"`{each.name}`", f"`{each.default}`" if each.default != "" else "-", SIMULATED[each.name])
            for each in options
        ),
    )


def translation_options_table() -> str:
    """The switches of an account, each with the docstring that stands below it in the code."""
    meanings = docstrings_of(translation.Options)
    return _table(
        ("option", "values", "default", "what it does"),
        (
            (
                f"`{each.name}`",
                _values(each.type),
                _default(each.default) if each.default != "" else "-",
                " ".join(meanings[each.name].split()),
            )
            for each in msgspec.structs.fields(translation.Options)
        ),
    )


def console_keys_table() -> str:
    """Every command of the console's one key map, by where it works."""
    return _table(
        ("where", "keys", "what it does", "id"),
        (
            (CONTEXTS[each.context], " ".join(f"`{key}`" for key in written(each.keys)), each.help, f"`{each.id}`")
            for context in CONTEXTS
            for each in COMMANDS
            if each.context == context
        ),
    )


def console_filters_table() -> str:
    return _table(("field", "such as", "which calls"), ((f"`{f.name}:`", f"`{f.example}`", f.help) for f in FILTERS))


def docstrings_of(struct: type) -> dict[str, str]:
    """Field -> the string that follows it in the source. A field without one is missing."""
    body = cast(ast.ClassDef, ast.parse(inspect.getsource(struct)).body[0]).body
    return {
        field.target.id: ast.literal_eval(text.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr)
    }


def error_classes() -> list[type[CallError]]:
    """Every error a caller can get, one per code, in the order of the module."""
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CallError)]
    by_code: dict[str, type[CallError]] = {}
    for each in found:
        if each is not CallError:
            by_code.setdefault(each.code, each)
    return list(by_code.values())


def operator_errors() -> list[type[OperatorError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, OperatorError)]


ERRORS = {
    "validation_error": "The body or a header is wrong; `details.field` names where, if one member is to blame.",
    "context_length_exceeded": "Prompt and answer do not fit into the model.",
    "unsupported_value": "The model or the account that is to answer has no equal of this; see "
    "[translation](translation.md).",
    "previous_response_not_found": "`previous_response_id` names no response of this customer's.",
    "wrong_endpoint": "This key's tier is served under other paths; the message names them.",
    "invalid_api_key": "No key, or one that is unknown, expired, disabled or revoked.",
    "insufficient_quota": "The balance or a spend limit does not cover the call; the message says what is left.",
    "permission_denied": "The tier or the key leaves this model out, the customer is disabled, or the address is not "
    "on the key's list.",
    "model_not_found": "No model of that name.",
    "not_found": "No such response, receipt or route, or it is somebody else's.",
    "method_not_allowed": "The path exists, under another method.",
    "request_timeout": "The request did not arrive in time, or the call took longer than `call_timeout_s`.",
    "request_too_large": "The body is larger than `max_body_bytes`, or than the provider takes.",
    "upgrade_required": "A WebSocket was asked for on `/v1/responses`. Clients go on with POST.",
    "rate_limit_exceeded": "A limit of the key or the address, or every account is limited by its provider; "
    "`retry-after` says for how long.",
    "internal_error": "The gateway failed; the log has the details under the request's id.",
    "upstream_error": "The last account asked answered with an error or with something that is no answer.",
    "unavailable": "No healthy account serves the model, the gateway is stopping, or it cannot record calls.",
    "timeout": "The last account asked did not answer in time.",
    "overloaded": "The provider is overloaded. Responses calls this `server_is_overloaded`.",
}
EXIT_CODES = {
    0: "Done.",
    1: "It failed.",
    2: "The command does not make sense as given.",
    3: "The configuration, the catalog or a file is wrong.",
    4: "Not permitted: file modes, or keyless service where others can reach it.",
    5: "There is no such customer, key, account, tier, model or call.",
    6: "The database is busy, held by another gateway, missing, or in need of migration.",
    INTERRUPTED: "Interrupted by Ctrl-C.",
}


SIMULATED = {
    "seed": "Another seed gives other answers to the same questions.",
    "ttft_ms": "Milliseconds before the first token.",
    "tokens_per_second": "Pace of the answer.",
    "jitter": "How much that pace varies, 0 to 1.",
    "error_rate": "Calls answered with a 500.",
    "rate_limit_rate": "Calls answered with a 429 and a time to come back.",
    "overload_rate": "Calls answered as overloaded: 529, or 503 on the OpenAI protocols.",
    "cut_rate": "Answers that break off: the connection resets, ends quietly, or an error event comes.",
    "hang_rate": "Calls that go silent before any content.",
    "refuse_models": "Models it does not serve, with commas.",
}


def _rendered(dialect: DialectName, error: type[CallError]) -> str:
    status = status_of(dialect, error(""))
    code = code_of(dialect, error(""))
    kind = ERROR_TYPES[dialect][error.status]
    return f"{status} `{kind}`" + ("" if code == error.code else f" (`{code}`)")


def _values(kind: object) -> str:
    """What may be given for a member of this type."""
    if named := get_args(kind):
        return ", ".join(f"`{value}`" for value in named)
    return {bool: "true or false", int: "whole number"}.get(cast(type, kind), "text")


def _default(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return " ".join(f"`{each}`" for each in value) or "none"
    return f"`{value}`"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    for page in PAGES:
        before = page.read_text("utf-8")
        after = with_tables(before, tables())
        if after != before:
            page.write_text(after, "utf-8")
            print(f"wrote {page}")
