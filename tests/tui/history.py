"""A long past for the console to look at, written by SQL: a million calls take a quarter of a minute.

Calls of 40 customers with three keys each, eight models and five accounts, evenly over 90 days; one in 50 failed over,
one in 40 failed. Roll-ups, attempts and ledger are as the gateway's writer would have left them.
"""

from pathlib import Path

import apsw

from gateway.store.migrate import migrate
from gateway.store.rollups import COUNT_COLUMNS, DAY_MS, GROUP_COLUMNS, HOUR_MS, TOKEN_COLUMNS

CUSTOMERS, KEYS_EACH, ACCOUNTS = 40, 3, 5
DAYS = 90
MODELS = (
    "claude-haiku-4-5",
    "claude-opus-5-5",
    "claude-sonnet-4-6",
    "gpt-5.5",
    "gpt-5.5-mini",
    "llama-4",
    "mistral-large",
    "o5",
)
_BATCH = 100_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def write_history(path: Path, calls: int, *, until_at: int, open_calls: int = 40) -> None:
    """Makes the database at `path` with `calls` settled calls, the last of them just before `until_at`."""
    migrate(path)
    connection = apsw.Connection(str(path))
    try:
        # A crash in the middle of this costs nothing but this file.
        connection.execute(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = off; PRAGMA cache_size = -200000"
        ).fetchall()
        with connection:
            _write_operators(connection, until_at)
        for begin in range(1, calls + 1, _BATCH):
            with connection:
                _write_calls(connection, begin, min(begin + _BATCH, calls + 1), calls, until_at)
        with connection:
            _write_rollups(connection)
        with connection:
            _write_open_calls(connection, open_calls, until_at)
            _write_gauges(connection, open_calls, until_at)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def _write_operators(connection: apsw.Connection, at: int) -> None:
    for customer in range(1, CUSTOMERS + 1):
        connection.execute(
            "INSERT INTO customers (id, name, created_at) VALUES (?, ?, ?)", (customer, f"customer-{customer:02}", at)
        )
        connection.execute(
            "INSERT INTO ledger (customer_id, kind, amount_micro, at) VALUES (?, 'topup', ?, ?)",
            (customer, 2_000_000_000, at - DAYS * DAY_MS),
        )
        for number in range(KEYS_EACH):
            key = (customer - 1) * KEYS_EACH + number + 1
            connection.execute(
                "INSERT INTO keys (id, public_id, secret_hash, customer_id, tier, name, created_at) "
                "VALUES (?, ?, x'00', ?, 'all', ?, ?)",
                (key, f"key_{key:04}", customer, f"key-{key:03}", at),
            )
            connection.execute("INSERT INTO key_state VALUES (?, ?, '10.0.0.7')", (key, at))
    for account in range(1, ACCOUNTS + 1):
        connection.execute(
            "INSERT INTO accounts (id, name, kind, base_url, max_concurrency, created_at) "
            "VALUES (?, ?, 'simulated', '', 64, ?)",
            (account, f"account-{account}", at),
        )
    connection.executemany(
        "INSERT INTO audit (at, actor, action, subject, details) VALUES (?, 'ops', 'key.create', ?, '{}')",
        ((at - n * 60_000, f"key-{n:05}") for n in range(20_000, 0, -1)),
    )


def _scatter(salt: int, size: int) -> str:
    """An SQL expression of `n`, evenly from 0 to below `size`, the same each time."""
    return f"((((n * {2_654_435_761 + salt * 40_503}) & 4294967295) >> 7) % {size})"


def _id(at: str) -> str:
    """The SQL of a call's id: 50 bits of milliseconds, then the number."""
    digits = " || ".join(f"substr('{_ALPHABET}', (({at} >> {shift}) & 31) + 1, 1)" for shift in range(45, -1, -5))
    return f"'req_' || {digits} || printf('%016d', n)"


