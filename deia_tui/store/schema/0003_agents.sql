-- What agents do beside answering: conversations that can be gone on with, requests for leave nobody has answered yet,
-- what was used and what it cost, and providers that are left alone.

ALTER TABLE bots ADD COLUMN session TEXT; -- Session as JSON
ALTER TABLE bots ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE bots ADD COLUMN grants TEXT NOT NULL DEFAULT '[]'; -- rules, as a JSON list
ALTER TABLE bots ADD COLUMN spent_day TEXT NOT NULL DEFAULT '';
ALTER TABLE bots ADD COLUMN spent_usd REAL NOT NULL DEFAULT 0;

CREATE TABLE approvals (
    request_id TEXT PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bots,
    run INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    request TEXT NOT NULL, -- PermissionRequest as JSON
    asked_at REAL NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE pauses (
    provider TEXT PRIMARY KEY,
    since REAL NOT NULL,
    until REAL NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

-- One row for each turn and model, which goes with its message, and one for each day (UTC), bot and model, which stays.
-- `cost_usd` is the sum of what is known, `unpriced` how many reports had no price.

CREATE TABLE usage_of_turn (
    message_id TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (message_id, model)
) WITHOUT ROWID;

CREATE TABLE usage_of_day (
    day TEXT NOT NULL,
    bot_id TEXT NOT NULL REFERENCES bots,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (day, bot_id, model)
) WITHOUT ROWID;

-- The pruner's way to what fills a store: thoughts, tool calls and plans. And a start's way past them.

CREATE INDEX details ON events (seq) WHERE type IN ('thought_added', 'tool_call_changed', 'plan_changed');

CREATE INDEX outcomes_of_bot ON events (bot_id, seq)
WHERE type IN ('turn_ended', 'bot_exited', 'probe_failed', 'breaker_changed', 'bot_launched');

INSERT INTO marks VALUES ('details_to', 0);
