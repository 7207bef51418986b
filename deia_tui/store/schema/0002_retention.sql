-- What the pruner must know: `compacted_to`, the seq up to which output was joined, and `registry_changes`, how many
-- events that count as changes of registry.json are pruned.

CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO marks VALUES ('compacted_to', 0), ('registry_changes', 0);