def _write_calls(connection: apsw.Connection, begin: int, end: int, calls: int, until_at: int) -> None:
    models = " ".join(f"WHEN {number} THEN '{model}'" for number, model in enumerate(MODELS))
    span_ms = DAYS * DAY_MS
    connection.execute(
        f"""
        CREATE TEMP TABLE made AS
        WITH RECURSIVE numbers(n) AS (SELECT {begin} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {end}),
        drawn AS (
            SELECT n, {until_at} - {span_ms} + ({span_ms} - 1000) * n / {calls} AS at,
            {_scatter(1, CUSTOMERS)} + 1 AS customer, {_scatter(2, KEYS_EACH)} AS key,
            {_scatter(3, len(MODELS))} AS model, {_scatter(4, ACCOUNTS)} + 1 AS account,
            {_scatter(5, 40)} = 0 AS failed, {_scatter(6, 50)} = 0 AS moved,
            {_scatter(7, 4000)} + 50 AS input, {_scatter(8, 1500)} + 10 AS output, {_scatter(9, 9000)} AS cached,
            {_scatter(10, 3000)} + 150 AS ttft
            FROM numbers
        )
        SELECT n, at, {_id("at")} AS id, customer, (customer - 1) * {KEYS_EACH} + key + 1 AS key,
        CASE model {models} END AS model, account, account % {ACCOUNTS} + 1 AS other, failed, moved,
        CASE failed WHEN 1 THEN 0 ELSE input END AS input, CASE failed WHEN 1 THEN 0 ELSE output END AS output,
        CASE failed WHEN 1 THEN 0 ELSE cached END AS cached, ttft,
        CASE failed WHEN 1 THEN 0 ELSE input * 3 + output * 15 END AS cost
        FROM drawn
        """
    )
    _copy(connection, "calls", _CALL)
    _copy(connection, "attempts", {**_ATTEMPT, "number": "1", "account_id": "other", "outcome": "'failed'",
          "status": "529", "error_code": "'overloaded_error'", "cost_micro": "0"}, "WHERE moved")  # fmt: skip
    _copy(connection, "attempts", _ATTEMPT)
    first_ledger_id = CUSTOMERS
    connection.execute(
        "INSERT INTO ledger (id, customer_id, kind, amount_micro, at, call_id, previous_id) "
        f"SELECT n + {first_ledger_id}, customer, 'charge', -cost, at, id, "
        f"coalesce(lag(n + {first_ledger_id}) OVER (PARTITION BY customer ORDER BY n), last_entry_id) "
        "FROM made JOIN balances ON customer_id = customer ORDER BY n"
    )
    connection.execute("DROP TABLE made")


_USAGE = {
    "input_tokens": "input",
    "cache_read_tokens": "cached",
    "cache_write_5m_tokens": "0",
    "cache_write_1h_tokens": "0",
    "cache_write_30m_tokens": "0",
    "cache_write_12h_tokens": "0",
    "output_tokens": "output",
    "reasoning_tokens": "0",
    "web_search_requests": "0",
    "service_tier": "''",
    "speed": "''",
    "inference_geo": "''",
    "usage_basis": "CASE failed WHEN 1 THEN 'none' ELSE 'reported' END",
}
_CALL = {
    "id": "id",
    "customer_id": "customer",
    "key_id": "key",
    "tier": "'all'",
    "dialect": "'messages'",
    "model_asked": "model",
    "model": "model",
    "stream": "1",
    "started_at": "at",
    "client_ip": "'10.0.0.7'",
    "state": "'settled'",
    "outcome": "CASE failed WHEN 1 THEN 'failed' ELSE 'completed' END",
    "status": "CASE failed WHEN 1 THEN 502 ELSE 200 END",
    "error_code": "CASE failed WHEN 1 THEN 'upstream_failed' ELSE '' END",
    "account_id": "account",
    "duration_ms": "ttft * 4",
    "ttft_ms": "CASE failed WHEN 1 THEN NULL ELSE ttft END",
    **_USAGE,
    "cost_micro": "cost",
    "charge_micro": "cost",
    "upstream_cost_micro": "cost * 9 / 10",
    "held_micro": "cost",
    "overshoot_micro": "0",
    "price_version": "'made'",
    "multiplier_bp": "10000",
    "warnings": "''",
    "upstream_response_id": "''",
    "gateway_id": "'made'",
    "boot_id": "'made'",
}
_ATTEMPT = {
    "call_id": "id",
    "number": "1 + moved",
    "account_id": "account",
    "started_at": "at",
    "reason": "CASE moved WHEN 1 THEN 'failover' ELSE 'first' END",
    "first_frame_ms": "ttft",
    "duration_ms": "ttft * 4",
    "outcome": "CASE failed WHEN 1 THEN 'failed' ELSE 'won' END",
    "status": "CASE failed WHEN 1 THEN 502 ELSE 200 END",
    "error_code": "''",
    "upstream_request_id": "''",
    **_USAGE,
    "cost_micro": "cost * 9 / 10",
}


