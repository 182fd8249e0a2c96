-- Responses the gateway keeps itself, for accounts that keep none. `response` and `items` are JSON, compressed with zlib.
-- A rowid table: the bodies are too large for the pages of an index.
CREATE TABLE stored_responses (
    customer_id INTEGER NOT NULL,
    response_id TEXT NOT NULL,
    model TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    response BLOB NOT NULL,
    items BLOB NOT NULL,
    PRIMARY KEY (customer_id, response_id)
) STRICT;
CREATE INDEX stored_responses_by_age ON stored_responses (customer_id, created_at);
CREATE INDEX stored_responses_by_expiry ON stored_responses (expires_at);

-- What every customer's responses come to, so that no one has to add them up to know when they are too many.
CREATE TABLE stored_response_sums (
    customer_id INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;
CREATE TRIGGER stored_responses_are_added AFTER INSERT ON stored_responses BEGIN
    INSERT INTO stored_response_sums (customer_id, bytes) VALUES (NEW.customer_id, NEW.bytes)
    ON CONFLICT (customer_id) DO UPDATE SET bytes = bytes + NEW.bytes;
END;
CREATE TRIGGER stored_responses_are_taken_off AFTER DELETE ON stored_responses BEGIN
    UPDATE stored_response_sums SET bytes = bytes - OLD.bytes WHERE customer_id = OLD.customer_id;
END;
