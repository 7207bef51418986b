"""Which file system a hive would lie on, and which of them several machines share."""

from pathlib import Path

import pytest

from deia_tui.mounts import file_system, is_shared, mounted_type

MOUNTINFO = r"""
21 26 0:20 / /proc rw,nosuid shared:5 - proc proc rw
26 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
91 26 0:52 / /home rw,relatime shared:48 master:3 - nfs4 server:/export/home rw,vers=4.2
92 91 0:53 / /home/ada/My\040Disk rw - fuse.sshfs ada@far:/srv rw,user_id=0
93 26 0:54 / /home rw,relatime - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("mount_id", "kind"),
    [(26, "ext4"), (91, "nfs4"), (92, "fuse.sshfs"), (93, "xfs"), (2, "unknown"), (9, "unknown")],
)
def test_the_type_stands_after_the_optional_fields(mount_id: int, kind: str) -> None:
    assert mounted_type(mount_id, MOUNTINFO) == kind


def test_no_mounts_at_all() -> None:
    assert mounted_type(1, "") == "unknown"
    assert mounted_type(1, "1 2 3") == "unknown"


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "lustre", "fuse.glusterfs"]
)
def test_file_systems_of_several_machines(kind: str) -> None:
    assert is_shared(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse", "fuse.encfs", "fuseblk", "unknown"]
)
def test_file_systems_of_this_machine(kind: str) -> None:
    assert not is_shared(kind)


def test_this_machine_says_what_it_is_on(tmp_path: Path) -> None:
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(tmp_path / "not" / "there" / "yet") == file_system(tmp_path) != "unknown"
