import errno
import os
import resource
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder, socket_path, write_atomic

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.create()
    return folder


# The folder


def test_nobody_else_may_look_into_it(folder: Folder) -> None:
    made = [folder.deia, folder.templates, folder.responses, folder.logs, folder.run, folder.runs, folder.spools]
    assert {mode(path) for path in made} == {0o700}
    folder.create()


def test_a_folder_open_to_others_is_closed(folder: Folder) -> None:
    for path in (folder.deia, folder.run):
        path.chmod(0o755)
    folder.create()
    assert (mode(folder.deia), mode(folder.run)) == (0o700, 0o700)


def test_the_root_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new" / "hive")
    folder.create()
    assert folder.run.is_dir()


@pytest.mark.parametrize("name", [".deia", ".deia/run"])
def test_a_link_is_refused_before_anything_is_made_behind_it(tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    link = tmp_path / "hive" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    with pytest.raises(ConfigError, match="is a link or belongs to another user"):
        Folder(tmp_path / "hive").create()
    assert not list(target.iterdir())


@as_root
@pytest.mark.parametrize("name", [".deia", ".deia/run"])
def test_a_folder_of_somebody_else_is_refused(folder: Folder, name: str) -> None:
    path = folder.root / name
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match=f"{path} is a link or belongs to another user"):
        folder.create()


@not_as_root
def test_a_folder_one_may_not_write_to_is_refused(folder: Folder) -> None:
    folder.deia.chmod(0o500)
    with pytest.raises(ConfigError, match=r"Cannot write to .* choose another folder with --hive DIR"):
        folder.create()
    folder.deia.chmod(0o700)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".deia").write_text("")
    with pytest.raises(ConfigError, match=r"Cannot write to .*\.deia \(File exists\): choose another folder"):
        Folder(tmp_path).create()


def test_every_file_of_a_run_has_a_name_of_its_own(folder: Folder) -> None:
    names = [
        name(bot_id, run)
        for name in (folder.run_record, folder.exit_record, folder.own_exit_record, folder.spool)
        for bot_id in ("BOT-001", "BOT-0011")
        for run in (1, 11)
    ]
    assert len(set(names)) == len(names)
    assert {name.parent for name in names} == {folder.runs, folder.spools}
    assert folder.workspace("BOT-001") == folder.run / "work" / "BOT-001"
    assert folder.output_log("BOT-001") == folder.logs / "BOT-001-output.log"


def test_the_files_that_other_tools_read(folder: Folder) -> None:
    files = [folder.hive_toml, folder.state_db, folder.samples_db, folder.registry, folder.status_board]
    assert [str(path.relative_to(folder.deia)) for path in files] == [
        *("hive.toml", "state.db", "samples.db", "hive/registry.json", "bot-status-board.json"),
    ]


# Files


