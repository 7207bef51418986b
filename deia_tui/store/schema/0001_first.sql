-- The truth of a hive. `events` and `output` are one sequence of what happened (AUTOINCREMENT: a number is never
-- given twice); every other table is derived from them, in the transaction that adds them.

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    type TEXT NOT NULL,
    bot_id TEXT,
    data TEXT NOT NULL -- the whole event as JSON
);

CREATE INDEX events_of_bot ON events (bot_id, seq);

CREATE INDEX events_of_registry ON events (seq) WHERE type IN ('bot_spawned', 'bot_adopted', 'bot_exited');

CREATE TABLE output (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    bot_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    text TEXT NOT NULL,
    source_seq INTEGER NOT NULL
);

CREATE INDEX output_of_bot ON output (bot_id, seq);

CREATE TABLE bots (
    bot_id TEXT PRIMARY KEY,
    spec TEXT NOT NULL, -- BotSpec as JSON
    created_at REAL NOT NULL,
    first_run INTEGER NOT NULL, -- the first run that counts against the restart limits
    wanted INTEGER NOT NULL,
    state TEXT NOT NULL,
    activity TEXT NOT NULL,
    since REAL NOT NULL,
    reason TEXT NOT NULL,
    run INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    pid INTEGER,
    port INTEGER,
    due_at REAL,
    health TEXT NOT NULL,
    exit TEXT, -- ExitRecord as JSON
    message_id TEXT,
    task TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
    bot_id TEXT NOT NULL REFERENCES bots,
    run INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at REAL NOT NULL,
    pid INTEGER,
    start_ticks INTEGER,
    boot_id TEXT NOT NULL,
    port INTEGER,
    ready_at REAL,
    ended_at REAL,
    exit_code INTEGER,
    exit_signal TEXT,
    exit_reason TEXT NOT NULL,
    last_seq INTEGER NOT NULL, -- the highest source_seq committed
    PRIMARY KEY (bot_id, run)
) WITHOUT ROWID;

CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    bot_id TEXT NOT NULL REFERENCES bots,
    run INTEGER,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,
    subject TEXT NOT NULL, -- its first line, shortened
    status TEXT NOT NULL CHECK (status IN ('queued', 'accepted', 'running', 'answered', 'failed', 'interrupted')),
    error TEXT NOT NULL DEFAULT '',
    asked_at REAL NOT NULL,
    accepted_at REAL,
    ended_at REAL,
    duration_s REAL,
    since_seq INTEGER NOT NULL, -- its answer is the bot's output after this seq …
    until_seq INTEGER -- … and up to this one
);

CREATE INDEX messages_of_bot ON messages (bot_id, number);

CREATE INDEX messages_open ON messages (bot_id, number) WHERE ended_at IS NULL;

CREATE TABLE breakers (
    bot_id TEXT PRIMARY KEY REFERENCES bots,
    phase TEXT NOT NULL,
    retry_at REAL,
    locked INTEGER NOT NULL, -- open until a human acts
    reason TEXT NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE alerts (
    alert_id INTEGER PRIMARY KEY,
    bot_id TEXT,
    kind TEXT NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    action TEXT NOT NULL,
    raised_at REAL NOT NULL,
    cleared_at REAL
);

CREATE INDEX alerts_open ON alerts (alert_id) WHERE cleared_at IS NULL;
