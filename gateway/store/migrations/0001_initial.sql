-- STRICT tables: an integer sum that leaves INT64 becomes REAL and is refused instead of stored rounded.

CREATE TABLE revision (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 1);

-- The operator's tables. The gateway only reads them.

CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    unlimited INTEGER NOT NULL DEFAULT 0,
    enabled INTEGER NOT NULL DEFAULT 1,
    day_limit_micro INTEGER CHECK (day_limit_micro >= 0),
    month_limit_micro INTEGER CHECK (month_limit_micro >= 0),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tiers (
    name TEXT PRIMARY KEY,
    prefix TEXT NOT NULL,
    dialects TEXT NOT NULL,
    models TEXT NOT NULL DEFAULT '["*"]',
    multiplier_bp INTEGER NOT NULL DEFAULT 10000 CHECK (multiplier_bp >= 0),
    spelling TEXT NOT NULL DEFAULT 'dash',
    rpm INTEGER,
    tpm INTEGER,
    concurrency INTEGER,
    policy TEXT NOT NULL DEFAULT 'failover',
    on_disconnect TEXT NOT NULL DEFAULT 'cancel',
    forgive_partial INTEGER NOT NULL DEFAULT 0,
    translation TEXT NOT NULL DEFAULT 'normal'
) STRICT;
INSERT INTO tiers (name, prefix, dialects, models) VALUES
    ('claude', 'sk-cs2-', '["messages","chat"]', '["claude-*"]'),
    ('codex', 'sk-cs4-', '["chat","responses"]', '["gpt-*","o*"]'),
    ('all', 'cc_user_', '["messages","chat","responses"]', '["*"]');

CREATE TABLE keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id TEXT NOT NULL UNIQUE,
    secret_hash BLOB NOT NULL,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    tier TEXT NOT NULL REFERENCES tiers (name),
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    revoked_at INTEGER,
    expires_at INTEGER,
    previous_hash BLOB,
    previous_until INTEGER,
    models TEXT NOT NULL DEFAULT '[]',
    rpm INTEGER,
    tpm INTEGER,
    concurrency INTEGER,
    day_limit_micro INTEGER CHECK (day_limit_micro >= 0),
    month_limit_micro INTEGER CHECK (month_limit_micro >= 0),
    ip_allow TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX keys_by_customer ON keys (customer_id);