@pytest.mark.parametrize("sync", [True, False])
def test_a_file_is_replaced_whole_and_private(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "registry.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_atomic(path, b"new" * 1_000_000, sync=sync)
    assert path.read_bytes() == b"new" * 1_000_000
    assert mode(path) == 0o600
    assert os.listdir(tmp_path) == ["registry.json"]


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    write_atomic(path, b"old")
    with path.open("rb") as reader:
        write_atomic(path, b"new")
        assert reader.read() == b"old"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the write comes back short, then fails."""
    path = tmp_path / "registry.json"
    write_atomic(path, b"old")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # Python ignores SIGXFSZ
            write_atomic(path, b"new" * 1_000_000)
        except OSError as error:
            status = 0 if error.errno == errno.EFBIG else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["registry.json"]


def test_a_target_that_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "registry.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "registry.json", b"new")
    assert os.listdir(tmp_path) == ["registry.json"]


def test_a_link_planted_in_its_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".registry.json.{os.getpid()}.tmp").symlink_to(victim)
    with pytest.raises(OSError) as refusal:
        write_atomic(tmp_path / "registry.json", b"new")
    assert refusal.value.errno == errno.ELOOP
    assert victim.read_bytes() == b"precious"


# Sockets


def test_a_socket_lies_as_deep_as_one_likes(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 150) / ("e" * 150)
    deep.mkdir(parents=True)
    assert len(str(deep)) > 300
    address, fd = socket_path(deep, "hive.sock")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(address)
        os.close(fd)
        server.listen()
        assert stat.S_ISSOCK((deep / "hive.sock").lstat().st_mode)
        address, fd = socket_path(deep, "hive.sock")
        client.connect(address)
        os.close(fd)
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"


def test_a_socket_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        socket_path(tmp_path / "gone", "hive.sock")


# What was there before


def test_whatever_is_open_to_others_is_closed_at_every_start(folder: Folder) -> None:
    program = folder.templates / "hook.sh"
    log, deep = folder.logs / "BOT-001-errors.jsonl", folder.logs / "old" / "older"
    deep.mkdir(parents=True, mode=0o777)
    for path in (program, log, folder.hive_toml):
        path.touch()
        path.chmod(0o666)
    program.chmod(0o755)
    folder.create()
    assert (mode(log), mode(folder.hive_toml), mode(program)) == (0o600, 0o600, 0o700)
    assert (mode(deep), mode(deep.parent)) == (0o700, 0o700)


def test_what_a_bot_or_an_agent_made_in_its_workspace_stays_as_it_is(folder: Folder) -> None:
    workspace = folder.workspace("BOT-001")
    workspace.mkdir(parents=True)
    script = workspace / "run.sh"
    script.touch()
    script.chmod(0o755)
    (workspace / "link").symlink_to("/etc/passwd")
    folder.create()
    assert (mode(script), mode(workspace.parent)) == (0o755, 0o700)


@pytest.mark.parametrize("name", ["state.db", "bot-logs/BOT-001-output.log", "run/lock", "bot-logs", "run/bots"])
def test_a_link_where_we_would_write_is_refused_and_its_target_untouched(folder: Folder, name: str) -> None:
    target = folder.root / "precious"
    target.mkdir() if name in ("bot-logs", "run/bots") else target.write_text("precious")
    target.chmod(0o755)
    place = folder.deia / name
    if place.is_dir():
        place.rmdir()
    place.symlink_to(target)
    with pytest.raises(ConfigError, match=f"{place} is a link or belongs to another user: remove it"):
        folder.create()
    assert mode(target) == 0o755


def test_settings_may_be_links(folder: Folder) -> None:
    elsewhere = folder.root / "dotfiles.toml"
    elsewhere.write_text("")
    elsewhere.chmod(0o644)
    folder.hive_toml.symlink_to(elsewhere)
    (folder.templates / "mine.toml").symlink_to(elsewhere)
    folder.create()
    assert mode(elsewhere) == 0o644


@as_root
def test_a_file_of_somebody_else_is_refused(folder: Folder) -> None:
    planted = folder.logs / "registry-changes.jsonl"
    planted.touch()
    os.chown(planted, 65534, 65534)
    with pytest.raises(ConfigError, match=f"{planted} is a link or belongs to another user: remove it"):
        folder.create()


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_another_user_reads_nothing() -> None:
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        _another_user_reads_nothing(Folder(Path(root)))


def _another_user_reads_nothing(folder: Folder) -> None:
    folder.create()
    folder.hive_toml.write_text("secret")
    folder.hive_toml.chmod(0o644)
    folder.deia.chmod(0o755)

    def readable() -> bool:
        reader = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", str(folder.hive_toml)]
        return subprocess.run(reader, capture_output=True, check=False).returncode == 0

    assert readable()
    folder.deia.chmod(0o755)
    folder.create()
    assert not readable()
    folder.deia.chmod(0o755)
    assert not readable()


def test_a_path_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        Folder(tmp_path / os.fsdecode(b"h\xff")).create()
    assert list(tmp_path.iterdir()) == []
