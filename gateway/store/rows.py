"""Rows of calls and attempts as records."""

from typing import Any

from gateway.records import Attempt, Call, Usage
from gateway.store.statements import ATTEMPT_COLUMNS, CALL_COLUMNS, USAGE_COLUMNS

SELECT_CALL = f"SELECT {', '.join(CALL_COLUMNS)} FROM calls"
# Named, because the planner would walk the whole history in the order of ids instead: 127 ms at 400,000 calls.
SELECT_OPEN_CALL = f"{SELECT_CALL} INDEXED BY calls_open WHERE state = 'open'"
SELECT_ATTEMPT = f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM attempts"


def call_of(row: tuple[Any, ...]) -> Call:
    """A row of `SELECT_CALL`."""
    fields = dict(zip(CALL_COLUMNS, row, strict=True))
    usage = Usage(**{name: fields.pop(name) for name in USAGE_COLUMNS})
    del fields["charge_micro"]
    fields["stream"] = bool(fields["stream"])
    warnings = fields.pop("warnings")
    return Call(**fields, usage=usage, warnings=tuple(warnings.split("\n")) if warnings else ())


def attempt_of(row: tuple[Any, ...]) -> Attempt:
    """A row of `SELECT_ATTEMPT`."""
    fields = dict(zip(ATTEMPT_COLUMNS, row, strict=True))
    usage = Usage(**{name: fields.pop(name) for name in USAGE_COLUMNS})
    return Attempt(**fields, usage=usage)
