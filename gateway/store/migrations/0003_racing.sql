-- Race policies of groups of models within a tier: {"glob": "failover" | "hedge" | "race"}, the first that matches.
ALTER TABLE tiers ADD COLUMN model_policies TEXT NOT NULL DEFAULT '{}';

-- What an account costs the operator where that is not the list price: {"glob over catalog ids": rates}.
ALTER TABLE accounts ADD COLUMN cost_prices TEXT NOT NULL DEFAULT '{}';

-- Why the attempt was made. Attempts of open calls are rows too, with the outcome `open`.
ALTER TABLE attempts ADD COLUMN reason TEXT NOT NULL DEFAULT 'first';
CREATE INDEX attempts_draining ON attempts (call_id) WHERE outcome = 'draining';

-- What attempts that did not answer cost, as part of `upstream_micro`.
ALTER TABLE rollups ADD COLUMN overhead_micro INTEGER NOT NULL DEFAULT 0;

-- Which account a conversation is bound to. `binding` is a hash of what names it and of the customer it belongs to.
CREATE TABLE affinity (
    binding BLOB NOT NULL,
    model TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (binding, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX affinity_by_age ON affinity (used_at);

-- Settings that the operator changes while the gateway runs. They win over flag, environment and file.
CREATE TABLE setting_overrides (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TRIGGER setting_overrides_insert_moves_revision AFTER INSERT ON setting_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER setting_overrides_update_moves_revision AFTER UPDATE ON setting_overrides BEGIN UPDATE revision SET value = value + 1; END;
CREATE TRIGGER setting_overrides_delete_moves_revision AFTER DELETE ON setting_overrides BEGIN UPDATE revision SET value = value + 1; END;