def _copy(connection: apsw.Connection, table: str, values: dict[str, str], where: str = "") -> None:
    connection.execute(
        f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM made {where} ORDER BY n"
    )


def _write_rollups(connection: apsw.Connection) -> None:
    counted = {
        "calls": "count(*)",
        "failed_calls": "sum(outcome = 'failed')",
        "interrupted_calls": "0",
        "estimated_calls": "0",
        "attempts": "count(*)",
        "failed_attempts": "sum(outcome = 'failed')",
        **{column: f"sum({column})" for column in TOKEN_COLUMNS},
        "charged_micro": "sum(charge_micro)",
        "upstream_micro": "sum(upstream_cost_micro)",
        "overhead_micro": "sum(upstream_cost_micro) / 50",
    }
    columns = ", ".join(GROUP_COLUMNS + COUNT_COLUMNS)
    sums = ", ".join(counted[column] for column in COUNT_COLUMNS)
    connection.execute(
        f"INSERT INTO rollups ({columns}) SELECT 'hour', started_at - started_at % {HOUR_MS} AS hour_at, "
        f"customer_id, key_id, model, account_id, {sums} FROM calls GROUP BY 2, 3, 4, 5, 6"
    )
    again = ", ".join(f"sum({column})" for column in COUNT_COLUMNS)
    connection.execute(
        f"INSERT INTO rollups ({columns}) SELECT 'day', starts_at - starts_at % {DAY_MS}, "
        f"customer_id, key_id, model, account_id, {again} FROM rollups WHERE period = 'hour' GROUP BY 2, 3, 4, 5, 6"
    )


def _write_open_calls(connection: apsw.Connection, count: int, until_at: int) -> None:
    connection.execute(
        f"""
        CREATE TEMP TABLE made AS
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        SELECT n, {until_at} - n * 100 AS at, {_id(f"({until_at} - n * 100)")} AS id, n % {CUSTOMERS} + 1 AS customer,
        (n % {CUSTOMERS}) * {KEYS_EACH} + 1 AS key, '{MODELS[0]}' AS model, n % {ACCOUNTS} + 1 AS account, 2 AS other,
        0 AS failed, 0 AS moved, 900 AS input, n * 10 AS output, 0 AS cached, 700 AS ttft, n * 1000 AS cost
        FROM numbers WHERE n <= {count}
        """
    )
    _copy(connection, "calls", {**_CALL, "state": "'open'", "charge_micro": "NULL", "status": "0"})
    _copy(connection, "attempts", {**_ATTEMPT, "outcome": "'open'"})
    connection.execute("DROP TABLE made")


def _write_gauges(connection: apsw.Connection, open_calls: int, at: int) -> None:
    for account in range(1, ACCOUNTS + 1):
        for name, value in (("in_flight", 8), ("ttft_p50_ms", 800), ("ttft_p95_ms", 2400)):
            connection.execute("INSERT INTO gauges VALUES ('made', ?, ?, ?)", (name, account, value))
    connection.execute(
        "INSERT INTO heartbeat VALUES ('made', 'made', 1, 'host', '0', '127.0.0.1:8000', 'ready', ?, ?, ?)",
        (open_calls, at - DAY_MS, at),
    )
