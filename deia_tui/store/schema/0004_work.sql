-- The work of a hive: tasks and their attempts, how well bots do them, and messages between bots ("letters", since
-- "messages" are what agents are given).

ALTER TABLE messages ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN task_id TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN letter_id TEXT NOT NULL DEFAULT '';

ALTER TABLE bots ADD COLUMN scaled INTEGER NOT NULL DEFAULT 0;

CREATE TABLE tasks (
    number INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    sender TEXT NOT NULL,
    addressee TEXT NOT NULL, -- a bot, or "" for anyone
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3), -- lists are put together of one part for each
    task_type TEXT NOT NULL,
    after TEXT NOT NULL, -- task ids as a JSON list
    source TEXT NOT NULL, -- the file it came from, relative to hive/tasks, or ""
    created_at REAL NOT NULL,
    state TEXT NOT NULL,
    since REAL NOT NULL,
    attempt INTEGER NOT NULL, -- the fencing token
    tries INTEGER NOT NULL,
    held TEXT NOT NULL,
    not_before REAL NOT NULL,
    bot_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    started_at REAL,
    ended_at REAL,
    error TEXT NOT NULL,
    response TEXT NOT NULL, -- the name of its answer's file, once that is written
    place REAL AS (coalesce(-ended_at, created_at)) -- among those of its state and priority
);

CREATE INDEX tasks_in_line ON tasks (state, priority, place);

CREATE INDEX tasks_for ON tasks (addressee, state, priority, place) WHERE addressee <> '';

CREATE INDEX tasks_with ON tasks (bot_id, state, priority, place) WHERE bot_id <> '';

CREATE INDEX tasks_open ON tasks (created_at) WHERE ended_at IS NULL;

CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL;

CREATE INDEX tasks_unanswered ON tasks (ended_at) WHERE ended_at IS NOT NULL AND response = '';

CREATE INDEX tasks_that_need ON tasks (after) WHERE ended_at IS NULL AND after <> '[]';

CREATE UNIQUE INDEX tasks_of_file ON tasks (source) WHERE source <> '';

-- What a task says never changes, and can be long: it is not written again with every state. `brief` comes first, so
-- that a list reads no more.

CREATE TABLE task_texts (
    task_id TEXT NOT NULL UNIQUE REFERENCES tasks (task_id),
    brief TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE TABLE attempts (
    task_id TEXT NOT NULL REFERENCES tasks (task_id),
    attempt INTEGER NOT NULL,
    bot_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    assigned_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    outcome TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    reasons TEXT NOT NULL, -- as a JSON list
    confidence REAL,
    PRIMARY KEY (task_id, attempt)
) WITHOUT ROWID;

CREATE TABLE performance (
    bot_id TEXT NOT NULL,
    task_type TEXT NOT NULL,
    samples INTEGER NOT NULL,
    done INTEGER NOT NULL,
    success_rate REAL NOT NULL,
    expected REAL NOT NULL,
    duration_s REAL NOT NULL,
    tokens REAL NOT NULL,
    score REAL NOT NULL,
    usual_score REAL NOT NULL,
    trend TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (bot_id, task_type)
) WITHOUT ROWID;

CREATE TABLE letters (
    letter_id TEXT PRIMARY KEY,
    from_bot TEXT NOT NULL,
    to_bot TEXT NOT NULL,
    text TEXT NOT NULL,
    priority INTEGER NOT NULL,
    reply_to TEXT NOT NULL,
    sent_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    state TEXT NOT NULL,
    since REAL NOT NULL,
    attempt INTEGER NOT NULL, -- the fencing token
    tries INTEGER NOT NULL,
    not_before REAL NOT NULL,
    message_id TEXT NOT NULL,
    error TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX letters_open ON letters (to_bot, sent_at) WHERE state IN ('pending', 'delivered');

CREATE INDEX letters_by_time ON letters (sent_at);

CREATE INDEX letters_from ON letters (from_bot, sent_at);

CREATE INDEX letters_to ON letters (to_bot, sent_at);

CREATE INDEX letters_between ON letters (from_bot, to_bot, sent_at);

CREATE INDEX letters_by_state ON letters (state, since);