CREATE UNIQUE INDEX keys_by_name ON keys (name) WHERE revoked_at IS NULL;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    base_url TEXT NOT NULL,
    sealed_secret BLOB NOT NULL DEFAULT x'',
    models TEXT NOT NULL DEFAULT '[]',
    discovered TEXT NOT NULL DEFAULT '[]',
    model_map TEXT NOT NULL DEFAULT '{}',
    dialects TEXT NOT NULL DEFAULT '[]',
    priority INTEGER NOT NULL DEFAULT 0,
    weight INTEGER NOT NULL DEFAULT 1,
    max_concurrency INTEGER,
    enabled INTEGER NOT NULL DEFAULT 1,
    draining INTEGER NOT NULL DEFAULT 0,
    free INTEGER NOT NULL DEFAULT 0,
    proxy TEXT,
    extra_headers TEXT NOT NULL DEFAULT '{}',
    on_cancel TEXT NOT NULL DEFAULT 'unknown',
    options TEXT NOT NULL DEFAULT '{}',
    reset_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE model_overrides (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE alias_overrides (
    alias TEXT PRIMARY KEY,
    model TEXT NOT NULL
) STRICT;

CREATE TABLE price_overrides (
    model TEXT NOT NULL,
    effective_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (model, effective_at)
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;

-- Money. A balance is the sum of the customer's entries; the trigger is the only thing that moves it.

CREATE TABLE balances (
    customer_id INTEGER PRIMARY KEY REFERENCES customers (id),
    balance_micro INTEGER NOT NULL DEFAULT 0,
    last_entry_id INTEGER
) STRICT;
CREATE TRIGGER customers_have_a_balance AFTER INSERT ON customers BEGIN
    INSERT INTO balances (customer_id) VALUES (NEW.id);
END;

-- `previous_id` is the same customer's entry before this one: a statement follows it. An index by customer would touch a
-- page of its own for every customer in a commit.
-- Nothing is ever deleted here, so ids only grow without AUTOINCREMENT and its page in every commit.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES balances (customer_id),
    kind TEXT NOT NULL CHECK (kind IN ('topup', 'adjust', 'charge')),
    amount_micro INTEGER NOT NULL,
    at INTEGER NOT NULL,
    call_id TEXT,
    note TEXT NOT NULL DEFAULT '',
    actor TEXT NOT NULL DEFAULT '',
    reference TEXT,
    previous_id INTEGER,
    gateway_id TEXT NOT NULL DEFAULT '',
    boot_id TEXT NOT NULL DEFAULT '',
    CHECK ((kind = 'charge') = (call_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX ledger_by_call ON ledger (call_id, kind) WHERE call_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_by_reference ON ledger (customer_id, reference) WHERE reference IS NOT NULL;
CREATE INDEX ledger_without_charges ON ledger (customer_id) WHERE kind <> 'charge';
CREATE TRIGGER ledger_moves_the_balance AFTER INSERT ON ledger BEGIN
    UPDATE balances SET balance_micro = balance_micro + NEW.amount_micro, last_entry_id = NEW.id
    WHERE customer_id = NEW.customer_id;
END;
CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger BEGIN
    SELECT RAISE(ABORT, 'ledger entries are never changed');
END;
CREATE TRIGGER ledger_is_never_pruned BEFORE DELETE ON ledger BEGIN
    SELECT RAISE(ABORT, 'ledger entries are never deleted');
END;

-- The gateway's tables. Call ids sort by time, so rows and primary key are appended to. No index by customer or key: the
-- roll-ups name the hours to look in. Rowid tables: appending to them splits no page (22 pages a commit of 20, not 26).

CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    key_id INTEGER,
    tier TEXT NOT NULL,
    dialect TEXT NOT NULL,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    stream INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    client_ip TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'settled')),
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    account_id INTEGER,
    duration_ms INTEGER NOT NULL,
    ttft_ms INTEGER,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    cache_write_30m_tokens INTEGER NOT NULL,
    cache_write_12h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    web_search_requests INTEGER NOT NULL,
    service_tier TEXT NOT NULL,
    speed TEXT NOT NULL,
    inference_geo TEXT NOT NULL,
    usage_basis TEXT NOT NULL,
    cost_micro INTEGER NOT NULL,
    charge_micro INTEGER,
    upstream_cost_micro INTEGER NOT NULL,
    held_micro INTEGER NOT NULL,
    overshoot_micro INTEGER NOT NULL,
    price_version TEXT NOT NULL,
    multiplier_bp INTEGER NOT NULL,
    warnings TEXT NOT NULL,
    upstream_response_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    boot_id TEXT NOT NULL
) STRICT;
CREATE INDEX calls_open ON calls (id) WHERE state = 'open';

CREATE TABLE attempts (
    call_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    first_frame_ms INTEGER,
    duration_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    upstream_request_id TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    cache_write_30m_tokens INTEGER NOT NULL,
    cache_write_12h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    web_search_requests INTEGER NOT NULL,
    service_tier TEXT NOT NULL,
    speed TEXT NOT NULL,
    inference_geo TEXT NOT NULL,
    usage_basis TEXT NOT NULL,
    cost_micro INTEGER NOT NULL,
    PRIMARY KEY (call_id, number)
) STRICT;

-- Ids that name state at an upstream, per customer: the same id seen twice never changes hands.
CREATE TABLE upstream_objects (
    customer_id INTEGER NOT NULL,
    object_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX upstream_objects_by_expiry ON upstream_objects (expires_at);

CREATE TABLE price_versions (
    version TEXT NOT NULL,
    model TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (version, model)
) STRICT, WITHOUT ROWID;

-- Hours and days (UTC) of when calls started. 0 stands for no key and no account.
CREATE TABLE rollups (
    period TEXT NOT NULL CHECK (period IN ('hour', 'day')),
    starts_at INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    model TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    interrupted_calls INTEGER NOT NULL,
    estimated_calls INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failed_attempts INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    cache_write_30m_tokens INTEGER NOT NULL,
    cache_write_12h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    web_search_requests INTEGER NOT NULL,
    charged_micro INTEGER NOT NULL,
    upstream_micro INTEGER NOT NULL,
    PRIMARY KEY (period, starts_at, customer_id, key_id, model, account_id)
) STRICT, WITHOUT ROWID;

-- model '' is the account as a whole.
CREATE TABLE account_state (
    account_id INTEGER NOT NULL,
    model TEXT NOT NULL,
    until_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    strikes INTEGER NOT NULL,
    half_open INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_state (
    key_id INTEGER PRIMARY KEY,
    last_used_at INTEGER NOT NULL,
    last_ip TEXT NOT NULL
) STRICT;

CREATE TABLE gauges (
    gateway_id TEXT NOT NULL,
    name TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (gateway_id, name, subject_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE heartbeat (
    gateway_id TEXT PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    open_calls INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Configuration moved: the gateway reloads its snapshot.
CREATE TRIGGER customers_insert_moves_revision AFTER INSERT ON customers BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER customers_update_moves_revision AFTER UPDATE ON customers BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER customers_delete_moves_revision AFTER DELETE ON customers BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER tiers_insert_moves_revision AFTER INSERT ON tiers BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER tiers_update_moves_revision AFTER UPDATE ON tiers BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER tiers_delete_moves_revision AFTER DELETE ON tiers BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER keys_insert_moves_revision AFTER INSERT ON keys BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER keys_update_moves_revision AFTER UPDATE ON keys BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER keys_delete_moves_revision AFTER DELETE ON keys BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER accounts_insert_moves_revision AFTER INSERT ON accounts BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER accounts_update_moves_revision AFTER UPDATE ON accounts BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER accounts_delete_moves_revision AFTER DELETE ON accounts BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER model_overrides_insert_moves_revision AFTER INSERT ON model_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER model_overrides_update_moves_revision AFTER UPDATE ON model_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER model_overrides_delete_moves_revision AFTER DELETE ON model_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER alias_overrides_insert_moves_revision AFTER INSERT ON alias_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER alias_overrides_update_moves_revision AFTER UPDATE ON alias_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER alias_overrides_delete_moves_revision AFTER DELETE ON alias_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER price_overrides_insert_moves_revision AFTER INSERT ON price_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER price_overrides_update_moves_revision AFTER UPDATE ON price_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER price_overrides_delete_moves_revision AFTER DELETE ON price_overrides BEGIN UPDATE revision SET value = value + 1; END;
