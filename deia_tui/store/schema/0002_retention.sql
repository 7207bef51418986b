-- What the pruner must know: `compacted_to`, the seq up to which output was joined, and `registry_changes`, how many
-- events that count as changes of registry.json are pruned. And what a start must know: `set_back`, where this is a backup
-- that was put in the place of what happened since.

CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO marks VALUES ('compacted_to', 0), ('registry_changes', 0);
