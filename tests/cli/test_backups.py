import json
import sqlite3
from contextlib import closing
from pathlib import Path

from .conftest import Operator


def test_a_backup_is_made_and_restored_around_bots_that_live_on(serving: Operator, tmp_path: Path) -> None:
    file = tmp_path / "mine.db"
    serving.ok("launch", "shell")
    serving.ok("send", "BOT-001", "echo before")
    made = json.loads(serving.ok("backup", str(file), "--json"))
    assert made == {"path": str(file), "size": file.stat().st_size}
    refused = serving.run("backup", str(file))
    assert (refused.returncode, "exists" in refused.stderr) == (1, True)
    serving.ok("launch", "shell")
    pids = {bot["id"]: bot["pid"] for bot in serving.status()["bots"]}

    refused = serving.run("restore", str(file))
    assert (refused.returncode, "shutdown --leave-bots" in refused.stderr) == (1, True)
    serving.ok("shutdown", "--leave-bots")
    said = serving.ok("restore", str(file))
    assert str(file) in said
    [aside] = serving.folder.deia.glob("state.db.replaced-*")
    assert str(aside) in said
    with closing(sqlite3.connect(aside)) as former:
        assert former.execute("SELECT count(*) FROM bots").fetchone() == (2,)

    serving.serve()
    for bot_id, pid in pids.items():
        assert serving.until_bot(bot_id, state="running")["pid"] == pid
    serving.ok("shutdown")


def test_without_a_file_the_backups_of_the_hive_are_meant(serving: Operator) -> None:
    template = serving.folder.templates / "shell.toml"
    was = template.read_text()
    made = serving.ok("backup").split()[0]
    assert Path(made).parent == serving.folder.backups
    template.write_text(was + "\nsummary = 'changed'\n")
    serving.ok("shutdown")
    restored = json.loads(serving.ok("restore", "--json"))
    assert restored["restored"] == made
    assert restored["files"] == [str(template)]
    assert template.read_text() == was


def test_what_cannot_be_restored_changes_nothing(operator: Operator, tmp_path: Path) -> None:
    nothing = operator.run("restore")
    assert (nothing.returncode, "no sound backup" in nothing.stderr) == (1, True)
    assert "nothing to back up" in operator.run("backup").stderr
    assert not operator.folder.deia.exists()
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"no database" * 100)
    refused = operator.run("restore", str(bad))
    assert (refused.returncode, "damaged" in refused.stderr, "Traceback" in refused.stderr) == (1, True, False)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE anything (at REAL)")
    assert "is no store of deia-tui" in operator.run("restore", str(tmp_path / "other.db")).stderr
    assert not operator.folder.state_db.exists()
